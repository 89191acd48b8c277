"""Cache credentials that expire, and renew them in time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from koophone_async.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime


class Expiring(Protocol):
    """A value that may expire."""

    @property
    def expires_at(self) -> datetime | None:
        """When it expires; None for never."""
        ...


Value = TypeVar("Value", bound=Expiring)


class CredentialCache(Generic[Value]):
    """Caches one key or token and renews it before it expires, once for all callers.

    A failed renewal is an error only after the cached value has expired. A renewal continues when a caller
    that waits for it is cancelled, because others may wait for it too.
    """

    RENEW_BEFORE: Final = timedelta(minutes=5)
    """How long before its expiry a value is renewed."""

    RETRY_AFTER: Final = timedelta(seconds=30)
    """How long a value that is about to expire is still used after a renewal failed to replace it."""

    def __init__(
        self, source: Value | Callable[[], Awaitable[Value | None]], now: Callable[[], datetime]
    ) -> None:
        """Cache a fixed value, or what a source returns.

        Args:
            source: The value, or an async function that returns one.
            now: The wall clock.
        """
        self._source = source
        self._now = now
        self._cached: Value | None = None
        self._next_renewal: datetime | None = None
        self._renewal: asyncio.Task[Value] | None = None
        self._was_fetched = False

    @property
    def cached(self) -> Value | None:
        """The cached value; None if it was invalidated or not fetched yet."""
        return self._cached

    async def current(self) -> Value:
        """Return the cached value; if it has expired or is about to, wait for its renewal.

        Raises:
            InvalidRequest: The source has no value.
        """
        if not callable(self._source):
            return self._source
        if self._cached is not None and self._is_current(self._cached):
            return self._cached
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew(self._source))
            self._renewal.add_done_callback(self._finished)
        return await asyncio.shield(self._renewal)

    def invalidate(self, refused: Value | None = None) -> bool:
        """Drop the cached value because the service refused it, so that the next caller fetches another.

        Args:
            refused: The refused value. If another is cached by now, that is kept.

        Returns:
            Whether fetching can bring another value: False for a fixed one, or if none was ever fetched.
        """
        if refused is None or self._cached is refused:
            self._cached = None
        return self._was_fetched

    def enter_loop(self) -> None:
        """Forget a renewal that the end of its event loop has stopped."""
        self._renewal = None

    def _is_current(self, value: Value) -> bool:
        if value.expires_at is None:
            return True
        now = self._now()
        was_just_renewed = self._next_renewal is not None and now < self._next_renewal
        return now < value.expires_at - (timedelta(0) if was_just_renewed else self.RENEW_BEFORE)

    async def _renew(self, source: Callable[[], Awaitable[Value | None]]) -> Value:
        self._was_fetched = True
        try:
            value = await source()
        except Exception:
            value = self._cached
            if value is None or not value.expires_at or self._now() >= value.expires_at:
                raise
        if value is None:
            raise InvalidRequest("", "credentials", f"not found in {source}")
        self._cached, self._next_renewal = value, self._now() + self.RETRY_AFTER
        return value

    def _finished(self, renewal: asyncio.Task[Value]) -> None:
        if self._renewal is renewal:
            self._renewal = None
        if not renewal.cancelled():
            # Retrieved here, because every caller that waited may have been cancelled: asyncio logs an
            # exception that nobody retrieves.
            renewal.exception()
