"""What becomes of the calls that a crash has left in the journal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from koophone_async.batches import State
from koophone_async.emulator import Durations, Emulator
from koophone_async.rollouts.execution.restore import targets_at
from koophone_async.rollouts.journal import Driver, Journal, RolloutState
from koophone_async.rollouts.plans.plan import Plan, Selection, Step
from koophone_async.rollouts.reports.last_outcomes import last_outcomes
from koophone_async.rollouts.rollout import Rollout
from koophone_async.virtual_time import EPOCH
from tests.rollouts.journal.samples import IN_BOTH

if TYPE_CHECKING:
    from koophone_async import Session

pytestmark = [IN_BOTH, pytest.mark.virtual_time, pytest.mark.emulator(phones=6, jobs=Durations(fixed=20))]

RUN = "koophone.commands.run"


def plan(ids: list[str], **fields: Any) -> Plan:  # noqa: ANN401 - fields of the plan
    return Plan(targets=Selection(ids=ids), steps=[Step("run", "id")], **fields)


async def left(plan: Plan, session: Session, journal: Journal) -> Driver:
    """Write a rollout down of which nothing was sent yet, and return another driver of it."""
    rollout = Rollout(plan, journal, session)
    await rollout.start()
    await rollout.interrupt()
    return await journal.acquire(rollout.id or "")


async def shown(journal: Journal) -> list[tuple[State, str | None]]:
    """Return the last state of each phone, and why it is that."""
    record = await journal.find("last")
    return [(outcome.state, outcome.error_message) async for _, outcome in last_outcomes(journal, record)]


async def test_a_call_that_was_only_planned_is_sent(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    driver = await left(plan(ids), session, journal)
    driver.plan_chunk(0, [0, 1])
    await driver.release(state=RolloutState.INTERRUPTED)

    report = await Rollout.resume("last", journal, session)

    assert report.counts == {State.SUCCEEDED: 6}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 1)


async def test_a_call_during_which_the_process_ended_is_unknown_and_not_sent_again(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    driver = await left(plan(ids), session, journal)
    await driver.mark_sending(driver.plan_chunk(0, [0, 1]))
    await driver.release(state=RolloutState.INTERRUPTED)
    assert [state for state, _ in await shown(journal)] == [State.UNKNOWN] * 2

    await Rollout.resume("last", journal, session)

    record = await journal.find("last")
    assert record.counts == {"unknown": 2, "succeeded": 4}
    assert [state for state, _ in await shown(journal)] == [State.UNKNOWN] * 2 + [State.SUCCEEDED] * 4
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids[2:], 1)


async def test_what_a_crash_left_unknown_counts_for_the_stop_rule(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    driver = await left(plan(ids, stop="unknown=2"), session, journal)
    await driver.mark_sending(driver.plan_chunk(0, [0, 1], wave=1))
    await driver.release(state=RolloutState.INTERRUPTED)
    resumed = Rollout.resume("last", journal, session)

    await resumed

    assert resumed.state is RolloutState.STOPPED
    assert (await journal.find("last")).counts == {"unknown": 2, "not_sent": 4}
    assert emulator.ledger.executions(RUN) == {}


@pytest.mark.parametrize("missing", [1, 2])
async def test_a_phone_without_a_job_in_the_answer_is_unknown(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str], missing: int
) -> None:
    """The process has written the handle of the call down, but not yet the job of every phone."""
    await Rollout(plan(ids[:2], deadline=1), journal, session)
    (chunk,) = await journal.chunks((await journal.find("last")).id)
    driver = await left(plan(ids[:2]), session, journal)
    number = driver.plan_chunk(0, [0, 1], wave=1)
    await driver.mark_sending(number)
    jobs = dict(list((chunk.jobs or {}).items())[missing:])
    driver.mark_sent(number, chunk.handle or "", jobs, has_jobs=True, called_at=EPOCH)
    await driver.release(state=RolloutState.INTERRUPTED)

    await Rollout.resume("last", journal, session)

    states = sorted(state for state, _ in await shown(journal))
    assert states == sorted([State.UNKNOWN] * missing + [State.SUCCEEDED] * (2 - missing))
    reasons = {reason for state, reason in await shown(journal) if state is State.UNKNOWN}
    assert [reason.startswith("the answer to its call has no job") for reason in reasons if reason] == [True]
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids[:2], 1)


async def test_jobs_whose_handle_an_earlier_process_learned_late_are_awaited_once(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    """It was stopped during a call, and another process has taken the rollout over since."""
    await Rollout(plan(ids, deadline=1), journal, session)
    (chunk,) = await journal.chunks((await journal.find("last")).id)
    driver = await left(plan(ids), session, journal)
    number = driver.plan_chunk(0, range(5), wave=1)
    await driver.mark_sending(number)
    resumed = Rollout.resume("last", journal, session)
    await (await journal.acquire(driver.rollout.id, steal=True)).release(state=RolloutState.INTERRUPTED)
    await resumed.start()
    running = asyncio.ensure_future(resumed)
    await asyncio.sleep(2)
    assert (await journal.find("last")).counts["unknown"] == 5

    jobs = {job: position for job, position in (chunk.jobs or {}).items() if position < 5}
    driver.mark_sent(number, chunk.handle or "", jobs, has_jobs=True, called_at=EPOCH)
    await running

    assert (await journal.find("last")).counts == {"succeeded": 6}
    assert [state for state, _ in await shown(journal)] == [State.SUCCEEDED] * 6
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids[:5], 1) | {ids[5]: 2}


async def test_targets_are_found_by_their_positions(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(plan(ids), journal, session)
    rollout = (await journal.find("last")).id

    assert [target.id for target in await targets_at(journal, rollout, [4, 1])] == [ids[1], ids[4]]
    assert await targets_at(journal, rollout, []) == []
