"""One process drives a rollout at a time, and an earlier one is locked out."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest
from attrs import evolve

from koophone_async.batches import State
from koophone_async.rollouts.journal import (
    Actor,
    ChunkState,
    Journal,
    LeaseHeld,
    LeaseLost,
    NewRollout,
    RequestKind,
    RolloutState,
)
from koophone_async.rollouts.journal.machine import Process, boot_clock
from koophone_async.virtual_time import EPOCH, VirtualTimeLoop, run_virtually
from tests.rollouts.journal.samples import (
    IN_A_FILE,
    LeaseClock,
    change_holder,
    jobs,
    only_chunk,
    result,
    run_sql,
    send,
    states,
    targets,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from pathlib import Path

    from koophone_async.rollouts.journal import Driver

LENGTH: Final = 15.0


@pytest.fixture
def clock() -> LeaseClock:
    return LeaseClock()


@pytest.fixture
async def journal(location: str, clock: LeaseClock) -> AsyncGenerator[Journal]:
    async with await Journal.open(location, lease_clock=clock) as journal:
        yield journal


@pytest.fixture
async def other(location: str, clock: LeaseClock) -> AsyncGenerator[Journal]:
    """Return the journal as another process of the same machine sees it."""
    async with await Journal.open(location, lease_clock=clock, actor=Actor("other", "host")) as other:
        yield other


async def test_a_living_driver_is_not_replaced(driver: Driver, other: Journal, clock: LeaseClock) -> None:
    clock.now += LENGTH - 2

    with pytest.raises(LeaseHeld) as refused:
        await other.acquire(driver.rollout.id)
    assert refused.value.seconds == 2
    assert refused.value.holder.pid == os.getpid()
    assert f"driven by process {os.getpid()}" in str(refused.value)
    assert (await other.find(driver.rollout.id)).driver == refused.value.holder


async def test_a_driver_that_does_not_renew_is_replaced(
    driver: Driver, other: Journal, clock: LeaseClock
) -> None:
    clock.now += LENGTH

    assert (await other.acquire(driver.rollout.id)).epoch == driver.epoch + 1
    (entry,) = await other.read_log(driver.rollout.id)
    assert (entry.what, entry.by, entry.details["pid"]) == ("take-over", Actor("other", "host"), os.getpid())


async def test_a_renewed_lease_lasts_from_the_renewal(
    driver: Driver, other: Journal, clock: LeaseClock
) -> None:
    clock.now += LENGTH - 1
    await driver.renew()
    clock.now += LENGTH - 1

    with pytest.raises(LeaseHeld):
        await other.acquire(driver.rollout.id)


async def test_a_driver_that_has_not_been_replaced_goes_on_after_its_lease(
    driver: Driver, clock: LeaseClock
) -> None:
    clock.now += LENGTH * 2

    await driver.renew()
    await send(driver, range(1))
    await driver.flush()
    assert driver.error is None


async def test_a_replaced_driver_sends_nothing_more(journal: Journal, driver: Driver, other: Journal) -> None:
    planned = driver.plan_chunk(0, range(2))
    await driver.flush()
    await other.acquire(driver.rollout.id, steal=True)

    with pytest.raises(LeaseLost, match="was taken over"):
        await driver.mark_sending(planned)
    assert driver.lost.is_set()
    assert isinstance(driver.error, LeaseLost)
    with pytest.raises(LeaseLost):
        await driver.mark_sending(driver.plan_chunk(0, range(2, 4)))
    (chunk,) = await journal.chunks(driver.rollout.id)
    assert (chunk.chunk, chunk.state) == (planned, ChunkState.PLANNED)


async def test_a_replaced_driver_changes_nothing_more(
    journal: Journal, driver: Driver, other: Journal
) -> None:
    chunk = await send(driver, range(2))
    await driver.flush()
    await other.acquire(driver.rollout.id, steal=True)

    driver.settle(chunk, [result(0)], {"succeeded": 1})
    driver.log("finish")
    with pytest.raises(LeaseLost):
        await driver.release(state=RolloutState.FINISHED)
    record = await journal.find(driver.rollout.id)
    assert (record.state, record.counts) == (RolloutState.RUNNING, {})
    assert await states(journal, record.id) == {}
    assert [entry.what for entry in await journal.read_log(record.id)] == ["take-over"]


@pytest.mark.parametrize("operation", ["renew", "flush", "release", "add_attempt"])
async def test_a_replaced_driver_notices(driver: Driver, other: Journal, operation: str) -> None:
    await other.acquire(driver.rollout.id, steal=True)

    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "renew": driver.renew,
        "flush": driver.flush,
        "release": driver.release,
        "add_attempt": lambda: driver.add_attempt("retry", []),
    }
    with pytest.raises(LeaseLost):
        await calls[operation]()
    assert driver.lost.is_set()


@pytest.mark.parametrize("closed", [True, False], ids=["unknown already", "not looked at yet"])
async def test_a_late_handle_reaches_the_next_driver(
    journal: Journal, driver: Driver, other: Journal, *, closed: bool
) -> None:
    chunk = driver.plan_chunk(0, range(2))
    await driver.mark_sending(chunk)
    successor = await other.acquire(driver.rollout.id, steal=True)
    assert [one.state for one in successor.open_chunks] == [ChunkState.SENDING]
    unknown = [result(position, State.UNKNOWN) for position in range(2)]
    if closed:
        successor.settle(chunk, unknown, {"unknown": 2})
        await successor.flush()
    driver.mark_sent(chunk, "task-late", jobs(range(2)), has_jobs=True, called_at=EPOCH)
    with pytest.raises(LeaseLost):
        await driver.flush()
    if not closed:
        successor.settle(chunk, unknown, {"unknown": 2})
        await successor.flush()

    (request,) = await successor.requests()
    assert request.kind is RequestKind.AWAIT
    assert request.chunk == await only_chunk(journal, driver.rollout.id)
    assert request.chunk is not None
    assert (request.chunk.state, request.chunk.handle) == (ChunkState.SENT, "task-late")
    assert request.chunk.jobs == jobs(range(2))
    assert not request.chunk.settled
    successor.settle(chunk, [result(0), result(1)], {"succeeded": 2})
    await successor.flush()
    assert await journal.chunks(driver.rollout.id) == []


async def test_a_late_handle_of_a_chunk_that_is_known_changes_nothing(
    journal: Journal, driver: Driver, other: Journal
) -> None:
    chunk = await send(driver, range(2))
    await driver.flush()
    successor = await other.acquire(driver.rollout.id, steal=True)
    driver.mark_sent(chunk, "task-other", {}, has_jobs=True, called_at=EPOCH)
    with pytest.raises(LeaseLost):
        await driver.flush()

    assert await successor.requests() == ()
    assert (await only_chunk(journal, driver.rollout.id)).handle == f"task-{chunk}"


async def test_a_released_rollout_can_be_acquired_at_once(driver: Driver, other: Journal) -> None:
    await driver.release(state=RolloutState.PAUSED)

    assert (await other.find(driver.rollout.id)).driver is None
    await other.acquire(driver.rollout.id)
    assert await other.read_log(driver.rollout.id) == []


async def test_a_running_rollout_without_a_driver_is_interrupted(
    driver: Driver, other: Journal, clock: LeaseClock
) -> None:
    assert (await other.find(driver.rollout.id)).state is RolloutState.RUNNING
    clock.now += LENGTH

    assert (await other.find(driver.rollout.id)).state is RolloutState.INTERRUPTED


@IN_A_FILE
async def test_a_driver_of_an_earlier_boot_is_replaced_at_once(
    driver: Driver, other: Journal, location: str
) -> None:
    change_holder(location, boot_id="another")

    await other.acquire(driver.rollout.id)


async def test_a_driver_whose_process_is_gone_is_replaced_at_once(
    driver: Driver, other: Journal, location: str
) -> None:
    change_holder(location, pid=2**22 + 1)  # no process has a number above the limit of Linux

    await other.acquire(driver.rollout.id)


@pytest.mark.parametrize("namespace", ["another", None])
async def test_a_process_of_another_pid_namespace_is_not_looked_up(
    driver: Driver, other: Journal, clock: LeaseClock, location: str, namespace: str | None
) -> None:
    change_holder(location, pid=2**22 + 1, pid_namespace=namespace)

    with pytest.raises(LeaseHeld):
        await other.acquire(driver.rollout.id)
    clock.now += LENGTH
    await other.acquire(driver.rollout.id)


@IN_A_FILE
@pytest.mark.parametrize("changes", [{"time_namespace": "other"}, {"boot_id": None}], ids=str)
async def test_a_lease_by_another_clock_is_watched_for_its_length(
    driver: Driver, other: Journal, clock: LeaseClock, location: str, changes: dict[str, object]
) -> None:
    change_holder(location, **changes)
    clock.now += 1_000_000

    with pytest.raises(LeaseHeld) as refused:
        await other.acquire(driver.rollout.id)
    assert refused.value.seconds == LENGTH
    clock.now += LENGTH - 1
    await driver.renew()
    for seconds in (LENGTH, 1):
        with pytest.raises(LeaseHeld) as refused:
            await other.acquire(driver.rollout.id)
        assert refused.value.seconds == seconds
        clock.now += LENGTH - 1 if seconds == LENGTH else 1
    await other.acquire(driver.rollout.id)


@IN_A_FILE
async def test_another_machine_of_a_network_file_system_is_watched(location: str, clock: LeaseClock) -> None:
    url = f"sqlite:///{location}?network=single"
    async with await Journal.open(url, lease_clock=clock) as journal:
        rollout = await journal.create(NewRollout("shop", "cph"), targets(1))
        await journal.acquire(rollout.id)
        change_holder(location, boot_id="another")

        with pytest.raises(LeaseHeld):
            await journal.acquire(rollout.id)
        clock.now += LENGTH
        await journal.acquire(rollout.id)


def test_a_driver_renews_its_lease_by_itself(location: str) -> None:
    async def main() -> None:
        loop = VirtualTimeLoop.running()
        async with await Journal.open(location, lease_clock=loop.time, now=loop.now) as journal:
            rollout = await journal.create(NewRollout("shop", "cph"), targets(1))
            driver = await journal.acquire(rollout.id)
            await asyncio.sleep(3_600)
            with pytest.raises(LeaseHeld):
                await journal.acquire(rollout.id)

            thief = await journal.acquire(rollout.id, steal=True)
            await driver.lost.wait()
            assert thief.error is None

    run_virtually(main())


def test_virtual_time_does_not_renew_a_lease_by_real_time(location: str) -> None:
    async def main() -> None:
        async with await Journal.open(location) as journal:
            rollout = await journal.create(NewRollout("shop", "cph"), targets(1))
            await journal.acquire(rollout.id)
            await asyncio.sleep(100_000)

    run_virtually(main())

    ((renewals,),) = run_sql(location, "SELECT renewals FROM leases")
    assert renewals < 100


def test_this_process_is_visible_and_has_not_ended() -> None:
    here = Process.current()

    assert here.is_visible_to(here)
    assert here.shares_clock_with(here)
    assert not here.is_of_another_boot_than(here)
    assert not here.has_ended()


def test_another_process_with_the_same_pid_has_ended() -> None:
    here = Process.current()

    assert evolve(here, started=(here.started or 0) + 1).has_ended()


@pytest.mark.process
def test_a_killed_process_has_ended_even_as_a_zombie() -> None:
    child = subprocess.Popen([sys.executable, "-c", "print(); input()"], stdin=-1, stdout=-1)
    assert child.stdout is not None
    child.stdout.readline()
    process = Process(child.pid)
    assert not process.has_ended()

    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process.has_ended()
    child.communicate()
    assert process.has_ended()


def test_a_machine_without_proc_knows_only_the_pid(tmp_path: Path) -> None:
    unknown = Process.current(tmp_path)

    assert unknown == Process(os.getpid())
    assert not unknown.is_visible_to(unknown)
    assert not unknown.shares_clock_with(unknown)
    assert not unknown.is_of_another_boot_than(Process.current())
    assert not unknown.has_ended(tmp_path)


def test_the_clock_of_leases_advances() -> None:
    assert boot_clock() <= boot_clock()
