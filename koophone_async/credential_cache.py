"""Keep a key or a token that ends at some time, and get the next before it does."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from koophone_async.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime


class Expiring(Protocol):
    """What ends at some time."""

    @property
    def expires_at(self) -> datetime | None:
        """When; None for never."""
        ...


Value = TypeVar("Value", bound=Expiring)


class CredentialCache(Generic[Value]):
    """Holds one key or token and gets the next before it ends, once for all who wait.

    A renewal that fails is an error only when what is held has ended. It goes on when a caller who waits for
    it is cancelled, for the others and for the next.
    """

    EARLY: Final = timedelta(minutes=5)
    """How long before the end the next is asked for."""

    PAUSE: Final = timedelta(seconds=30)
    """How long what is held serves on after a renewal that brought nothing better."""

    def __init__(
        self, source: Value | Callable[[], Awaitable[Value | None]], now: Callable[[], datetime]
    ) -> None:
        """Hold what was given, or get it when first asked.

        Args:
            source: What is held for good, or where to get it.
            now: The wall clock.
        """
        self._source = source
        self._now = now
        self._held: Value | None = None
        self._patient_until: datetime | None = None
        self._renewal: asyncio.Task[Value] | None = None
        self._began = False

    @property
    def held(self) -> Value | None:
        """What the source gave last; None where that was refused, or nothing was asked for yet."""
        return self._held

    async def current(self) -> Value:
        """Answer what is held, and wait for the next where that has ended or is about to.

        Raises:
            InvalidRequest: The source holds nothing.
        """
        if not callable(self._source):
            return self._source
        if self._held is not None and self._serves(self._held):
            return self._held
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew(self._source))
            self._renewal.add_done_callback(self._settle)
        return await asyncio.shield(self._renewal)

    def forget(self, refused: Value | None = None) -> bool:
        """Drop what is held because it was refused, so that the next who asks waits for another.

        Args:
            refused: What was refused. Where something else is held by now, that stays.

        Returns:
            Whether asking again can bring another: not for what was given for good, or never asked for.
        """
        if refused is None or self._held is refused:
            self._held = None
        return self._began

    def _serves(self, held: Value) -> bool:
        if held.expires_at is None:
            return True
        now = self._now()
        patient = self._patient_until is not None and now < self._patient_until
        return now < held.expires_at - (timedelta(0) if patient else self.EARLY)

    async def _renew(self, source: Callable[[], Awaitable[Value | None]]) -> Value:
        self._began = True
        try:
            found = await source()
        except Exception:
            found = self._held
            if found is None or not found.expires_at or self._now() >= found.expires_at:
                raise
        if found is None:
            raise InvalidRequest("", "credentials", f"not found in {source}")
        self._held, self._patient_until = found, self._now() + self.PAUSE
        return found

    def _settle(self, renewal: asyncio.Task[Value]) -> None:
        self._renewal = None
        if not renewal.cancelled():
            # Looked at here, because all who waited for it may have been cancelled.
            renewal.exception()
