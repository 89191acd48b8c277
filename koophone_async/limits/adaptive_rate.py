"""The rate of an operation whose quota is unknown: cut after a 429, recovered as TCP CUBIC does."""

from __future__ import annotations

from math import cbrt, inf
from typing import TYPE_CHECKING, Final

from attrs import define, field

if TYPE_CHECKING:
    from random import Random

BETA: Final = 0.7
"""The factor by which a 429 cuts the rate."""

SCALE: Final = 0.4
"""How steeply the rate recovers, in calls a second per second cubed."""

MIN_CALLS_PER_UNIT: Final = 20
"""CUBIC's unit of time is a second, but at least this many calls: slow quotas are probed slowly."""

MIN_RATE: Final = 0.1
"""The lowest rate, in calls a second: six a minute, the smallest documented quota."""

PAUSE: Final = 0.05
"""Seconds of the first pause; it doubles with each consecutive 429."""

MAX_PAUSE: Final = 60.0
"""Seconds of the longest pause, unless the service asks for a longer one."""

BURST: Final = 0.020
"""Calls of this many seconds may go at once, so that a late timer costs no throughput."""

RECENT: Final = 10.0
"""Seconds after which a meter begins to forget: a burst after a quiet time must be measured as a burst."""

LONG_TERM: Final = 60.0
"""The same for the long-term meter: the service's window may be a minute."""


@define(eq=False, repr=False)
class Meter:
    """Measures how many calls a second the service accepted, over the last one to two buckets of time."""

    since: float
    _bucket: float = RECENT
    _count: int = 0
    _previous: int = field(default=0, init=False)
    _bucket_began: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._bucket_began = self.since

    def add(self, now: float) -> None:
        """Count an accepted call."""
        if now - self._bucket_began > self._bucket:
            self._next_bucket(now)
        self._count += 1

    def _next_bucket(self, now: float) -> None:
        idle = now - self._bucket_began > 2 * self._bucket
        self._previous = 0 if idle else self._count
        self.since = now if idle else self._bucket_began
        self._bucket_began, self._count = now, 0

    @property
    def total(self) -> int:
        """The calls accepted from `since` on."""
        return self._previous + self._count

    def rate(self, now: float) -> float:
        """Return the calls per second, over at least a second: no window of the service is shorter."""
        return self.total / max(now - self.since, 1.0)


@define(eq=False, repr=False)
class AdaptiveRate:
    """A rate that a 429 cuts to 0.7, and that recovers: fast at first, slowly near the old rate, then faster.

    After a second consecutive 429, only one call at a time probes whether the service accepts calls again,
    after pauses that double. The rate to recover to is then what the service accepted in the last minutes,
    including the time in which nothing was accepted.
    """

    counts_from_answer = True
    _recent: Meter
    _rng: Random
    _long_term: Meter = field(init=False)
    _peak: float = field(default=inf, init=False)
    _resumed: float = field(default=0.0, init=False)
    _throttled_at: float = field(default=-inf, init=False)
    _throttles: int = field(default=0, init=False)
    _next_free: float = field(default=0.0, init=False)
    _reserved: int = field(default=0, init=False)

    def __str__(self) -> str:
        return "an adaptive rate, " + (
            "as before" if self._peak == inf else f"about {self._peak:.3g} a second"
        )

    def rate(self, now: float) -> float:
        """Return the present rate in calls a second."""
        if self._peak == inf:
            return self._recent.rate(now) or 1.0
        unit = max(1.0, MIN_CALLS_PER_UNIT / self._peak)
        peak = self._peak * unit
        passed = (now - self._resumed) / unit - cbrt(peak * (1 - BETA) / SCALE)
        return max(SCALE * passed**3 + peak, BETA * peak) / unit

    def free_at(self, now: float) -> float:
        """Return when the next permit is free: `inf` while a call is probing."""
        if self._throttles > 1 and self._reserved:
            return inf
        return max(now, self._next_free)

    def nth_free_at(self, now: float, nth: int) -> float:
        """Return when the nth permit from now is free, at the present rate."""
        return max(now, self._next_free) + (nth - 1) / self.rate(now)

    def reserve(self, now: float) -> None:
        """Reserve a permit; the next is free after the time of one call."""
        if self._peak == inf:
            # Set now and not in `throttled`: until the pause is over, answers to earlier calls arrive.
            self._peak = max(MIN_RATE, self.rate(now))
            self._long_term = Meter(self._recent.since, LONG_TERM, self._recent.total)
        self._reserved += 1
        self._next_free = max(self._next_free, now - BURST) + 1 / self.rate(now)

    def start(self, now: float) -> None:
        """Free the permit of a call that has ended."""
        self._reserved -= 1

    def release(self, granted: float) -> None:
        """Free a permit whose call was never sent."""
        self._reserved -= 1

    def is_valid(self, granted: float, now: float) -> bool:
        """Return True: a permit of this process stays valid."""
        return True

    def accepted(self, granted: float, now: float) -> None:
        """Record that the service accepted a call; the first one granted after a 429 ends the probing."""
        self._long_term.add(now)
        if granted > self._throttled_at:
            if self._throttles > 1:
                self._peak = max(MIN_RATE, min(self._peak, self._long_term.rate(now)))
                self._resumed = now
            self._throttles = 0

    def throttled(self, granted: float, now: float, retry_after: float | None) -> None:
        """Pause and cut the rate; once only for calls that were granted before the last 429."""
        if granted <= self._throttled_at:
            return
        self._throttles += 1
        if self._throttles == 1 and self._peak < inf:
            # At most twice what was used: a rate that only time has raised is not proven.
            used = self._recent.rate(now) or 1.0
            self._peak = max(MIN_RATE, min(self.rate(granted), 2 * used))
        pause = retry_after or min(PAUSE * 2 ** min(self._throttles - 1, 11), MAX_PAUSE)
        # Jitter, so that processes that were throttled together do not resume together.
        self._throttled_at, self._resumed = now, now + pause * self._rng.uniform(1.0, 1.25)
        self._next_free = self._resumed

    def has_recovered(self, now: float) -> bool:
        """Return whether the rate has recovered so far that it limits nothing any more."""
        return not self._throttles and self.rate(now) > 2 * self._peak
