"""All rate limits of one session, and the calls that wait for them."""

from __future__ import annotations

import asyncio
from heapq import heapify, heappop, heapreplace
from itertools import accumulate, count
from math import inf
from typing import TYPE_CHECKING

from attrs import define, field

from koophone_async.errors import QuotaTooSlow
from koophone_async.limits.adaptive_rate import Meter
from koophone_async.limits.operation_limiter import OperationLimiter, Permit, Place
from koophone_async.limits.sliding_window import MARGIN, Window
from koophone_async.timers import Timer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from random import Random

    from koophone_async.limits.operation_limiter import QuotaWindow, RateLimit
    from koophone_async.operation import Quota


@define(eq=False, repr=False)
class Limits:
    """Grants a permit to each call when every rate limit that it is under has one.

    Calls of one operation are granted permits in order of arrival. So are calls of operations that share a
    quota, except that a call which another quota delays is overtaken. There is one timer, for the call that
    can go first.

    Args:
        configured: Quotas in addition to the documented ones, by the calls that share them: an operation
            (`koophone.commands.run`), a resource (`koophone.commands`), a service (`koophone`), or all (`*`).
        rng: The source of jitter for pauses after a 429.
        margin: Seconds by which windows of a few seconds are longer than the service's.
    """

    configured: Mapping[str, tuple[Quota, ...]] = field(factory=dict[str, tuple["Quota", ...]])
    _rng: Random = field(alias="rng", kw_only=True)
    _margin: float = field(default=MARGIN, alias="margin", kw_only=True)
    _configured_windows: dict[str, tuple[QuotaWindow, ...]] = field(init=False)
    _limiters: dict[str, OperationLimiter] = field(factory=dict[str, OperationLimiter], init=False)
    _unlimited: dict[str, Permit] = field(factory=dict[str, Permit], init=False)
    _waiting: dict[str, OperationLimiter] = field(factory=dict[str, OperationLimiter], init=False)
    _numbers: Iterator[int] = field(factory=count, init=False)
    _timer: Timer = field(factory=Timer, init=False)

    def __attrs_post_init__(self) -> None:
        self._configured_windows = {
            name: tuple(self._configured_window(name, quota) for quota in quotas)
            for name, quotas in self.configured.items()
        }

    def _configured_window(self, scope: str, quota: Quota) -> QuotaWindow:
        return Window(quota, self._margin)

    def _new_limiter(
        self, name: str, configured: tuple[QuotaWindow, ...], quotas: Iterable[Quota], meter: Meter
    ) -> OperationLimiter:
        own: dict[float, QuotaWindow] = {quota.seconds: Window(quota, self._margin) for quota in quotas}
        return OperationLimiter(name, configured, own, meter, self._rng)

    @property
    def outage(self) -> str | None:
        """Why no call is sent: a store of shared quotas cannot be reached."""
        return None

    async def acquire(self, name: str, quotas: tuple[Quota, ...], *, max_wait: float | None = None) -> Permit:
        """Wait until every rate limit of an operation has a free permit, and take one of each.

        Cancelling the wait has no side effects.

        Args:
            name: The name of the operation.
            quotas: Its documented quotas; those of the first call are kept.
            max_wait: The maximum wait in seconds; None for no maximum.

        Raises:
            QuotaTooSlow: It would take longer than `max_wait`. Raised at once, or as soon as a 429 makes the
                wait longer. No permit was taken.
        """
        limiter = self._limiters.get(name) or self._limiter(name, quotas)
        if not limiter.rate_limits:
            return self._unlimited[name]
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not limiter.waiting:
            if self._waiting:
                self._grant(loop, now)
            if limiter.free_at(now) <= now:
                return self._grant_permit(limiter, loop, now)
        return await self._wait(limiter, max_wait, loop, now)

    def estimate(self, name: str, quotas: tuple[Quota, ...], calls: int) -> float:
        """Return in how many seconds the last of `calls` more calls could be sent, after those that wait now.

        For windows this is a lower bound; for an adaptive rate it assumes the present rate.
        """
        limiter = self._limiters.get(name) or self._limiter(name, quotas)
        now = asyncio.get_running_loop().time()
        return self._delay(limiter, now, len(limiter.waiting) + calls)[0] if calls else 0.0

    def seconds_to_next_call(self) -> float | None:
        """Return in how many seconds the first waiting call can be sent; None if no call waits.

        It is infinite while an answer is awaited from which a quota counts.
        """
        if not self._waiting:
            return None
        now = asyncio.get_running_loop().time()
        return min(limiter.free_at(now) for limiter in self._waiting.values()) - now

    async def close(self) -> None:
        """End what the limits do in the background; nothing, unless they are shared."""

    def enter_loop(self) -> None:
        """Continue in the running loop, with the quotas learned so far, after an earlier loop was closed.

        Event loops of one process share their clock, so that the windows stay right.
        """
        loop = asyncio.get_running_loop()
        self._timer = Timer()
        self._waiting.clear()
        for name, limiter in self._limiters.items():
            limiter.waiting.clear()
            self._unlimited[name] = Permit(limiter, (), loop.time(), loop, self._changed)

    def _limiter(self, name: str, quotas: tuple[Quota, ...]) -> OperationLimiter:
        loop = asyncio.get_running_loop()
        prefixes = ("*", *accumulate(name.split("."), "{}.{}".format))
        configured = tuple(
            window for prefix in prefixes for window in self._configured_windows.get(prefix, ())
        )
        tightest_last = sorted(quotas, key=lambda quota: -quota.permits)
        limiter = self._new_limiter(name, configured, tightest_last, Meter(loop.time()))
        self._limiters[name] = limiter
        self._unlimited[name] = Permit(limiter, (), loop.time(), loop, self._changed)
        return limiter

    def _delay(self, limiter: OperationLimiter, now: float, nth: int) -> tuple[float, RateLimit | None]:
        """Return the minimum wait of the nth waiting call of a limiter, and the rate limit that causes it."""
        waits: list[tuple[float, RateLimit | None]] = [
            (limit.nth_free_at(now, nth + self._ahead(limiter, limit, now)) - now, limit)
            for limit in limiter.rate_limits
        ]
        return max(waits, key=lambda wait: wait[0], default=(0.0, None))

    def _ahead(self, limiter: OperationLimiter, limit: RateLimit, now: float) -> int:
        """Return how many waiting calls of other operations this rate limit delays."""
        others = (other for other in self._waiting.values() if other is not limiter)
        return sum(len(other.waiting) for other in others if other.bottleneck(now) is limit)

    async def _wait(
        self, limiter: OperationLimiter, max_wait: float | None, loop: asyncio.AbstractEventLoop, now: float
    ) -> Permit:
        max_wait = inf if max_wait is None else max_wait
        seconds, limit = self._delay(limiter, now, len(limiter.waiting) + 1)
        if seconds > max_wait:
            raise _too_slow(limiter, limit, seconds)
        future: asyncio.Future[Permit] = loop.create_future()
        limiter.waiting[future] = Place(next(self._numbers), now + max_wait)
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
        elif future.done() and not future.cancelled() and future.exception() is None:
            future.result().release()

    def _grant_permit(self, limiter: OperationLimiter, loop: asyncio.AbstractEventLoop, now: float) -> Permit:
        for limit in limiter.rate_limits:
            limit.reserve(now)
        return Permit(limiter, limiter.rate_limits, now, loop, self._changed)

    def _changed(self, slowed: OperationLimiter | None) -> None:
        """Check the waiting calls again; those of a slowed limiter may have to wait too long now."""
        if self._waiting:
            loop = asyncio.get_running_loop()
            if slowed:
                self._refuse(slowed, loop.time())
            self._grant(loop, loop.time())

    def _refuse(self, limiter: OperationLimiter, now: float) -> None:
        nth = 1
        for future, place in list(limiter.waiting.items()):
            seconds, limit = self._delay(limiter, now, nth)
            if seconds <= max(0.0, place.deadline - now):
                nth += 1
            else:
                del limiter.waiting[future]
                if not future.done():
                    future.set_exception(_too_slow(limiter, limit, seconds))
        self._drop_if_empty(limiter)

    def _grant(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        """Grant permits to the waiting calls that can go, oldest first, and set the timer for the next."""
        heads = [(limiter.first_number, limiter) for limiter in self._waiting.values()]
        heapify(heads)
        while heads:
            limiter = heads[0][1]
            if limiter.free_at(now) > now:
                heappop(heads)
                continue
            future, _ = limiter.waiting.popitem(last=False)
            if not future.done():
                future.set_result(self._grant_permit(limiter, loop, now))
            if self._drop_if_empty(limiter):
                heappop(heads)
            else:
                heapreplace(heads, (limiter.first_number, limiter))
        self._set_timer(loop, now)

    def _drop_if_empty(self, limiter: OperationLimiter) -> bool:
        if not limiter.waiting:
            self._waiting.pop(limiter.name, None)
        return not limiter.waiting

    def _set_timer(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        due = min((limiter.free_at(now) for limiter in self._waiting.values()), default=inf)
        if due == inf:
            self._timer.cancel()
        elif due != self._timer.due:
            # Timers may fire early, by the resolution of the clock.
            self._timer.set(due, lambda: self._grant(loop, max(due, loop.time())))


def _too_slow(limiter: OperationLimiter, limit: RateLimit | None, seconds: float) -> QuotaTooSlow:
    reason = f"its quota ({limit}) has no permit for another {seconds:.1f} s at least"
    return QuotaTooSlow(limiter.name, reason, seconds)
