"""A rollout from its start to its end: waves, gates, window, deadline, stop rule, and what others request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from koophone_async import Quota
from koophone_async.batches import State
from koophone_async.cli.output.progress import Delay
from koophone_async.cli.rollouts.driving import delay_of
from koophone_async.emulator import Durations, Emulator, Fail, Omit
from koophone_async.rollouts.journal import Journal, RolloutState, WaitingFor
from koophone_async.rollouts.plans.plan import Between, Plan, Selection, Step
from koophone_async.rollouts.rollout import Rollout
from tests.rollouts.journal.samples import IN_BOTH

if TYPE_CHECKING:
    from koophone_async import Session

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=40, jobs=Durations(fixed=2))]

RUN = "koophone.commands.run"


def plan(ids: list[str], *steps: Step, **fields: Any) -> Plan:  # noqa: ANN401 - fields of the plan
    return Plan(targets=Selection(ids=ids), steps=steps or [Step("run", "id")], **fields)


async def wait_for(rollout: Rollout, state: RolloutState, waiting_for: WaitingFor | None = None) -> None:
    """Wait until the journal shows a state."""
    while True:
        record = await rollout.status()
        if (record.state, record.waiting_for) == (state, waiting_for):
            return
        await asyncio.sleep(0.1)


@IN_BOTH
async def test_every_phone_takes_every_step_once(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = Rollout(plan(ids, Step("run", "id"), Step("run", "getprop")), journal, session)

    report = await rollout

    assert report.counts == {State.SUCCEEDED: 40}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2)
    assert (await journal.find("last")).counts == {"succeeded": 40}


@IN_BOTH
async def test_a_phone_that_fails_takes_no_further_step(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Fail(), RUN, phone=ids[3], first=1)

    report = await Rollout(plan(ids, Step("run", "id"), Step("run", "id")), journal, session)

    assert report[ids[3]].state is State.FAILED
    assert emulator.ledger.executions(RUN)[ids[3]] == 1


@IN_BOTH
async def test_what_an_answer_shows_at_once_is_a_share_of_all_phones_in_it(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    """Others succeed two seconds later: of those that have ended by then, all are unknown."""
    emulator.fault(Omit(), RUN, phone=ids[5], first=1)
    rollout = Rollout(plan(ids, stop="unknown=50%"), journal, session)

    report = await rollout

    assert report.counts == {State.UNKNOWN: 1, State.SUCCEEDED: 39}
    assert rollout.state is RolloutState.FINISHED


@IN_BOTH
async def test_waves_follow_each_other(session: Session, journal: Journal, ids: list[str]) -> None:
    rollout = Rollout(plan(ids, waves=["1", "50%"]), journal, session)

    waves = [outcome.wave async for outcome in rollout]

    assert waves == [1] + [2] * 19 + [3] * 20


@IN_BOTH
async def test_a_pause_between_waves_is_kept(session: Session, journal: Journal, ids: list[str]) -> None:
    loop = asyncio.get_running_loop()
    times = dict[int, float]()

    async for outcome in Rollout(plan(ids, waves=["1"], between=Between(pause="10m")), journal, session):
        times.setdefault(outcome.wave, loop.time())

    assert times[2] - times[1] >= 600


@IN_BOTH
async def test_a_gate_waits_for_approval(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = Rollout(plan(ids, waves=["1"], between=Between(approve=True)), journal, session)
    await rollout.start()
    running = asyncio.ensure_future(rollout)
    await wait_for(rollout, RolloutState.WAITING, WaitingFor.APPROVAL)
    assert emulator.ledger.executions(RUN) == {ids[0]: 1}
    assert rollout.waiting_for is WaitingFor.APPROVAL
    assert delay_of(rollout, session)() == Delay("approval")

    await rollout.approve(1)

    assert (await running).counts == {State.SUCCEEDED: 40}
    assert delay_of(rollout, session)() is None


@IN_BOTH
async def test_a_rollout_left_at_a_gate_goes_on_after_approval(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = Rollout(
        plan(ids, waves=["1"], between=Between(approve=True)), journal, session, waits_at_gates=False
    )
    await rollout
    assert rollout.state is RolloutState.WAITING

    await rollout.approve()
    resumed = Rollout.resume("last", journal, session, waits_at_gates=False)
    await resumed

    assert resumed.state is RolloutState.FINISHED
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 1)


@IN_BOTH
async def test_a_pause_holds_until_it_ends(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = Rollout(plan(ids, waves=["1"], between=Between(pause=5)), journal, session)
    await rollout.start()
    running = asyncio.ensure_future(rollout)
    await rollout.pause()
    await wait_for(rollout, RolloutState.PAUSED)
    await asyncio.sleep(60)
    assert len(emulator.ledger.executions(RUN)) <= 1

    await rollout.go_on()

    assert (await running).counts == {State.SUCCEEDED: 40}


@IN_BOTH
async def test_a_cancelled_rollout_sends_nothing_more(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = Rollout(plan(ids, waves=["1"], between=Between(pause=60)), journal, session)
    await rollout.start()
    running = asyncio.ensure_future(rollout)
    await wait_for(rollout, RolloutState.WAITING, WaitingFor.PAUSE)

    await rollout.cancel()

    report = await running
    assert report.counts == {State.SUCCEEDED: 1, State.NOT_SENT: 39}
    assert (await rollout.status()).state is RolloutState.CANCELLED
    assert len(emulator.ledger.executions(RUN)) == 1


@IN_BOTH
async def test_a_canary_that_fails_stops_the_rollout(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Fail(), RUN, phone=ids[0])
    rollout = Rollout(plan(ids, waves=["1"], stop="2%"), journal, session)

    report = await rollout

    assert rollout.state is RolloutState.STOPPED
    assert report.counts == {State.FAILED: 1, State.NOT_SENT: 39}
    assert (await journal.find("last")).counts == {"failed": 1, "not_sent": 39}


@IN_BOTH
async def test_a_wave_of_which_no_phone_succeeds_stops_a_rollout_without_a_rule(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Fail(), RUN, phone=ids[0], first=1)
    rollout = Rollout(plan(ids, waves=["1"]), journal, session)

    report = await rollout

    assert rollout.state is RolloutState.STOPPED
    assert report.counts == {State.FAILED: 1, State.NOT_SENT: 39}
    assert emulator.ledger.executions(RUN) == {ids[0]: 1}


@IN_BOTH
async def test_a_phone_skips_steps_that_are_only_for_others(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    steps = [Step("run", "id"), Step("reboot", only=ids[:2]), Step("run", "getprop")]

    report = await Rollout(plan(ids, *steps), journal, session)

    assert report.counts == {State.SUCCEEDED: 40}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2)
    assert emulator.ledger.executions("koophone.instances.reboot") == dict.fromkeys(ids[:2], 1)


@IN_BOTH
async def test_the_deadline_leaves_jobs_unfinished(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = Rollout(plan(ids, deadline=1), journal, session)

    report = await rollout

    assert rollout.state is RolloutState.STOPPED
    assert report.counts == {State.UNFINISHED: 40}
    assert (await journal.find("last")).reason == "deadline"


@IN_BOTH
async def test_a_resume_with_a_new_deadline_awaits_unfinished_jobs(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(plan(ids, deadline=1), journal, session)

    report = await Rollout.resume("last", journal, session, deadline=60)

    assert report.counts == {State.SUCCEEDED: 40}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 1)


@IN_BOTH
async def test_an_interrupted_rollout_is_resumed(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    steps = plan(ids, Step("run", "id"), Step("run", "id"), waves=["50%"])
    rollout = Rollout(steps, journal, session)
    async with rollout:
        async for _ in rollout:
            break
    assert (await journal.find("last")).state is RolloutState.INTERRUPTED

    report = await Rollout.resume("last", journal, session)

    assert set(report.counts) == {State.SUCCEEDED}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2)
    assert (await journal.find("last")).counts == {"succeeded": 40}


async def test_calls_wait_for_the_window(session: Session, journal: Journal, ids: list[str]) -> None:
    rollout = Rollout(plan(ids, window="02:00-03:00 UTC"), journal, session)
    await rollout.start()
    running = asyncio.ensure_future(rollout)
    await wait_for(rollout, RolloutState.WAITING, WaitingFor.WINDOW)
    assert delay_of(rollout, session)() == Delay("window, opens 02:00")

    await running

    record = await journal.find("last")
    assert record.ended_at is not None
    assert record.ended_at.hour == 2


@IN_BOTH
async def test_a_retry_takes_what_failed_from_its_step(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Fail(), RUN, phone=ids[3], first=1)
    await Rollout(plan(ids, Step("run", "id"), Step("run", "getprop")), journal, session)

    report = await Rollout.retry("last", journal, session)

    assert report.counts == {State.SUCCEEDED: 1}
    assert emulator.ledger.executions(RUN)[ids[3]] == 3
    assert (await journal.find("last")).counts == {"succeeded": 40}


@IN_BOTH
async def test_an_undo_reaches_what_a_step_may_have_reached(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Fail(), RUN, phone=ids[0], first=1)
    steps = plan(ids, waves=["2"], stop="1", undo=[Step("reboot")])
    await Rollout(steps, journal, session)

    report = await Rollout.undo("last", journal, session)

    assert {outcome.id for outcome in report} == set(ids[:2])
    assert emulator.ledger.executions("koophone.instances.reboot") == dict.fromkeys(ids[:2], 1)


@IN_BOTH
async def test_a_resumed_undo_waits_for_its_own_window(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(plan(ids, undo=[Step("reboot")]), journal, session)
    undo = Rollout.undo("last", journal, session, window="02:00-03:00 UTC")
    await undo.start()
    running = asyncio.ensure_future(undo)
    await wait_for(undo, RolloutState.WAITING, WaitingFor.WINDOW)
    await undo.interrupt()
    await running

    await Rollout.resume("last", journal, session)

    record = await journal.find("last")
    assert record.ended_at is not None
    assert record.ended_at.hour == 2
    assert emulator.ledger.executions("koophone.instances.reboot") == dict.fromkeys(ids, 1)


@IN_BOTH
async def test_an_undo_of_a_rollout_in_waves_reaches_all(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(plan(ids, waves=["1", "50%"], undo=[Step("reboot")]), journal, session)

    report = await Rollout.undo("last", journal, session)

    assert report.counts == {State.SUCCEEDED: 40}
    assert emulator.ledger.executions("koophone.instances.reboot") == dict.fromkeys(ids, 1)


@pytest.mark.emulator(phones=250)
@IN_BOTH
async def test_a_wait_for_the_quota_is_shown(emulator: Emulator, journal: Journal, ids: list[str]) -> None:
    async with emulator.session(quotas={RUN: (Quota(1, 60),)}) as session:
        rollout = Rollout(plan(ids), journal, session)
        await rollout.start()
        running = asyncio.ensure_future(rollout)

        await wait_for(rollout, RolloutState.WAITING, WaitingFor.QUOTA)

        assert (await running).counts == {State.SUCCEEDED: 250}
