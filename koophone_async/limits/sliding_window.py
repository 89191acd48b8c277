"""The exact sliding-window log of one quota."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Final

from attrs import define, field

if TYPE_CHECKING:
    from koophone_async.operation import Quota

MARGIN: Final = 0.020
"""Seconds by which a per-second window is longer than the service's.

If the one-way delays of two requests differ by no more than this, one call too many cannot arrive within a
window of the service. It costs 2 % of a quota per second.
"""


@define(eq=False, repr=False)
class Window:
    """Allows `quota.permits` calls in any `quota.seconds`, by a log of the calls that count.

    A permit is reserved from its grant until its call starts to count, and becomes free one window later.
    However long it is reserved, nobody else gets it.
    """

    quota: Quota
    margin: float = MARGIN
    counts_from_answer: bool = field(init=False)
    """Whether a call counts from its answer instead of from when it is sent."""

    _length: float = field(init=False)
    _reserved: int = field(default=0, init=False)
    _free_times: deque[float] = field(factory=deque[float], init=False)

    def __attrs_post_init__(self) -> None:
        self.counts_from_answer = self.quota.counts_from_answer
        self._length = self.quota.seconds + (0 if self.counts_from_answer else self.margin)

    def __str__(self) -> str:
        return f"{self.quota.permits} in {self.quota.seconds:g} s"

    def free_at(self, now: float) -> float:
        """Return when the next permit is free: `now` at the earliest, `inf` if that depends on an answer."""
        times = self._free_times
        while times and times[0] <= now:
            times.popleft()
        over = len(times) + self._reserved - self.quota.permits
        if over < 0:
            return now
        return times[over] if over < len(times) else inf

    def nth_free_at(self, now: float, nth: int) -> float:
        """Return when the nth permit from now is free at the earliest: if each call is answered at once."""
        self.free_at(now)
        rounds, place = divmod(nth - 1, self.quota.permits)
        place += len(self._free_times) + self._reserved - self.quota.permits
        first = (
            now
            if place < 0
            else self._free_times[place]
            if place < len(self._free_times)
            else now + self._length
        )
        return first + rounds * self._length

    def reserve(self, now: float) -> None:
        """Reserve a permit, of which `free_at` has returned that it is free."""
        self._reserved += 1

    def start(self, now: float) -> None:
        """Count the call of a reserved permit from now."""
        self._reserved -= 1
        self._free_times.append(now + self._length)

    def release(self, granted: float) -> None:
        """Free a reserved permit whose call was never sent."""
        self._reserved -= 1

    def is_valid(self, granted: float, now: float) -> bool:
        """Return True: a permit of this process stays valid."""
        return True

    def exhaust(self, now: float) -> None:
        """Treat every free permit as used now: the service has just reported that none is left."""
        self.free_at(now)
        self._free_times.extend(
            [now + self._length] * (self.quota.permits - len(self._free_times) - self._reserved)
        )

    def record(self, now: float) -> None:
        """Count a call that was sent before this quota was known, even beyond its permits."""
        self._free_times.append(now + self._length)

    def change_quota(self, quota: Quota) -> None:
        """Change the number of permits; reserved permits and counted calls are kept."""
        self.quota = quota
