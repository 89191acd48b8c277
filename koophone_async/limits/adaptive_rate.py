"""The rate of an operation whose quota is not known: cut when throttled, recovered as CUBIC does."""

from __future__ import annotations

from math import cbrt, inf
from typing import TYPE_CHECKING, Final

from attrs import define, field

if TYPE_CHECKING:
    from random import Random

BETA: Final = 0.7
"""What a throttled answer leaves of the rate."""

SCALE: Final = 0.4
"""How steeply the rate recovers, in calls a second per second cubed."""

FEW: Final = 20
"""Calls in one unit of CUBIC's time, which is otherwise a second: a slow quota is probed slowly."""

SLOWEST: Final = 0.1
"""Calls a second that no cut goes below: six a minute, the smallest documented quota."""

PAUSE: Final = 0.05
"""Seconds of the first pause; it doubles with each throttled answer in a row."""

LONGEST: Final = 60.0
"""Seconds of the longest pause that is our own choice."""

BURST: Final = 0.020
"""Seconds of calls that may go at once, so that a late timer costs no throughput."""

RECENT: Final = 10.0
"""Seconds after which a meter begins to forget: a burst after a quiet time must be seen as a burst."""

LASTING: Final = 60.0
"""The same where calls were refused for longer: the service's window may be a minute."""


@define(eq=False)
class Meter:
    """How many calls a second the service let through in the last one to two buckets of seconds."""

    since: float
    _bucket: float = RECENT
    _count: int = 0
    _before: int = field(default=0, init=False)
    _turned: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._turned = self.since

    def add(self, now: float) -> None:
        """Count a call that was let through."""
        if now - self._turned > self._bucket:
            self._turn(now)
        self._count += 1

    def _turn(self, now: float) -> None:
        idle = now - self._turned > 2 * self._bucket
        self._before = 0 if idle else self._count
        self.since = now if idle else self._turned
        self._turned, self._count = now, 0

    @property
    def total(self) -> int:
        """Calls let through from `since` on."""
        return self._before + self._count

    def rate(self, now: float) -> float:
        """Calls a second, over at least one second: no window of the service is shorter."""
        return self.total / max(now - self.since, 1.0)


@define(eq=False)
class AdaptiveRate:
    """A rate that a 429 cuts to 0.7 and time returns: fast at first, slowly near the old one, then faster.

    After a second 429 in a row one call at a time asks whether the service takes calls again, after pauses
    that double. What it let through in the last minutes, blocked time included, is then the rate to return
    to.
    """

    at_answer = True
    _recent: Meter
    _rng: Random
    _lasting: Meter = field(init=False)
    _peak: float = field(default=inf, init=False)
    _resumed: float = field(default=0.0, init=False)
    _struck: float = field(default=-inf, init=False)
    _strikes: int = field(default=0, init=False)
    _next: float = field(default=0.0, init=False)
    _open: int = field(default=0, init=False)

    def __str__(self) -> str:
        return "found by trying, about " + (
            "as before" if self._peak == inf else f"{self._peak:.3g} a second"
        )

    def rate(self, now: float) -> float:
        """Calls a second at this moment."""
        if self._peak == inf:
            return self._recent.rate(now) or 1.0
        unit = max(1.0, FEW / self._peak)
        peak = self._peak * unit
        passed = (now - self._resumed) / unit - cbrt(peak * (1 - BETA) / SCALE)
        return max(SCALE * passed**3 + peak, BETA * peak) / unit

    def free_at(self, now: float) -> float:
        """Tell when the next permit is free: `inf` while one call asks for all."""
        if self._strikes > 1 and self._open:
            return inf
        return max(now, self._next)

    def grant_at(self, now: float, nth: int) -> float:
        """Tell when the nth permit from now is free, at the rate of now."""
        return max(now, self._next) + (nth - 1) / self.rate(now)

    def take(self, now: float) -> None:
        """Open a permit; the next follows after the time of one call."""
        if self._peak == inf:
            # Not before the pause is over: until then, answers of calls that left before it come in.
            self._peak = max(SLOWEST, self.rate(now))
            self._lasting = Meter(self._recent.since, LASTING, self._recent.total)
        self._open += 1
        self._next = max(self._next, now - BURST) + 1 / self.rate(now)

    def start(self, now: float) -> None:
        """Close a permit whose call came to its end."""
        self._open -= 1

    def undo(self) -> None:
        """Close a permit whose call never left."""
        self._open -= 1

    def let_through(self, granted: float, now: float) -> None:
        """Learn that the service took a call; the first one that was granted since a 429 ends the pause."""
        self._lasting.add(now)
        if granted > self._struck:
            if self._strikes > 1:
                self._peak = max(SLOWEST, min(self._peak, self._lasting.rate(now)))
                self._resumed = now
            self._strikes = 0

    def throttled(self, granted: float, now: float, retry_after: float | None) -> None:
        """Pause, and cut the rate once; of calls granted before the last 429, another tells nothing new."""
        if granted <= self._struck:
            return
        self._strikes += 1
        if self._strikes == 1 and self._peak < inf:
            # At most twice what was used: time alone proves no rate.
            used = self._recent.rate(now) or 1.0
            self._peak = max(SLOWEST, min(self.rate(granted), 2 * used))
        pause = retry_after or min(PAUSE * 2 ** min(self._strikes - 1, 11), LONGEST)
        # Spread, so that processes that were throttled together do not return together.
        self._struck, self._resumed = now, now + pause * self._rng.uniform(1.0, 1.25)
        self._next = self._resumed

    def is_over(self, now: float) -> bool:
        """Whether the rate has recovered so far that the last cut means nothing any more."""
        return not self._strikes and self.rate(now) > 2 * self._peak
