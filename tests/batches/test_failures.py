"""Runs under unexpected failures: broken input, errors of the caller's code, cancellation at any moment."""

from __future__ import annotations

import asyncio
import gc
from enum import Enum
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVarTuple

import pytest

from koophone_async import KooPhone, Password, Quota, Run, State
from koophone_async.batches import CallResult, RunOptions, Verb, Wait
from koophone_async.emulator import Delay, Durations, Emulator, Refuse, Reset
from koophone_async.services.iam import CREATE_TOKEN
from koophone_async.services.koophone import apps, commands, users
from koophone_async.services.koophone.completion import TaskPoller
from koophone_async.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextvars import Context

    from koophone_async import Report, Session
    from koophone_async.koophone import Job, StartedTask

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=300, jobs=Durations(fixed=2))]

RUN = commands.RUN.name
Arguments = TypeVarTuple("Arguments")
UNTOUCHED = {State.NOT_SENT, State.REFUSED}


def ids(emulator: Emulator, count: int = 300) -> list[str]:
    return [phone.id for phone in emulator.phones][:count]


def states(report: Report) -> dict[str, int]:
    return {state.value: count for state, count in report.counts.items() if count}


@pytest.fixture
async def loop_errors() -> list[str]:
    """Collect the errors that asyncio would log because nothing retrieved them."""
    messages: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: messages.append(context["message"]))
    return messages


async def test_ids_before_an_input_error_are_run_to_the_end(emulator: Emulator, koophone: KooPhone) -> None:
    async def broken() -> AsyncIterator[str]:
        for id in ids(emulator, 250):
            yield id
        await asyncio.sleep(0.001)
        raise OSError("the list is gone")

    run = koophone.fleet(broken()).run("id")

    with pytest.raises(OSError, match="the list is gone"):
        await run
    assert states(run.report) == {"succeeded": 250}


async def test_ids_before_an_error_of_an_iterator_are_run_too(emulator: Emulator, koophone: KooPhone) -> None:
    def broken() -> Iterator[str]:
        yield from ids(emulator, 250)
        raise OSError("the list is gone")

    run = koophone.fleet(broken()).run("id")

    with pytest.raises(OSError, match="the list is gone"):
        await run
    assert states(run.report) == {"succeeded": 250}


async def test_a_failing_credentials_provider_leaves_every_phone_unsent(emulator: Emulator) -> None:
    async def vault() -> None:
        raise KeyError("vault")

    async with emulator.session(credentials=vault) as session:
        report = await KooPhone(session).fleet(ids(emulator), concurrency=2).run("id")

    assert states(report) == {"not_sent": 300}
    assert {"KeyError" in (outcome.error_message or "") for outcome in report} == {True}


async def test_an_error_after_sending_leaves_phones_unknown(emulator: Emulator, session: Session) -> None:
    def read(started: StartedTask, _: object) -> CallResult:
        raise RuntimeError(started.id)

    verb = Verb(commands.RUN, lambda ids: commands.RunCommand(ids, "id"), read)
    run = Run(session.bind(), verb, ids(emulator, 3), RunOptions())

    with pytest.raises(RuntimeError):
        await run
    assert [(o.state, o.error_message) for o in run.report] == [(State.UNKNOWN, "RuntimeError")] * 3


async def test_an_error_in_reading_a_value_keeps_the_outcome(
    emulator: Emulator, session: Session, loop_errors: list[str]
) -> None:
    def value(job: Job) -> object:
        raise RecursionError(job.id)

    def read(started: StartedTask, _: object) -> CallResult:
        jobs = {job.id: job.instance for job in started.jobs}
        return CallResult(wait=Wait(TaskPoller(sender), started.id or "", jobs, value=value))

    sender = session.bind()
    verb = Verb(commands.RUN, lambda ids: commands.RunCommand(ids, "id"), read)

    report = await Run(sender, verb, ids(emulator, 3), RunOptions())

    assert states(report) == {"succeeded": 3}
    assert len(loop_errors) == 3


async def test_closing_the_session_gives_every_phone_an_outcome(emulator: Emulator) -> None:
    emulator.fault(Delay(seconds=1), commands.RUN)
    async with emulator.session() as session:
        waiting = asyncio.ensure_future(KooPhone(session).fleet(ids(emulator), concurrency=1).run("id"))
        await asyncio.sleep(1.5)

    assert states(await waiting) == {"unfinished": 100, "unknown": 100, "not_sent": 100}


async def test_a_refusal_of_a_retry_does_not_prove_no_execution(
    emulator: Emulator, koophone: KooPhone
) -> None:
    emulator.fault(Reset(executed=True), users.ASSIGN, first=1)
    emulator.fault(Refuse(429), users.ASSIGN)

    report = await koophone.fleet(ids(emulator, 2)).assign("u1")

    assert emulator.ledger.executions(users.ASSIGN.name) == dict.fromkeys(ids(emulator, 2), 1)
    assert states(report) == {"unknown": 2}


