"""Jobs in the database of a journal: each asked for once, and handed out again when its worker is silent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from koophone_async.rollouts.distributed.jobs import DRIVE, RUN_SHARD, Jobs, drive_queue
from koophone_async.rollouts.journal import Journal, JournalError, NewRollout
from koophone_async.rollouts.journal.postgresql.location import PostgresLocation
from koophone_async.rollouts.journal.shards import NewShard
from tests.rollouts.journal.samples import targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from procrastinate.jobs import Job

    from koophone_async.rollouts.journal.shards import ShardRecord


@pytest.fixture
def location(postgresql_url: str) -> PostgresLocation:
    return PostgresLocation.of_url(postgresql_url)


async def jobs_of(jobs: Jobs, task: str) -> Sequence[Job]:
    return list(await jobs.app.job_manager.list_jobs_async(task=task))


async def shards_of(journal: Journal, *locks: str | None) -> Sequence[ShardRecord]:
    record = await journal.create(NewRollout("shop", "cph"), targets(len(locks)))
    driver = await journal.acquire(record.id)
    phones = list(targets(len(locks)))
    new = [NewShard(0, [(phone, 0)], lock) for phone, lock in zip(phones, locks, strict=True)]
    return await journal.shards.create(driver, 1, 1, new)


async def test_two_processes_create_the_tables_once(postgresql_url: str, location: PostgresLocation) -> None:
    async with await Journal.open(postgresql_url), Jobs.open(location) as one, Jobs.open(location) as other:
        await asyncio.gather(one.drive("r", "q"), other.drive("r", "q"))

        assert [job.queue for job in await jobs_of(one, DRIVE)] == [drive_queue("q")]


async def test_a_shard_that_waits_is_not_handed_out_twice(
    postgresql_url: str, location: PostgresLocation
) -> None:
    async with await Journal.open(postgresql_url) as journal, Jobs.open(location) as jobs:
        shards = await shards_of(journal, "server:a", None)
        await jobs.run_shards(shards, "q")
        await jobs.run_shards(shards, "q")

        assert [job.lock for job in await jobs_of(jobs, RUN_SHARD)] == ["server:a", None]


async def test_jobs_of_a_silent_worker_are_deleted(postgresql_url: str, location: PostgresLocation) -> None:
    async with await Journal.open(postgresql_url), Jobs.open(location, heartbeat=0.0) as jobs:
        manager = jobs.app.job_manager
        silent = await manager.register_worker()
        for rollout in ("a", "b"):
            await jobs.drive(rollout, "q")
        fetched = await manager.fetch_job([drive_queue("q")], silent)
        assert fetched is not None

        assert await jobs.delete_stalled() == 1
        assert [job.task_kwargs for job in await jobs_of(jobs, DRIVE)] == [{"rollout": "b"}]
        assert await jobs.delete_stalled() == 0


@pytest.mark.parametrize(
    "grants, problem",
    [
        ([], "may not create the tables of procrastinate"),
        (["TABLES"], "GRANT USAGE ON ALL SEQUENCES IN SCHEMA koophone TO clerk"),
        (["SEQUENCES"], "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA koophone TO clerk"),
    ],
)
async def test_a_role_without_privileges_is_refused(
    postgresql_url: str, grants: list[str], problem: str
) -> None:
    clerk = PostgresLocation.of_url(postgresql_url.replace("postgres@", "clerk@"))
    async with await Journal.open(postgresql_url):
        with psycopg.connect(postgresql_url, autocommit=True) as db:
            db.execute("CREATE ROLE clerk LOGIN")
            try:
                db.execute("GRANT USAGE ON SCHEMA koophone TO clerk")
                if grants:
                    async with Jobs.open(PostgresLocation.of_url(postgresql_url)):
                        pass
                for kind in grants:
                    db.execute(f"GRANT ALL ON ALL {kind} IN SCHEMA koophone TO clerk".encode())
                with pytest.raises(JournalError, match=problem):
                    async with Jobs.open(clerk):
                        pass
            finally:
                db.execute(SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(Identifier("clerk")))


async def test_a_server_that_is_gone_is_an_error_of_the_journal() -> None:
    gone = PostgresLocation.of_url("postgresql://postgres@/none?host=/nowhere")

    with pytest.raises(JournalError):
        async with Jobs.open(gone):
            pass
