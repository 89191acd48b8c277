"""The exchange with the store: one request at a time, with all that is due."""

from __future__ import annotations

import asyncio
import logging
from math import inf
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from koophone_async.limits.shared.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from koophone_async.limits.shared.scope import Scope
    from koophone_async.limits.shared.store import PermitStore
    from koophone_async.limits.shared.window import Member

log: Final = logging.getLogger("koophone_async")

MIN_PAUSE: Final = 0.05
MAX_PAUSE: Final = 1.0
"""Seconds between two attempts while the store cannot be reached."""


@frozen
class Outage:
    """A store that cannot be reached."""

    address: str
    since: datetime
    reason: str

    def __str__(self) -> str:
        """Return the text for people, such as `quota store at redis://host is unreachable since 12:30:00`."""
        return f"quota store at {self.address} is unreachable since {self.since.astimezone():%H:%M:%S}"


@define(eq=False)
class Exchanger:
    """Asks the store when a scope has something to report or calls wait, and retries until it answers."""

    _open: Callable[[], PermitStore]
    _member: Member
    _now: Callable[[], datetime]
    """The wall clock, for people."""

    _answered: Callable[[], None]
    """Called after each answer."""

    scopes: dict[str, Scope] = field(factory=dict[str, "Scope"], init=False)
    prefix: str = field(default="", init=False)
    """What the keys of the account begin with."""

    outage: Outage | None = field(default=None, init=False)
    _store: PermitStore | None = field(default=None, init=False)
    _serial: int = field(default=0, init=False)
    _failures: int = field(default=0, init=False)
    _not_before: float = field(default=-inf, init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)
    _changed: asyncio.Event = field(factory=asyncio.Event, init=False)

    def wake(self) -> None:
        """Ask the store when that is due, which may have changed."""
        self._changed.set()
        if self._task is None and self._due(asyncio.get_running_loop().time()) < inf:
            self._task = asyncio.create_task(self._run(), name="koophone: shared quotas")

    def enter_loop(self) -> None:
        """Continue in the running loop, with new connections, after an earlier loop was closed."""
        self._task = self._store = None
        self._changed = asyncio.Event()

    async def close(self) -> None:
        """Report what the store does not know yet, and close the connections."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._store is not None:
            if self.outage is None:
                await self._exchange(list(self.scopes.values()))
            await self._store.close()
            self._store = None

    def _due(self, now: float) -> float:
        return min((scope.exchange_at(now) for scope in self.scopes.values()), default=inf)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while (due := self._due(now := loop.time())) < inf:
                self._changed.clear()
                due = max(due, self._not_before)
                if due <= now:
                    await self._exchange([one for one in self.scopes.values() if one.exchange_at(now) <= now])
                else:
                    timer = loop.call_at(due, self._changed.set)
                    await self._changed.wait()
                    timer.cancel()
        finally:
            self._task = None

    async def _exchange(self, scopes: list[Scope]) -> None:
        loop = asyncio.get_running_loop()
        self._store = self._store or self._open()
        self._serial += 1
        sent = loop.time()
        requests = {f"{self.prefix}:{scope.name}": scope.request(self._serial, sent) for scope in scopes}
        try:
            answers = await self._store.settle(requests)
        except StoreError as error:
            self._failed(self._store.address, str(error))
            return
        except Exception as error:
            # Calls wait for this task: they must see why, and go on once it works again.
            log.exception("unhandled exception in the exchange with the quota store")
            self._failed(self._store.address, type(error).__name__)
            return
        received = loop.time()
        self._restored()
        for scope, (key, request) in zip(scopes, requests.items(), strict=True):
            answer = answers[key]
            self._member.clock.compare(sent, received, answer["now"])
            scope.accept(request, answer, received)
        self._answered()

    def _failed(self, address: str, reason: str) -> None:
        if self.outage is None:
            self.outage = Outage(address, self._now(), reason)
            log.warning("the %s (%s); calls wait for it", self.outage, reason)
        pause = min(MIN_PAUSE * 2**self._failures, MAX_PAUSE)
        self._failures = min(self._failures + 1, 10)
        self._not_before = asyncio.get_running_loop().time() + pause

    def _restored(self) -> None:
        if self.outage is not None:
            log.warning("the quota store at %s is reachable again", self.outage.address)
        self.outage, self._failures, self._not_before = None, 0, -inf
