"""One wave of one selection: a run for each step, which a phone enters once it has passed the last one."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import anyio
from attrs import define, field

from koophone_async.rollouts.call_log import StepLog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from koophone_async.batches import Outcome, Run
    from koophone_async.batches.chunks import Source
    from koophone_async.rollouts.attempt import Attempt
    from koophone_async.rollouts.journal import Target
    from koophone_async.rollouts.restore import SentChunk

_MAX_QUEUED: Final = 2_000
"""Phones that are read from the journal ahead of their calls."""


@define(eq=False)
class StepQueue:
    """Phones that wait for a step."""

    _targets: deque[Target] = field(factory=deque["Target"], init=False)
    _is_closed: bool = field(default=False, init=False)
    _changed: asyncio.Event = field(factory=asyncio.Event, init=False)

    def put(self, target: Target) -> None:
        """Add a phone."""
        self._targets.append(target)
        self._changed.set()

    def close(self) -> None:
        """End the queue: no phone will be added."""
        self._is_closed = True
        self._changed.set()

    async def wait_for_room(self) -> None:
        """Wait until so few phones are left that more should be read."""
        while len(self._targets) >= _MAX_QUEUED:
            self._changed.clear()
            await self._changed.wait()

    async def __aiter__(self) -> AsyncIterator[Target]:
        """Iterate over the phones as they come, until the queue is closed and empty."""
        while True:
            while self._targets:
                if len(self._targets) == _MAX_QUEUED:
                    self._changed.set()
                yield self._targets.popleft()
            if self._is_closed:
                return
            self._changed.clear()
            await self._changed.wait()


@define(eq=False)
class Pipeline:
    """The steps of one wave, for the phones of one selection."""

    _attempt: Attempt
    _wave: int
    _selection: int
    _open_run: Callable[[int, Source], Run[Any, Any]]
    """Creates the run of a step on phones."""

    _on_end: Callable[[Target, int, Outcome], None]
    """Called with a phone, its step and its outcome, when it takes no further step."""

    _queues: Sequence[StepQueue] = field(init=False)
    _logs: Sequence[StepLog] = field(init=False)
    _targets: dict[str, Target] = field(factory=dict[str, "Target"], init=False)
    _runs: list[Run[Any, Any]] = field(factory=list["Run[Any, Any]"], init=False)

    def __attrs_post_init__(self) -> None:
        steps = range(len(self._attempt.steps))
        self._queues = [StepQueue() for _ in steps]
        self._logs = [StepLog(self._attempt, step, self._wave, self._selection) for step in steps]

    async def run(
        self,
        targets: AsyncIterator[Target],
        chunks: Sequence[SentChunk] = (),
    ) -> None:
        """Run all steps to their end.

        Args:
            targets: The phones that wait for a step; the table of phones has which.
            chunks: Calls that an earlier process sent, whose jobs are awaited.
        """
        for _, members in chunks:
            self._targets.update((target.id, target) for target in members)
        async with anyio.create_task_group() as group:
            group.start_soon(self._feed, targets)
            for step in range(len(self._queues)):
                group.start_soon(self._run_step, step, [pair for pair in chunks if pair[0].step == step])

    async def cancel(self) -> None:
        """Leave everything running that was sent, and send nothing more."""
        for run in self._runs:
            await run.cancel()

    async def _feed(self, targets: AsyncIterator[Target]) -> None:
        async for target in targets:
            await self._queues[0].wait_for_room()
            if self._attempt.admission.stopped is not None:
                break
            self._put(target, self._attempt.phones.step(target.position))
        self._queues[0].close()

    def _put(self, target: Target, step: int) -> None:
        """Put a phone into the queue of its next step."""
        self._enter(target, step)
        self._queues[step].put(target)

    def _enter(self, target: Target, step: int) -> None:
        self._targets[target.id] = target
        self._logs[step].positions[target.id] = target.position

    async def _run_step(self, step: int, chunks: Sequence[SentChunk]) -> None:
        log = self._logs[step]
        resumed = [log.resume(chunk, members) for chunk, members in chunks]
        run = self._open_run(step, self._queues[step]).log_calls_to(log, resumed)
        self._runs.append(run)
        async for outcome in run:
            target = self._targets[outcome.id]
            following = self._attempt.next_step(outcome.id, step + 1) if outcome.ok else None
            if following is not None:
                self._put(target, following)
            else:
                del self._targets[outcome.id]
                self._on_end(target, step, outcome)
        if step + 1 < len(self._queues):
            self._queues[step + 1].close()
