"""Cancelled runs, and runs that are never started: every id has an outcome, or there is a warning."""

from __future__ import annotations

import asyncio
import gc
import sys
import warnings
from itertools import chain, count
from typing import TYPE_CHECKING

import pytest

from koophone_async import KooPhone, Run, State
from koophone_async.batches import CallResult, RunOptions, Verb
from koophone_async.emulator import Durations, Emulator
from koophone_async.errors import PartialFailure
from koophone_async.services.koophone.instances import REBOOT, InstancesRequest
from tests.batches.cancelling_loop import CancellingLoop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from koophone_async import Report
    from koophone_async.koophone import StartedTask
    from koophone_async.services.koophone.commands import RunCommand

    CommandRun = Run[RunCommand, StartedTask]

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=5, jobs=Durations(fixed=2))]


def ids(emulator: Emulator) -> list[str]:
    return [phone.id for phone in emulator.phones]


def check_complete(report: Report, emulator: Emulator) -> None:
    """Check that every id has one outcome, which agrees with what the emulator has executed."""
    executed = emulator.ledger.executions("koophone.commands.run")
    assert report.is_complete
    assert list(report.outcomes) == ids(emulator)
    assert report.total == len(report)
    assert report.ok == (report.counts[State.SUCCEEDED] == len(report))
    assert set(executed.values()) <= {1}
    assert all(id in executed for id, outcome in report.outcomes.items() if outcome.ok)
    assert not any(executed.get(id) for id, outcome in report.outcomes.items() if outcome.state == "not_sent")


async def awaited(run: CommandRun) -> Report:
    return await run


async def iterated(run: CommandRun) -> Report:
    async for outcome in run:
        run.report.outcomes[outcome.id] = outcome
    return run.report


async def cancel_at(step: int, start: Callable[[CommandRun], Awaitable[Report]], times: int) -> bool:
    """Cancel a run before its n-th callback is scheduled; return whether it had ended before."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, CancellingLoop)
    cancels: list[asyncio.Future[None]] = []
    async with Emulator(phones=5, now=loop.now, jobs=Durations(fixed=2)) as emulator:
        async with emulator.session() as session:
            run = KooPhone(session).fleet(ids(emulator)).run("id")

            def cancel() -> None:
                cancels.extend(asyncio.ensure_future(run.cancel()) for _ in range(times))

            loop.remaining, loop.interrupt = step, cancel
            report = await start(run)
            has_ended, loop.remaining = not cancels, 0
            await asyncio.gather(*cancels)
            assert await run is report
        report.outcomes = {id: report.outcomes[id] for id in ids(emulator)}
        check_complete(report, emulator)
    return has_ended


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("start", [awaited, iterated])
def test_a_cancel_at_any_step_leaves_no_id_out(
    start: Callable[[CommandRun], Awaitable[Report]], times: int
) -> None:
    step = 0
    for step in chain(range(1, 20), count(20, 5)):
        with asyncio.Runner(loop_factory=CancellingLoop) as runner:
            if runner.run(cancel_at(step, start, times)):
                break
    assert step > 30


async def test_a_cancelled_run_never_starts(emulator: Emulator, koophone: KooPhone) -> None:
    run = koophone.fleet(ids(emulator)).run("id")
    await run.cancel()
    await run.cancel()

    report = await run

    assert report.counts == {State.NOT_SENT: 5}
    assert {outcome.error_message for outcome in report} == {"cancelled"}
    assert [outcome async for outcome in run] == list(report)
    assert not report.ok
    assert emulator.ledger.requests == 0


async def test_leaving_the_block_cancels_an_unstarted_run(emulator: Emulator, koophone: KooPhone) -> None:
    async with koophone.fleet(ids(emulator)).run("id") as run:
        pass

    assert (await run).counts == {State.NOT_SENT: 5}


async def test_the_task_of_a_run_may_be_cancelled_unstarted(emulator: Emulator, koophone: KooPhone) -> None:
    run = koophone.fleet(ids(emulator)).run("id")
    work = asyncio.ensure_future(awaited(run))
    await asyncio.sleep(0)
    work.cancel()

    with pytest.raises(asyncio.CancelledError):
        await work
    assert run.report.counts == {State.NOT_SENT: 5}


async def test_unread_ids_of_an_iterator_are_not_ok(emulator: Emulator, koophone: KooPhone) -> None:
    run = koophone.fleet(iter(ids(emulator))).run("id")
    await run.cancel()

    report = await run

    assert (report.total, report.ok) == (0, False)
    with pytest.raises(PartialFailure, match=r"koophone\.commands\.run: the rest not read"):
        report.raise_for_failures()


async def test_a_report_is_ok_only_once_complete(emulator: Emulator, koophone: KooPhone) -> None:
    run = koophone.fleet(ids(emulator)).run("id")

    assert not run.report.ok
    assert (await run).ok


async def test_an_input_that_fails_late_is_reported(emulator: Emulator, koophone: KooPhone) -> None:
    class Shrinking(list[str]):
        def __iter__(self) -> Iterator[str]:
            yield from self[:2]
            raise OSError("the list is gone")

    run = koophone.fleet(Shrinking(ids(emulator))).run("id")
    await run.cancel()

    with pytest.raises(OSError, match="the list is gone"):
        await run
    assert run.report.counts == {State.NOT_SENT: 2}


def warnings_of(work: Callable[[], object]) -> list[str]:
    """Return the RuntimeWarnings that arise by the time that a result is garbage."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        work()
        gc.collect()
    return [str(warning.message) for warning in caught if warning.category is RuntimeWarning]


def test_a_run_that_is_never_awaited_warns(koophone: KooPhone) -> None:
    assert warnings_of(lambda: koophone.fleet(["phone0001"]).reboot()) == [
        "the run of 'koophone.instances.reboot' was never awaited"
    ]


def test_the_warning_comes_without_a_garbage_collection(koophone: KooPhone) -> None:
    gc.disable()
    try:
        with pytest.warns(RuntimeWarning, match="never awaited"):
            repr(koophone.fleet(["phone0001"]).reboot())
    finally:
        gc.enable()


def test_the_warning_names_the_line_in_debug_mode(koophone: KooPhone) -> None:
    depth = sys.get_coroutine_origin_tracking_depth()
    sys.set_coroutine_origin_tracking_depth(1)
    try:
        (warning,) = warnings_of(lambda: koophone.fleet(["phone0001"]).reboot())
    finally:
        sys.set_coroutine_origin_tracking_depth(depth)

    assert "Run created at (most recent call last)" in warning
    assert __file__ in warning
    assert 'koophone.fleet(["phone0001"]).reboot()' in warning


async def test_an_estimate_alone_does_not_warn(koophone: KooPhone) -> None:
    assert warnings_of(lambda: koophone.fleet(["phone0001"]).reboot().estimate()) == []


async def test_no_run_that_is_used_warns(emulator: Emulator, koophone: KooPhone) -> None:
    fleet = koophone.fleet(ids(emulator))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await fleet.status()
        await fleet.status().cancel()
        async for _ in fleet.status():
            break
        gc.collect()


async def test_an_invalid_run_does_not_warn(koophone: KooPhone) -> None:
    def invalid() -> None:
        with pytest.raises(ValueError, match="never"):
            _ = Run(koophone.instances._session, BROKEN, ["a"], RunOptions())  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    assert warnings_of(invalid) == []


def _fail(_: object) -> InstancesRequest:
    raise ValueError("never valid")


BROKEN = Verb(REBOOT, _fail, lambda _, __: CallResult())
