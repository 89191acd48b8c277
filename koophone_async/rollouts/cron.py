"""Times of a cron expression in a time zone, through the days on which its clocks change."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

from attrs import define

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts.plans.zones import moment_of, zone_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from cronsim import CronSim

EXTRA: Final = "koophone-async[distributed]"

_FIELDS: Final = 5
_EXAMPLE: Final = "0 2 * * MON-FRI"


@define(slots=False, frozen=True)
class Cron:
    """Times at which something is due: minute, hour, day of month, month and day of week, as cron has them.

    A local time that does not exist, because clocks are put forward, means the next that does; one that comes
    twice means the first.
    """

    expression: str
    """Such as `0 2 * * MON-FRI`."""

    zone: str
    """Such as `Asia/Shanghai`."""

    def __attrs_post_init__(self) -> None:
        """Refuse an expression without times, and an unknown zone.

        Raises:
            InvalidRequest: The expression or the zone is invalid, or cronsim is not installed.
        """
        next(self._local_times(datetime.now(self._zone)))

    @cached_property
    def _zone(self) -> ZoneInfo:
        return zone_of(self.zone, "timezone")

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the times after a moment, in UTC."""
        last = moment
        for local in self._local_times(moment.astimezone(self._zone)):
            time = moment_of(local, self._zone)
            if time > last:  # else it was skipped together with another, or came before clocks were put back
                last = time
                yield time

    def _local_times(self, start: datetime) -> CronSim:
        """Return the local times after one, without their zone, whose changes are our own matter."""
        try:
            from cronsim import CronSim, CronSimError  # noqa: PLC0415 - needs an extra
        except ModuleNotFoundError:
            problem = f"needs cronsim, which is not installed: pip install '{EXTRA}'"
            raise InvalidRequest("", "cron", problem, Rule.MISSING) from None
        fields = self.expression.upper().split()
        if len(fields) != _FIELDS:
            problem = (
                f"is {self.expression!r}; expected minute, hour, day, month and weekday, such as {_EXAMPLE}"
            )
            raise InvalidRequest("", "cron", problem, Rule.BAD_FORMAT)
        try:
            return CronSim(" ".join(fields), start.replace(tzinfo=None))
        except (CronSimError, ValueError) as error:  # the latter for more digits than Python converts
            problem = f"is {self.expression!r}: {str(error).lower()}; expected such as {_EXAMPLE}"
            raise InvalidRequest("", "cron", problem, Rule.BAD_FORMAT) from None
