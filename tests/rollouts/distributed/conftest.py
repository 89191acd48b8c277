from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest_asyncio
from attrs import define, field

from koophone_async.rollouts.distributed.executor import Executor
from koophone_async.rollouts.distributed.hand_over import release
from koophone_async.rollouts.execution.starts import NewOptions, create

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

    from koophone_async import Session
    from koophone_async.rollouts.execution.starts import Start
    from koophone_async.rollouts.journal import Journal
    from koophone_async.rollouts.journal.shards import ShardRecord
    from koophone_async.rollouts.plans.plan import Plan

INTERVAL = 10.0


@define(eq=False)
class InProcess:
    """Workers in this process, which do at once what they are asked to."""

    journal: Journal
    session: Session
    workers: list[Executor] = field(factory=list[Executor], init=False)
    tasks: set[asyncio.Task[None]] = field(factory=set["asyncio.Task[None]"], init=False)
    shards: list[ShardRecord] = field(factory=list["ShardRecord"], init=False)
    """Those that were handed out."""

    def __attrs_post_init__(self) -> None:
        self.add_worker()
        self.add_worker()

    def add_worker(self) -> Executor:
        """Add a worker."""
        worker = Executor(self.journal, self.session, self, INTERVAL)
        self.workers.append(worker)
        return worker

    async def drive(self, rollout: str, queue: str) -> None:
        """Have the first worker drive a rollout."""
        assert queue == "koophone"
        self._start(self.workers[0].drive(rollout))

    async def run_shards(self, shards: Sequence[ShardRecord], queue: str) -> None:
        """Have the workers run shards in turn."""
        assert queue == "koophone"
        for shard in shards:
            self.shards.append(shard)
            worker = self.workers[len(self.shards) % len(self.workers)]
            self._start(worker.run_shard(shard.key))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def start(self, plan: Plan, options: NewOptions | None = None) -> str:
        """Start a rollout, and return its id."""
        return await self.take(await create(self.journal, plan, self.session, options or NewOptions()))

    async def take(self, start: Start | None) -> str:
        """Have the workers go on with a rollout."""
        assert start is not None
        return await release(start, self, "koophone")

    async def finish(self) -> None:
        """Wait until the workers have nothing to do."""
        while self.tasks:
            await asyncio.gather(*self.tasks)
            await asyncio.sleep(0)  # until what has ended is no longer among them

    async def stop(self) -> None:
        """Stop all workers at once."""
        for task in self.tasks:
            task.cancel()
        for task in list(self.tasks):
            with suppress(asyncio.CancelledError):
                await task


@pytest_asyncio.fixture
async def workers(journal: Journal, session: Session) -> AsyncIterator[InProcess]:
    """Return two workers of one process."""
    started = InProcess(journal, session)
    yield started
    await started.stop()
