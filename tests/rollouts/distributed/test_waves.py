"""A rollout that workers send: each phone once, whoever sends it, and judged as a whole."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from koophone_async.emulator import Durations, Emulator, Fail
from koophone_async.rollouts import Rollout, requests
from koophone_async.rollouts.execution.new_attempts import retry, undo
from koophone_async.rollouts.execution.starts import resume
from koophone_async.rollouts.journal import RolloutState, WaitingFor
from koophone_async.rollouts.plans.plan import Between, Plan, Selection, Step
from koophone_async.session import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from koophone_async import Session
    from koophone_async.rollouts.journal import Journal, RolloutRecord
    from tests.rollouts.distributed.conftest import InProcess

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=250, jobs=Durations(fixed=2))]

RUN = "koophone.commands.run"


def plan(ids: list[str], *steps: Step, **fields: Any) -> Plan:  # noqa: ANN401 - fields of the plan
    return Plan(targets=Selection(ids=ids), steps=steps or [Step("run", "id")], **fields)


async def wait_until(journal: Journal, is_so: Callable[[RolloutRecord], bool]) -> None:
    while True:
        if is_so(await journal.find("last")):
            return
        await asyncio.sleep(0.1)


async def test_every_phone_takes_every_step_once(
    emulator: Emulator, workers: InProcess, journal: Journal, ids: list[str]
) -> None:
    await workers.start(plan(ids, Step("run", "id"), Step("run", "getprop"), waves=["1", "50%"]))
    await workers.finish()

    record = await journal.find("last")
    assert (record.state, record.counts) == (RolloutState.FINISHED, {"succeeded": 250})
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2)
    assert [shard.wave for shard in workers.shards] == [1, 2, 2, 3, 3]


async def test_the_rule_counts_what_all_workers_have_done(
    emulator: Emulator, workers: InProcess, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Fail(), RUN)
    await workers.start(plan(ids, stop="not_succeeded=10", waves=["20", "100%"]))
    await workers.finish()

    record = await journal.find("last")
    assert record.state is RolloutState.STOPPED
    assert record.counts == {"failed": 20, "not_sent": 230}


async def test_a_pause_holds_all_workers_until_somebody_goes_on(
    emulator: Emulator, workers: InProcess, journal: Journal, ids: list[str]
) -> None:
    id = await workers.start(plan(ids, Step("run", "id"), Step("run", "id"), concurrency=1))
    await wait_until(journal, lambda record: record.counts.get("in_flight", 0) > 0)
    await requests.pause(journal, id)
    await wait_until(journal, lambda record: record.state is RolloutState.PAUSED)
    await asyncio.sleep(30)
    before = emulator.ledger.executions(RUN)
    await asyncio.sleep(600)
    assert emulator.ledger.executions(RUN) == before
    assert (await journal.find(id)).state is RolloutState.PAUSED
    await requests.go_on(journal, id)
    await workers.finish()

    assert (await journal.find(id)).counts == {"succeeded": 250}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2)


async def test_a_pause_outlives_whoever_drives_the_rollout(
    emulator: Emulator, workers: InProcess, journal: Journal, ids: list[str]
) -> None:
    id = await workers.start(plan(ids, waves=["1", "100%"], between=Between(pause="10m")))
    await wait_until(journal, lambda record: record.waiting_for is WaitingFor.PAUSE)
    await requests.pause(journal, id)
    await wait_until(journal, lambda record: record.state is RolloutState.PAUSED)
    await workers.workers.pop(0).interrupt()
    await asyncio.sleep(1200)
    assert (await journal.find(id)).state is RolloutState.PAUSED
    assert sum(emulator.ledger.executions(RUN).values()) == 1
    await requests.go_on(journal, id)
    await workers.finish()

    assert (await journal.find(id)).counts == {"succeeded": 250}


async def test_a_gate_is_opened_from_elsewhere(workers: InProcess, journal: Journal, ids: list[str]) -> None:
    id = await workers.start(plan(ids, waves=["1", "100%"], between=Between(approve=True)))
    await wait_until(journal, lambda record: record.waiting_for is WaitingFor.APPROVAL)
    await requests.approve(journal, id)
    await workers.finish()

    assert (await journal.find(id)).counts == {"succeeded": 250}


@pytest.mark.emulator(jobs=Durations(fixed=60))
async def test_a_cancelled_rollout_sends_nothing_more(
    emulator: Emulator, workers: InProcess, journal: Journal, ids: list[str]
) -> None:
    id = await workers.start(plan(ids, Step("run", "id"), Step("run", "id")))
    await wait_until(journal, lambda record: record.counts.get("in_flight", 0) == 250)
    await requests.cancel(journal, id, utc_now())
    await workers.finish()

    record = await journal.find(id)
    assert (record.state, record.counts) == (RolloutState.CANCELLED, {"not_sent": 250})
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 1)


@pytest.mark.emulator(jobs=Durations(fixed=60))
async def test_a_cancel_ends_a_rollout_whose_workers_are_gone(
    emulator: Emulator, workers: InProcess, journal: Journal, ids: list[str]
) -> None:
    id = await workers.start(plan(ids, waves=["100", "100%"]))
    await wait_until(journal, lambda record: record.counts.get("in_flight", 0) == 100)
    for worker in workers.workers:
        await worker.interrupt()
    await workers.finish()
    assert await journal.shards.open(id)

    await requests.cancel(journal, id, utc_now())

    record = await journal.find(id)
    assert (record.state, record.counts) == (RolloutState.CANCELLED, {"unfinished": 100, "not_sent": 150})
    assert await journal.shards.open(id) == []
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids[:100], 1)


@pytest.mark.emulator(jobs=Durations(fixed=60))
async def test_a_cancel_leaves_a_rollout_to_the_worker_that_runs_a_part(
    workers: InProcess, journal: Journal, ids: list[str]
) -> None:
    id = await workers.start(plan(ids))
    await wait_until(journal, lambda record: record.counts.get("in_flight", 0) == 250)
    await workers.workers[0].interrupt()  # which drives it, and runs every other shard

    await requests.cancel(journal, id, utc_now())
    assert not (await journal.find(id)).has_ended
    workers.workers.pop(0)
    await workers.drive(id, "koophone")
    await workers.finish()

    assert (await journal.find(id)).state is RolloutState.CANCELLED


@pytest.mark.emulator(jobs=Durations(fixed=300))
async def test_at_the_deadline_jobs_are_left_running_and_awaited_by_a_resume(
    emulator: Emulator, workers: InProcess, journal: Journal, session: Session, ids: list[str]
) -> None:
    id = await workers.start(plan(ids, deadline="1m"))
    await workers.finish()
    record = await journal.find(id)
    assert (record.state, record.counts) == (RolloutState.STOPPED, {"unfinished": 250})
    await workers.take(await resume(journal, id, session, deadline=3600))
    await workers.finish()

    assert (await journal.find(id)).counts == {"succeeded": 250}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 1)


async def test_a_retry_sends_only_what_failed(
    emulator: Emulator, workers: InProcess, journal: Journal, session: Session, ids: list[str]
) -> None:
    emulator.fault(Fail(), RUN, phone=ids[7], first=1)
    id = await workers.start(plan(ids, Step("run", "id"), Step("run", "id")))
    await workers.finish()
    assert (await journal.find(id)).counts == {"succeeded": 249, "failed": 1}
    await workers.take(await retry(journal, id, session))
    await workers.finish()

    assert (await journal.find(id)).counts == {"succeeded": 250}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2) | {ids[7]: 3}


async def test_an_undo_reaches_what_the_steps_have_reached(
    emulator: Emulator, workers: InProcess, journal: Journal, session: Session, ids: list[str]
) -> None:
    id = await workers.start(plan(ids, undo=[Step("run", "getprop")]))
    await workers.finish()
    await workers.take(await undo(journal, id, session))
    await workers.finish()

    record = await journal.find(id)
    assert (record.state, record.counts) == (RolloutState.FINISHED, {"succeeded": 250})
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2)


@pytest.mark.emulator(jobs=Durations(fixed=60))
async def test_what_stopped_workers_have_left_others_await(
    emulator: Emulator, workers: InProcess, journal: Journal, ids: list[str]
) -> None:
    id = await workers.start(plan(ids, Step("run", "id"), Step("run", "id")))
    await wait_until(journal, lambda record: record.counts.get("in_flight", 0) == 250)
    leaving, workers.workers = workers.workers, []
    workers.add_worker()
    for worker in leaving:
        await worker.interrupt()
    await workers.finish()

    assert (await journal.find(id)).counts == {"succeeded": 250}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2)


async def test_a_process_of_its_own_goes_on_with_what_workers_have_left(
    emulator: Emulator, workers: InProcess, journal: Journal, session: Session, ids: list[str]
) -> None:
    id = await workers.start(plan(ids, concurrency=1))
    await wait_until(journal, lambda record: record.counts.get("in_flight", 0) > 0)
    leaving, workers.workers = workers.workers, []
    idle = workers.add_worker()
    await idle.interrupt()
    for worker in leaving:
        await worker.interrupt()
    await workers.finish()
    record = await journal.find(id)
    assert (record.state, record.waiting_for) == (RolloutState.WAITING, WaitingFor.WORKER)

    await Rollout.resume(id, journal, session)

    assert (await journal.find(id)).counts == {"succeeded": 250}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 1)


@pytest.mark.emulator(phones=60, servers=3, jobs=Durations(fixed=2))
async def test_a_server_is_one_workers_at_a_time(
    emulator: Emulator, workers: InProcess, journal: Journal
) -> None:
    await workers.start(Plan(targets=Selection(all=True), steps=[Step("run", "id")], service="cph"))
    await workers.finish()

    assert (await journal.find("last")).counts == {"succeeded": 60}
    assert set(emulator.ledger.executions("cph.commands.run").values()) == {1}
    locks = [shard.lock for shard in workers.shards]
    assert len(set(locks)) == 3
    assert None not in locks
