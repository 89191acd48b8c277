"""Deliver queued events to handlers, with retries; a failing event never blocks another one."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen
from attrs.validators import gt

from koophone_async.events.callbacks import CallbackFailed, run_callback
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
    """Concurrency, timeout and retries of event delivery; all times are seconds."""

    workers: int = field(default=16, validator=gt(0))
    """Maximum number of handlers running at once."""

    timeout: float = field(default=30.0, validator=gt(0))
    """Time limit of a handler; past it the handler is cancelled and its event retried."""

    attempts: int = field(default=12, validator=gt(0))
    """Maximum deliveries of an event. With a journal it is delivered again after the next start."""

    first_delay: float = 0.5
    """Delay after the first failure, doubled after each further one; jitter takes off up to half of it."""

    max_delay: float = 60.0
    max_in_memory: int = field(default=1_000, validator=gt(0))
    """Maximum number of events in memory, running and waiting; further ones wait in the journal."""

    grace: float = 10.0
    """How long running handlers may take to finish when the receiver stops."""

    def delay(self, attempts: int, rng: Random) -> float:
        """Return the delay before the next delivery, after `attempts` failures."""
        return min(self.max_delay, self.first_delay * 2.0 ** min(attempts - 1, 64)) * rng.uniform(0.5, 1)


@define(eq=False)
class Dispatcher:
    """Deliver events from a queue, each one until its handler returns.

    An event whose handler failed or timed out waits for its retry without occupying a worker. At most
    `options.max_in_memory` events are in memory.
    """

    _queue: Queue
    _deliver: Callable[[bytes], Awaitable[None]]
    _options: Delivery
    _rng: Random
    _counts: Counts
    _ready: asyncio.Queue[QueuedEvent] = field(factory=asyncio.Queue["QueuedEvent"], init=False)
    _has_more: asyncio.Event = field(factory=asyncio.Event, init=False)
    _changed: asyncio.Event = field(factory=asyncio.Event, init=False)
    _retries: dict[QueuedEvent, TimerHandle] = field(factory=dict["QueuedEvent", "TimerHandle"], init=False)
    _in_memory: int = field(default=0, init=False)
    _is_stopped: bool = field(default=False, init=False)
    _feeder: Task[None] = field(init=False)
    _workers: list[Task[None]] = field(init=False)

    def start(self) -> None:
        """Start the workers, beginning with what is already in the queue."""
        self._has_more.set()
        self._feeder = asyncio.create_task(self._feed())
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._options.workers)]

    def wake(self) -> None:
        """Announce that the queue has new events."""
        self._has_more.set()

    async def stop(self) -> None:
        """Wait up to `grace` seconds for running handlers, then cancel them.

        If the queue is not persistent, queued events are delivered too while time is left.
        """
        try:
            if self._queue.is_persistent:
                await _cancel([self._feeder])
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.grace):
                    await self._idle()
        finally:
            self._is_stopped = True
            await _cancel([self._feeder, *self._workers])
            for timer in self._retries.values():
                timer.cancel()

    async def _idle(self) -> None:
        while self._is_busy():
            self._changed.clear()
            await self._changed.wait()

    def _is_busy(self) -> bool:
        return self._in_memory > len(self._retries) if self._queue.is_persistent else self._queue.size > 0

    async def _feed(self) -> None:
        while True:
            await self._has_more.wait()
            self._has_more.clear()
            try:
                await self._fill()
            except sqlite3.Error as error:
                LOG.error("the journal could not be read: %s", error)  # noqa: TRY400 - the traceback adds nothing
                asyncio.get_running_loop().call_later(self._options.max_delay, self._has_more.set)

    async def _fill(self) -> None:
        while (room := self._options.max_in_memory - self._in_memory) and (
            events := await self._queue.take(room)
        ):
            self._in_memory += len(events)
            for event in events:
                self._ready.put_nowait(event)

    async def _work(self) -> None:
        while not self._is_stopped:  # a handler may suppress its cancellation
            event = await self._ready.get()
            event.attempts += 1
            if await self._attempt(event):
                self._counts.delivered += 1
                self._queue.done(event)
                self._release()
            else:
                self._counts.failures += 1
                self._schedule_retry(event)
            self._changed.set()

    async def _attempt(self, event: QueuedEvent) -> bool:
        try:
            await run_callback(self._options.timeout, self._deliver(event.body))
        except (CallbackFailed, Rejected) as error:
            LOG.warning("event %d: delivery %d failed: %s", event.number, event.attempts, error)
            return False
        return True

    def _schedule_retry(self, event: QueuedEvent) -> None:
        if event.attempts >= self._options.attempts:
            LOG.error("event %d: giving up after %d failed deliveries", event.number, event.attempts)
            self._counts.given_up += 1
            self._queue.give_up(event)
            self._release()
            return
        delay = self._options.delay(event.attempts, self._rng)
        self._retries[event] = asyncio.get_running_loop().call_later(delay, self._retry, event)

    def _retry(self, event: QueuedEvent) -> None:
        del self._retries[event]
        self._ready.put_nowait(event)

    def _release(self) -> None:
        self._in_memory -= 1
        self._has_more.set()


async def _cancel(tasks: list[Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
