"""Several worker processes run a rollout: each phone once, whatever becomes of them."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from koophone_async.emulator import Durations
from koophone_async.rollouts import Step
from koophone_async.rollouts.journal import RolloutState, WaitingFor
from tests.distributed.conftest import plan

if TYPE_CHECKING:
    from tests.distributed.conftest import Workers

pytestmark = [
    pytest.mark.process,
    pytest.mark.emulator(phones=300, jobs=Durations(fixed=1)),
    pytest.mark.timeout(120),
]

RUN = "koophone.commands.run"


async def test_two_workers_run_every_step_once(workers: Workers) -> None:
    id = await workers.hand_over(plan(workers.emulator, Step("run", "id"), Step("run", "id")))
    record = await workers.journal.find(id)
    assert (record.state, record.waiting_for) == (RolloutState.WAITING, WaitingFor.WORKER)
    await asyncio.gather(workers.add(), workers.add())

    record = await workers.ended(id)

    assert record.counts == {"succeeded": 300}
    ids = [phone.id for phone in workers.emulator.phones]
    assert workers.emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2)
    assert len(await workers.journal.workers.all()) == 2
    assert await workers.stop() == [143, 143]
    assert await workers.journal.workers.all() == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
async def test_what_a_worker_has_left_others_finish(workers: Workers, number: signal.Signals) -> None:
    first = await workers.add()
    id = await workers.hand_over(plan(workers.emulator, concurrency=1))
    await workers.executions(RUN)
    first.send_signal(number)
    await asyncio.gather(first.wait(), workers.add())

    record = await workers.ended(id)

    executions = workers.emulator.ledger.executions(RUN)
    assert max(executions.values()) == 1
    assert record.counts.get("succeeded", 0) + record.counts.get("unknown", 0) == 300
    assert len(executions) >= record.counts["succeeded"]
