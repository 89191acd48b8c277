"""Progress of a run on stderr: one line rewritten in a terminal, a line a minute in the log of a CI job."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from types import TracebackType
from typing import Final, Self

from attrs import define, field, frozen

from koophone_async.batches import Outcome
from koophone_async.cli.errors import print_stderr
from koophone_async.cli.output.encoding import encodable
from koophone_async.cli.output.status_line import STATUS, StatusLine
from koophone_async.cli.output.summary import Tally
from koophone_async.cli.output.terminal import cut, terminal_width, visible, width_of
from koophone_async.session import Session

_REDRAW: Final = 0.2
"""Seconds between two redraws of a terminal."""

_LOG_INTERVAL: Final = 60.0
_RATE_WINDOW: Final = 10.0
"""Seconds over which the rate is measured: jobs end in bursts, and the last ones slowly."""

_LOG_WIDTH: Final = 200
_LABEL_WIDTH: Final = 30

CI_VARIABLES: Final = ("CI", "JENKINS_URL", "TF_BUILD")
"""Variables that CI systems set for their jobs, whose logs people read while they grow."""


@frozen
class Total:
    """Number of ids of a run."""

    count: int
    is_final: bool = True
    """False while a list is still being read."""

    def __str__(self) -> str:
        """Return the number, such as `10,000`, or `3,200+` while more may come."""
        return f"{self.count:,}{'' if self.is_final else '+'}"


def _nothing() -> None:
    return None


@frozen
class Delay:
    """What delays the next call."""

    reason: str
    """Such as `quota: 41 s`, `approval` or `window, opens 01:00`."""

    seconds: float | None = None
    """How long it takes; None where that is not known."""


@frozen
class Work:
    """What a command is doing."""

    label: str
    """Name of the command."""

    noun: str = "phones"
    """Of the ids, in the plural."""

    total: Callable[[], Total | None] = _nothing
    """Returns the number of ids as far as it is known."""

    waits_for: Callable[[], Delay | None] = _nothing
    """Returns what delays the next call."""

    is_resumable: bool = False
    """Whether a journal has it, so that another process can resume it."""

    only_reads: bool = False
    """Whether it changes nothing."""


def quota_wait(session: Session) -> Callable[[], Delay | None]:
    """Return a function that returns for how long the quota of a session delays the next call, if it does."""

    def waits_for() -> Delay | None:
        if outage := session.limits.outage:
            return Delay(f"quota: {outage}")
        seconds = session.limits.seconds_to_next_call()
        if seconds is None or not 1 <= seconds < inf:
            return None
        return Delay(f"quota: {_duration(seconds)}", seconds)

    return waits_for


@define
class Meter:
    """Rate of outcomes, and the slowest of them."""

    _samples: deque[tuple[float, int]] = field(factory=deque[tuple[float, int]], init=False)
    slowest: Outcome | None = field(default=None, init=False)

    def add(self, outcome: Outcome) -> None:
        """Record an outcome."""
        if self.slowest is None or outcome.seconds > self.slowest.seconds:
            self.slowest = outcome

    def rate(self, now: float, done: int) -> float:
        """Return outcomes per second, from the samples of the last calls of this method."""
        self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[1][0] >= _RATE_WINDOW:
            self._samples.popleft()
        since, before = self._samples[0]
        return (done - before) / (now - since) if now > since else 0.0


@frozen
class Part:
    """A part of the line of progress."""

    text: str
    rank: int
    """Parts with a high rank are the first to be left out if the line is too long."""


def describe(work: Work, tally: Tally, meter: Meter, now: float) -> list[Part]:
    """Return the parts of the line of progress, in the order in which they are shown."""
    total, rate = work.total(), meter.rate(now, tally.total)
    rest = total.count - tally.total if total and total.is_final else 0
    done = f"{tally.total:,} of {total}" if total else f"{tally.total:,}"
    slowest, delay = meter.slowest, work.waits_for()
    left = _seconds_left(rest, rate, delay)
    parts = (
        (f"{cut(visible(work.label), _LABEL_WIDTH)}: {done} {work.noun}", 0),
        (str(tally), 3),
        (f"{rate:.{0 if rate >= 10 else 1}f}/s" if rate else "", 4),
        (f"{_duration(left)} left" if left else "", 2),
        (f"waits for {delay.reason}" if delay else "", 1),
        (f"slowest {visible(slowest.id)} {_duration(slowest.seconds)}" if slowest else "", 5),
    )
    return [Part(text, rank) for text, rank in parts if text]


def _seconds_left(rest: int, rate: float, delay: Delay | None) -> float | None:
    """Return how long the rest takes at least, as far as that is known."""
    if not rate or rest < rate or (delay and delay.seconds is None):
        return None
    return max(rest / rate, (delay and delay.seconds) or 0.0)


def fit(parts: Sequence[Part], width: int) -> str:
    """Return as many parts as fit in some columns, the important ones first; at least the first."""
    ranks = sorted(part.rank for part in parts)
    separator = encodable(" · ", sys.stderr, ", ")
    lines = (
        separator.join(part.text for part in parts if part.rank <= max_rank) for max_rank in reversed(ranks)
    )
    return next((line for line in lines if width_of(line) <= width), parts[0].text)


def _duration(seconds: float) -> str:
    """Return a duration in its two largest units: `41 s`, `3 min 5 s`, `2 h 10 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Progress:
    """Shows how far a run is; prints nothing in a pipe."""

    def __init__(self, work: Work, *, shown: bool = True) -> None:
        """Create a progress display.

        Args:
            work: What the command is doing.
            shown: False if rows are printed to the same terminal meanwhile.
        """
        self._work, self._shown = work, shown
        self._tally, self._meter = Tally(), Meter()
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        if self._shown and (StatusLine.is_possible() or _is_logged()):
            self._loop = asyncio.get_running_loop()
            self._meter.rate(self._loop.time(), 0)
            self._schedule()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            STATUS.clear()

    def show(self, outcome: Outcome, tally: Tally) -> None:
        """Record an outcome; it is shown at the next redraw."""
        self._tally = tally
        self._meter.add(outcome)

    def _schedule(self) -> None:
        delay = _REDRAW if StatusLine.is_possible() else _LOG_INTERVAL
        self._timer = self._loop.call_later(delay, self._redraw)

    def _redraw(self) -> None:
        parts = describe(self._work, self._tally, self._meter, self._loop.time())
        if StatusLine.is_possible():
            STATUS.draw(fit(parts, (terminal_width(sys.stderr) or 1) - 1))
        else:
            print_stderr(f"koophone: {fit(parts, _LOG_WIDTH)}")
        self._schedule()


def _is_logged() -> bool:
    is_dumb = sys.stderr.isatty() and not StatusLine.is_possible()
    return is_dumb or any(os.environ.get(name) for name in CI_VARIABLES)
