"""All quotas of one session, and the calls that wait for them."""

from __future__ import annotations

import asyncio
from heapq import heapify, heappop, heapreplace
from itertools import accumulate, count
from math import inf
from typing import TYPE_CHECKING

from attrs import define, field

from koophone_async.errors import QuotaTooSlow
from koophone_async.limits.adaptive_rate import Meter
from koophone_async.limits.operation_limiter import Lane, Permit, Turn
from koophone_async.limits.sliding_window import MARGIN, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from random import Random

    from koophone_async.limits.operation_limiter import Gate
    from koophone_async.operation import Quota


@define(eq=False)
class Limits:
    """Lets each call through when every quota that it is under has a permit for it.

    Calls of one operation pass in the order they came. So do calls of several that share a quota,
    except that one which another quota holds back is overtaken. One timer, for the call that can go first.

    Args:
        configured: Quotas beside the documented ones, by what they bound together: an operation
            (`koophone.commands.run`), a resource (`koophone.commands`), a service (`koophone`), or all (`*`).
        rng: Spreads the pauses after a 429.
        margin: Seconds that windows of a few seconds are kept longer than the service's.
    """

    configured: Mapping[str, tuple[Quota, ...]] = field(factory=dict[str, tuple["Quota", ...]])
    _rng: Random = field(alias="rng", kw_only=True)
    _margin: float = field(default=MARGIN, alias="margin", kw_only=True)
    _bounds: dict[str, tuple[Window, ...]] = field(init=False)
    _lanes: dict[str, Lane] = field(factory=dict[str, Lane], init=False)
    _free: dict[str, Permit] = field(factory=dict[str, Permit], init=False)
    _waiting: dict[str, Lane] = field(factory=dict[str, Lane], init=False)
    _tickets: Iterator[int] = field(factory=count, init=False)
    _timer: asyncio.TimerHandle | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._bounds = {name: self._windows(quotas) for name, quotas in self.configured.items()}

    def _windows(self, quotas: Iterable[Quota]) -> tuple[Window, ...]:
        return tuple(Window(quota, self._margin) for quota in quotas)

    async def acquire(self, name: str, quotas: tuple[Quota, ...], *, patience: float | None = None) -> Permit:
        """Wait until every quota of an operation has a permit, and take one of each at once.

        Cancelling the wait leaves everything as if it had not been asked for.

        Args:
            name: The operation's name.
            quotas: Its documented quotas; those of the first call are kept.
            patience: The most seconds to wait; None waits for ever.

        Raises:
            QuotaTooSlow: It would take longer than `patience`: told at once, or as soon as a 429 lengthens
                the wait. Nothing was taken.
        """
        lane = self._lanes.get(name) or self._lane(name, quotas)
        if not lane.gates:
            return self._free[name]
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not lane.waiting:
            if self._waiting:
                self._grant(loop, now)
            if lane.free_at(now) <= now:
                return self._pass(lane, loop, now)
        return await self._wait(lane, patience, loop, now)

    def estimate(self, name: str, quotas: tuple[Quota, ...], calls: int) -> float:
        """Tell in how many seconds the last of so many more calls could be sent, behind those that wait now.

        No sooner than that as far as windows are known; under a pace found by trying, at today's rate.
        """
        lane = self._lanes.get(name) or self._lane(name, quotas)
        now = asyncio.get_running_loop().time()
        return self._delay(lane, now, len(lane.waiting) + calls)[0] if calls else 0.0

    def _lane(self, name: str, quotas: tuple[Quota, ...]) -> Lane:
        loop = asyncio.get_running_loop()
        bounds = ("*", *accumulate(name.split("."), "{}.{}".format))
        configured = tuple(window for bound in bounds for window in self._bounds.get(bound, ()))
        tightest_last = sorted(quotas, key=lambda quota: -quota.permits)
        own = {window.quota.seconds: window for window in self._windows(tightest_last)}
        lane = self._lanes[name] = Lane(name, configured, own, Meter(loop.time()), self._rng)
        self._free[name] = Permit(lane, (), loop.time(), loop, self._changed)
        return lane

    def _delay(self, lane: Lane, now: float, nth: int) -> tuple[float, Gate | None]:
        """Tell how long the nth waiting call of a lane waits at least, and for which gate."""
        waits: list[tuple[float, Gate | None]] = [
            (gate.grant_at(now, nth + self._ahead(lane, gate, now)) - now, gate) for gate in lane.gates
        ]
        return max(waits, key=lambda wait: wait[0], default=(0.0, None))

    def _ahead(self, lane: Lane, gate: Gate, now: float) -> int:
        """Count the waiting calls of other operations that this very gate holds back."""
        others = (other for other in self._waiting.values() if other is not lane)
        return sum(len(other.waiting) for other in others if other.held_by(now) is gate)

    async def _wait(
        self, lane: Lane, patience: float | None, loop: asyncio.AbstractEventLoop, now: float
    ) -> Permit:
        patience = inf if patience is None else patience
        seconds, gate = self._delay(lane, now, len(lane.waiting) + 1)
        if seconds > patience:
            raise _too_slow(lane, gate, seconds)
        future: asyncio.Future[Permit] = loop.create_future()
        lane.waiting[future] = Turn(next(self._tickets), now + patience)
        if len(lane.waiting) == 1:
            self._waiting[lane.name] = lane
            self._set_timer(loop, now)
        try:
            return await future
        except BaseException:
            self._leave(lane, future, loop)
            raise

    def _leave(self, lane: Lane, future: asyncio.Future[Permit], loop: asyncio.AbstractEventLoop) -> None:
        if lane.waiting.pop(future, None):
            self._drop_if_empty(lane)
            self._set_timer(loop, loop.time())
        elif not future.cancelled() and future.exception() is None:
            future.result().unsent()

    def _pass(self, lane: Lane, loop: asyncio.AbstractEventLoop, now: float) -> Permit:
        for gate in lane.gates:
            gate.take(now)
        return Permit(lane, lane.gates, now, loop, self._changed)

    def _changed(self, slowed: Lane | None) -> None:
        """Look at the waiting calls again; those of a lane that was slowed may have to wait too long now."""
        if self._waiting:
            loop = asyncio.get_running_loop()
            if slowed:
                self._refuse(slowed, loop.time())
            self._grant(loop, loop.time())

    def _refuse(self, lane: Lane, now: float) -> None:
        nth = 1
        for future, turn in list(lane.waiting.items()):
            seconds, gate = self._delay(lane, now, nth)
            if now + seconds <= turn.until:
                nth += 1
            else:
                del lane.waiting[future]
                if not future.done():
                    future.set_exception(_too_slow(lane, gate, seconds))
        self._drop_if_empty(lane)

    def _grant(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        """Let through whom the gates let through, the oldest first, and set the timer for the next."""
        heads = [(lane.ticket, lane) for lane in self._waiting.values()]
        heapify(heads)
        while heads:
            lane = heads[0][1]
            if lane.free_at(now) > now:
                heappop(heads)
                continue
            future, _ = lane.waiting.popitem(last=False)
            if not future.done():
                future.set_result(self._pass(lane, loop, now))
            if self._drop_if_empty(lane):
                heappop(heads)
            else:
                heapreplace(heads, (lane.ticket, lane))
        self._set_timer(loop, now)

    def _drop_if_empty(self, lane: Lane) -> bool:
        if not lane.waiting:
            self._waiting.pop(lane.name, None)
        return not lane.waiting

    def _set_timer(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        due = min((lane.free_at(now) for lane in self._waiting.values()), default=inf)
        if self._timer:
            if self._timer.when() == due:
                return
            self._timer.cancel()
        self._timer = loop.call_at(due, self._ring, loop) if due < inf else None

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._grant(loop, loop.time())


def _too_slow(lane: Lane, gate: Gate | None, seconds: float) -> QuotaTooSlow:
    reason = f"its quota ({gate}) lets it through in {seconds:.1f} s at the earliest"
    return QuotaTooSlow(lane.name, reason, seconds)
