"""The time that requests are signed with: this machine's clock, corrected where it is wrong.

The services refuse a signature that is more than fifteen minutes off. Their answer has a `Date`, which shows
how wrong the clock is, and the next signature has the corrected time, as in the AWS SDKs.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from attrs import define, field

from koophone_async.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable

log: Final = logging.getLogger("koophone_async")

TOLERANCE: Final = timedelta(minutes=5)
"""Differences up to this are no reason for a refusal."""

MAX_CORRECTION: Final = timedelta(days=1)
"""Larger differences are not corrected: the `Date` may be as wrong as the clock."""

RIGHT: Final = timedelta(0)


@define(eq=False, repr=False)
class Clock:
    """The wall clock of a session."""

    _read: Callable[[], object]
    """Returns the time; it may be a function of the caller."""

    correction: timedelta = field(default=RIGHT, init=False)
    """What is added to the time of this machine."""

    def now(self) -> datetime:
        """Return the corrected time.

        Raises:
            InvalidRequest: The caller's function failed, or returned no aware time.
        """
        return self._uncorrected() + self.correction

    def ahead_of(self, date: datetime) -> timedelta:
        """Return by how much this machine's clock is ahead of a time of the service."""
        return self._uncorrected() - date

    def correct(self, ahead: timedelta) -> bool:
        """Correct a clock that is this much ahead, or leave it as it is if it is right by now.

        Returns:
            Whether the next signature will have the right time.
        """
        if abs(ahead) > MAX_CORRECTION:
            return False
        if abs(ahead - -self.correction) > TOLERANCE:
            self.correction = -ahead if abs(ahead) > TOLERANCE else RIGHT
            if self.correction:
                log.warning(
                    "the clock of this machine is %s that of the service; requests are signed with the"
                    " corrected time",
                    describe(ahead.total_seconds()),
                )
        return True

    def _uncorrected(self) -> datetime:
        try:
            at = self._read()
        except Exception as error:
            raise InvalidRequest("", "now", f"raised {type(error).__name__}") from error
        if not isinstance(at, datetime) or at.utcoffset() is None:
            shown = "a time without a zone" if isinstance(at, datetime) else type(at).__name__
            raise InvalidRequest("", "now", f"returned {shown}; it must return an aware datetime")
        return at


def describe(ahead: float) -> str:
    """Describe the seconds that a clock is ahead, such as `1,200 s ahead of`."""
    return f"{abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'}"
