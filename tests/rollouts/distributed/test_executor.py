"""What a worker does when it is asked twice, too late, or while it stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koophone_async.emulator import Durations, Emulator
from koophone_async.errors import InvalidRequest
from koophone_async.rollouts import Rollout, Step
from koophone_async.rollouts.execution.starts import create
from koophone_async.rollouts.journal import LeaseHeld, LeaseLost
from koophone_async.rollouts.journal.lease import LeaseKey
from tests.rollouts.distributed.test_waves import RUN, plan, wait_until
from tests.rollouts.journal.samples import run_sql

if TYPE_CHECKING:
    from koophone_async import Session
    from koophone_async.rollouts.journal import Journal
    from tests.rollouts.distributed.conftest import InProcess

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=120, jobs=Durations(fixed=60))]


async def test_a_rollout_and_its_shards_are_run_once_however_often_they_are_asked_for(
    emulator: Emulator, workers: InProcess, journal: Journal, ids: list[str]
) -> None:
    id = await workers.start(plan(ids))
    await wait_until(journal, lambda record: record.counts.get("in_flight", 0) == 120)
    await workers.drive(id, "koophone")
    await workers.run_shards(list(workers.shards), "koophone")
    await workers.finish()
    await workers.drive(id, "koophone")
    await workers.run_shards(workers.shards[:1], "koophone")
    await workers.workers[0].run_shard(LeaseKey(id, 99))
    await workers.finish()

    assert (await journal.find(id)).counts == {"succeeded": 120}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 1)


async def test_a_worker_that_stops_before_the_journal_is_read_leaves_the_rollout(
    workers: InProcess, journal: Journal, ids: list[str]
) -> None:
    id = await workers.start(plan(ids))
    leaving, workers.workers = workers.workers, []
    workers.add_worker()
    await wait_until(journal, lambda record: record.driver is not None)
    for worker in leaving:
        await worker.interrupt()
    await workers.finish()

    assert (await journal.find(id)).counts == {"succeeded": 120}


async def test_a_worker_goes_on_with_a_later_step_of_what_another_has_left(
    emulator: Emulator, workers: InProcess, journal: Journal, ids: list[str]
) -> None:
    id = await workers.start(plan(ids, Step("run", "id"), Step("run", "id")))
    await wait_until(journal, lambda _: 2 in emulator.ledger.executions(RUN).values())
    leaving, workers.workers = workers.workers, []
    workers.add_worker()
    for worker in leaving:
        await worker.interrupt()
    await workers.finish()

    assert (await journal.find(id)).counts == {"succeeded": 120}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2)


async def test_a_worker_leaves_a_shard_that_another_has_taken_over(
    emulator: Emulator, workers: InProcess, journal: Journal, ids: list[str]
) -> None:
    id = await workers.start(plan(ids, Step("run", "id"), Step("run", "id")))
    await wait_until(journal, lambda record: record.counts.get("in_flight", 0) == 120)
    run_sql(str(journal.location), "UPDATE leases SET epoch = epoch + 1, expires_at = 0 WHERE shard > 0")
    left = 0
    while workers.tasks:
        try:
            await workers.finish()
        except LeaseLost:
            left += 1

    assert left > 0
    assert (await journal.find(id)).counts == {"succeeded": 120}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2)


async def test_a_process_refuses_what_a_worker_is_running(
    workers: InProcess, journal: Journal, session: Session, ids: list[str]
) -> None:
    id = await workers.start(plan(ids))
    await wait_until(journal, lambda record: record.counts.get("in_flight", 0) == 120)

    with pytest.raises(LeaseHeld):
        await Rollout.resume(id, journal, session)

    await workers.finish()
    assert (await journal.find(id)).counts == {"succeeded": 120}


async def test_workers_need_a_journal_that_they_share(
    journal: Journal, session: Session, ids: list[str]
) -> None:
    async with Rollout(plan(ids), journal, session) as rollout:
        with pytest.raises(InvalidRequest, match="workers need one in PostgreSQL"):
            await rollout.hand_over()


async def test_a_rollout_that_was_not_handed_over_is_left_alone(
    workers: InProcess, journal: Journal, session: Session, ids: list[str]
) -> None:
    start = await create(journal, plan(ids), session)
    await start.driver.release()

    await workers.workers[0].drive(start.driver.rollout.id)

    assert (await journal.find("last")).counts == {}
