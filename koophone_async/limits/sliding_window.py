"""The exact sliding-window log of one quota."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Final

from attrs import define, field

if TYPE_CHECKING:
    from koophone_async.operation import Quota

MARGIN: Final = 0.020
"""Seconds by which a per-second window is kept longer than the service's.

As long as the one-way delays of two requests differ by no more than this, limit + 1 of them
cannot arrive in one window of the service. It costs 2 % of a quota a second.
"""


@define(eq=False)
class Window:
    """At most `quota.permits` calls in any `quota.seconds`, by a log of those that count.

    A permit is open from its grant until its call starts to count, and is free again one window
    later. An open permit holds its place for as long as it is open.
    """

    quota: Quota
    margin: float = MARGIN
    at_answer: bool = field(init=False)
    """Whether a call counts from its answer, not from its departure."""

    _length: float = field(init=False)
    _open: int = field(default=0, init=False)
    _frees: deque[float] = field(factory=deque[float], init=False)

    def __attrs_post_init__(self) -> None:
        self.at_answer = self.quota.counts_from_answer
        self._length = self.quota.seconds + (0 if self.at_answer else self.margin)

    def __str__(self) -> str:
        return f"{self.quota.permits} in {self.quota.seconds:g} s"

    def free_at(self, now: float) -> float:
        """Tell when the next permit is free: `now` at the earliest, `inf` if only an answer can free one."""
        frees = self._frees
        while frees and frees[0] <= now:
            frees.popleft()
        over = len(frees) + self._open - self.quota.permits
        if over < 0:
            return now
        return frees[over] if over < len(frees) else inf

    def grant_at(self, now: float, nth: int) -> float:
        """Tell when the nth permit from now is free at the earliest: if each call is answered at once."""
        self.free_at(now)
        rounds, place = divmod(nth - 1, self.quota.permits)
        place += len(self._frees) + self._open - self.quota.permits
        first = now if place < 0 else self._frees[place] if place < len(self._frees) else now + self._length
        return first + rounds * self._length

    def take(self, now: float) -> None:
        """Open a permit; `free_at` has said that there is one."""
        self._open += 1

    def start(self, now: float) -> None:
        """Let the call of an open permit count from now."""
        self._open -= 1
        self._frees.append(now + self._length)

    def undo(self) -> None:
        """Close a permit whose call never left."""
        self._open -= 1

    def fill(self, now: float) -> None:
        """Take every free permit as used now: the service has just said that none is left."""
        self.free_at(now)
        self._frees.extend([now + self._length] * (self.quota.permits - len(self._frees) - self._open))

    def admit(self, now: float) -> None:
        """Count a call that left before this quota was known, even beyond what the quota permits."""
        self._frees.append(now + self._length)

    def become(self, quota: Quota) -> None:
        """Go on with another number of permits in the same time; what is open or counts stays so."""
        self.quota = quota
