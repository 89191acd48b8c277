"""What a driver writes is on disk when it has to be, and is found by the next driver."""

from __future__ import annotations

import asyncio
import getpass
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest
from attrs import evolve

from koophone_async.batches import Outcome, State
from koophone_async.rollouts.journal import (
    Actor,
    ChunkRecord,
    ChunkState,
    Journal,
    JournalError,
    NewRollout,
    RequestKind,
    Result,
    RolloutState,
    WaitingFor,
)
from koophone_async.virtual_time import EPOCH, run_virtually
from tests.rollouts.journal.samples import (
    all_results,
    jobs,
    only_chunk,
    result,
    run_sql,
    send,
    states,
    targets,
)

if TYPE_CHECKING:
    from koophone_async.rollouts.journal import Driver, RolloutRecord


async def test_a_chunk_is_on_disk_before_it_is_sent(driver: Driver, location: str) -> None:
    chunk = driver.plan_chunk(2, range(3, 6), wave=1, selection=4)
    await driver.mark_sending(chunk)

    async with await Journal.open(location) as other:
        written = await only_chunk(other, driver.rollout.id)
    assert written.called_at is not None
    assert evolve(written, called_at=None) == ChunkRecord(
        chunk, 1, 2, 1, 4, ChunkState.SENDING, (3, 4, 5), driver.epoch
    )


async def test_a_sent_chunk_has_its_handle_and_jobs(journal: Journal, driver: Driver) -> None:
    chunk = await send(driver, range(3))
    await driver.flush()

    assert await only_chunk(journal, driver.rollout.id) == ChunkRecord(
        chunk,
        1,
        0,
        0,
        0,
        ChunkState.SENT,
        (0, 1, 2),
        driver.epoch,
        handle=f"task-{chunk}",
        jobs=jobs(range(3)),
        has_jobs=True,
        called_at=EPOCH,
    )


async def test_a_chunk_is_settled_with_its_last_phone(journal: Journal, driver: Driver) -> None:
    chunk = await send(driver, range(3))
    driver.settle(chunk, [result(0), result(1, State.FAILED)], {"succeeded": 1, "failed": 1})
    await driver.flush()
    assert (await only_chunk(journal, driver.rollout.id)).settled == {0, 1}

    driver.settle(chunk, [result(2)], {"succeeded": 2, "failed": 1})
    await driver.flush()
    assert (await only_chunk(journal, driver.rollout.id)).state is ChunkState.SETTLED
    assert await journal.chunks(driver.rollout.id) == []
    assert (await journal.find(driver.rollout.id)).counts == {"succeeded": 2, "failed": 1}


async def test_an_unfinished_phone_keeps_its_chunk_open(journal: Journal, driver: Driver) -> None:
    settled = await send(driver, range(2, 3))
    driver.settle(settled, [result(2)], {"succeeded": 1})
    chunk = await send(driver, range(2))
    driver.settle(chunk, [result(0), result(1, State.UNFINISHED)], {"succeeded": 1, "unfinished": 1})
    await driver.release(state=RolloutState.FINISHED)

    resumed = await journal.acquire(driver.rollout.id)
    (still_open,) = resumed.open_chunks
    assert still_open.state is ChunkState.SENT
    assert still_open.settled == {0}
    resumed.settle(chunk, [result(1)], {"succeeded": 2})
    await resumed.flush()
    assert await journal.chunks(driver.rollout.id) == []
    assert await states(journal, driver.rollout.id) == dict.fromkeys(range(3), State.SUCCEEDED)


async def test_a_chunk_that_was_not_executed_gives_its_phones_to_others(
    journal: Journal, driver: Driver
) -> None:
    chunk = driver.plan_chunk(1, range(4), wave=1, selection=2)
    await driver.mark_sending(chunk)
    halves = driver.replan_chunk(chunk, [range(2), range(2, 4)])
    await driver.flush()

    planned = ChunkRecord(halves[0], 1, 1, 1, 2, ChunkState.PLANNED, (0, 1), driver.epoch, parent=chunk)
    assert await journal.chunks(driver.rollout.id) == [
        planned,
        evolve(planned, chunk=halves[1], positions=(2, 3)),
    ]
    await driver.mark_sending(halves[1])


async def test_a_chunk_is_sent_once(driver: Driver) -> None:
    chunk = await send(driver, range(2))

    with pytest.raises(JournalError, match=f"chunk {chunk} is not planned"):
        await driver.mark_sending(chunk)
    assert driver.error is None


async def test_numbers_of_chunks_are_not_used_again(journal: Journal, driver: Driver) -> None:
    numbers = [driver.plan_chunk(0, [position]) for position in range(3)]
    await driver.release()

    resumed = await journal.acquire(driver.rollout.id)
    assert resumed.plan_chunk(0, [3]) == max(numbers) + 1


