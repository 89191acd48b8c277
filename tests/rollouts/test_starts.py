"""What may be resumed, retried and undone, and what is refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from koophone_async import AccessKey
from koophone_async.batches import State
from koophone_async.credentials import Password
from koophone_async.emulator import Durations, Emulator, Fail, Stick
from koophone_async.errors import InvalidRequest
from koophone_async.rollouts import (
    Between,
    Journal,
    LeaseHeld,
    NewOptions,
    Plan,
    Rollout,
    RolloutState,
    Selection,
    Step,
)

if TYPE_CHECKING:
    from koophone_async import Session

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=6, jobs=Durations(fixed=2))]

RUN = "koophone.commands.run"


def plan(ids: list[str], **fields: Any) -> Plan:  # noqa: ANN401 - fields of the plan
    return Plan(targets=Selection(ids=ids), steps=[Step("run", "id")], **fields)


async def stopped(emulator: Emulator, session: Session, journal: Journal, ids: list[str]) -> None:
    """Run a rollout that its rule stops after the canary."""
    emulator.fault(Fail(), RUN, phone=ids[0], first=1)
    await Rollout(plan(ids, waves=["1"], stop="1", name="shop", undo=[Step("reboot")]), journal, session)


async def test_a_stopped_rollout_is_not_resumed_by_itself(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    await stopped(emulator, session, journal, ids)

    with pytest.raises(InvalidRequest, match="--despite-stop"):
        await Rollout.resume("shop", journal, session)

    report = await Rollout.resume("shop", journal, session, despite_stop=True)
    assert report.counts == {State.SUCCEEDED: 5}


async def test_a_cancelled_rollout_is_not_resumed_by_itself(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    gate = plan(ids, waves=["1"], between=Between(approve=True))
    rollout = Rollout(gate, journal, session, waits_at_gates=False)
    await rollout
    await rollout.cancel()

    with pytest.raises(InvalidRequest, match="cancelled"):
        await Rollout.resume("last", journal, session)
    with pytest.raises(InvalidRequest, match="cancelled already"):
        await rollout.cancel()


async def test_what_was_not_sent_is_retried_only_despite_the_stop(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    await stopped(emulator, session, journal, ids)

    with pytest.raises(InvalidRequest, match="--despite-stop"):
        await Rollout.retry("shop", journal, session, only={State.NOT_SENT})

    report = await Rollout.retry("shop", journal, session, only={State.NOT_SENT}, despite_stop=True)
    assert report.counts == {State.SUCCEEDED: 5}


async def test_an_undo_does_not_lift_the_protection_of_a_stopped_rollout(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    await stopped(emulator, session, journal, ids)
    await Rollout.undo("shop", journal, session)

    with pytest.raises(InvalidRequest, match="--despite-stop"):
        await Rollout.retry("shop", journal, session, only={State.NOT_SENT})


async def test_an_undo_does_not_lift_the_protection_of_a_cancelled_rollout(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    gate = plan(ids, waves=["1"], between=Between(approve=True), undo=[Step("reboot")])
    rollout = Rollout(gate, journal, session, waits_at_gates=False)
    await rollout
    await rollout.cancel()
    await Rollout.undo("last", journal, session)

    with pytest.raises(InvalidRequest, match="--despite-stop"):
        await Rollout.retry("last", journal, session, only={State.NOT_SENT})


async def test_a_rollout_that_has_not_ended_is_neither_retried_nor_undone(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    gate = plan(ids, waves=["1"], between=Between(approve=True), undo=[Step("reboot")])
    await Rollout(gate, journal, session, waits_at_gates=False)

    for again in (Rollout.retry("last", journal, session), Rollout.undo("last", journal, session)):
        with pytest.raises(InvalidRequest, match="cancel it first"):
            await again


async def test_a_plan_without_undo_steps_is_not_undone(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(plan(ids), journal, session)

    with pytest.raises(InvalidRequest, match="no undo steps"):
        await Rollout.undo("last", journal, session)


async def test_phones_that_were_undone_are_not_undone_again(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(plan(ids, undo=[Step("reboot")]), journal, session)
    await Rollout.undo("last", journal, session)

    report = await Rollout.undo("last", journal, session)

    assert report.total == 0
    assert emulator.ledger.executions("koophone.instances.reboot") == dict.fromkeys(ids, 1)


async def test_an_undo_does_not_reach_what_was_refused(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(plan([*ids, "nobody"], undo=[Step("reboot")]), journal, session)

    report = await Rollout.undo("last", journal, session)

    assert {outcome.id for outcome in report} == set(ids)


async def test_only_one_process_drives_a_rollout(session: Session, journal: Journal, ids: list[str]) -> None:
    rollout = Rollout(plan(ids), journal, session)
    id = await rollout.start()

    assert id is not None
    with pytest.raises(LeaseHeld):
        await Rollout.resume(id, journal, session)


@pytest.mark.parametrize(
    "credentials",
    [
        AccessKey("ANOTHERKEY", "secret"),
        AccessKey("ANOTHERKEY", "secret", "token", domain_id="other"),
        Password("user", "secret", "other", "cn-north-4"),
    ],
    ids=["access key", "temporary key", "password"],
)
async def test_other_credentials_do_not_go_on(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str], credentials: AccessKey | Password
) -> None:
    await Rollout(plan(ids), journal, session)

    async with emulator.session(credentials=credentials) as other:
        with pytest.raises(InvalidRequest, match="account"):
            await Rollout.resume("last", journal, other)


async def test_another_value_of_the_plan_is_used_and_logged(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    gate = plan(ids, waves=["1"], between=Between(approve=True), name="shop")
    await Rollout(gate, journal, session, waits_at_gates=False)
    await Rollout(gate, journal, session, options=NewOptions(again=True), waits_at_gates=False)

    values = {"steps[0].run.command": "echo other"}
    await Rollout.resume("shop", journal, session, waits_at_gates=False, values=values)

    record = await journal.find("shop")
    log = await journal.read_log(record.id)
    assert "echo other" in record.plan
    assert [entry.details["changed"] for entry in log if entry.what == "resume"] == [["steps[0].run.command"]]


async def test_a_task_that_is_cancelled_leaves_the_rollout_to_a_resume(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Stick(), RUN)
    rollout = Rollout(plan(ids), journal, session)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(rollout, 5)

    assert (await journal.find("last")).state is RolloutState.INTERRUPTED


async def test_a_rollout_that_has_not_started_has_no_status(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    with pytest.raises(InvalidRequest, match="has not started"):
        await Rollout(plan(ids), journal, session).status()


@pytest.mark.parametrize("state", [State.UNFINISHED, State.SUCCEEDED])
async def test_a_state_that_is_not_retried_is_refused(
    session: Session, journal: Journal, ids: list[str], state: State
) -> None:
    await Rollout(plan(ids), journal, session)

    with pytest.raises(InvalidRequest, match=f"only: has {state}"):
        await Rollout.retry("last", journal, session, only={state})


async def test_phones_whose_jobs_were_left_are_not_retried_as_not_sent(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = Rollout(plan(ids, waves=["2"]), journal, session)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(rollout, 1)
    await rollout.cancel()

    report = await Rollout.retry("last", journal, session, only={State.NOT_SENT}, despite_stop=True)

    assert {outcome.id for outcome in report} == set(ids[2:])
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 1)


async def test_an_attempt_can_be_restricted_to_some_ids(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    for id in ids:
        emulator.fault(Fail(), RUN, phone=id, first=1)
    await Rollout(plan(ids, stop="never", undo=[Step("reboot")]), journal, session)

    retried = await Rollout.retry("last", journal, session, ids=ids[1:3])
    undone = await Rollout.undo("last", journal, session, ids=[*ids[2:4], "of another rollout"])

    assert {outcome.id for outcome in retried} == set(ids[1:3])
    assert {outcome.id for outcome in undone} == set(ids[2:4])


async def test_a_retry_asks_for_no_approval_after_waves_without_phones(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    for id in (ids[1], ids[5]):
        emulator.fault(Fail(), RUN, phone=id, first=1)
    fields = {"waves": ["1", "2", "3"], "stop": "never"}
    await Rollout(plan(ids, **fields), journal, session)
    approved = plan(ids, **fields, between=Between(approve=True)).to_json()
    driver = await journal.acquire((await journal.find("last")).id)
    driver.update(plan=approved)
    await driver.release()
    retry = Rollout.retry("last", journal, session, waits_at_gates=False)

    waves = [outcome.wave async for outcome in retry]

    assert waves == [2]
    assert retry.reason == "wave 4 needs approval"


@pytest.mark.emulator(phones=6, jobs=Durations(fixed=20))
async def test_an_undo_awaits_jobs_that_run(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(plan(ids, deadline=1, undo=[Step("run", "getprop")]), journal, session)
    left = asyncio.get_running_loop().time()

    report = await Rollout.undo("last", journal, session)

    record = await journal.find("last")
    first = [result.outcome.state async for block in journal.results(record.id, 1) for result in block]
    assert report.counts == {State.SUCCEEDED: 6}
    assert first[-6:] == [State.SUCCEEDED] * 6
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2)
    assert asyncio.get_running_loop().time() - left >= 19 + 20


@pytest.mark.emulator(phones=6, jobs=Durations(fixed=20))
async def test_an_undo_that_awaits_jobs_can_be_interrupted(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(plan(ids, deadline=1, undo=[Step("run", "getprop")]), journal, session)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Rollout.undo("last", journal, session), 5)
    assert (await journal.find("last")).state is RolloutState.INTERRUPTED
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 1)

    report = await Rollout.resume("last", journal, session)

    assert report.counts == {State.SUCCEEDED: 6}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2)


@pytest.mark.emulator(phones=6, jobs=Durations(fixed=20))
async def test_a_resume_awaits_jobs_that_an_earlier_attempt_left(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(plan(ids, waves=["5"], deadline=10), journal, session)
    await Rollout.retry("last", journal, session, only={State.NOT_SENT}, despite_stop=True)
    assert (await journal.find("last")).counts == {"unfinished": 6}

    report = await Rollout.resume("last", journal, session, deadline=60)

    assert report.counts == {State.SUCCEEDED: 6}
    assert (await journal.find("last")).counts == {"succeeded": 6}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 1)


async def test_a_resume_shows_how_many_phones_a_crash_left_unknown(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = Rollout(plan(ids), journal, session)
    await rollout.start()
    await rollout.interrupt()
    driver = await journal.acquire((await journal.find("last")).id)
    await driver.mark_sending(driver.plan_chunk(0, [0, 1]))
    await driver.release(state=RolloutState.INTERRUPTED)

    resumed = Rollout.resume("last", journal, session)
    await resumed.start()

    assert (rollout.left_unknown, resumed.left_unknown) == (0, 2)
    assert (await resumed).counts == {State.SUCCEEDED: 4}


async def test_the_name_of_a_rollout_that_has_ended_may_be_used_again(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(plan(ids, name="shop"), journal, session)
    await Rollout(plan(ids, name="shop"), journal, session)

    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2)
    assert len([record for record in await journal.rollouts(name="shop") if record.has_ended]) == 2


async def test_a_phone_whose_undo_failed_is_undone_again(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(plan(ids, undo=[Step("run", "getprop")], stop="never"), journal, session)
    emulator.fault(Fail(), RUN, phone=ids[0], first=1)
    first = await Rollout.undo("last", journal, session)

    second = await Rollout.undo("last", journal, session)

    assert first[ids[0]].state is State.FAILED
    assert {outcome.id: outcome.state for outcome in second} == {ids[0]: State.SUCCEEDED}


async def test_an_undo_does_not_reach_calls_that_were_only_planned(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = Rollout(plan(ids, undo=[Step("reboot")]), journal, session)
    await rollout.start()
    await rollout.interrupt()
    driver = await journal.acquire(rollout.id or "")
    driver.plan_chunk(0, [0, 1])
    await driver.mark_sending(driver.plan_chunk(0, [2]))
    await driver.release(state=RolloutState.INTERRUPTED)
    await rollout.cancel()

    report = await Rollout.undo("last", journal, session)

    assert {outcome.id for outcome in report} == {ids[2]}
    assert emulator.ledger.executions("koophone.instances.reboot") == {ids[2]: 1}


@pytest.mark.emulator(phones=6, jobs=Durations(fixed=20))
async def test_an_undo_that_is_cancelled_while_it_awaits_jobs_sends_nothing(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(plan(ids, deadline=1, undo=[Step("reboot")]), journal, session)
    undo = Rollout.undo("last", journal, session)
    await undo.start()
    running = asyncio.ensure_future(undo)
    await asyncio.sleep(5)

    await undo.cancel()
    await running

    record = await journal.find("last")
    assert (undo.is_undo, record.state) == (True, RolloutState.CANCELLED)
    assert emulator.ledger.executions("koophone.instances.reboot") == {}


@pytest.mark.emulator(phones=1_200)
async def test_a_plan_with_many_ids_goes_on_with_those_of_the_journal(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Fail(), RUN, phone=ids[-1], first=1)
    await Rollout(plan(ids, name="shop"), journal, session)
    record = await journal.find("shop")
    assert Plan.from_json(record.plan).targets == (Selection(recorded=1_200),)

    report = await Rollout.retry("shop", journal, session)

    assert report.counts == {State.SUCCEEDED: 1}
    assert emulator.ledger.executions(RUN)[ids[-1]] == 2
    with pytest.raises(InvalidRequest, match="only in the plan of a rollout that was started"):
        await Rollout(Plan.from_json(record.plan), journal, session, options=NewOptions(again=True))
