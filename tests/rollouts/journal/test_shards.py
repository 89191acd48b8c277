"""Workers send the shards of a rollout: each phone by one of them, and only while somebody drives it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest

from koophone_async.batches import State
from koophone_async.batches.call_log import SendingHeld, SendingStopped
from koophone_async.rollouts.journal import (
    Actor,
    ChunkState,
    Driver,
    Journal,
    LeaseHeld,
    LeaseLost,
    RequestKind,
    RolloutState,
    WaitingFor,
)
from koophone_async.rollouts.journal.lease import LENGTH, LeaseKey
from koophone_async.rollouts.journal.records import AdmissionState
from koophone_async.rollouts.journal.schema import MIGRATIONS
from koophone_async.rollouts.journal.shards import NewShard, ShardDriver, ShardRecord
from koophone_async.rollouts.journal.workers import NewWorker
from koophone_async.virtual_time import EPOCH
from tests.rollouts.journal.samples import LeaseClock, all_results, jobs, result, send, states, targets

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

PHONES: Final = list(targets(10))
HALVES: Final = (
    NewShard(0, [(PHONES[0], 0), (PHONES[1], 0)]),
    NewShard(0, [(PHONES[2], 1), (PHONES[3], 0)]),
)


@pytest.fixture
def clock() -> LeaseClock:
    return LeaseClock()


@pytest.fixture
async def journal(location: str, clock: LeaseClock) -> AsyncGenerator[Journal]:
    async with await Journal.open(location, lease_clock=clock) as journal:
        yield journal


@pytest.fixture
async def other(location: str, clock: LeaseClock) -> AsyncGenerator[Journal]:
    async with await Journal.open(location, lease_clock=clock, actor=Actor("other", "host")) as other:
        yield other


async def shards(journal: Journal, driver: Driver, new: Sequence[NewShard] = HALVES) -> Sequence[ShardRecord]:
    return await journal.shards.create(driver, 1, 1, new)


async def acquire(journal: Journal, shard: ShardRecord) -> ShardDriver:
    acquired = await journal.shards.acquire(shard.key)
    assert acquired is not None
    return acquired


async def test_shards_are_written_with_their_phones_and_steps(journal: Journal, driver: Driver) -> None:
    first, second = await shards(journal, driver)

    assert (first.key.shard, second.key.shard) == (1, 2)
    assert list((await acquire(journal, second)).starts) == [(PHONES[2], 1), (PHONES[3], 0)]
    assert [one.holder is None for one in await journal.shards.open(driver.rollout.id)] == [True, False]


async def test_two_workers_number_their_chunks_apart(
    journal: Journal, driver: Driver, other: Journal
) -> None:
    first, second = await shards(journal, driver)
    one, two = await acquire(journal, first), await acquire(other, second)
    chunks = [await send(one, range(2)), await send(two, range(2, 4)), await send(driver, range(4, 6))]
    for each in (one, two, driver):
        await each.flush()

    assert len(set(chunks)) == 3
    assert [chunk.shard for chunk in await journal.chunks(driver.rollout.id)] == [0, 1, 2]


async def test_a_shard_that_another_worker_runs_is_refused(
    journal: Journal, driver: Driver, other: Journal
) -> None:
    first, _ = await shards(journal, driver)
    await acquire(journal, first)

    with pytest.raises(LeaseHeld):
        await other.shards.acquire(first.key)


async def test_a_shard_that_is_done_is_not_acquired(journal: Journal, driver: Driver) -> None:
    first, second = await shards(journal, driver)
    await (await acquire(journal, first)).hand_back(is_done=True)

    assert await journal.shards.acquire(first.key) is None
    assert [one.key for one in await journal.shards.open(driver.rollout.id)] == [second.key]


async def test_shards_with_the_same_lock_are_not_run_at_the_same_time(
    journal: Journal, driver: Driver, other: Journal
) -> None:
    first, second = await shards(
        journal, driver, [NewShard(0, [(phone, 0)], "server:a") for phone in PHONES[:2]]
    )
    running = await acquire(journal, first)
    with pytest.raises(LeaseHeld):
        await other.shards.acquire(second.key)
    await running.hand_back(is_done=True)

    await acquire(other, second)


@pytest.mark.parametrize("state", [AdmissionState.STOPPED, AdmissionState.LEFT])
async def test_nothing_is_sent_once_the_rollout_has_stopped(
    journal: Journal, driver: Driver, state: AdmissionState
) -> None:
    first, _ = await shards(journal, driver)
    worker = await acquire(journal, first)
    driver.update(admission=state)
    await driver.flush()

    with pytest.raises(SendingStopped):
        await worker.mark_sending(worker.plan_chunk(0, range(2)))
    assert [one.state for one in await journal.chunks(driver.rollout.id)] == [ChunkState.PLANNED]


async def test_nothing_is_sent_while_the_rollout_is_held(journal: Journal, driver: Driver) -> None:
    first, _ = await shards(journal, driver)
    worker = await acquire(journal, first)
    driver.update(admission=AdmissionState.HELD)
    await driver.flush()
    chunk = worker.plan_chunk(0, range(2))
    with pytest.raises(SendingHeld):
        await worker.mark_sending(chunk)
    driver.update(admission=AdmissionState.OPEN)
    await driver.flush()

    await worker.mark_sending(chunk)


async def test_nothing_is_sent_while_nobody_drives_the_rollout(
    journal: Journal, driver: Driver, other: Journal
) -> None:
    first, _ = await shards(journal, driver)
    worker = await acquire(other, first)
    await driver.release(state=RolloutState.RUNNING)
    chunk = worker.plan_chunk(0, range(2))
    with pytest.raises(SendingHeld):
        await worker.mark_sending(chunk)
    await journal.acquire(driver.rollout.id)

    await worker.mark_sending(chunk)


async def test_nothing_is_sent_with_a_lease_that_has_ended(
    journal: Journal, driver: Driver, clock: LeaseClock
) -> None:
    first, _ = await shards(journal, driver)
    worker = await acquire(journal, first)
    clock.now += LENGTH
    await driver.renew()
    chunk = worker.plan_chunk(0, range(2))
    with pytest.raises(SendingHeld):
        await worker.mark_sending(chunk)
    await worker.renew()

    await worker.mark_sending(chunk)


async def test_a_worker_that_was_replaced_sends_nothing(
    journal: Journal, driver: Driver, other: Journal, clock: LeaseClock
) -> None:
    first, _ = await shards(journal, driver)
    worker = await acquire(journal, first)
    chunk = worker.plan_chunk(0, range(2))
    clock.now += LENGTH
    await driver.renew()
    await acquire(other, first)

    with pytest.raises(LeaseLost):
        await worker.mark_sending(chunk)


async def test_the_next_worker_finds_what_was_sent_and_what_may_have_been(
    journal: Journal, driver: Driver, other: Journal, clock: LeaseClock
) -> None:
    first, second = await shards(journal, driver)
    worker = await acquire(journal, first)
    sent = await send(worker, range(1))
    await worker.mark_sending(worker.plan_chunk(0, range(1, 2)))
    await send(await acquire(journal, second), range(2, 4))
    clock.now += LENGTH
    await driver.renew()

    successor = await acquire(other, first)

    assert [one.state for one in successor.open_chunks] == [ChunkState.SENT, ChunkState.SENDING]
    successor.settle(sent, [result(0)], {})
    await successor.flush()
    _, results = await journal.shards.results(first.key)
    assert results == await all_results(journal, driver.rollout.id) == [result(0)]


async def test_a_late_handle_of_a_shard_reaches_the_driver(
    journal: Journal, driver: Driver, other: Journal, clock: LeaseClock
) -> None:
    first, _ = await shards(journal, driver)
    worker = await acquire(journal, first)
    chunk = worker.plan_chunk(0, range(2))
    await worker.mark_sending(chunk)
    clock.now += LENGTH
    await driver.renew()
    successor = await acquire(other, first)
    successor.settle(chunk, [result(0, State.UNKNOWN), result(1, State.UNKNOWN)], {})
    await successor.flush()
    worker.mark_sent(chunk, "task-late", jobs(range(2)), has_jobs=True, called_at=EPOCH)
    with pytest.raises(LeaseLost):
        await worker.flush()

    (request,) = await driver.requests()
    assert request.kind is RequestKind.AWAIT
    (late,) = await journal.chunks(driver.rollout.id)
    assert (late.state, late.handle) == (ChunkState.SENT, "task-late")


async def test_a_chunk_moves_to_the_shard_that_awaits_it(journal: Journal, driver: Driver) -> None:
    chunk = await send(driver, range(4))
    driver.settle(chunk, [result(0)], {})
    await driver.flush()

    (shard,) = await shards(
        journal, driver, [NewShard(0, [(phone, 0) for phone in PHONES[2:4]], adopted=[chunk])]
    )

    (adopted,) = (await acquire(journal, shard)).open_chunks
    assert adopted.settled == {0, 1}


async def test_a_shard_counts_its_results_and_keeps_its_progress(journal: Journal, driver: Driver) -> None:
    first, _ = await shards(journal, driver)
    worker = await acquire(journal, first)
    worker.settle(await send(worker, range(2)), [result(0)], {"in_flight": 1})
    await worker.flush()

    (record, _) = await journal.shards.open(driver.rollout.id)
    assert (record.results, record.counts) == (1, {"in_flight": 1})
    assert (await journal.find("last")).counts == {}
    number, _ = await journal.shards.results(first.key)
    assert await journal.shards.results(first.key, number) == (number, [])


async def test_a_process_that_goes_on_alone_closes_the_shards(
    journal: Journal, driver: Driver, other: Journal
) -> None:
    first, _ = await shards(journal, driver)
    worker = await acquire(journal, first)
    chunk = await send(worker, range(2))
    await worker.flush()
    with pytest.raises(LeaseHeld):
        await journal.shards.close_all(driver)
    await worker.hand_back(is_done=False)

    await journal.shards.close_all(driver)

    assert [one.chunk for one in driver.open_chunks] == [chunk]
    assert await other.shards.open(driver.rollout.id) == []
    driver.settle(chunk, [result(0), result(1)], {"succeeded": 2})
    await driver.flush()
    assert await states(journal, driver.rollout.id) == {0: State.SUCCEEDED, 1: State.SUCCEEDED}


async def test_a_rollout_handed_to_workers_waits_for_one(journal: Journal, driver: Driver) -> None:
    await driver.release(state=RolloutState.RUNNING, handover="{}")

    record = await journal.find("last")

    assert (record.state, record.waiting_for) == (RolloutState.WAITING, WaitingFor.WORKER)


async def test_workers_are_listed_with_what_they_hold(
    journal: Journal, driver: Driver, clock: LeaseClock
) -> None:
    await journal.workers.register(NewWorker("1.0", ("a", "b"), 4))
    first, _ = await shards(journal, driver)
    await acquire(journal, first)
    clock.now += 3

    (worker,) = await journal.workers.all()

    assert (worker.version, worker.queues, worker.concurrency) == ("1.0", ("a", "b"), 4)
    assert worker.seconds_since_beat == 3
    assert list(worker.holds) == [LeaseKey(driver.rollout.id), first.key]
    await journal.workers.beat()
    assert [one.seconds_since_beat for one in await journal.workers.all()] == [0]
    await journal.workers.unregister()
    assert await journal.workers.all() == []


async def test_a_worker_without_a_heartbeat_for_a_day_is_forgotten(
    journal: Journal, other: Journal, clock: LeaseClock
) -> None:
    await journal.workers.register(NewWorker("1.0", (), 1))
    clock.now += 24 * 3600 + 1
    await other.workers.register(NewWorker("1.1", (), 1))

    assert [worker.version for worker in await journal.workers.all()] == ["1.1"]


async def test_a_file_of_the_first_version_keeps_its_leases(path: Path, clock: LeaseClock) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as file:
        for statement in MIGRATIONS[0]:
            file.execute(statement.format(serial="INTEGER PRIMARY KEY AUTOINCREMENT"))
        file.execute("INSERT INTO leases VALUES ('r', 7, 3, 2000.0, NULL)")
        file.execute(
            "INSERT INTO rollouts VALUES ('r', 'shop', 'plan', 'cph', NULL, NULL, '[]', '{}', NULL, '[]', 1,"
            ' 0, \'finished\', NULL, NULL, \'{}\', 1, 0, 0, 1, \'{"user":"u","host":"h"}\', NULL, NULL)'
        )
        file.execute(f"PRAGMA application_id = {int.from_bytes(b'KPro')}")
        file.execute("PRAGMA user_version = 1")
        file.commit()

    async with await Journal.open(path, lease_clock=clock) as journal:
        assert (await journal.acquire("r")).epoch == 8


async def test_shards_of_which_nothing_was_sent_are_closed(
    journal: Journal, driver: Driver, other: Journal
) -> None:
    phones = PHONES[:3]
    running, left, unbegun = await shards(journal, driver, [NewShard(0, [(one, 0)]) for one in phones])
    await acquire(other, running)
    worker = await acquire(other, left)
    await send(worker, range(1, 2))
    await worker.hand_back(is_done=False)

    await journal.shards.close_unbegun(driver)

    assert [one.key for one in await journal.shards.open(driver.rollout.id)] == [running.key, left.key]
    assert await other.shards.acquire(unbegun.key) is None


async def test_a_new_driver_holds_workers_until_it_has_counted(
    journal: Journal, driver: Driver, other: Journal
) -> None:
    first, _ = await shards(journal, driver)
    worker = await acquire(other, first)
    await driver.release(state=RolloutState.RUNNING, handover="{}")
    successor = await journal.acquire(driver.rollout.id)
    chunk = worker.plan_chunk(0, range(2))
    with pytest.raises(SendingHeld):
        await worker.mark_sending(chunk)
    successor.update(admission=AdmissionState.OPEN)
    await successor.flush()

    await worker.mark_sending(chunk)


async def test_a_driver_that_was_replaced_admits_nothing(
    journal: Journal, driver: Driver, other: Journal, clock: LeaseClock
) -> None:
    first, _ = await shards(journal, driver)
    driver.update(handover="{}")
    await driver.flush()
    clock.now += LENGTH
    await other.acquire(driver.rollout.id)
    worker = await acquire(other, first)
    driver.update(admission=AdmissionState.OPEN)
    with pytest.raises(LeaseLost):
        await driver.flush()

    with pytest.raises(SendingHeld):
        await worker.mark_sending(worker.plan_chunk(0, range(2)))


async def test_a_chunk_is_written_when_it_is_sent(journal: Journal, driver: Driver) -> None:
    sent, waiting = driver.plan_chunk(0, range(2)), driver.plan_chunk(0, range(2, 4))
    await driver.mark_sending(sent)
    assert [one.chunk for one in await journal.chunks(driver.rollout.id)] == [sent]

    await driver.flush()

    chunks = await journal.chunks(driver.rollout.id)
    assert [(one.chunk, one.state) for one in chunks] == [
        (sent, ChunkState.SENDING),
        (waiting, ChunkState.PLANNED),
    ]
