"""One wave of one selection: a run for each step, which a phone enters once it has passed the last one."""

from __future__ import annotations

import asyncio
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import anyio
from attrs import define, field

from koophone_async.batches.chunks import BlockSource
from koophone_async.rollouts.execution.call_log import StepLog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from koophone_async.batches import Outcome, Run
    from koophone_async.batches.chunks import Source
    from koophone_async.rollouts.execution.attempt import Attempt
    from koophone_async.rollouts.execution.restore import SentChunk
    from koophone_async.rollouts.journal import Target

_MAX_QUEUED: Final = 2_000
"""Phones that are read from the journal ahead of their calls."""


@define(eq=False)
class StepQueue(BlockSource):
    """Phones that wait for a step."""

    _targets: list[Target] = field(factory=list["Target"], init=False)
    _is_closed: bool = field(default=False, init=False)
    _changed: asyncio.Event = field(factory=asyncio.Event, init=False)

    def put(self, targets: Iterable[Target]) -> None:
        """Add phones."""
        self._targets.extend(targets)
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

    async def blocks(self) -> AsyncIterator[Sequence[Target]]:
        """Iterate over the phones as they come, until the queue is closed and empty."""
        while self._targets or not self._is_closed:
            if self._targets:
                block, self._targets = self._targets, []
                self._changed.set()  # there is room
                yield block
            else:
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

    _on_end: Callable[[int, Sequence[Outcome]], None]
    """Called with a step, and the outcomes of phones that take no further one."""

    _queues: Sequence[StepQueue] = field(init=False)
    _logs: Sequence[StepLog] = field(init=False)
    _targets: dict[str, Target] = field(factory=dict[str, "Target"], init=False)
    _runs: list[Run[Any, Any]] = field(factory=list["Run[Any, Any]"], init=False)
    _is_cancelled: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        steps = range(len(self._attempt.steps))
        self._queues = [StepQueue() for _ in steps]
        place = self._wave, self._selection
        self._logs = [StepLog(self._attempt, step, *place, self._targets) for step in steps]

    async def run(
        self,
        targets: AsyncIterator[Sequence[Target]],
        chunks: Sequence[SentChunk] = (),
    ) -> None:
        """Run all steps to their end.

        Args:
            targets: The phones that wait for a step, in blocks; the table of phones has which.
            chunks: Calls that an earlier process sent, whose jobs are awaited.
        """
        for _, members in chunks:
            self._targets.update((target.id, target) for target in members)
        async with anyio.create_task_group() as group:
            group.start_soon(self._feed, targets)
            for step in range(len(self._queues)):
                group.start_soon(self._run_step, step, [pair for pair in chunks if pair[0].step == step])

    async def cancel(self) -> None:
        """Leave everything running that was sent, and send nothing more, also of runs that start later."""
        self._is_cancelled = True
        for run in self._runs:
            await run.cancel()

    async def _feed(self, targets: AsyncIterator[Sequence[Target]]) -> None:
        phones = self._attempt.phones
        async for block in targets:
            await self._queues[0].wait_for_room()
            if self._attempt.admission.stopped is not None:
                break
            self._targets.update((target.id, target) for target in block)
            for step, waiting in groupby(block, lambda target: phones.step(target.position)):
                self._queues[step].put(waiting)
        self._queues[0].close()

    async def _run_step(self, step: int, chunks: Sequence[SentChunk]) -> None:
        log = self._logs[step]
        resumed = [log.resume(chunk, members) for chunk, members in chunks]
        run = self._open_run(step, self._queues[step]).log_calls_to(log, resumed)
        self._runs.append(run)
        if self._is_cancelled:
            await run.cancel()
        is_last = step + 1 == len(self._queues)
        async for outcomes in run.blocks():
            ended = outcomes if is_last else [one for one in outcomes if not self._advance(one, step)]
            for outcome in ended:
                del self._targets[outcome.id]
            self._on_end(step, ended)
        if not is_last:
            self._queues[step + 1].close()

    def _advance(self, outcome: Outcome, step: int) -> bool:
        """Put a phone into the queue of its next step; return False if there is none."""
        following = self._attempt.next_step(outcome.id, step + 1) if outcome.ok else None
        if following is None:
            return False
        self._queues[following].put((self._targets[outcome.id],))
        return True
