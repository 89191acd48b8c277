"""What may be requested of a rollout, and what is refused in which state."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from koophone_async.batches import State
from koophone_async.emulator import Durations, Emulator
from koophone_async.errors import InvalidRequest
from koophone_async.rollouts import events
from koophone_async.rollouts.journal import Journal, RolloutState, WaitingFor
from koophone_async.rollouts.plans.plan import Between, Plan, Selection, Step
from koophone_async.rollouts.reports.last_outcomes import last_outcomes
from koophone_async.rollouts.rollout import Rollout
from tests.rollouts.journal.samples import IN_BOTH
from tests.rollouts.test_rollout import wait_for

if TYPE_CHECKING:
    from koophone_async import Session

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=6, jobs=Durations(fixed=2))]

RUN = "koophone.commands.run"


def plan(ids: list[str], **fields: Any) -> Plan:  # noqa: ANN401 - fields of the plan
    return Plan(targets=Selection(ids=ids), steps=[Step("run", "id")], **fields)


@IN_BOTH
async def test_only_the_gate_at_which_a_rollout_stands_is_approved(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    gates = plan(ids, waves=["1", "2"], between=Between(approve=True))
    rollout = Rollout(gates, journal, session, waits_at_gates=False)
    await rollout

    with pytest.raises(InvalidRequest, match="wave: is 2, and the rollout stands at the gate after wave 1"):
        await rollout.approve(2)

    record = await rollout.status()
    assert (record.state, record.waiting_for) == (RolloutState.WAITING, WaitingFor.APPROVAL)
    assert all(entry.what != events.APPROVE for entry in await journal.read_log(record.id))
    assert emulator.ledger.executions(RUN) == {ids[0]: 1}


@IN_BOTH
async def test_a_rollout_that_has_ended_is_neither_approved_nor_paused(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = Rollout(plan(ids), journal, session)
    await rollout

    with pytest.raises(InvalidRequest, match="waits for no approval: it is finished"):
        await rollout.approve()
    for request in (rollout.pause(), rollout.go_on()):
        with pytest.raises(InvalidRequest, match="is finished, and no process drives it"):
            await request


@IN_BOTH
async def test_a_rollout_left_at_a_gate_is_not_paused(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = Rollout(
        plan(ids, waves=["1"], between=Between(approve=True)), journal, session, waits_at_gates=False
    )
    await rollout

    with pytest.raises(InvalidRequest, match="is waiting for approval, and no process drives it"):
        await rollout.pause()


@IN_BOTH
async def test_a_cancelled_rollout_has_unknown_what_a_crash_left(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = Rollout(plan(ids), journal, session)
    await rollout.start()
    await rollout.interrupt()
    driver = await journal.acquire(rollout.id or "")
    await driver.mark_sending(driver.plan_chunk(0, [0, 1]))
    await driver.release(state=RolloutState.INTERRUPTED)

    await rollout.cancel()

    record = await rollout.status()
    assert record.counts == {"unknown": 2, "not_sent": 4}
    shown = [(outcome.state, outcome.error_message) async for _, outcome in last_outcomes(journal, record)]
    assert [state for state, _ in shown] == [State.UNKNOWN] * 2 + [State.NOT_SENT] * 4
    assert "may have been executed" in (shown[0][1] or "")
    assert shown[2][1] == "cancelled"


@IN_BOTH
async def test_a_pause_at_a_gate_lasts_after_the_approval(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = Rollout(plan(ids, waves=["1"], between=Between(approve=True)), journal, session)
    await rollout.start()
    running = asyncio.ensure_future(rollout)
    await wait_for(rollout, RolloutState.WAITING, WaitingFor.APPROVAL)
    await rollout.pause()
    await wait_for(rollout, RolloutState.PAUSED, WaitingFor.APPROVAL)

    await rollout.approve(1)
    await asyncio.sleep(60)
    assert emulator.ledger.executions(RUN) == {ids[0]: 1}
    await rollout.go_on()

    assert (await running).counts == {State.SUCCEEDED: 6}


@IN_BOTH
async def test_a_pause_that_others_request_has_their_names_in_the_log(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = Rollout(plan(ids, waves=["1"], between=Between(pause=5)), journal, session)
    await rollout.start()
    running = asyncio.ensure_future(rollout)
    await rollout.pause()
    await wait_for(rollout, RolloutState.PAUSED)
    await rollout.go_on()
    await running

    record = await rollout.status()
    log = [entry for entry in await journal.read_log(record.id) if "by" in entry.details]

    assert [(entry.what, entry.details[events.FOR]) for entry in log] == [
        (events.WAIT, events.PERSON),
        (events.GO_ON, events.PERSON),
    ]
    assert {entry.details["by"] for entry in log} == {f"{record.created_by.user}@{record.created_by.host}"}


async def test_a_deadline_does_not_run_at_a_gate(session: Session, journal: Journal, ids: list[str]) -> None:
    rollout = Rollout(plan(ids, waves=["1"], between=Between(approve=True), deadline=60), journal, session)
    await rollout.start()
    running = asyncio.ensure_future(rollout)
    await wait_for(rollout, RolloutState.WAITING, WaitingFor.APPROVAL)
    await asyncio.sleep(3600)

    await rollout.approve()

    assert (await running).counts == {State.SUCCEEDED: 6}
    assert rollout.state is RolloutState.FINISHED
