"""What processes share about the calls of one scope: an operation, or those that share a configured quota."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from attrs import define, field

from koophone_async.limits.operation_limiter import OperationLimiter
from koophone_async.limits.shared.store import MILLISECOND
from koophone_async.limits.shared.window import Member, SharedWindow
from koophone_async.operation import Quota

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from koophone_async.limits.operation_limiter import Permit, QuotaWindow, RateLimit
    from koophone_async.limits.shared.ledger import Answer, Request, Throttle

NEWS_AGE: Final = 5.0
"""Seconds after which a call waits for news: another process may have learned a quota meanwhile."""

NEWS_INTERVAL: Final = 1.0
"""Seconds between exchanges while calls are made."""

THROTTLE_AGE: Final = 60.0
"""Seconds for which a 429 without figures is of interest to a process that starts."""


@define(eq=False)
class Scope:
    """The shared windows of a scope."""

    name: str
    member: Member
    windows: dict[str, SharedWindow] = field(factory=dict[str, SharedWindow], init=False)

    def window(self, quota: Quota) -> SharedWindow:
        """Return the window of a quota; of several quotas with the same window, the smallest counts."""
        window = SharedWindow(quota, self.member)
        known = self.windows.setdefault(window.id, window)
        if quota.permits < known.quota.permits:
            known.change_quota(quota)
        return known

    def request(self, serial: int, now: float) -> Request:
        """Return what to report to the store, and what to ask for."""
        windows = [window.request(now) for window in self.windows.values()]
        return {"holder": self.member.name, "serial": serial, "windows": windows, "throttle": None}

    def accept(self, request: Request, answer: Answer, now: float) -> None:
        """Process the answer to a request."""
        for window, lease in zip(request["windows"], answer["leases"], strict=True):
            self.windows[window["id"]].accept(window, lease, answer["now"], now)

    def exchange_at(self, now: float) -> float:
        """Return when the store has to be asked next; `inf` if there is no reason."""
        return min((window.exchange_at(now) for window in self.windows.values()), default=inf)


@define(eq=False)
class News:
    """A rate limit without a limit: calls wait until what other processes learned is known."""

    counts_from_answer = False
    _changed: Callable[[], None]
    _asked: float = field(default=-inf, init=False)
    """When the store was last asked."""

    _used: float = field(default=-inf, init=False)
    """When a permit was last granted."""

    _fresh_until: float = field(default=-inf, init=False)

    def free_at(self, now: float) -> float:
        """Return `now` if the news is fresh, else `inf`."""
        return now if now < self._fresh_until else inf

    def nth_free_at(self, now: float, nth: int) -> float:
        """Return `now`: an exchange with the store takes milliseconds."""
        return now

    def reserve(self, now: float) -> None:
        """Record that calls are made."""
        if self._used <= self._asked:
            self._used = now
            self._changed()

    def start(self, now: float) -> None:
        """Do nothing: there are no permits to count."""

    def release(self, granted: float) -> None:
        """Do nothing: there are no permits to free."""

    def is_valid(self, granted: float, now: float) -> bool:
        """Return True: there are no permits that end."""
        return True

    def ask(self, now: float) -> None:
        """Record that the store is asked."""
        self._asked = now

    def refresh(self, now: float) -> None:
        """Record that the store has answered."""
        self._fresh_until = now + NEWS_AGE

    def exchange_at(self, now: float, *, is_awaited: bool) -> float:
        """Return when the store has to be asked next; `inf` if there is no reason."""
        if is_awaited and now >= self._fresh_until:
            return now
        return self._asked + NEWS_INTERVAL if self._used > self._asked else inf


@define(eq=False)
class SharedLimiter(OperationLimiter):
    """The rate limits of an operation, with what other processes learn of it."""

    scope: OperationScope = field(kw_only=True)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.scope.limiter = self

    def _all_limits(self) -> Iterator[RateLimit]:
        yield self.scope.news
        yield from super()._all_limits()

    def _new_window(self, quota: Quota) -> QuotaWindow:
        return self.scope.window(quota)

    def _slow(self, permit: Permit, retry_after: float | None, now: float) -> None:
        super()._slow(permit, retry_after, now)
        self.scope.publish(permit.granted, retry_after, now)

    def learn(self, quota: Quota) -> None:
        """Apply a quota that another process has learned."""
        self.own[quota.seconds] = self._new_window(quota)
        self._collect()

    def demand(self, window: SharedWindow) -> int:
        """Return how many waiting calls need a permit of a window next.

        A call is leased the rarest of its permits first, and the others when it has that: the other way
        round, frequent permits would wait with it and be lost. All processes have the same order, so that
        none waits for a permit of another process that waits for its own.
        """
        rank, calls = _rarity(window), len(self.waiting)
        for limit in self.rate_limits:
            if isinstance(limit, SharedWindow) and _rarity(limit) < rank:
                calls = min(calls, limit.stock)
        return calls


def _rarity(window: SharedWindow) -> tuple[float, str]:
    return window.quota.permits / window.quota.seconds, window.id


@define(eq=False)
class OperationScope(Scope):
    """The scope of one operation."""

    news: News = field(init=False)
    limiter: SharedLimiter = field(init=False)
    _throttle: Throttle | None = field(default=None, init=False)
    """A 429 without figures that the store does not know of yet."""

    _last_throttle: int = field(default=0, init=False)
    """The store's time of the last one that this process knows of."""

    def __attrs_post_init__(self) -> None:
        self.news = News(self.member.changed)

    def publish(self, granted: float, retry_after: float | None, now: float) -> None:
        """Share a 429 without figures."""
        clock = self.member.clock
        self._throttle = {
            "granted": clock.latest(granted),
            "at": clock.latest(now),
            "pause": round((retry_after or 0) / MILLISECOND),
            "holder": self.member.name,
        }
        self.member.changed()

    def request(self, serial: int, now: float) -> Request:
        """Return what to report to the store, and what to ask for."""
        self.news.ask(now)
        request = super().request(serial, now)
        request["throttle"] = self._throttle
        return request

    def accept(self, request: Request, answer: Answer, now: float) -> None:
        """Process the answer to a request."""
        super().accept(request, answer, now)
        self.news.refresh(now)
        if self._throttle is request["throttle"]:
            self._throttle = None
        for id, permits in answer["quotas"].items():
            if id in self.windows:
                self.windows[id].learn(permits)
            else:
                self.limiter.learn(Quota(permits, int(id) / 1000))
        if throttle := answer["throttle"]:
            self._slow(throttle, answer["now"], now)

    def _slow(self, throttle: Throttle, store_now: int, now: float) -> None:
        is_known = throttle["at"] == self._last_throttle or throttle["holder"] == self.member.name
        self._last_throttle = throttle["at"]
        age, pause = (store_now - throttle["at"]) * MILLISECOND, throttle["pause"] * MILLISECOND
        if not is_known and age < max(pause, THROTTLE_AGE):
            granted = self.member.clock.usable_at(throttle["granted"])
            self.limiter.slow(granted, max(0.0, pause - age) or None, now)

    def exchange_at(self, now: float) -> float:
        """Return when the store has to be asked next; `inf` if there is no reason."""
        if self._throttle:
            return now
        news_at = self.news.exchange_at(now, is_awaited=bool(self.limiter.waiting))
        return min(super().exchange_at(now), news_at)
