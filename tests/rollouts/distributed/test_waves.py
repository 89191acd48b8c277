"""A rollout that workers send: each phone once, whoever sends it, and judged as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from koophone_async.emulator import Durations, Emulator, Fail
from koophone_async.rollouts.journal import RolloutState
from koophone_async.rollouts.plan import Plan, Selection, Step

if TYPE_CHECKING:
    from koophone_async.rollouts.journal import Journal
    from tests.rollouts.distributed.conftest import InProcess

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=250, jobs=Durations(fixed=2))]

RUN = "koophone.commands.run"


def plan(ids: list[str], *steps: Step, **fields: Any) -> Plan:  # noqa: ANN401 - fields of the plan
    return Plan(targets=Selection(ids=ids), steps=steps or [Step("run", "id")], **fields)


async def test_every_phone_takes_every_step_once(
    emulator: Emulator, workers: InProcess, journal: Journal, ids: list[str]
) -> None:
    await workers.start(plan(ids, Step("run", "id"), Step("run", "getprop"), waves=["1", "50%"]))
    await workers.finish()

    record = await journal.find("last")
    assert (record.state, record.counts) == (RolloutState.FINISHED, {"succeeded": 250})
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2)
    assert [shard.wave for shard in workers.shards] == [1, 2, 2, 3, 3]


async def test_the_rule_counts_what_all_workers_have_done(
    emulator: Emulator, workers: InProcess, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Fail(), RUN)
    await workers.start(plan(ids, stop="not_succeeded=10", waves=["20", "100%"]))
    await workers.finish()

    record = await journal.find("last")
    assert record.state is RolloutState.STOPPED
    assert record.counts == {"failed": 20, "not_sent": 230}
