"""Drive a rollout whose waves workers send: gates, windows, the stop rule, and what is handed out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from koophone_async.rollouts.distributed.sharded_waves import ShardedWaves
from koophone_async.rollouts.execution.drive import Drive, OnEnd
from koophone_async.rollouts.execution.restore import restore
from koophone_async.rollouts.execution.runner import Runner
from koophone_async.rollouts.journal import RolloutState
from koophone_async.rollouts.journal.records import AdmissionState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from koophone_async.rollouts.distributed.sharded_waves import HandOut
    from koophone_async.rollouts.execution.attempt import Attempt
    from koophone_async.rollouts.execution.clients import Clients
    from koophone_async.rollouts.execution.restore import SentChunk
    from koophone_async.rollouts.journal import Driver
    from koophone_async.rollouts.journal.shards import ShardRecord
    from koophone_async.rollouts.plans.plan import Plan


@define(eq=False)
class Coordination(Drive):
    """What one process does of an attempt that workers send."""

    hand_out: HandOut = field(kw_only=True)
    hand_out_interval: float = field(kw_only=True)
    """Seconds after which shards that nobody runs are handed out again."""

    _open: Sequence[ShardRecord] = field(default=(), init=False)
    """Shards that workers go on with, whoever drives the rollout."""

    async def _prepare(self, driver: Driver) -> None:
        """Suspend the calls of workers until the rule can be judged, and leave their chunks to them."""
        driver.update(admission=AdmissionState.HELD, reason=None, ended_at=None)
        if driver.rollout.state is not RolloutState.PAUSED:
            driver.update(state=RolloutState.RUNNING, waiting_for=None)
        self._open = await self._journal.shards.open(driver.rollout.id)
        # Read after the shards: what belongs to none of these is written by nobody else.
        chunks = await self._journal.chunks(driver.rollout.id)
        driver.take_chunks([chunk for chunk in chunks if chunk.shard not in self._numbers])

    @property
    def _numbers(self) -> frozenset[int]:
        return frozenset(record.key.shard for record in self._open)

    async def _restore(self, attempt: Attempt, *, with_earlier: bool = False) -> Sequence[SentChunk]:
        return await restore(self._journal, attempt, with_earlier=with_earlier, without_shards=self._numbers)

    def _runner(self, plan: Plan, attempt: Attempt, clients: Clients, on_end: OnEnd, wave: int) -> Runner:
        earlier = [record for record in self._open if record.attempt == attempt.number]
        waves = ShardedWaves(
            self._journal, plan, attempt, on_end, self.hand_out, earlier, self.hand_out_interval
        )
        attempt.admission.on_change = waves.write_admission
        runner = Runner(
            self._journal, plan, attempt, clients, waves, wave, self._waits_at_gates, reopens_late=False
        )
        if attempt.driver.rollout.state is RolloutState.PAUSED:
            runner.pause(paused=True)
        return runner

    async def _finish(self, attempt: Attempt) -> None:
        if self.state is RolloutState.INTERRUPTED:
            await self._leave(attempt.driver)
        else:
            await super()._finish(attempt)

    async def _leave(self, driver: Driver) -> None:
        """Leave the rollout to the next driver, in the state that it has."""
        await driver.release()
