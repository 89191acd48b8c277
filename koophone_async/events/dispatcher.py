"""From the queue to the handlers: each event until it is taken, none in the way of another."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen
from attrs.validators import gt

from koophone_async.events.callbacks import Failed, within
from koophone_async.events.errors import Rejected

if TYPE_CHECKING:
    from asyncio import Task, TimerHandle
    from collections.abc import Awaitable, Callable
    from random import Random

    from koophone_async.events.counters import Counts
    from koophone_async.events.queues import Queue, QueuedEvent

LOG: Final = logging.getLogger(__name__)


@frozen
class Delivery:
    """How events reach their handlers; all times are seconds."""

    workers: int = field(default=16, validator=gt(0))
    """How many handlers run at once."""

    timeout: float = field(default=30.0, validator=gt(0))
    """How long a handler may take; then it is cancelled and its event delivered again."""

    attempts: int = field(default=12, validator=gt(0))
    """How often an event is delivered before it is left: for the next start where there is a journal."""

    first_wait: float = 0.5
    """How long to wait after the first failure; twice as long after each further one, less up to a half."""

    longest_wait: float = 60.0
    held: int = field(default=1_000, validator=gt(0))
    """The most events in memory, running and waiting. More wait in the journal."""

    grace: float = 10.0
    """How long handlers may go on when the receiver ends."""

    def wait(self, attempts: int, rng: Random) -> float:
        """Tell how long to wait after some failures."""
        return min(self.longest_wait, self.first_wait * 2.0 ** min(attempts - 1, 64)) * rng.uniform(0.5, 1)


@define(eq=False)
class Dispatcher:
    """Takes events from a queue and delivers each until its handler returns.

    An event whose handler fails or takes too long waits for its next turn without a worker. Not more than
    `terms.held` are in memory.
    """

    _queue: Queue
    _deliver: Callable[[bytes], Awaitable[None]]
    _terms: Delivery
    _rng: Random
    _counts: Counts
    _ready: asyncio.Queue[QueuedEvent] = field(factory=asyncio.Queue["QueuedEvent"], init=False)
    _more: asyncio.Event = field(factory=asyncio.Event, init=False)
    _changed: asyncio.Event = field(factory=asyncio.Event, init=False)
    _waits: dict[QueuedEvent, TimerHandle] = field(factory=dict["QueuedEvent", "TimerHandle"], init=False)
    _held: int = field(default=0, init=False)
    _is_over: bool = field(default=False, init=False)
    _feeder: Task[None] = field(init=False)
    _workers: list[Task[None]] = field(init=False)

    def start(self) -> None:
        """Begin with what the queue still keeps."""
        self._more.set()
        self._feeder = asyncio.create_task(self._feed())
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._terms.workers)]

    def wake(self) -> None:
        """Say that the queue has something new."""
        self._more.set()

    async def stop(self) -> None:
        """Let handlers end, for `grace` seconds at most, then end them.

        What the queue does not keep is delivered first, as far as the time goes.
        """
        try:
            if self._queue.outlives:
                await _end([self._feeder])
            with suppress(TimeoutError):
                async with asyncio.timeout(self._terms.grace):
                    await self._quiet()
        finally:
            self._is_over = True
            await _end([self._feeder, *self._workers])
            for timer in self._waits.values():
                timer.cancel()

    async def _quiet(self) -> None:
        while self._busy():
            self._changed.clear()
            await self._changed.wait()

    def _busy(self) -> bool:
        return self._held > len(self._waits) if self._queue.outlives else self._queue.kept > 0

    async def _feed(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            try:
                await self._fill()
            except sqlite3.Error as error:
                LOG.error("the journal could not be read: %s", error)  # noqa: TRY400 - no more to tell
                asyncio.get_running_loop().call_later(self._terms.longest_wait, self._more.set)

    async def _fill(self) -> None:
        while (room := self._terms.held - self._held) and (parcels := await self._queue.take(room)):
            self._held += len(parcels)
            for parcel in parcels:
                self._ready.put_nowait(parcel)

    async def _work(self) -> None:
        while not self._is_over:  # a handler may keep to itself that it was cancelled
            parcel = await self._ready.get()
            parcel.attempts += 1
            if await self._attempt(parcel):
                self._counts.delivered += 1
                self._queue.done(parcel)
                self._release()
            else:
                self._counts.failures += 1
                self._again(parcel)
            self._changed.set()

    async def _attempt(self, parcel: QueuedEvent) -> bool:
        try:
            await within(self._terms.timeout, self._deliver(parcel.body))
        except (Failed, Rejected) as error:
            LOG.warning("event %d, delivery %d failed: %s", parcel.number, parcel.attempts, error)
            return False
        return True

    def _again(self, parcel: QueuedEvent) -> None:
        if parcel.attempts >= self._terms.attempts:
            LOG.error("event %d was delivered %d times in vain and is left", parcel.number, parcel.attempts)
            self._counts.given_up += 1
            self._queue.give_up(parcel)
            self._release()
            return
        wait = self._terms.wait(parcel.attempts, self._rng)
        self._waits[parcel] = asyncio.get_running_loop().call_later(wait, self._retry, parcel)

    def _retry(self, parcel: QueuedEvent) -> None:
        del self._waits[parcel]
        self._ready.put_nowait(parcel)

    def _release(self) -> None:
        self._held -= 1
        self._more.set()


async def _end(tasks: list[Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
