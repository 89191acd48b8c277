"""Windows: the hours of the day, and the days of the week, at which calls may be sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, time, timedelta
from enum import IntEnum
from itertools import groupby
from typing import Annotated, Final, TypeAlias

from attrs import field, frozen

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts.plans.value_types import FormType
from koophone_async.rollouts.plans.zones import moment_of, zone_of


class Weekday(IntEnum):
    """Days of the week, as `datetime.weekday` numbers them."""

    MONDAY = 0
    TUESDAY = 1
    WEDNESDAY = 2
    THURSDAY = 3
    FRIDAY = 4
    SATURDAY = 5
    SUNDAY = 6

    @property
    def short(self) -> str:
        """The first three letters."""
        return self.name[:3].title()


EVERY_DAY: Final = tuple(Weekday)

_DAY: Final = timedelta(days=1)
_TIME: Final = r"([01][0-9]|2[0-4]):([0-5][0-9])"
_FORM: Final = re.compile(
    rf"(?:(?P<days>[A-Za-z, -]+?)\s+)?(?P<opens>{_TIME})\s*-\s*(?P<closes>{_TIME})\s+(?P<zone>\S+)"
)
_EXAMPLE: Final = "01:00-05:00 Asia/Shanghai, or Sat,Sun 22:00-06:00 Europe/Berlin"


def _weekdays(days: Iterable[int]) -> tuple[Weekday, ...]:
    return tuple(sorted({Weekday(day) for day in days}))


def _check_zone(_: object, __: object, zone: str) -> None:
    zone_of(zone, "window")


@frozen
class Window:
    """A time of day in a time zone, on some weekdays; nothing is sent outside of it.

    A window that closes at or before the time at which it opens closes on the following day, and its weekdays
    are those on which it opens. A local time that does not exist, because clocks are put forward, means the
    next that does; one that comes twice means the first.
    """

    opens: time
    closes: time
    """Midnight is that of the following day."""

    zone: str = field(validator=_check_zone)
    """Such as `Asia/Shanghai`."""

    weekdays: tuple[Weekday, ...] = field(default=EVERY_DAY, converter=_weekdays)

    def __attrs_post_init__(self) -> None:
        """Refuse a window that never opens, and times that are not of minutes, which `parse` cannot read.

        Raises:
            InvalidRequest: It has no weekday, it closes when it opens, or a time has seconds or a zone.
        """
        for at in (self.opens, self.closes):
            if at != time(at.hour, at.minute):
                problem = f"has the time {at}; it must be of hours and minutes, without a zone"
                raise InvalidRequest("", "window", problem, Rule.BAD_FORMAT)
        if not self.weekdays:
            raise InvalidRequest("", "window", "never opens: it has no weekday", Rule.TOO_FEW)
        if self.opens == self.closes != time():
            problem = f"never opens: it closes when it opens, at {self.opens:%H:%M}"
            raise InvalidRequest("", "window", problem, Rule.CONFLICT)

    @classmethod
    def parse(cls, text: str) -> Window:
        """Return the window that a text such as `Mon-Fri 01:00-05:00 Asia/Shanghai` states.

        Raises:
            InvalidRequest: The text states no window, one that never opens, or an unknown zone.
        """
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise InvalidRequest("", "window", f"is {text!r}; expected {_EXAMPLE}", Rule.BAD_FORMAT)
        opens, closes = _minutes(match["opens"]), _minutes(match["closes"])
        if opens in {closes, 24 * 60}:
            raise InvalidRequest(
                "", "window", f"never opens: {match['opens']}-{match['closes']}", Rule.CONFLICT
            )
        weekdays = EVERY_DAY if match["days"] is None else _parse_weekdays(match["days"])
        return cls(_time(opens), _time(closes), match["zone"], weekdays)

    def __str__(self) -> str:
        """Return the window as `parse` reads it."""
        days = "" if self.weekdays == EVERY_DAY else f"{_format_weekdays(self.weekdays)} "
        closes = "24:00" if self.closes == time() else f"{self.closes:%H:%M}"
        return f"{days}{self.opens:%H:%M}-{closes} {self.zone}"

    def is_open(self, now: datetime) -> bool:
        """Return whether it is open at a moment."""
        return self.next_opening(now) <= now

    def next_opening(self, now: datetime) -> datetime:
        """Return when it opens next, in UTC; while it is open, when it has opened."""
        return self._current_or_next(now)[0]

    def closes_at(self, now: datetime) -> datetime:
        """Return when it closes after that, in UTC. The next opening may begin at the same moment."""
        return self._current_or_next(now)[1]

    def _current_or_next(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the first opening that has not ended."""
        return next((opens, closes) for opens, closes in self._openings(now) if closes > now)

    def _openings(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield openings from before a moment on, in their order, without those that a clock change skips."""
        zone = zone_of(self.zone, "window")
        day = now.astimezone(zone).date() - 2 * _DAY
        while True:
            if day.weekday() in self.weekdays:
                closing_day = day if self.opens < self.closes else day + _DAY
                opens = moment_of(datetime.combine(day, self.opens), zone)
                closes = moment_of(datetime.combine(closing_day, self.closes), zone)
                if opens < closes:
                    yield opens, closes
            day += _DAY


WindowText: TypeAlias = Annotated[Window, FormType(Window.parse, str)]


def _minutes(text: str) -> int:
    hours, minutes = map(int, text.split(":"))
    if hours * 60 + minutes > 24 * 60:
        raise InvalidRequest("", "window", f"{text} is no time of day", Rule.OUT_OF_RANGE)
    return hours * 60 + minutes


def _time(minutes: int) -> time:
    return time(minutes // 60 % 24, minutes % 60)


def _parse_weekdays(text: str) -> tuple[Weekday, ...]:
    """Parse days such as `Mon-Fri` or `Sat,Sun`; a range may go over the end of the week."""
    days = list[Weekday]()
    for part in text.split(","):
        first, *last = [_parse_weekday(name.strip()) for name in part.split("-", 1)]
        count = ((last or [first])[0] - first) % 7
        days += [Weekday((first + offset) % 7) for offset in range(count + 1)]
    return tuple(days)


def _parse_weekday(name: str) -> Weekday:
    for day in Weekday:
        if name.lower() in (day.name.lower(), day.short.lower()):
            return day
    raise InvalidRequest("", "window", f"{name!r} is no weekday; expected Mon, Tue … Sun", Rule.NOT_A_CHOICE)


def _format_weekdays(days: tuple[Weekday, ...]) -> str:
    """Format days as ranges of consecutive ones."""
    runs = [[day for _, day in run] for _, run in groupby(enumerate(days), lambda pair: pair[1] - pair[0])]
    return ",".join(run[0].short if len(run) == 1 else f"{run[0].short}-{run[-1].short}" for run in runs)
