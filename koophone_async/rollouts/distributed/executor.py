"""What a worker does of rollouts: it drives them, and runs shards."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

import anyio
from attrs import define, field

from koophone_async.rollouts.distributed.client_pool import ClientPool
from koophone_async.rollouts.distributed.coordination import Coordination
from koophone_async.rollouts.distributed.hand_over import HANDOVER
from koophone_async.rollouts.distributed.shard_run import ShardRun
from koophone_async.rollouts.execution.attempt_plans import plan_of
from koophone_async.rollouts.execution.starts import last_attempt
from koophone_async.rollouts.journal import LeaseHeld, RolloutState
from koophone_async.rollouts.journal.lease import LeaseKey
from koophone_async.rollouts.plans.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from koophone_async.batches import Outcome
    from koophone_async.rollouts.distributed.hand_over import Handover
    from koophone_async.rollouts.journal import Driver, Journal
    from koophone_async.rollouts.journal.shards import ShardDriver, ShardRecord
    from koophone_async.session import Session


_MAX_PLANS: Final = 4
"""Plans that are kept for the next shard."""


class Dispatch(Protocol):
    """Asks workers to do something; each request once, as long as none has taken it up."""

    async def drive(self, rollout: str, queue: str) -> None:
        """Have a worker drive a rollout."""
        ...

    async def run_shards(self, shards: Sequence[ShardRecord], queue: str) -> None:
        """Have workers run shards."""
        ...


@define(eq=False)
class Executor:
    """Drives rollouts and runs shards for one worker, as long as the journal admits it."""

    _journal: Journal
    _session: Session
    _dispatch: Dispatch
    _hand_out_interval: float
    """Seconds after which shards that nobody runs are handed out again."""

    _pool: ClientPool = field(init=False)
    _running: set[ShardRun] = field(factory=set[ShardRun], init=False)
    _driving: dict[Coordination, asyncio.Task[None]] = field(
        factory=dict["Coordination", "asyncio.Task[None]"], init=False
    )
    _is_stopping: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._pool = ClientPool(self._session)

    async def interrupt(self) -> None:
        """Leave everything to other workers: nothing more is sent, and answers on the wire are awaited."""
        self._is_stopping = True
        async with anyio.create_task_group() as group:
            for run in self._running:
                group.start_soon(run.interrupt)
            for coordination, task in self._driving.items():
                if coordination.runner is None:
                    task.cancel()
                else:
                    group.start_soon(coordination.runner.interrupt)

    async def drive(self, rollout: str) -> None:
        """Drive a rollout whose waves workers send, unless another worker does.

        Raises:
            InvalidRequest: It cannot go on here, for example with credentials of another account.
            JournalError: The journal cannot be written.
            LeaseLost: Another process has taken the rollout over.
        """
        if self._is_stopping:
            return
        try:
            driver = await self._journal.acquire(rollout)
        except LeaseHeld:
            return
        if driver.rollout.handover is None or driver.rollout.has_ended:
            await driver.release()
            return
        handover = HANDOVER.decode(driver.rollout.handover)
        coordination = await self._coordination(driver, handover)
        task = self._driving[coordination] = asyncio.create_task(coordination.run())
        try:
            await asyncio.wait([task])
        finally:
            del self._driving[coordination]
        if task.cancelled() or coordination.state is RolloutState.INTERRUPTED:
            await self._dispatch.drive(rollout, handover.queue)
        if not task.cancelled():
            task.result()

    async def _coordination(self, driver: Driver, handover: Handover) -> Coordination:
        plan = Plan.from_json(driver.rollout.plan)

        async def hand_out(shards: Sequence[ShardRecord]) -> None:
            await self._dispatch.run_shards(shards, handover.queue)

        return Coordination(
            self._journal,
            await last_attempt(self._journal, driver, plan, ignores_stop=handover.ignores_stop),
            self._session,
            self._session.now,
            _ignore,
            True,  # noqa: FBT003 - positional in the base class
            hand_out=hand_out,
            hand_out_interval=self._hand_out_interval,
        )

    async def run_shard(self, key: LeaseKey) -> None:
        """Run a shard, unless another worker does or it is done.

        Raises:
            InvalidRequest: It cannot go on here, for example with credentials of another account.
            JournalError: The journal cannot be written.
            LeaseLost: Another worker has taken the shard over.
        """
        if self._is_stopping:
            return
        try:
            driver = await self._journal.shards.acquire(key)
        except LeaseHeld:
            return
        if driver is None:
            return
        try:
            await self._run(driver)
        finally:
            if driver.is_active:  # it has not begun
                await driver.hand_back(is_done=False)
        if self._is_stopping:
            await self._hand_out_again(driver)

    async def _run(self, driver: ShardDriver) -> None:
        record, number = driver.rollout, driver.shard.attempt
        attempt = next(each for each in await self._journal.attempts(record.id) if each.attempt == number)
        plan = _plan_of(record.plan, attempt.kind)
        async with self._pool.clients(record, number, plan) as (clients, slots):
            run = ShardRun(
                self._journal, driver, plan, attempt.waves or record.waves, clients, slots, self._session.now
            )
            self._running.add(run)
            try:
                await run.run()
            finally:
                self._running.discard(run)

    async def _hand_out_again(self, driver: ShardDriver) -> None:
        """Hand out a shard that was left, if it is not done."""
        handover = driver.rollout.handover
        shards = await self._journal.shards.open(driver.rollout.id)
        if handover is not None:
            left = [shard for shard in shards if shard.key == driver.shard.key]
            await self._dispatch.run_shards(left, HANDOVER.decode(handover).queue)


@lru_cache(maxsize=_MAX_PLANS)
def _plan_of(text: str, kind: str) -> Plan:
    """Return the plan of an attempt. One with a million ids takes seconds to parse, and has many shards."""
    return plan_of(Plan.from_json(text), kind)


def _ignore(step: int, wave: int, outcomes: Iterable[Outcome]) -> None:
    """Report nothing: outcomes are in the journal."""
