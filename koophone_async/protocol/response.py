"""An HTTP response as it came, before anything of it is interpreted."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime


@frozen
class RawResponse:
    """Status, headers and body of a response."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    close_connection: Callable[[], None] = field(default=lambda: None, eq=False, repr=False)
    """Closes the connection that the response came over, which is otherwise used again."""

    @property
    def succeeded(self) -> bool:
        """Whether the status is 2xx. KooPhone sends errors with 200 too, so the body decides."""
        return self.status < 300

    @property
    def date(self) -> datetime | None:
        """The time of the service, from `Date`."""
        try:
            date = parsedate_to_datetime(self.headers.get("Date", ""))
        except (ValueError, TypeError, OverflowError):  # not a date, or out of range
            return None
        return date if date.tzinfo else date.replace(tzinfo=UTC)

    @property
    def retry_after(self) -> float | None:
        """The seconds of `Retry-After`; a date counts from the response's own `Date`."""
        value = self.headers.get("Retry-After", "").strip()
        if not value:
            return None
        if value.isdecimal() and isfinite(seconds := float(value)):
            return seconds
        try:
            delay = parsedate_to_datetime(value) - parsedate_to_datetime(self.headers.get("Date", ""))
        except (ValueError, TypeError, OverflowError):  # not a date, without a zone, or out of range
            return None
        return max(0.0, delay.total_seconds())
