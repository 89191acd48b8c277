"""The window of a shared quota, as far as this process has leased permits of it."""

from __future__ import annotations

from asyncio import get_running_loop
from collections import deque
from math import ceil, inf
from typing import TYPE_CHECKING, Final

from attrs import define, evolve, field

from koophone_async.limits.shared.store import MILLISECOND, StoreClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from koophone_async.limits.shared.ledger import Lease, WindowRequest
    from koophone_async.operation import Quota

MAX_HORIZON: Final = 1.0
"""How many seconds before they become free permits are leased at the earliest."""

HORIZON: Final = 0.8
"""The same as a part of the window."""

LEAD: Final = 0.2
"""The part of the horizon that is left when more permits are leased."""

REPORT: Final = 0.4
"""The part of the window after which calls are reported: in time for their permits to be leased again."""

MIN_VALIDITY: Final = 2.0
MAX_VALIDITY: Final = 10.0
"""Seconds for which a lease is valid: as long as the window, within these limits."""

RENEWALS: Final = 3
"""How often a lease is renewed while it is valid."""


@define(eq=False)
class Member:
    """This process, as one of those that share permits."""

    name: str
    """Its name in the store, which is new for each run."""

    demand: Callable[[SharedWindow], int]
    """Returns how many calls wait for a permit of a window."""

    changed: Callable[[], None]
    """Called when there is something to report."""

    margin: float
    """Seconds by which windows of a few seconds are longer than the service's."""

    clock: StoreClock = field(factory=StoreClock, init=False)