@pytest.mark.parametrize("output", ["", "short", "x" * 65, "lone \udcff", "\0", "ä" * 2_000])
async def test_outcomes_are_read_as_they_were_written(journal: Journal, driver: Driver, output: str) -> None:
    outcome = Outcome(
        "phone-0",
        State.UNFINISHED,
        "job-1",
        "KP.1",
        "odd \udcff",
        output,
        1.234,
        {"a": [1, None]},
        "kp1.token",
    )
    chunk = await send(driver, range(1))
    driver.settle(chunk, [Result(0, 1, 0, outcome)], {})
    await driver.flush()

    (read,) = await all_results(journal, driver.rollout.id)
    assert read.outcome == outcome


async def test_results_are_read_in_the_order_in_which_they_were_written(
    journal: Journal, driver: Driver
) -> None:
    chunk = await send(driver, range(30))
    order = [*range(29, 0, -2), *range(0, 30, 2)]
    for position in order:
        driver.settle(chunk, [result(position)], {})
        if position % 5 == 0:
            await driver.flush()
    await driver.flush()

    assert [read.position for read in await all_results(journal, driver.rollout.id)] == order


async def test_equal_outputs_are_stored_once(journal: Journal, driver: Driver, location: str) -> None:
    outputs = [f"{position % 1_500:0100}" for position in range(3_000)]
    for position, output in enumerate(outputs):
        driver.settle(None, [result(position, output=output)], {})
        if position == 1_400:
            await driver.flush()
    await driver.flush()

    read = await all_results(journal, driver.rollout.id)
    assert [one.outcome.output for one in read] == outputs
    assert {one.output_size for one in read} == {100}
    assert run_sql(location, "SELECT count(*) FROM outputs") == [(1_500,)]


async def test_results_of_phones_without_a_chunk_are_kept(journal: Journal, driver: Driver) -> None:
    driver.settle(None, [result(3, State.NOT_SENT)], {"not_sent": 1})
    await driver.flush()

    assert await states(journal, driver.rollout.id) == {3: State.NOT_SENT}


async def test_outputs_are_not_kept_if_that_is_unwanted(journal: Journal) -> None:
    rollout = await journal.create(NewRollout("shop", "cph", keep_output=False), targets(2))
    driver = await journal.acquire(rollout.id)
    driver.settle(None, [result(0, output="secret"), result(1, output="s" * 99)], {})
    await driver.flush()

    read = await all_results(journal, rollout.id)
    assert [(one.outcome.output, one.output_size) for one in read] == [(None, 6), (None, 99)]
    assert len({one.output_hash for one in read}) == 2


async def test_fields_of_a_rollout_change(journal: Journal, driver: Driver) -> None:
    driver.update(state=RolloutState.WAITING, waiting_for=WaitingFor.APPROVAL, wave=1, began_at=EPOCH)
    await driver.flush()
    read = await journal.find(driver.rollout.id)
    assert (read.state, read.waiting_for, read.wave, read.began_at, read.ended_at) == (
        RolloutState.WAITING,
        WaitingFor.APPROVAL,
        1,
        EPOCH,
        None,
    )

    end = EPOCH + timedelta(hours=1)
    await driver.release(state=RolloutState.STOPPED, waiting_for=None, reason="rule", ended_at=end)
    read = await journal.find(driver.rollout.id)
    assert (read.state, read.waiting_for, read.reason, read.ended_at, read.has_ended) == (
        RolloutState.STOPPED,
        None,
        "rule",
        end,
        True,
    )


async def test_an_attempt_has_the_phones_that_it_takes(journal: Journal, driver: Driver) -> None:
    starts = [(position, position % 3) for position in range(2_500)]
    assert await driver.add_attempt("retry", starts, waves=(1, 2_500)) == 2
    chunk = driver.plan_chunk(0, range(2))
    await driver.flush()

    (first, retry) = await journal.attempts(driver.rollout.id)
    assert (first.attempt, first.targets, first.waves) == (1, 10, (1, 10))
    assert (retry.kind, retry.targets, retry.waves) == ("retry", 2_500, (1, 2_500))
    read = [start async for block in journal.attempt_starts(driver.rollout.id, 2) for start in block]
    assert read == starts
    assert [one.chunk for one in await journal.chunks(driver.rollout.id, 2)] == [chunk]
    assert await journal.chunks(driver.rollout.id, 1) == []
    assert (await journal.find(driver.rollout.id)).attempt == 2


async def test_a_request_from_elsewhere_is_seen_once(journal: Journal, driver: Driver, location: str) -> None:
    async with await Journal.open(location) as other:
        assert await other.request("shop", RequestKind.PAUSE)
        assert await other.request(driver.rollout.id, RequestKind.APPROVE, wave=1)

    seen = await driver.requests()
    assert [(one.kind, one.wave) for one in seen] == [(RequestKind.PAUSE, None), (RequestKind.APPROVE, 1)]
    assert await driver.requests() == ()
    await driver.release()
    assert await (await journal.acquire(driver.rollout.id)).requests() == ()


