"""A worker in this process, with the jobs and the journal of a real PostgreSQL server."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

import pytest
import pytest_asyncio

from koophone_async.emulator import Durations
from koophone_async.rollouts import Plan, Rollout, Selection, Step
from koophone_async.rollouts.cron import Cron
from koophone_async.rollouts.distributed.jobs import START_SCHEDULES, Jobs, drive_queue
from koophone_async.rollouts.distributed.worker import Worker, WorkerOptions
from koophone_async.rollouts.journal import Journal
from koophone_async.rollouts.journal.postgresql.location import PostgresLocation
from koophone_async.rollouts.schedules import add_schedule

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from koophone_async import Session

pytestmark = [pytest.mark.emulator(phones=6, jobs=Durations(fixed=0.1)), pytest.mark.timeout(120)]

EVERY_MINUTE = Cron("* * * * *", "UTC")


@pytest_asyncio.fixture
async def journal(postgresql_url: str) -> AsyncIterator[Journal]:
    async with await Journal.open(postgresql_url) as opened:
        yield opened


@pytest_asyncio.fixture
async def jobs(journal: Journal) -> AsyncIterator[Jobs]:
    assert isinstance(journal.place, PostgresLocation)
    async with Jobs.open(journal.place, heartbeat=1) as opened:
        yield opened


@pytest.fixture
def worker(journal: Journal, jobs: Jobs, session: Session) -> Worker:
    return Worker(journal, jobs, session, WorkerOptions("1"))


@pytest.fixture
def plan(ids: list[str]) -> Plan:
    return Plan(name="nightly", targets=Selection(ids=ids), steps=[Step("run", "id")])


@asynccontextmanager
async def working(worker: Worker) -> AsyncGenerator[None]:
    """Have a worker work during the context."""
    task = asyncio.create_task(worker.run())
    yield
    worker.stop()
    await task


async def ended(journal: Journal, name: str) -> dict[str, int]:
    """Wait until a rollout has ended, and return its counts."""
    while True:
        for record in await journal.rollouts(name=name):
            if record.has_ended:
                return dict(record.counts)
        await asyncio.sleep(0.05)


Due: TypeAlias = "Callable[[int], Awaitable[None]]"


@pytest.fixture
def make_due(journal: Journal, jobs: Jobs, session: Session, plan: Plan) -> Due:
    """Schedule a plan so that its first run was due some minutes ago, and have a worker start what is due."""

    async def make(minutes: int) -> None:
        schedule = await add_schedule(journal, plan, EVERY_MINUTE, session)
        await journal.schedules.postpone(schedule, schedule.due_at - timedelta(minutes=minutes), "earlier")
        due = jobs.app.configure_task(START_SCHEDULES, queue=drive_queue("koophone"))
        await due.defer_async(timestamp=0)

    return make


def warnings(log: pytest.LogCaptureFixture) -> list[str]:
    """Return what is logged by default."""
    return [record.message for record in log.records if record.levelno >= logging.WARNING]


async def test_a_worker_starts_what_is_due_and_runs_it(
    worker: Worker, make_due: Due, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    await make_due(2)
    async with working(worker):
        counts = await ended(journal, "nightly")

    assert counts == {"succeeded": 6}
    assert not any("schedule" in message for message in warnings(caplog))


async def test_a_worker_warns_of_a_run_that_was_missed(
    worker: Worker, make_due: Due, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    await make_due(20)
    async with working(worker):
        await ended(journal, "nightly")

    (warning,) = (message for message in warnings(caplog) if "schedule nightly: " in message)
    assert "started late: " in warning


async def test_a_worker_goes_on_when_the_database_fails_a_while(
    worker: Worker, jobs: Jobs, journal: Journal, session: Session, plan: Plan
) -> None:
    async with working(worker):
        cut = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await jobs.app.connector.execute_query_all_async(cut)
        async with Rollout(plan, journal, session) as rollout:
            await rollout.hand_over()
        counts = await ended(journal, "nightly")

    assert counts == {"succeeded": 6}
