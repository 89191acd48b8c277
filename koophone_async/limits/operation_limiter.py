"""The limiter of one operation: its rate limits, its waiting calls, and their permits."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, Self

from attrs import define, field

from koophone_async.limits.adaptive_rate import AdaptiveRate, Meter
from koophone_async.limits.sliding_window import Window
from koophone_async.limits.throttle import parse_quota

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable, Iterator
    from random import Random
    from types import TracebackType

    from koophone_async.operation import Quota


MAX_DELAY: Final = 0.2
"""Seconds within which an abandoned request arrives, if it ever does: the longest one-way delay."""


class RateLimit(Protocol):
    """A limit that calls are under: a window, a rate, or anything else that knows when it has a free permit.

    Rate limits do not wait. One that gets its permits from elsewhere returns `inf` until it has some, and
    then has the waiting calls checked again.
    """

    @property
    def counts_from_answer(self) -> bool:
        """Whether a call counts from its answer instead of from when it is sent."""
        ...

    def free_at(self, now: float) -> float:
        """Return when the next permit is free: `now` at the earliest, `inf` if unknown."""
        ...

    def nth_free_at(self, now: float, nth: int) -> float:
        """Return when the nth permit from now is free at the earliest."""
        ...

    def reserve(self, now: float) -> None:
        """Reserve a permit."""

    def start(self, now: float) -> None:
        """Count the call of a reserved permit from now."""

    def release(self, granted: float) -> None:
        """Free a reserved permit that was granted at some time, and whose call was never sent."""

    def is_valid(self, granted: float, now: float) -> bool:
        """Return whether a reserved permit that was granted at some time may still be used."""
        ...


class QuotaWindow(RateLimit, Protocol):
    """The rate limit of a quota."""

    quota: Quota

    def exhaust(self, now: float) -> None:
        """Treat every free permit as used now: the service has just reported that none is left."""

    def record(self, now: float) -> None:
        """Count a call that was sent before this quota was known, even beyond its permits."""

    def change_quota(self, quota: Quota) -> None:
        """Change the number of permits; reserved permits and counted calls are kept."""


class Place(NamedTuple):
    """The place of a waiting call among all waiting calls, and until when it waits."""

    number: int
    deadline: float


@define(eq=False, repr=False)
class OperationLimiter:
    """The rate limits of an operation, and its waiting calls in order of arrival."""

    name: str
    configured: tuple[QuotaWindow, ...]
    """Windows configured by the user; operations that share a window have the same object."""

    own: dict[float, QuotaWindow]
    """Windows that are documented or learned, by their length in seconds."""

    _meter: Meter
    _rng: Random
    _rate: AdaptiveRate | None = field(default=None, init=False)
    rate_limits: tuple[RateLimit, ...] = field(default=(), init=False)
    waiting: OrderedDict[Future[Permit], Place] = field(
        factory=OrderedDict["Future[Permit]", Place], init=False
    )

    def __attrs_post_init__(self) -> None:
        self._collect()

    def _collect(self) -> None:
        self.rate_limits = tuple(self._all_limits())

    def _all_limits(self) -> Iterator[RateLimit]:
        yield from self.own.values()
        yield from self.configured
        if self._rate:
            yield self._rate

    @property
    def first_number(self) -> int:
        """The number of the first waiting call."""
        return next(iter(self.waiting.values())).number

    def free_at(self, now: float) -> float:
        """Return when all rate limits have a permit for the next call."""
        free = now
        for limit in self.rate_limits:
            free = max(free, limit.free_at(now))
        return free

    def bottleneck(self, now: float) -> RateLimit:
        """Return the rate limit that delays the first waiting call longest."""
        return max(self.rate_limits, key=lambda limit: limit.free_at(now))

    def accepted(self, permit: Permit, now: float) -> None:
        """Record that the service accepted a call."""
        self._meter.add(now)
        for window in self.own.values():
            if window not in permit.rate_limits:
                window.record(now)
        if self._rate is not None:
            self._recover(self._rate, permit, now)

    def _recover(self, rate: AdaptiveRate, permit: Permit, now: float) -> None:
        if rate in permit.rate_limits:
            rate.accepted(permit.granted, now)
        if not self.waiting and rate.has_recovered(now):
            self._rate = None
            self._collect()

    def throttled(self, permit: Permit, quota: Quota | None, retry_after: float | None, now: float) -> None:
        """Process a 429: learn the quota that it states, else cut the rate.

        If the quota is known already, others must be using it too, and only a lower rate helps.
        """
        known = self.own.get(quota.seconds) if quota else None
        if quota and (known is None or known.quota != quota):
            self._learn(quota, now)
        elif known is None or known in permit.rate_limits:
            self._slow(permit, retry_after, now)

    def _learn(self, quota: Quota, now: float) -> None:
        window = self.own.get(quota.seconds) or self._new_window(quota)
        window.change_quota(quota)
        window.exhaust(now)
        self.own[quota.seconds] = window
        self._collect()

    def _new_window(self, quota: Quota) -> QuotaWindow:
        return Window(quota)

    def _slow(self, permit: Permit, retry_after: float | None, now: float) -> None:
        if self._rate is None or self._rate in permit.rate_limits:
            self.slow(permit.granted, retry_after, now)

    def slow(self, granted: float, retry_after: float | None, now: float) -> None:
        """Cut the rate after a 429 to a call that was granted its permit at some time."""
        if self._rate is None:
            self._rate = AdaptiveRate(self._meter, self._rng)
            self._collect()
        self._rate.throttled(granted, now, retry_after)


@define(eq=False, repr=False)
class Permit:
    """A permit for one call under all of its rate limits, to be used in a `with` block.

    Report `mark_sent` when the request is sent, and then the result: `mark_answered`, `mark_throttled` or
    `release`. If the block is left without any of these, the call counts as one that may still arrive.
    """

    _limiter: OperationLimiter
    rate_limits: tuple[RateLimit, ...]
    """The rate limits when the permit was granted. Without any, all calls share one permit."""

    granted: float
    _loop: AbstractEventLoop
    _changed: Callable[[OperationLimiter | None], None]
    """Checks the waiting calls again; called with the limiter if its calls may have to wait longer now."""

    _is_sent: bool = field(default=False, init=False)
    _closed: bool = field(default=False, init=False)

    @property
    def is_valid(self) -> bool:
        """Whether the request may be sent now: permits of shared quotas are valid for some seconds."""
        now = self._loop.time()
        return all(limit.is_valid(self.granted, now) for limit in self.rate_limits)

    def mark_sent(self) -> None:
        """Record that the request was sent: quotas of a few seconds count it from now."""
        if self.rate_limits and not (self._is_sent or self._closed):
            self._is_sent = True
            self._count(from_answer=False)

    def mark_answered(self) -> None:
        """Record an answer other than 429: quotas of a minute count the call from now."""
        if not self._closed:
            self._limiter.accepted(self, self._loop.time())
            self._close()

    def mark_throttled(self, message: str, retry_after: float | None = None) -> None:
        """Record a 429, and delay the waiting calls accordingly.

        Args:
            message: The message of the service. A quota that it states becomes that of the operation.
            retry_after: Seconds that the service asks for. Without them, and without a quota in the message,
                the first pause is 50 ms, and each further one twice as long.
        """
        if not self._closed:
            self._limiter.throttled(self, parse_quota(message), retry_after, self._loop.time())
            self._close()
            self._changed(self._limiter)

    def release(self) -> None:
        """Free the permit at once, because the request was not sent. No effect after `mark_sent`."""
        if self._is_sent or self._closed:
            return
        self._closed = bool(self.rate_limits)
        for limit in self.rate_limits:
            limit.release(self.granted)
        self._changed(None)

    def _close(self, delay: float = 0.0) -> None:
        if self.rate_limits:
            self._closed = True
            if not self._is_sent:
                self._count(delay, from_answer=False)
            self._count(delay, from_answer=True)

    def _count(self, delay: float = 0.0, *, from_answer: bool) -> None:
        now = self._loop.time()
        for limit in self.rate_limits:
            if limit.counts_from_answer is from_answer:
                limit.start(now + delay)
        self._changed(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._closed:
            self._close(MAX_DELAY)
