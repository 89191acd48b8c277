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
from koophone_async.limits.operation_limiter import OperationLimiter, Permit, Turn
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
    _limiters: dict[str, OperationLimiter] = field(factory=dict[str, OperationLimiter], init=False)
    _free: dict[str, Permit] = field(factory=dict[str, Permit], init=False)
    _waiting: dict[str, OperationLimiter] = field(factory=dict[str, OperationLimiter], init=False)
    _tickets: Iterator[int] = field(factory=count, init=False)
    _timer: asyncio.TimerHandle | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._bounds = {name: self._windows(quotas) for name, quotas in self.configured.items()}

    def _windows(self, quotas: Iterable[Quota]) -> tuple[Window, ...]:
        return tuple(Window(quota, self._margin) for quota in quotas)

    async def acquire(self, name: str, quotas: tuple[Quota, ...], *, max_wait: float | None = None) -> Permit:
        """Wait until every quota of an operation has a permit, and take one of each at once.

        Cancelling the wait leaves everything as if it had not been asked for.

        Args:
            name: The operation's name.
            quotas: Its documented quotas; those of the first call are kept.
            max_wait: The most seconds to wait; None waits for ever.

        Raises:
            QuotaTooSlow: It would take longer than `max_wait`: told at once, or as soon as a 429 lengthens
                the wait. Nothing was taken.
        """
        limiter = self._limiters.get(name) or self._limiter(name, quotas)
        if not limiter.gates:
            return self._free[name]
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not limiter.waiting:
            if self._waiting:
                self._grant(loop, now)
            if limiter.free_at(now) <= now:
                return self._pass(limiter, loop, now)
        return await self._wait(limiter, max_wait, loop, now)

    def estimate(self, name: str, quotas: tuple[Quota, ...], calls: int) -> float:
        """Tell in how many seconds the last of so many more calls could be sent, behind those that wait now.

        No sooner than that as far as windows are known; under a rate found by trying, at today's rate.
        """
        limiter = self._limiters.get(name) or self._limiter(name, quotas)
        now = asyncio.get_running_loop().time()
        return self._delay(limiter, now, len(limiter.waiting) + calls)[0] if calls else 0.0

    def _limiter(self, name: str, quotas: tuple[Quota, ...]) -> OperationLimiter:
        loop = asyncio.get_running_loop()
        bounds = ("*", *accumulate(name.split("."), "{}.{}".format))
        configured = tuple(window for bound in bounds for window in self._bounds.get(bound, ()))
        tightest_last = sorted(quotas, key=lambda quota: -quota.permits)
        own = {window.quota.seconds: window for window in self._windows(tightest_last)}
        limiter = self._limiters[name] = OperationLimiter(
            name, configured, own, Meter(loop.time()), self._rng
        )
        self._free[name] = Permit(limiter, (), loop.time(), loop, self._changed)
        return limiter

    def _delay(self, limiter: OperationLimiter, now: float, nth: int) -> tuple[float, Gate | None]:
        """Tell how long the nth waiting call of a limiter waits at least, and for which gate."""
        waits: list[tuple[float, Gate | None]] = [
            (gate.grant_at(now, nth + self._ahead(limiter, gate, now)) - now, gate) for gate in limiter.gates
        ]
        return max(waits, key=lambda wait: wait[0], default=(0.0, None))

    def _ahead(self, limiter: OperationLimiter, gate: Gate, now: float) -> int:
        """Count the waiting calls of other operations that this very gate holds back."""
        others = (other for other in self._waiting.values() if other is not limiter)
        return sum(len(other.waiting) for other in others if other.held_by(now) is gate)

    async def _wait(
        self, limiter: OperationLimiter, max_wait: float | None, loop: asyncio.AbstractEventLoop, now: float
    ) -> Permit:
        max_wait = inf if max_wait is None else max_wait
        seconds, gate = self._delay(limiter, now, len(limiter.waiting) + 1)
        if seconds > max_wait:
            raise _too_slow(limiter, gate, seconds)
        future: asyncio.Future[Permit] = loop.create_future()
        limiter.waiting[future] = Turn(next(self._tickets), now + max_wait)
        if len(limiter.waiting) == 1:
            self._waiting[limiter.name] = limiter
            self._set_timer(loop, now)
        try:
            return await future
        except BaseException:
            self._leave(limiter, future, loop)
            raise

    def _leave(
        self, limiter: OperationLimiter, future: asyncio.Future[Permit], loop: asyncio.AbstractEventLoop
    ) -> None:
        if limiter.waiting.pop(future, None):
            self._drop_if_empty(limiter)
            self._set_timer(loop, loop.time())
        elif not future.cancelled() and future.exception() is None:
            future.result().unsent()

    def _pass(self, limiter: OperationLimiter, loop: asyncio.AbstractEventLoop, now: float) -> Permit:
        for gate in limiter.gates:
            gate.take(now)
        return Permit(limiter, limiter.gates, now, loop, self._changed)

    def _changed(self, slowed: OperationLimiter | None) -> None:
        """Look at the waiting calls again; those of a limiter that was slowed may have to wait too long now."""
        if self._waiting:
            loop = asyncio.get_running_loop()
            if slowed:
                self._refuse(slowed, loop.time())
            self._grant(loop, loop.time())

    def _refuse(self, limiter: OperationLimiter, now: float) -> None:
        nth = 1
        for future, turn in list(limiter.waiting.items()):
            seconds, gate = self._delay(limiter, now, nth)
            if now + seconds <= turn.until:
                nth += 1
            else:
                del limiter.waiting[future]
                if not future.done():
                    future.set_exception(_too_slow(limiter, gate, seconds))
        self._drop_if_empty(limiter)

    def _grant(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        """Let through whom the gates let through, the oldest first, and set the timer for the next."""
        heads = [(limiter.ticket, limiter) for limiter in self._waiting.values()]
        heapify(heads)
        while heads:
            limiter = heads[0][1]
            if limiter.free_at(now) > now:
                heappop(heads)
                continue
            future, _ = limiter.waiting.popitem(last=False)
            if not future.done():
                future.set_result(self._pass(limiter, loop, now))
            if self._drop_if_empty(limiter):
                heappop(heads)
            else:
                heapreplace(heads, (limiter.ticket, limiter))
        self._set_timer(loop, now)

    def _drop_if_empty(self, limiter: OperationLimiter) -> bool:
        if not limiter.waiting:
            self._waiting.pop(limiter.name, None)
        return not limiter.waiting

    def _set_timer(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        due = min((limiter.free_at(now) for limiter in self._waiting.values()), default=inf)
        if self._timer:
            if self._timer.when() == due:
                return
            self._timer.cancel()
        self._timer = loop.call_at(due, self._ring, loop) if due < inf else None

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._grant(loop, loop.time())


def _too_slow(limiter: OperationLimiter, gate: Gate | None, seconds: float) -> QuotaTooSlow:
    reason = f"its quota ({gate}) lets it through in {seconds:.1f} s at the earliest"
    return QuotaTooSlow(limiter.name, reason, seconds)
