"""The worker: a process that drives rollouts and runs shards until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen
from procrastinate.exceptions import ConnectorException

from koophone_async.errors import InvalidRequest, KooPhoneError
from koophone_async.rollouts import events
from koophone_async.rollouts.distributed.executor import Executor
from koophone_async.rollouts.distributed.hand_over import HANDOVER, QUEUE, release
from koophone_async.rollouts.distributed.jobs import DRIVE, RUN_SHARD, START_SCHEDULES, drive_queue
from koophone_async.rollouts.execution.starts import create
from koophone_async.rollouts.journal import JournalError, schema
from koophone_async.rollouts.journal.lease import LeaseKey
from koophone_async.rollouts.journal.workers import NewWorker
from koophone_async.rollouts.schedules import start_due

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from koophone_async.rollouts.distributed.jobs import Jobs
    from koophone_async.rollouts.execution.starts import NewOptions
    from koophone_async.rollouts.journal import Journal
    from koophone_async.rollouts.plans.plan import Plan
    from koophone_async.session import Session

_MAX_ROLLOUTS: Final = 100
"""Rollouts that one worker drives at the same time, which is little work."""

_RESTART_SECONDS: Final = 1.0
"""Seconds after which jobs are fetched again when the database has failed."""

log: Final = logging.getLogger(__name__)


class JournalVersion(JournalError):
    """The journal has another version than this program."""


@frozen
class WorkerOptions:
    """How a worker works."""

    version: str
    """Of its program."""

    concurrency: int = 4
    """Number of shards that it runs at the same time."""

    queues: tuple[str, ...] = (QUEUE,)


@define(eq=False)
class Worker:
    """A process that drives rollouts and runs shards."""

    _journal: Journal
    _jobs: Jobs
    _session: Session
    _options: WorkerOptions
    _executor: Executor = field(init=False)
    _running: set[asyncio.Task[None]] = field(factory=set["asyncio.Task[None]"], init=False)
    _reported: set[tuple[str, str]] = field(factory=set["tuple[str, str]"], init=False)
    _stopping: asyncio.Event = field(factory=asyncio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        executor = Executor(self._journal, self._session, self._jobs, self._jobs.heartbeat / 3)
        self._executor = executor

        slots = asyncio.Semaphore(self._options.concurrency)

        async def drive(rollout: str) -> None:
            await self._keep(executor.drive(rollout), rollout)

        async def run_shard(rollout: str, shard: int) -> None:
            async with slots:
                await executor.run_shard(LeaseKey(rollout, shard))

        async def keep_shard(rollout: str, shard: int) -> None:
            await self._keep(run_shard(rollout, shard), rollout)

        async def start_schedules(timestamp: int) -> None:
            del timestamp  # a run that is late is not one that was due then
            await self._start_schedules()

        app = self._jobs.app
        app.task(name=DRIVE)(drive)
        app.task(name=RUN_SHARD)(keep_shard)
        schedules = app.task(name=START_SCHEDULES, queue=drive_queue(self._options.queues[0]))(
            start_schedules
        )
        app.periodic(cron="* * * * *")(schedules)

    async def run(self) -> None:
        """Work until `stop`; then hand back what is not done.

        Raises:
            JournalError: The journal cannot be used, for example since it has another version by now.
        """
        options = self._options
        await self._journal.workers.register(NewWorker(options.version, options.queues, options.concurrency))
        tasks = [
            asyncio.create_task(self._rescue_repeatedly()),
            asyncio.create_task(self._fetch(options.queues, options.concurrency)),
            asyncio.create_task(self._fetch([drive_queue(q) for q in options.queues], _MAX_ROLLOUTS)),
        ]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            self.stop()
            await self._executor.interrupt()
            await asyncio.gather(*self._running, return_exceptions=True)
        finally:
            for task in (stopping, *tasks):
                task.cancel()
            await asyncio.wait(tasks)
            with suppress(KooPhoneError):
                await self._journal.workers.unregister()
        for task in tasks:
            if not task.cancelled():
                task.result()

    def stop(self) -> None:
        """Send nothing more, await the answers to calls on the wire, and hand back the rest."""
        self._stopping.set()

    async def _fetch(self, queues: Sequence[str], concurrency: int) -> None:
        """Fetch jobs and run them, also after failures of the database."""
        while not self._stopping.is_set():
            try:
                await self._jobs.app.run_worker_async(
                    queues=list(queues),
                    concurrency=concurrency,
                    delete_jobs="always",
                    install_signal_handlers=False,
                    update_heartbeat_interval=self._jobs.heartbeat / 3,
                    stalled_worker_timeout=self._jobs.heartbeat,
                    shutdown_graceful_timeout=_RESTART_SECONDS,
                )
            except ConnectorException as error:
                log.warning("jobs cannot be fetched: %s", error.__cause__ or error)
            await asyncio.sleep(_RESTART_SECONDS)

    async def _keep(self, work: Coroutine[None, None, None], rollout: str) -> None:
        """Do the work of a job, which goes on when procrastinate gives up because its connection is cut."""
        task = asyncio.create_task(self._logged(work, rollout))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.shield(task)

    async def _logged(self, work: Coroutine[None, None, None], rollout: str) -> None:
        """Do some work; its job is handed out again if it fails, to another worker if need be."""
        try:
            await work
        except InvalidRequest as error:
            await self._report(rollout, str(error))
        except KooPhoneError as error:
            log.warning("rollout %s: %s", rollout, error)

    async def _report(self, rollout: str, problem: str) -> None:
        """Write down, once, that a rollout cannot go on here, for example with other credentials."""
        if (rollout, problem) not in self._reported:
            self._reported.add((rollout, problem))
            log.error("rollout %s cannot go on here: %s", rollout, problem)
            await self._journal.log(rollout, events.REFUSED, {"reason": problem, "pid": os.getpid()})

    async def _start_schedules(self) -> None:
        """Start the rollouts that are due."""

        async def begin(plan: Plan, options: NewOptions) -> str:
            start = await create(self._journal, plan, self._session, options)
            return await release(start, self._jobs, self._options.queues[0])

        for name, run in (await start_due(self._journal, begin, self._session.now())).items():
            level = logging.INFO if run.is_in_time else logging.WARNING
            log.log(level, "schedule %s: %s", name, run.description)

    async def _rescue_repeatedly(self) -> None:
        """Hand out what workers without a sign of life have left, beside procrastinate's periodic jobs."""
        while True:
            try:
                await self._journal.workers.beat()
                await self._check_version()
                await self._rescue()
            except JournalVersion:
                raise
            except (KooPhoneError, ConnectorException) as error:
                log.warning("nothing was rescued: %s", error)
            await asyncio.sleep(self._jobs.heartbeat / 3)

    async def _check_version(self) -> None:
        """Raise if another program has brought the journal to a later version since this one has opened it.

        Raises:
            JournalVersion: It has.
        """
        version = await self._jobs.journal_version()
        if version != schema.VERSION:
            raise JournalVersion(
                "",
                self._journal.location,
                f"has version {version} now, and this worker knows {schema.VERSION}",
            )

    async def _rescue(self) -> None:
        await self._jobs.delete_stalled()
        for rollout, handover in await self._journal.shards.undriven():
            order = HANDOVER.decode(handover)
            if order.queue in self._options.queues:
                await self._jobs.drive(rollout, order.queue)
