"""Schedules: each run is started once, and what becomes of runs that were missed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs
import pytest

from koophone_async.emulator import Emulator, Reset
from koophone_async.errors import InvalidRequest
from koophone_async.rollouts import Journal, Plan, RolloutState, Selection, Step
from koophone_async.rollouts.cron import Cron
from koophone_async.rollouts.execution.starts import NewOptions, create
from koophone_async.rollouts.journal.schedules import MissedRuns, Schedule
from koophone_async.rollouts.schedules import add_schedule, disable_schedule, enable_schedule, start_due

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from koophone_async import Session

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=6)]

NIGHTLY = Cron("0 2 * * *", "Asia/Shanghai")


@pytest.fixture
def plan(ids: list[str]) -> Plan:
    return Plan(name="shop", targets=Selection(ids=ids), steps=[Step("run", "id")])


@attrs.frozen
class Worker:
    """Starts what is due, and leaves it to others to send."""

    journal: Journal
    session: Session

    async def begin(self, plan: Plan, options: NewOptions) -> str:
        start = await create(self.journal, plan, self.session, options)
        await start.driver.release(state=RolloutState.RUNNING)
        return start.driver.rollout.id

    async def start_due(self, now: datetime) -> Mapping[str, str]:
        done = await start_due(self.journal, self.begin, now)
        return {name: run.description for name, run in done.items()}

    async def started(self) -> int:
        return len(await self.journal.rollouts(name="shop"))

    async def end_last(self) -> None:
        driver = await self.journal.acquire((await self.journal.find("last")).id)
        await driver.release(state=RolloutState.FINISHED)

    async def schedule(self) -> Schedule:
        (schedule,) = await self.journal.schedules.all()
        return schedule


@pytest.fixture
def worker(journal: Journal, session: Session) -> Worker:
    return Worker(journal, session)


async def test_a_run_starts_when_it_is_due_and_once(worker: Worker, plan: Plan) -> None:
    schedule = await add_schedule(worker.journal, plan, NIGHTLY, worker.session)

    early = await worker.start_due(schedule.due_at - timedelta(seconds=1))
    on_time = await worker.start_due(schedule.due_at)
    again = await worker.start_due(schedule.due_at + timedelta(minutes=1))

    assert (early, list(on_time), again) == ({}, ["shop"], {})
    assert on_time["shop"].startswith("started rollout ")
    after = await worker.schedule()
    assert after.due_at == schedule.due_at + timedelta(days=1)
    assert (after.last_run_at, after.note) == (schedule.due_at, None)
    assert after.last_rollout == (await worker.journal.find("shop")).id


async def test_workers_that_start_a_run_at_once_start_it_once(worker: Worker, plan: Plan) -> None:
    schedule = await add_schedule(worker.journal, plan, NIGHTLY, worker.session)

    done = await asyncio.gather(*(worker.start_due(schedule.due_at) for _ in range(5)))

    assert await worker.started() == 1
    assert sum("by another process" in one["shop"] for one in done) == 4


async def test_a_worker_that_ends_leaves_its_run_to_the_next(worker: Worker, plan: Plan) -> None:
    schedule = await add_schedule(worker.journal, plan, NIGHTLY, worker.session)

    async def crash(plan: Plan, options: NewOptions) -> str:
        await create(worker.journal, plan, worker.session, attrs.evolve(options, record=fail))
        raise AssertionError

    def fail(*_: object) -> None:
        raise SystemError

    with pytest.raises(SystemError):
        await start_due(worker.journal, crash, schedule.due_at)
    await worker.start_due(schedule.due_at + timedelta(minutes=1))

    assert await worker.started() == 1


@pytest.mark.parametrize(
    "missed, note, rollouts",
    [
        (MissedRuns.ONCE, "started late: 4 runs due since ", 1),
        (MissedRuns.SKIP, "skipped: 4 runs due since ", 0),
    ],
)
async def test_runs_that_no_worker_started_are_started_once_or_skipped(
    worker: Worker, plan: Plan, missed: MissedRuns, note: str, rollouts: int
) -> None:
    schedule = await add_schedule(worker.journal, plan, NIGHTLY, worker.session, missed=missed)
    now = schedule.due_at + timedelta(days=3, hours=1)

    done = await worker.start_due(now)

    after = await worker.schedule()
    assert note in done["shop"]
    assert after.note is not None
    assert after.note.startswith(note)
    assert (await worker.started(), after.due_at) == (rollouts, schedule.due_at + timedelta(days=4))


async def test_a_run_waits_for_the_end_of_the_last_one(worker: Worker, plan: Plan) -> None:
    schedule = await add_schedule(worker.journal, plan, NIGHTLY, worker.session)
    await worker.start_due(schedule.due_at)
    tomorrow = schedule.due_at + timedelta(days=1)

    waiting = await worker.start_due(tomorrow)
    assert "has not ended" in waiting["shop"]
    assert await worker.started() == 1
    await worker.end_last()
    await worker.start_due(tomorrow + timedelta(minutes=1))

    assert await worker.started() == 2


async def test_a_run_is_skipped_while_the_last_one_goes_on(worker: Worker, plan: Plan) -> None:
    schedule = await add_schedule(worker.journal, plan, NIGHTLY, worker.session, missed=MissedRuns.SKIP)
    await worker.start_due(schedule.due_at)

    skipped = await worker.start_due(schedule.due_at + timedelta(days=1))
    await worker.end_last()
    later = await worker.start_due(schedule.due_at + timedelta(days=1, minutes=1))

    assert skipped["shop"].startswith("skipped: 1 run due since ")
    assert (later, await worker.started()) == ({}, 1)


async def test_a_plan_that_is_refused_waits_for_its_next_time(worker: Worker) -> None:
    none = Plan(name="shop", targets=Selection(where="name == none"), steps=[Step("run", "id")])
    schedule = await add_schedule(worker.journal, none, NIGHTLY, worker.session)

    done = await worker.start_due(schedule.due_at)

    assert "not started: targets: select no phone" in done["shop"]
    assert (await worker.schedule()).due_at == schedule.due_at + timedelta(days=1)


async def test_a_service_that_is_away_is_tried_again(worker: Worker, emulator: Emulator) -> None:
    every = Plan(name="shop", targets=Selection(all=True), steps=[Step("run", "id")])
    schedule = await add_schedule(worker.journal, every, NIGHTLY, worker.session)
    emulator.fault(Reset(), "koophone.instances.list", first=3)  # of each attempt of the session

    failed = await worker.start_due(schedule.due_at)
    await worker.start_due(schedule.due_at + timedelta(minutes=1))

    assert failed["shop"].startswith("not started yet: ")
    assert await worker.started() == 1


async def test_credentials_of_another_account_start_nothing(worker: Worker, plan: Plan) -> None:
    schedule = await add_schedule(worker.journal, plan, NIGHTLY, worker.session)
    await worker.journal.schedules.add(attrs.evolve(schedule, account="another"), replace=True)

    done = await worker.start_due(schedule.due_at)

    assert "account: is" in done["shop"]
    assert "scheduled with another" in done["shop"]
    assert await worker.started() == 0


async def test_a_disabled_schedule_starts_nothing(worker: Worker, plan: Plan) -> None:
    schedule = await add_schedule(worker.journal, plan, NIGHTLY, worker.session)
    await disable_schedule(worker.journal, "shop")
    later = schedule.due_at + timedelta(days=2)

    assert await worker.start_due(later) == {}
    enabled = await enable_schedule(worker.journal, "shop", later)
    assert enabled.due_at == later + timedelta(days=1)
    assert await worker.start_due(later) == {}


async def test_a_schedule_is_replaced_only_on_request(worker: Worker, plan: Plan) -> None:
    await add_schedule(worker.journal, plan, NIGHTLY, worker.session)
    hourly = Cron("0 * * * *", "UTC")

    with pytest.raises(InvalidRequest, match="'shop' has a schedule already"):
        await add_schedule(worker.journal, plan, hourly, worker.session)
    await add_schedule(worker.journal, plan, hourly, worker.session, replace=True)

    assert (await worker.schedule()).cron == "0 * * * *"


async def test_a_schedule_needs_the_name_of_a_plan(worker: Worker, plan: Plan) -> None:
    with pytest.raises(InvalidRequest, match="name: is missing"):
        await add_schedule(worker.journal, attrs.evolve(plan, name=""), NIGHTLY, worker.session)


async def test_an_unknown_schedule_is_refused(worker: Worker) -> None:
    with pytest.raises(InvalidRequest, match="no schedule has the name 'none'"):
        await disable_schedule(worker.journal, "none")
    with pytest.raises(InvalidRequest, match="no schedule has the name 'none'"):
        await enable_schedule(worker.journal, "none", worker.session.now())
