"""Fleet operations of KooPhone: outcomes, chunks, halving, deadlines, waits."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from koophone_async import KooPhone, Quota, ResumeToken, State
from koophone_async.emulator import (
    Delay,
    Distort,
    Duplicate,
    Durations,
    Emulator,
    Fail,
    Garble,
    Lose,
    Omit,
    Refuse,
    Reset,
    Stick,
    Truncate,
)
from koophone_async.errors import InvalidRequest, JobFailed, JobUnfinished, PartialFailure
from koophone_async.koophone import ContentState, JobState, RunningState
from koophone_async.services.koophone import commands, instances, streaming, users
from koophone_async.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    from koophone_async import Outcome, Report
    from koophone_async.koophone import Instance

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=300)]

RUN = commands.RUN.name


def ids(emulator: Emulator, count: int = 300) -> list[str]:
    return [phone.id for phone in emulator.phones][:count]


def states(report: Report) -> dict[str, int]:
    return {state.value: count for state, count in report.counts.items() if count}


async def test_a_run_has_no_more_workers_than_calls(emulator: Emulator, koophone: KooPhone) -> None:
    run = koophone.fleet(ids(emulator, 3), concurrency=10_000).run("id")

    async for _ in run:
        assert len(asyncio.all_tasks()) < 100


@pytest.mark.parametrize("limits", [{"concurrency": 0}, {"concurrency": -1}, {"in_flight": 0}], ids=repr)
def test_limits_at_which_nothing_is_sent_are_refused(koophone: KooPhone, limits: dict[str, int]) -> None:
    with pytest.raises(InvalidRequest, match="it must be at least 1"):
        koophone.fleet(["a"], **cast("dict[str, Any]", limits))


async def test_every_phone_runs_the_command_once_and_has_one_outcome(
    emulator: Emulator, koophone: KooPhone
) -> None:
    requested = ids(emulator)

    report = await koophone.fleet(requested).run("getprop ro.serialno")

    assert [outcome.id for outcome in report] == requested
    assert states(report) == {"succeeded": 300}
    assert {(outcome.error_code, outcome.error_message) for outcome in report} == {(None, None)}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(requested, 1)
    assert len({outcome.output for outcome in report}) == 300


async def test_duplicates_are_dropped_and_the_order_is_kept(emulator: Emulator, koophone: KooPhone) -> None:
    requested = ids(emulator, 5)

    report = await koophone.fleet([*reversed(requested), *requested]).run("id")

    assert list(report.outcomes) == requested[::-1]
    assert set(emulator.ledger.executions(RUN).values()) == {1}


async def test_outcomes_arrive_as_each_phone_finishes(emulator: Emulator, koophone: KooPhone) -> None:
    emulator.fault(Delay(seconds=30), commands.RUN, first=1)

    run = koophone.fleet(ids(emulator)).run("id")
    when = [(asyncio.get_running_loop().time(), outcome.id) async for outcome in run]

    assert when[0][0] + 25 < when[-1][0]
    assert len({id for _, id in when}) == run.report.total == 300
    assert not run.report.outcomes


async def test_an_async_iterable_is_read_only_as_far_as_is_in_flight(
    emulator: Emulator, koophone: KooPhone
) -> None:
    read = peak = 0

    async def source() -> AsyncIterator[str]:
        nonlocal read
        for id in ids(emulator):
            read += 1
            yield id

    run = koophone.fleet(source(), in_flight=150, concurrency=4).run("id")
    done = 0
    async for _ in run:
        peak = max(peak, read - done)
        done += 1

    assert (read, done) == (300, 300)
    assert 100 <= peak <= 150


async def test_the_iteration_ends_with_the_last_outcome(emulator: Emulator, koophone: KooPhone) -> None:
    run = koophone.fleet(ids(emulator), deadline=5).run("sleep 100")

    read = [outcome async for outcome in run]

    assert [outcome.state for outcome in read] == [State.UNFINISHED] * 300


async def test_unsent_ids_are_reported_as_past_the_deadline(emulator: Emulator, koophone: KooPhone) -> None:
    report = await koophone.fleet(ids(emulator), concurrency=1, in_flight=100, deadline=5).run("sleep 100")

    unsent = [outcome for outcome in report if outcome.state is State.NOT_SENT]
    assert {outcome.error_message for outcome in unsent} == {"past the deadline"}
    assert len(unsent) == 200


async def test_a_duplicate_despite_assume_unique_is_tolerated(emulator: Emulator, koophone: KooPhone) -> None:
    first, second = ids(emulator, 2)
    wrong = koophone.fleet([first, first, second], assume_unique=True).run("id")

    async with asyncio.timeout(60):
        assert [outcome.id async for outcome in wrong] == [first, second]
    report = await koophone.fleet([second, first], assume_unique=True).run("id")
    assert [outcome.id for outcome in report] == [second, first]


async def test_a_slow_consumer_makes_room_by_reading(emulator: Emulator, koophone: KooPhone) -> None:
    run = koophone.fleet(ids(emulator), in_flight=100).run_sync("id")

    async with asyncio.timeout(600):
        async for _ in run:
            await asyncio.sleep(1)

    assert run.report.total == 300


@pytest.mark.emulator(servers=2, regions=("cn-north-4", "cn-east-3"))
async def test_listed_instances_are_grouped_by_their_region(koophone: KooPhone, emulator: Emulator) -> None:
    async def mixed() -> AsyncIterator[Instance]:
        listed = [instance async for instance in koophone.instances.list()]
        for pair in zip(listed[:150], listed[150:], strict=True):
            for instance in pair:
                yield instance

    report = await koophone.fleet(mixed()).run("id")

    assert states(report) == {"succeeded": 300}
    assert [r.status for r in emulator.ledger.recent_requests if r.operation == RUN] == [200] * 4


@pytest.mark.parametrize("bad", [1, 3, 7])
async def test_bad_ids_are_isolated_within_2_k_log_n_more_calls(
    emulator: Emulator, koophone: KooPhone, bad: int
) -> None:
    requested = ids(emulator, 100 - bad)
    for n in range(bad):
        requested.insert(n * 13, f"missing{n}")

    report = await koophone.fleet(requested).run("id")

    assert states(report) == {"succeeded": 100 - bad, "refused": bad}
    assert report.failures == {"KOOPHONE.API.1001": bad}
    assert emulator.ledger.executions(RUN) == {id: 1 for id in requested if not id.startswith("missing")}
    calls = sum(1 for request in emulator.ledger.recent_requests if request.operation == RUN)
    assert calls - 1 <= 2 * bad * 7


@pytest.mark.parametrize(
    "fault, state, executions",
    [
        (Reset(executed=False), "unknown", 0),
        (Reset(executed=True), "unknown", 1),
        (Truncate(), "unknown", 1),
        (Garble("body"), "unknown", 1),
        (Garble("head"), "unknown", 1),
        (Refuse(500), "unknown", 0),
        (Refuse(500, executed=True), "unknown", 1),
        (Refuse(200, "KOOPHONE.API.2004"), "refused", 0),
        (Refuse(200, "KOOPHONE.API.77777"), "failed", 0),
    ],
    ids=str,
)
async def test_a_failed_call_runs_no_phone_twice(
    emulator: Emulator, koophone: KooPhone, fault: Reset, state: str, executions: int
) -> None:
    emulator.fault(fault, commands.RUN)

    report = await koophone.fleet(ids(emulator, 150)).run("id")

    assert states(report) == {state: 150}
    assert set(emulator.ledger.executions(RUN).values()) == ({executions} if executions else set())


async def test_duplicate_or_missing_rows_do_not_affect_others(emulator: Emulator, koophone: KooPhone) -> None:
    first, second = ids(emulator, 2)
    emulator.fault(Omit(), commands.RUN, phone=first)
    emulator.fault(Duplicate(), commands.RUN, phone=second)

    report = await koophone.fleet(ids(emulator, 10)).run("id")

    assert states(report) == {"succeeded": 9, "unknown": 1}
    assert report[first].state is State.UNKNOWN


async def test_failed_lost_and_stuck_jobs_have_their_own_states(
    emulator: Emulator, koophone: KooPhone
) -> None:
    failing, lost, stuck = ids(emulator, 3)
    emulator.fault(Fail("CPS.0005"), phone=failing)
    emulator.fault(Lose(), phone=lost)
    emulator.fault(Stick(), phone=stuck)

    report = await koophone.fleet(ids(emulator, 50), deadline=600).run("id")

    assert states(report) == {"succeeded": 47, "failed": 1, "unknown": 1, "unfinished": 1}
    assert (report[failing].error_code, report[lost].state) == ("CPS.0005", State.UNKNOWN)
    assert ResumeToken.parse(report[stuck].resume_token or "").jobs == {report[stuck].job_id: stuck}


@pytest.mark.emulator(jobs=Durations(fixed=30))
async def test_a_resume_token_awaits_an_unfinished_phone(emulator: Emulator, koophone: KooPhone) -> None:
    report = await koophone.fleet(ids(emulator, 3), deadline=5).run("id")
    unfinished = next(iter(report))

    later = await koophone.jobs.wait(unfinished.resume_token)

    assert unfinished.state is State.UNFINISHED
    assert states(later) == {"succeeded": 1}
    assert emulator.ledger.executions(RUN)[unfinished.id] == 1


@pytest.mark.emulator(jobs=Durations(fixed=30))
async def test_a_resume_token_keeps_the_start_of_its_jobs(emulator: Emulator, koophone: KooPhone) -> None:
    began = VirtualTimeLoop.running().now()
    (left,) = await koophone.fleet(ids(emulator, 1), deadline=5).run("id")
    (again,) = await koophone.jobs.wait(left.resume_token, timeout=5)
    answered = (await koophone.commands.run(ids(emulator, 1), "id")).task
    (later,) = await koophone.jobs.wait(answered, timeout=5)

    starts = [ResumeToken.parse(outcome.resume_token or "").started_at for outcome in (left, again, later)]
    assert [round((at - began).total_seconds()) for at in starts if at] == [0, 0, 10]


async def test_old_unknown_jobs_are_soon_lost(
    koophone: KooPhone,
) -> None:
    loop = VirtualTimeLoop.running()
    resume_token = ResumeToken(
        RUN, "a task of yesterday", {"job": "phone0001"}, loop.now() - timedelta(days=1)
    )
    report = await koophone.jobs.wait(str(resume_token))

    assert states(report) == {"unknown": 1}
    assert loop.time() < 10


async def test_a_cancelled_run_reports_every_phone(emulator: Emulator, koophone: KooPhone) -> None:
    emulator.fault(Delay(seconds=60), commands.RUN, every=2)
    run = koophone.fleet(ids(emulator), concurrency=2).run("id")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(20):
            await run

    assert states(run.report) == {"succeeded": 200, "unknown": 100}
    assert list(run.report.outcomes) == ids(emulator)


async def test_halves_past_the_deadline_have_outcomes_too(emulator: Emulator, koophone: KooPhone) -> None:
    emulator.fault(Refuse(401, "KOOPHONE.API.1001"), commands.RUN, first=1)
    emulator.fault(Delay(seconds=100), commands.RUN)

    report = await koophone.fleet(ids(emulator, 100), deadline=5).run("id")

    assert states(report) == {"unknown": 50, "not_sent": 50}


async def test_a_busy_phone_is_retried_once_it_is_alone(emulator: Emulator, koophone: KooPhone) -> None:
    emulator.fault(Refuse(200, "KOOPHONE.API.2005"), commands.RUN, phone="phone0001", first=2)

    report = await koophone.fleet(ids(emulator, 2)).run("id")

    assert states(report) == {"succeeded": 2}


async def test_an_outcome_has_the_duration_of_its_call(emulator: Emulator, koophone: KooPhone) -> None:
    emulator.fault(Delay(seconds=3), commands.RUN_SYNC)
    await asyncio.sleep(10)

    report = await koophone.fleet(ids(emulator, 2)).run_sync("id")

    assert [outcome.seconds for outcome in report] == [pytest.approx(3)] * 2


async def test_unread_ids_of_a_list_are_not_sent(emulator: Emulator, koophone: KooPhone) -> None:
    emulator.fault(Delay(seconds=60), commands.RUN)
    run = koophone.fleet(ids(emulator), concurrency=1).run("id")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await run

    assert states(run.report) == {"unknown": 100, "not_sent": 200}


async def test_leaving_the_iteration_early_cancels_the_rest(emulator: Emulator, koophone: KooPhone) -> None:
    async with koophone.fleet(ids(emulator), concurrency=1).run("id") as run:
        async for outcome in run:
            assert outcome.ok
            break

    assert run.report.total == 300
    assert not [task for task in asyncio.all_tasks() if task.get_name() == RUN]


async def test_closing_the_iteration_cancels_the_rest_too(emulator: Emulator, koophone: KooPhone) -> None:
    run = koophone.fleet(ids(emulator), concurrency=1).run("id")
    outcomes = aiter(run)
    await anext(outcomes)
    await cast("AsyncGenerator[Outcome]", outcomes).aclose()

    assert run.report.total == 300


async def test_an_input_error_is_raised_after_earlier_outcomes(
    emulator: Emulator, koophone: KooPhone
) -> None:
    def broken() -> Iterator[str]:
        yield from ids(emulator, 100)
        raise OSError("the file is gone")

    run = koophone.fleet(broken()).run("id")

    with pytest.raises(OSError, match="the file is gone"):
        await run
    assert run.report.total == 100
    with pytest.raises(OSError, match="the file is gone"):
        _ = [outcome async for outcome in koophone.fleet(broken()).run("id")]


async def test_an_invalid_id_is_reported_and_not_sent(emulator: Emulator, koophone: KooPhone) -> None:
    requested = ["", "x" * 33, 7, *ids(emulator, 2)]

    report = await koophone.fleet(requested).run("id")  # type: ignore[arg-type]

    assert states(report) == {"not_sent": 3, "succeeded": 2}
    assert report["x" * 33].error_message == "the id is 33 characters long; at most 32"
    assert report["7"].error_message == "the id is a int; it must be a string"


def test_a_bare_string_is_not_a_list_of_ids(koophone: KooPhone) -> None:
    with pytest.raises(InvalidRequest, match="ids: is the string 'phone0001'; pass a list of ids"):
        _ = koophone.fleet("phone0001").run("id")


async def test_invalid_arguments_are_refused_before_reading(koophone: KooPhone) -> None:
    with pytest.raises(
        InvalidRequest, match=r"command: is 1,025 bytes of UTF-8 long; at most 1,024 bytes of UTF-8"
    ):
        await koophone.fleet(["a"]).run("x" * 1025)


async def test_one_returns_the_outcome_or_raises(emulator: Emulator, koophone: KooPhone) -> None:
    first, second = ids(emulator, 2)
    emulator.fault(Fail("CPS.0005"), phone=second)

    assert (await koophone.fleet([first]).run("echo hi")).one().output == "hi\n"
    with pytest.raises(JobFailed, match=r"koophone\.commands\.run: job failed: CPS\.0005 ") as failed:
        (await koophone.fleet([second]).run("id")).one()
    with pytest.raises(JobUnfinished, match="still running after 5") as unfinished:
        (await koophone.fleet([first], deadline=5).run("sleep 60")).one()
    with pytest.raises(PartialFailure, match="1 refused"):
        (await koophone.fleet(["missing"]).run("id")).one()
    with pytest.raises(InvalidRequest, match="report: has 2 outcomes; `one` needs exactly 1"):
        (await koophone.fleet([first, second]).run("id")).one()

    assert failed.value.outcome.id == second
    assert (await koophone.jobs.wait(unfinished.value.resume_token)).one().id == first


async def test_a_report_counts_failures_by_code_and_raises(emulator: Emulator, koophone: KooPhone) -> None:
    report = await koophone.fleet([*ids(emulator, 3), "missing"]).run("id")

    with pytest.raises(PartialFailure, match="3 succeeded, 1 refused") as raised:
        report.raise_for_failures()
    assert raised.value.outcomes["missing"].error_code == "KOOPHONE.API.1001"
    assert set(report.failed()) == {"missing"}
    assert report.to_rows()[-1] == {
        "id": "missing",
        "state": "refused",
        "job_id": None,
        "error_code": "KOOPHONE.API.1001",
        "error_message": report["missing"].error_message,
        "output": None,
        "seconds": report.to_rows()[-1]["seconds"],
    }


@pytest.mark.emulator(quotas={RUN: (Quota(2, 60),)})
async def test_a_run_estimates_its_calls_and_duration(emulator: Emulator, koophone: KooPhone) -> None:
    async with emulator.session(quotas={RUN: (Quota(2, 60),)}) as slow:
        run = KooPhone(slow).fleet(ids(emulator)).run("id")

        assert (run.estimate().ids, run.estimate().calls) == (300, 3)
        assert 60 <= run.estimate().min_seconds <= 61
        assert states(await run) == {"succeeded": 300}
    with pytest.raises(InvalidRequest, match="have no length"):
        koophone.fleet(iter(())).run("id").estimate()


@pytest.mark.emulator(jobs=Durations(fixed=40))
async def test_an_estimate_counts_the_work_by_what_was_seen(emulator: Emulator, koophone: KooPhone) -> None:
    guess = koophone.fleet(ids(emulator)).run("id").estimate()
    await koophone.fleet(ids(emulator)).run("id")

    learned = koophone.fleet(ids(emulator)).run("id").estimate()

    assert (guess.min_seconds, learned.min_seconds) == (0, 0)
    assert guess.seconds > 10
    assert learned.seconds == pytest.approx(40, rel=0.2)
    assert 3 <= learned.polls < guess.polls


@pytest.mark.emulator(quotas={RUN: (Quota(2, 60),)})
async def test_an_unknown_quota_is_learned_from_its_refusal(emulator: Emulator, koophone: KooPhone) -> None:
    report = await koophone.fleet(ids(emulator)).run("id")

    assert states(report) == {"succeeded": 300}
    assert set(emulator.ledger.executions(RUN).values()) == {1}


@pytest.mark.parametrize("edition", ["china", "international"])
@pytest.mark.parametrize("verb", ["reset", "reboot", "backup"])
async def test_a_call_without_a_task_is_awaited_by_state(verb: str, edition: str) -> None:
    now, jobs = VirtualTimeLoop.running().now, Durations(fixed=60)
    served = Emulator(phones=120, edition=edition, jobs=jobs, now=now)
    async with served as emulator, emulator.session() as session:
        report = await getattr(KooPhone(session).fleet(ids(emulator)), verb)()

        assert states(report) == {"succeeded": 120}
        assert len(emulator.jobs) == 0
        operation = getattr(instances, verb.upper()).name
        assert set(emulator.ledger.executions(operation).values()) == {1}


@pytest.mark.parametrize("passing", [state for state in RunningState if state is not RunningState.RUNNING])
async def test_a_restart_does_not_end_in_an_intermediate_state(passing: RunningState) -> None:
    now, jobs = VirtualTimeLoop.running().now, Durations(fixed=60)
    async with Emulator(phones=2, jobs=jobs, now=now) as emulator, emulator.session() as session:
        for phone in emulator.phones:
            asyncio.get_running_loop().call_later(5, setattr, phone, "running", RunningState(passing))

        report = await KooPhone(session).fleet(ids(emulator)).reboot()

        assert states(report) == {"succeeded": 2}
        assert len(emulator.jobs) == 0


@pytest.mark.parametrize("edition", ["china", "international"])
@pytest.mark.parametrize("gone", [1, 20])
async def test_deleted_phones_do_not_end_the_wait_for_others(gone: int, edition: str) -> None:
    now, jobs = VirtualTimeLoop.running().now, Durations(fixed=60)
    served = Emulator(phones=20, edition=edition, jobs=jobs, now=now)
    async with served as emulator, emulator.session() as session:
        for id in ids(emulator, gone):
            asyncio.get_running_loop().call_later(5, emulator.phones.remove, id)

        report = await KooPhone(session).fleet(ids(emulator)).reboot()

    assert report.counts[State.UNKNOWN] == gone
    assert report.counts[State.SUCCEEDED] == 20 - gone


async def test_a_wait_whose_polls_are_refused_is_unfinished(emulator: Emulator, koophone: KooPhone) -> None:
    emulator.fault(Refuse(401, "KOOPHONE.API.1003"), instances.STATUS)

    report = await koophone.fleet(ids(emulator, 2)).reboot()

    assert states(report) == {"unfinished": 2}
    assert "KOOPHONE.API.1003" in (report["phone0001"].error_message or "")


async def test_a_command_that_outlasts_its_call_is_unknown(emulator: Emulator, koophone: KooPhone) -> None:
    emulator.fault(Distort(JobState.RUNNING), commands.RUN_SYNC)

    report = await koophone.fleet(ids(emulator, 2)).run_sync("id")

    assert states(report) == {"unknown": 2}
    assert "before the command had ended" in (report["phone0001"].error_message or "")


@pytest.mark.parametrize("edition", ["china", "international"])
async def test_a_failed_backup_fails_its_phone_alone(edition: str) -> None:
    now = VirtualTimeLoop.running().now
    async with Emulator(phones=3, edition=edition, now=now) as emulator, emulator.session() as session:
        first, *others = ids(emulator)
        emulator.fault(Fail(), instances.BACKUP, phone=first)

        report = await KooPhone(session).fleet([first, *others]).backup()

        assert [outcome.state for outcome in report] == [State.FAILED, State.SUCCEEDED, State.SUCCEEDED]
        assert [phone.loaded for phone in emulator.phones] == [True, False, False]


@pytest.mark.parametrize("edition", ["china", "international"])
async def test_instances_are_assigned_prepared_and_unassigned(edition: str) -> None:
    now = VirtualTimeLoop.running().now
    async with Emulator(phones=5, edition=edition, now=now) as emulator, emulator.session() as session:
        koophone, requested = KooPhone(session), ids(emulator)
        fleet, user_of = koophone.fleet(requested), {id: f"user{n}" for n, id in enumerate(requested)}

        assert states(await fleet.assign(user_of)) == {"accepted": 5}
        assert emulator.phones[requested[1]].user == "user1"
        assert states(await koophone.fleet(requested[1:2]).prepare("user1")) == {"succeeded": 1}
        assert states(await fleet.unassign(user_of)) == {"succeeded": 5}
        assert emulator.phones[requested[1]].user is None
        assert set(emulator.ledger.executions(users.UNASSIGN.name).values()) == {1}


async def test_a_phone_without_a_user_is_not_sent(emulator: Emulator, koophone: KooPhone) -> None:
    first, second = ids(emulator, 2)

    report = await koophone.fleet([first, second]).assign({first: "u"})

    assert states(report) == {"accepted": 1, "not_sent": 1}
    assert "user" in (report[second].error_message or "")


@pytest.mark.emulator(edition="international")
async def test_single_instance_verbs_fan_out_within_concurrency(
    emulator: Emulator, koophone: KooPhone
) -> None:
    fleet = koophone.fleet(ids(emulator, 20), concurrency=5)

    tokens = await fleet.authorize()
    apps = await fleet.apps()

    assert len({getattr(outcome.value, "token", None) for outcome in tokens}) == 20
    assert all(outcome.value for outcome in apps)
    assert states(await fleet.stop_streaming()) == states(await fleet.release_session()) == {"accepted": 20}
    assert "token" not in repr(tokens["phone0001"].value) or tokens["phone0001"].value is None


async def test_credentials_are_looked_up_once_per_call(emulator: Emulator) -> None:
    lookups = 0

    async def nowhere() -> None:
        nonlocal lookups
        lookups += 1

    async with emulator.session(credentials=nowhere) as session:
        report = await KooPhone(session).fleet(ids(emulator)).run("id")

    assert states(report) == {"not_sent": 300}
    assert "credentials" in (next(iter(report)).error_message or "")
    assert lookups <= 3


@pytest.mark.parametrize("edition", ["china", "international"])
async def test_a_backed_up_phone_is_prepared_once_restored(edition: str) -> None:
    now = VirtualTimeLoop.running().now
    async with Emulator(phones=3, edition=edition, now=now) as emulator, emulator.session() as session:
        fleet = KooPhone(session).fleet(requested := ids(emulator))
        assert states(await fleet.backup()) == {"succeeded": 3}
        assert not emulator.phones[requested[0]].loaded

        assert states(await fleet.prepare("u1")) == {"succeeded": 3}
        assert emulator.phones[requested[0]].loaded


@pytest.mark.parametrize("edition", ["china", "international"])
@pytest.mark.parametrize("verb", ["status", "backup"])
async def test_an_unassigned_phone_is_prepared_once_assigned(verb: str, edition: str) -> None:
    now, jobs = VirtualTimeLoop.running().now, Durations(fixed=60)
    served = Emulator(phones=3, edition=edition, jobs=jobs, now=now)
    async with served as emulator, emulator.session() as session:
        fleet = KooPhone(session).fleet(ids(emulator))
        await getattr(fleet, verb)()

        assert states(await fleet.prepare("u1")) == {"succeeded": 3}
        assert all(phone.loaded and phone.user == "u1" for phone in emulator.phones)


@pytest.mark.parametrize("edition", ["china", "international"])
@pytest.mark.parametrize("verb", ["reset", "reboot", "backup"])
async def test_an_offline_phone_is_prepared_once_it_runs(verb: str, edition: str) -> None:
    now, jobs = VirtualTimeLoop.running().now, Durations(fixed=60)
    served = Emulator(phones=3, edition=edition, jobs=jobs, now=now)
    async with served as emulator, emulator.session() as session:
        koophone, requested = KooPhone(session), ids(emulator)
        await koophone.fleet(requested).assign("u1")
        await getattr(koophone.instances, verb)(requested)

        assert states(await koophone.fleet(requested).prepare("u1")) == {"succeeded": 3}
        assert len(emulator.jobs) == 0
        assert all(phone.loaded and phone.running is RunningState.RUNNING for phone in emulator.phones)


@pytest.mark.emulator(edition="international")
async def test_a_phone_that_could_not_be_restored_is_failed(emulator: Emulator, koophone: KooPhone) -> None:
    emulator.fault(Distort(9), streaming.PREPARE)

    report = await koophone.fleet(ids(emulator, 2)).prepare("u1")

    assert states(report) == {"failed": 2}


@pytest.mark.emulator(edition="international")
async def test_a_preparation_that_ends_in_a_failed_state_is_failed(
    emulator: Emulator, koophone: KooPhone
) -> None:
    fleet = koophone.fleet(ids(emulator, 2))
    await fleet.backup()
    emulator.fault(Distort(ContentState.RESTORE_FAILED), instances.STATUS)

    report = await fleet.prepare("u1")

    assert states(report) == {"failed": 2}
    assert "RESTORE_FAILED" in (next(iter(report)).error_message or "")