async def test_a_request_without_a_driver_waits_for_the_next(
    journal: Journal, rollout: RolloutRecord
) -> None:
    assert not await journal.request(rollout.id, RequestKind.APPROVE, wave=1)

    driver = await journal.acquire(rollout.id)
    assert [one.kind for one in await driver.requests()] == [RequestKind.APPROVE]


async def test_the_log_keeps_who_did_what(journal: Journal, driver: Driver) -> None:
    await journal.log(driver.rollout.id, "start", {"targets": 10})
    driver.log("stop")
    await driver.flush()

    (start, stop) = await journal.read_log(driver.rollout.id)
    assert (start.what, start.details, start.by) == ("start", {"targets": 10}, journal.actor)
    assert (stop.what, stop.details) == ("stop", {})


async def test_many_chunks_at_once_share_transactions(journal: Journal, driver: Driver) -> None:
    await asyncio.gather(*(send(driver, range(position, position + 1)) for position in range(200)))
    await driver.flush()

    chunks = await journal.chunks(driver.rollout.id)
    assert {chunk.positions for chunk in chunks} == {(position,) for position in range(200)}
    assert {chunk.state for chunk in chunks} == {ChunkState.SENT}


async def test_closing_a_journal_writes_what_is_queued(location: str) -> None:
    async with await Journal.open(location) as journal:
        driver = await journal.acquire((await journal.create(NewRollout("shop", "cph"), targets(2))).id)
        chunk = await send(driver, range(2))
        await driver.flush()
        driver.settle(chunk, [result(0)], {"succeeded": 1})

    async with await Journal.open(location) as journal:
        assert await states(journal, driver.rollout.id) == {0: State.SUCCEEDED}


async def test_closing_a_journal_leaves_what_another_driver_has(location: str) -> None:
    async with await Journal.open(location) as journal:
        rollout = await journal.create(NewRollout("shop", "cph"), targets(2))
        driver = await journal.acquire(rollout.id)
        await journal.acquire(rollout.id, steal=True)
        driver.update(reason="late")

    async with await Journal.open(location) as journal:
        assert (await journal.find(rollout.id)).reason is None


async def test_a_cancelled_send_does_not_disturb_others(journal: Journal, driver: Driver) -> None:
    first, second = driver.plan_chunk(0, [0]), driver.plan_chunk(0, [1])
    cancelled = asyncio.create_task(driver.mark_sending(first))
    await asyncio.sleep(0)
    cancelled.cancel()
    await driver.mark_sending(second)

    assert cancelled.cancelled()
    assert {chunk.state for chunk in await journal.chunks(driver.rollout.id)} == {ChunkState.SENDING}


async def test_a_cancelled_request_does_not_disturb_others(journal: Journal, driver: Driver) -> None:
    cancelled = asyncio.create_task(journal.request(driver.rollout.id, RequestKind.PAUSE))
    await asyncio.sleep(0)
    cancelled.cancel()
    await driver.flush()

    assert [one.kind for one in await driver.requests()] == [RequestKind.PAUSE]


async def test_a_mistake_of_one_rollout_does_not_disturb_others(journal: Journal, driver: Driver) -> None:
    other = await journal.acquire((await journal.create(NewRollout("b", "cph"), targets(1))).id)
    wrong = cast("str", 5)
    driver.settle(None, [result(0, output=wrong)], {"succeeded": 1})
    chunk = other.plan_chunk(0, [0])
    outcomes = await asyncio.gather(driver.flush(), other.mark_sending(chunk), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [TypeError, type(None)]
    assert isinstance(driver.error, JournalError)
    assert (await only_chunk(journal, other.rollout.id)).state is ChunkState.SENDING
    assert (await journal.find(driver.rollout.id)).counts == {}


def test_who_acts_is_known_even_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def unnamed() -> str:
        raise KeyError

    monkeypatch.setattr(getpass, "getuser", unnamed)

    assert Actor.current().user == "unknown"


def test_results_are_written_soon_without_a_flush(location: str) -> None:
    async def main() -> None:
        async with await Journal.open(location) as journal:
            driver = await journal.acquire((await journal.create(NewRollout("a", "cph"), targets(3))).id)
            chunk = await send(driver, range(3))
            await driver.flush()
            driver.settle(chunk, [result(0)], {"succeeded": 1})
            driver.settle(chunk, [result(1), result(2)], {"succeeded": 3})
            await asyncio.sleep(1)
            assert await journal.chunks(driver.rollout.id) == []

    run_virtually(main())