@define(eq=False)
class SharedWindow:
    """A rate limit whose permits are leased from a store.

    A leased permit has a time from which it may be used, so that permits are leased before they become free,
    and nothing is lost by round trips. All permits of a process have one lease, which every exchange with the
    store renews. When it ends, unused permits are void.
    """

    quota: Quota
    _member: Member
    counts_from_answer: bool = field(init=False)
    """Whether a call counts from its answer instead of from when it is sent."""

    _length: float = field(init=False)
    _stock: deque[float] = field(factory=deque[float], init=False)
    """From when on each unused permit may be used."""

    _reserved: int = field(default=0, init=False)
    _used: list[float] = field(factory=list[float], init=False)
    """When calls counted that the store does not know of yet."""

    _reported: int = field(default=0, init=False)
    """The number of calls that the store knows of."""

    _term: str = field(default="", init=False)
    _until: float = field(default=-inf, init=False)
    _void_until: float = field(default=-inf, init=False)
    """Permits that were granted before this time are void."""

    _is_exhausted: bool = field(default=False, init=False)
    _last: float = field(default=-inf, init=False)
    """When the store was last asked."""

    _wanted: int = field(default=0, init=False)
    """The number of calls for which it had no permit then."""

    _next: float = field(default=inf, init=False)
    """When it will have the next."""

    _sharers: int = field(default=0, init=False)
    """The number of other processes whose calls wait."""

    _others: int = field(default=0, init=False)
    """The number of these calls."""

    def __attrs_post_init__(self) -> None:
        self.counts_from_answer = self.quota.counts_from_answer
        self._length = self.quota.seconds + (0 if self.counts_from_answer else self._member.margin)

    def __str__(self) -> str:
        return f"{self.quota.permits} in {self.quota.seconds:g} s, shared"

    @property
    def id(self) -> str:
        """The name of the window in the store: its length in milliseconds."""
        return str(round(self.quota.seconds / MILLISECOND))

    @property
    def stock(self) -> int:
        """The number of unused permits, some of which may be usable only later."""
        return len(self._stock)

    @property
    def horizon(self) -> float:
        """How many seconds before they become free permits are leased."""
        return min(self._length * HORIZON, MAX_HORIZON)

    @property
    def validity(self) -> float:
        """For how many seconds a lease is valid."""
        return min(max(self._length, MIN_VALIDITY), MAX_VALIDITY)

    def free_at(self, now: float) -> float:
        """Return when the next leased permit may be used; `inf` if there is none."""
        start = max(now, self._stock[0]) if self._stock else inf
        return start if start < self._until else inf

    def nth_free_at(self, now: float, nth: int) -> float:
        """Return when the nth permit from now is free at the earliest, if other processes get their share."""
        if nth <= len(self._stock):
            return max(now, self._stock[nth - 1])
        last = self._stock[-1] if self._stock else now
        first = max(now, last if self._next == inf else self._next)
        place = nth - len(self._stock)
        place += min(self._others, place * self._sharers)
        return first + (place - 1) // self.quota.permits * self._length

    def reserve(self, now: float) -> None:
        """Reserve a permit, of which `free_at` has returned that it is free."""
        self._stock.popleft()
        self._reserved += 1

    def start(self, now: float) -> None:
        """Count the call of a reserved permit from now."""
        self._reserved -= 1
        self.record(now)

    def release(self, granted: float) -> None:
        """Free a reserved permit whose call was never sent, unless it is void."""
        self._reserved -= 1
        if self.is_valid(granted, get_running_loop().time()):
            self._stock.appendleft(-inf)
        self._member.changed()

    def is_valid(self, granted: float, now: float) -> bool:
        """Return whether a permit that was granted at some time may still be used."""
        self._end_lease(now)
        return granted >= self._void_until

    def exhaust(self, now: float) -> None:
        """Share a quota that the service has just stated, and that it is used up."""
        self._is_exhausted = True
        self._stock.clear()
        self._member.changed()

    def record(self, now: float) -> None:
        """Count a call that was sent before this quota was known, even beyond its permits."""
        self._used.append(now)
        self._member.changed()

    def change_quota(self, quota: Quota) -> None:
        """Change the number of permits."""
        self.quota = quota

    def learn(self, permits: int) -> None:
        """Change the number of permits to what another process has learned, unless this one knows better."""
        if not self._is_exhausted:
            self.quota = evolve(self.quota, permits=permits)

    def request(self, now: float) -> WindowRequest:
        """Return what to report to the store, and what to ask for."""
        self._end_lease(now)
        demand = self._member.demand(self)
        while len(self._stock) > demand:
            self._stock.pop()  # what is not wanted is for other processes
        self._last, self._wanted = now, demand - len(self._stock)
        return {
            "id": self.id,
            "permits": self.quota.permits,
            "length": ceil(self._length / MILLISECOND),
            "horizon": int(self.horizon / MILLISECOND),
            "valid": int(self.validity / MILLISECOND),
            "term": self._term,
            "held": len(self._stock) + self._reserved,
            "first": self._reported,
            "used": [self._member.clock.latest(used) for used in self._used],
            "want": self._wanted,
            "exhausted": self._is_exhausted,
        }

    def accept(self, request: WindowRequest, lease: Lease, store_now: int, now: float) -> None:
        """Process the answer to a request.

        Args:
            request: The request.
            lease: What the store leases.
            store_now: The time of the store.
            now: The time of the loop.
        """
        self._end_lease(now)
        if lease["term"] != self._term:
            self._void(now)
            self._term = lease["term"]
        reported = len(request["used"])
        self._reported += reported
        del self._used[:reported]
        if request["exhausted"]:
            self._is_exhausted = False
        for start, count in lease["starts"]:
            self._stock.extend([self._member.clock.usable_at(start)] * count)
            self._wanted -= count
        self._until = self._member.clock.usable_until(store_now + request["valid"])
        self._next = self._member.clock.usable_at(lease["next"]) if lease["next"] else inf
        self._sharers, self._others = lease["sharers"], lease["others"]

    def exchange_at(self, now: float) -> float:
        """Return when the store has to be asked next; `inf` if there is no reason."""
        if self._is_exhausted:
            return now
        return min(self._ask_at(now), self._report_at(), self._renew_at())

    def _ask_at(self, now: float) -> float:
        missing = self._member.demand(self) - len(self._stock)
        if missing <= 0:
            return inf if missing == 0 else self._last + REPORT * self._length
        if not self._wanted:
            return now
        pause = min(REPORT * self._length, self.validity / RENEWALS)
        if self._next == inf:
            return self._last + pause
        return max(self._next - LEAD * self.horizon, self._last + LEAD * LEAD * self.horizon)

    def _report_at(self) -> float:
        return self._used[0] + REPORT * self._length if self._used else inf

    def _renew_at(self) -> float:
        if not (self._reserved or self._stock or self._used):
            return inf
        return self._last + self.validity / RENEWALS

    def _end_lease(self, now: float) -> None:
        if self._until <= now:
            self._void(self._until)

    def _void(self, until: float) -> None:
        """Void the unused permits, and those that were granted before a time and not used."""
        self._stock.clear()
        self._void_until = max(self._void_until, until)
