"""Runs with a log: every call is written down before it is sent, and every id is settled exactly once."""

from __future__ import annotations

import asyncio
from itertools import chain, count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from koophone_async import KooPhone, Password, Quota, State
from koophone_async.emulator import Durations, Emulator, EndToken, Fault, Garble, Refuse, Reset, Throttle
from koophone_async.services.koophone import commands, instances, users
from koophone_async.services.koophone.commands import RunCommand
from koophone_async.virtual_time import VirtualTimeLoop
from tests.batches.cancelling_loop import CancellingLoop
from tests.batches.recording_log import STOPPED, RecordingLog, failing

if TYPE_CHECKING:
    from koophone_async import Report, Run
    from koophone_async.emulator.server.faults import Action

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=300, jobs=Durations(fixed=2))]

RUN = commands.RUN.name


def ids(emulator: Emulator, count: int = 300) -> list[str]:
    return [phone.id for phone in emulator.phones][:count]


def check(log: RecordingLog, report: Report, emulator: Emulator) -> None:
    """Check that log, report and emulator agree on what was executed."""
    log.check_complete()
    executed = emulator.ledger.executions(log.operation)
    assert log.outcomes | log.rejected == report.outcomes
    assert set(executed.values()) <= {1}
    for outcome in report:
        runs = executed.get(outcome.id, 0)
        assert runs in {State.NOT_SENT: {0}, State.REFUSED: {0}, State.UNKNOWN: {0, 1}}.get(
            outcome.state, {1}
        )


async def test_each_call_is_written_before_it_is_sent(emulator: Emulator, koophone: KooPhone) -> None:
    log = RecordingLog(emulator)

    report = await koophone.fleet(ids(emulator)).run("id").log_calls_to(log)

    assert report.ok
    assert [call.events for call in log.calls] == [["sending", "started"]] * 3
    assert {len(call.jobs) for call in log.calls} == {100}
    check(log, report, emulator)


async def test_the_halves_of_a_refused_call_are_calls(emulator: Emulator, koophone: KooPhone) -> None:
    log = RecordingLog(emulator)
    requested = [*ids(emulator, 20), "missing1"]
    requested.insert(3, "missing2")

    report = await koophone.fleet(requested).run("id").log_calls_to(log)

    assert report.counts == {State.SUCCEEDED: 20, State.REFUSED: 2}
    assert {call.events[-1] for call in log.calls} == {"split", "started", "sending"}
    check(log, report, emulator)


@pytest.mark.emulator(phones=60, servers=2, regions=("cn-north-4", "cn-east-3"))
async def test_ids_of_several_regions_move_on_to_other_calls(emulator: Emulator, koophone: KooPhone) -> None:
    log = RecordingLog(emulator)

    report = await koophone.fleet(ids(emulator)).run("id").log_calls_to(log)

    assert report.ok
    assert sorted(call.events[-1] for call in log.calls) == ["dissolved", "started", "started"]
    check(log, report, emulator)


async def test_ids_that_no_call_can_have_are_written_too(emulator: Emulator, koophone: KooPhone) -> None:
    log = RecordingLog(emulator)

    report = await koophone.fleet(["phone0001", "", "phone 2\n"]).run("id").log_calls_to(log)

    assert list(log.rejected) == ["", "phone 2\n"]
    check(log, report, emulator)


async def test_the_log_has_the_last_word_on_an_outcome(emulator: Emulator, koophone: KooPhone) -> None:
    log = RecordingLog(emulator, expect=failing)

    report = await koophone.fleet(ids(emulator, 3)).run("id").log_calls_to(log)

    assert report.counts == {State.FAILED: 3}
    assert {outcome.state for outcome in log.outcomes.values()} == {State.SUCCEEDED}


async def test_a_slot_is_free_while_jobs_are_awaited(emulator: Emulator, koophone: KooPhone) -> None:
    log = RecordingLog(emulator, slots=1)
    started = asyncio.get_running_loop().time()

    report = await koophone.fleet(ids(emulator)).run("id").log_calls_to(log)

    assert report.ok
    assert asyncio.get_running_loop().time() - started < 2 * 3
    check(log, report, emulator)


SENT_AGAIN = ["sending", "not executed", "sending", "started"]


@pytest.mark.parametrize(
    "fault, verb, events",
    [
        (Throttle(), "run", SENT_AGAIN),
        (Refuse(429), "run", SENT_AGAIN),
        (Refuse(503, "", retry_after=1), "run", SENT_AGAIN),
        (EndToken(), "run", SENT_AGAIN),
        (Refuse(400, "KOOPHONE.API.1002"), "run", ["sending"]),
        (Reset(), "run", ["sending"]),
        (Reset(executed=True), "run", ["sending"]),
        (Garble(), "run", ["sending"]),
        (Refuse(500, ""), "run", ["sending"]),
        (Reset(), "status", ["sending", "sending"]),
        (Garble(), "status", ["sending", "sending"]),
        (Throttle(), "status", ["sending", "not executed", "sending"]),
    ],
    ids=str,
)
async def test_only_what_was_not_executed_is_written_as_such(
    emulator: Emulator, fault: Action, verb: str, events: list[str]
) -> None:
    operation = RUN if verb == "run" else instances.STATUS.name
    log = RecordingLog(emulator, operation)
    emulator.fault(fault, operation, first=1)
    user = Password(emulator.user, emulator.password, emulator.domain, emulator.project)
    async with emulator.session(credentials=user) as session:
        fleet = KooPhone(session).fleet(ids(emulator, 1))
        run: Run[Any, Any] = fleet.status() if verb == "status" else fleet.run("id")
        report = await run.log_calls_to(log)

    assert [call.events for call in log.calls] == [events]
    log.check_complete()
    assert log.outcomes == report.outcomes


