"""Jobs of procrastinate: which worker looks at which rollout and shard.

They are in the database of the journal, and in its schema. A job is deleted when it has ended, also if it has
failed: as long as the rollout or the shard is not done, somebody hands it out again. So no retry of
procrastinate meets a queueing lock that a newer job has, and finished jobs need no pruning. A stalled job is
deleted and not retried: its worker may wake up and end it, and must not end that of another worker.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import psycopg
from attrs import define, field
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Job, Status

from koophone_async.rollouts.distributed.tables import connection_options, create_tables
from koophone_async.rollouts.journal.errors import JournalError
from koophone_async.rollouts.journal.postgresql.errors import problem_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from koophone_async.rollouts.journal.postgresql.location import PostgresLocation
    from koophone_async.rollouts.journal.shards import ShardRecord

DRIVE: Final = "drive"
RUN_SHARD: Final = "run_shard"
START_SCHEDULES: Final = "start_schedules"

_MAX_CONNECTIONS: Final = 4

log: Final = logging.getLogger(__name__)


def drive_queue(queue: str) -> str:
    """Return the queue of jobs that drive the rollouts of a queue: they wait for those that run shards."""
    return f"{queue}.drive"


def _job_of(shard: ShardRecord, queue: str) -> Job:
    """Return the job that runs a shard."""
    rollout, number = shard.key
    return Job(
        queue=queue,
        lock=shard.lock,
        queueing_lock=f"{RUN_SHARD}:{rollout}:{number}",
        task_name=RUN_SHARD,
        task_kwargs={"rollout": rollout, "shard": number},
    )


@define(eq=False)
class Jobs:
    """The jobs in one database."""

    app: App
    heartbeat: float = field(default=30.0, kw_only=True)
    """Seconds without a sign of life after which the jobs of a worker are handed out again."""

    @classmethod
    @asynccontextmanager
    async def open(cls, location: PostgresLocation, *, heartbeat: float = 30.0) -> AsyncGenerator[Jobs]:
        """Connect to the database of a journal; create the tables of procrastinate if necessary.

        Raises:
            JournalError: The database cannot be used.
        """
        try:
            await asyncio.to_thread(create_tables, location)
        except psycopg.Error as error:
            raise JournalError("", location.label, problem_of(error)) from error
        connector = PsycopgConnector(
            min_size=1, max_size=_MAX_CONNECTIONS, kwargs=connection_options(location)
        )
        app = App(connector=connector)
        async with app.open_async():
            yield cls(app, heartbeat=heartbeat)

    async def drive(self, rollout: str, queue: str) -> None:
        """Have a worker drive a rollout; nothing changes if that waits for a worker already."""
        job = Job(
            queue=drive_queue(queue),
            lock=None,
            queueing_lock=f"{DRIVE}:{rollout}",
            task_name=DRIVE,
            task_kwargs={"rollout": rollout},
        )
        with suppress(AlreadyEnqueued):
            await self._defer([job])

    async def run_shards(self, shards: Sequence[ShardRecord], queue: str) -> None:
        """Have workers run shards, those of which no job waits for a worker yet."""
        jobs = [_job_of(shard, queue) for shard in shards]
        try:
            await self._defer(jobs)
        except AlreadyEnqueued:
            waiting = await self.app.job_manager.list_jobs_async(
                task=RUN_SHARD, queue=queue, status=Status.TODO.value
            )
            known = {job.queueing_lock for job in waiting}
            for job in jobs:
                if job.queueing_lock not in known:
                    with suppress(AlreadyEnqueued):  # another process has asked for it meanwhile
                        await self._defer([job])

    async def _defer(self, jobs: Sequence[Job]) -> None:
        """Write jobs, or none of them if one waits already."""
        if jobs:
            await self.app.job_manager.batch_defer_jobs_async(list(jobs))

    async def journal_version(self) -> int:
        """Return the version of the journal's tables."""
        row = await self.app.connector.execute_query_one_async("SELECT version FROM journal_version")
        return int(row["version"])

    async def delete_stalled(self) -> int:
        """Delete the jobs of workers without a sign of life, and return their number."""
        manager = self.app.job_manager
        stalled = list(await manager.get_stalled_jobs(seconds_since_heartbeat=self.heartbeat))
        for job in stalled:
            log.warning("job %s is stalled, and will be handed out again", job.call_string)
            with suppress(ConnectorException):  # another worker was faster, or the job has ended
                await manager.finish_job_by_id_async(job.id or 0, Status.FAILED, delete_job=True)
        return len(stalled)