@pytest.mark.parametrize("fault", [Refuse(500), Refuse(503), Reset(executed=False)], ids=str)
async def test_a_run_that_cannot_sign_in_sends_nothing(emulator: Emulator, fault: Refuse | Reset) -> None:
    emulator.fault(fault, CREATE_TOKEN)
    user = Password(emulator.user, emulator.password, emulator.domain, emulator.project)
    async with emulator.session(credentials=user) as session:
        report = await KooPhone(session).fleet(ids(emulator)).run("id")

    assert states(report) == {"not_sent": 300}
    assert "iam.tokens.create" in (report["phone0001"].error_message or "")


@pytest.mark.parametrize(
    "fault, state",
    [
        (Reset(executed=True), "unknown"),
        (Refuse(500), "failed"),
        (Refuse(404, "KOOPHONE.API.4001"), "refused"),
    ],
    ids=str,
)
async def test_a_paged_list_records_whether_it_was_sent(
    emulator: Emulator, koophone: KooPhone, fault: Refuse | Reset, state: str
) -> None:
    emulator.fault(fault, apps.LIST)

    assert states(await koophone.fleet(ids(emulator, 2)).apps()) == {state: 2}


async def test_a_run_that_was_awaited_can_be_iterated(emulator: Emulator, koophone: KooPhone) -> None:
    run = koophone.fleet(ids(emulator)).run("id")
    waiting = asyncio.ensure_future(run)
    await asyncio.sleep(1)

    during = [outcome async for outcome in run]
    after = [outcome async for outcome in run]

    assert during == after == list(await waiting)
    assert len(during) == 300


async def test_a_run_with_an_unexpected_duplicate_ends(emulator: Emulator, koophone: KooPhone) -> None:
    first, second = ids(emulator, 2)

    ended = [o.id async for o in koophone.fleet([first, first, second], assume_unique=True).run("id")]

    assert sorted(ended) == [first, second]


async def test_a_str_enum_member_is_an_id_by_its_value(koophone: KooPhone) -> None:
    class Phones(str, Enum):  # noqa: UP042 - its `str` is the name, not the value
        DESK = "phone0001"

    report = await koophone.fleet(Phones).run("id")

    assert [(o.id, o.state) for o in report] == [("phone0001", State.SUCCEEDED)]


@pytest.mark.parametrize("count", [100, 150])
async def test_an_input_error_after_leaving_a_run_is_not_logged(
    emulator: Emulator, koophone: KooPhone, loop_errors: list[str], count: int
) -> None:
    async def broken() -> AsyncIterator[str]:
        for id in ids(emulator, count):
            yield id
        try:
            await asyncio.sleep(100)
        finally:
            raise OSError("the list is gone")

    run = koophone.fleet(broken()).run("id")
    waiting = asyncio.ensure_future(run)
    await asyncio.sleep(1)
    waiting.cancel()
    await asyncio.wait([waiting])
    del run, waiting
    gc.collect()

    assert not loop_errors


class Interrupting(VirtualTimeLoop):
    """Cancels a task at the k-th thing that is to happen from now on."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 0
        self.target: asyncio.Task[Any] | None = None

    def call_soon(
        self, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        handle = super().call_soon(callback, *args, context=context)
        self.left -= 1
        if not self.left and self.target is not None:
            self.target.cancel()
        return handle


async def interrupted(moment: int, loop_errors: list[str]) -> bool:
    """Cancel a run at some moment, and check its report; return whether it had ended before."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Interrupting)
    loop.set_exception_handler(lambda _, context: loop_errors.append(context["message"]))
    async with Emulator(phones=8, now=loop.now, jobs=Durations(fixed=2)) as emulator:
        async with emulator.session(quotas={RUN: (Quota(2, 1),)}) as session:
            requested = [*ids(emulator), "missing"]
            run = KooPhone(session).fleet(requested, concurrency=2).run("id")
            before = asyncio.all_tasks()
            loop.target = asyncio.ensure_future(run)
            loop.left = moment
            await asyncio.wait([loop.target])
            await run
            left = asyncio.all_tasks() - before - {loop.target}
            estimate = session.limits.estimate(RUN, (), 2)
        executed = emulator.ledger.executions(RUN)
    assert list(run.report.outcomes) == requested
    assert all(executed.get(o.id, 0) == 0 for o in run.report if o.state in UNTOUCHED)
    assert all(executed.get(o.id, 0) == 1 for o in run.report if o.state not in {*UNTOUCHED, State.UNKNOWN})
    assert not [task for task in left if "RequestHandler" not in repr(task)]
    assert estimate < 1.1
    gc.collect()
    return not loop.target.cancelled()


@pytest.mark.parametrize("step", [29, pytest.param(1, marks=pytest.mark.nightly)])
def test_a_run_cancelled_at_any_moment_reports_every_phone(step: int) -> None:
    loop_errors: list[str] = []
    was_over = False
    moments = count(1, step)
    while not was_over:
        with asyncio.Runner(loop_factory=Interrupting) as runner:
            was_over = runner.run(interrupted(next(moments), loop_errors))

    assert next(moments) > 50
    assert not loop_errors