async def test_a_refusal_after_doubt_proves_nothing(emulator: Emulator, koophone: KooPhone) -> None:
    log = RecordingLog(emulator, users.ASSIGN.name)
    emulator.fault(Reset(executed=True), users.ASSIGN, first=1)
    emulator.fault(Refuse(429), users.ASSIGN)

    report = await koophone.fleet(ids(emulator, 2)).assign("u1").log_calls_to(log)

    assert report.counts == {State.UNKNOWN: 2}
    assert {event for call in log.calls for event in call.events} == {"sending"}
    check(log, report, emulator)


@pytest.mark.parametrize("where", ["admission", "before_send", "a retry", "not_executed"])
async def test_nothing_is_sent_once_sending_is_stopped(
    emulator: Emulator, koophone: KooPhone, where: str
) -> None:
    verdicts = {"admission": ["stop"], "before_send": ["", "stop"], "not_executed": ["", "", "stop"]}
    log = RecordingLog(emulator, verdicts=verdicts.get(where, ["", "", "", "stop"]))
    emulator.fault(Throttle(), commands.RUN)

    report = await koophone.fleet(ids(emulator), concurrency=1).run("id").log_calls_to(log)

    assert {(outcome.state, outcome.error_message) for outcome in report} == {(State.NOT_SENT, STOPPED)}
    assert emulator.ledger.requests == log.may_send
    check(log, report, emulator)


async def test_a_call_that_may_have_been_executed_is_unknown(emulator: Emulator, koophone: KooPhone) -> None:
    log = RecordingLog(emulator, users.ASSIGN.name, verdicts=["", "", "stop"])
    emulator.fault(Reset(executed=True), users.ASSIGN, first=1)

    report = await koophone.fleet(ids(emulator, 2)).assign("u1").log_calls_to(log)

    assert {(outcome.state, outcome.error_message) for outcome in report} == {(State.UNKNOWN, STOPPED)}
    check(log, report, emulator)


async def test_a_call_that_must_wait_is_sent_later(emulator: Emulator, koophone: KooPhone) -> None:
    log = RecordingLog(emulator, verdicts=["", "hold"] * 3)

    report = await koophone.fleet(ids(emulator, 5)).run("id").log_calls_to(log)

    assert report.ok
    assert [call.events for call in log.calls] == [["sending", "started"]]
    check(log, report, emulator)


async def test_a_call_that_had_to_wait_has_a_new_request(emulator: Emulator, koophone: KooPhone) -> None:
    commands = iter(["echo old", "echo older", "echo new"])
    run = koophone.fleet(ids(emulator, 1)).run("id")
    run = run.build_requests(lambda ids: RunCommand(ids, next(commands)))

    report = await run.log_calls_to(RecordingLog(emulator, verdicts=["", "hold"] * 2))

    assert report.one().output == "new\n"


async def test_a_call_that_is_not_sent_uses_no_quota(emulator: Emulator) -> None:
    log = RecordingLog(emulator, verdicts=["", "hold"] * 3)
    async with emulator.session(quotas={RUN: (Quota(1, 60),)}) as session:
        report = await KooPhone(session).fleet(ids(emulator, 1)).run("id").log_calls_to(log)

    assert report.ok
    assert asyncio.get_running_loop().time() < 60


FAULTS = st.sampled_from([Throttle(), Refuse(503, "", retry_after=1), Reset(), Reset(executed=True)])


@settings(max_examples=25)
@given(
    verdicts=st.lists(st.sampled_from(["go", "go", "hold", "stop"]), max_size=12),
    faults=st.lists(st.tuples(FAULTS, st.integers(1, 3)), max_size=2),
)
def test_a_run_may_be_held_and_stopped_at_any_moment(
    verdicts: list[str], faults: list[tuple[Action, int]]
) -> None:
    async def run() -> None:
        loop = VirtualTimeLoop.running()
        plan = [Fault(action, RUN, every=every) for action, every in faults]
        served = Emulator(phones=250, now=loop.now, jobs=Durations(fixed=2), faults=plan)
        async with served as emulator, emulator.session() as session:
            log = RecordingLog(emulator, verdicts=verdicts)
            requested = [*ids(emulator, 250), "missing"]
            report = await KooPhone(session).fleet(requested, concurrency=2).run("id").log_calls_to(log)
            assert list(report.outcomes) == requested
            check(log, report, emulator)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run())


async def cancelled_at(step: int) -> bool:
    """Cancel a run with a log before its n-th step; return whether it had ended before."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, CancellingLoop)
    cancels: list[asyncio.Future[None]] = []
    async with Emulator(phones=5, now=loop.now, jobs=Durations(fixed=2)) as emulator:
        emulator.fault(Throttle(), commands.RUN, first=1)
        async with emulator.session() as session:
            log = RecordingLog(emulator)
            run = KooPhone(session).fleet([*ids(emulator), "missing"]).run("id").log_calls_to(log)
            loop.remaining = step
            loop.interrupt = lambda: cancels.append(asyncio.ensure_future(run.cancel()))
            report = await run
            has_ended, loop.remaining = not cancels, 0
            await asyncio.gather(*cancels)
        unsent = {id: one for id, one in report.outcomes.items() if id not in log.outcomes}
        assert {outcome.state for outcome in unsent.values()} <= {State.NOT_SENT}
        log.rejected |= unsent
        check(log, report, emulator)
    return has_ended


def test_a_cancel_at_any_step_settles_each_id_once() -> None:
    step = 0
    for step in chain(range(1, 20), count(20, 5)):
        with asyncio.Runner(loop_factory=CancellingLoop) as runner:
            if runner.run(cancelled_at(step)):
                break
    assert step > 30
