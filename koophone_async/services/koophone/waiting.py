"""List jobs, and wait until they end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from attrs import field, frozen

from koophone_async.batches import Outcome, Report, State, once_listed, wait_for_jobs
from koophone_async.errors import InvalidRequest, Refused, Rule
from koophone_async.operation import Sender
from koophone_async.polling import Deadline, ResumeToken
from koophone_async.services.koophone import apps, commands, instances, users
from koophone_async.services.koophone.completion import (
    StatePoller,
    TaskOrStatePoller,
    TaskPoller,
    is_final,
    list_poller,
    until_running,
)
from koophone_async.services.koophone.jobs import LIST, Job, Task, TaskQuery
from koophone_async.services.koophone.verdicts import NewBackup, TaskEnd, unassigned


@frozen
class Jobs:
    """List the jobs of tasks, and wait until they end."""

    _session: Sender
    _tasks: TaskPoller = field(repr=False)

    async def list(self, task: str) -> Task:
        """Return all jobs of a task, as they are now.

        Args:
            task: The id that the call which started it returned.

        Raises:
            NotFound: There is no such task, or the service does not list it yet (KOOPHONE.API.1323).

        API: KooPhone 4.1.3 (2025-12-31)
        """
        return await self._session.send(LIST, TaskQuery(task))

    async def wait(
        self,
        task: ResumeToken | str | None,
        *,
        ids: Iterable[str] = (),
        timeout: float | Deadline | None = Deadline.DEFAULT,  # noqa: ASYNC109 - its end is no error
    ) -> Report:
        """Wait until every job of a task has ended, and return the outcome of each instance.

        All waits of the session share their polls. Cancelling a wait does not cancel the jobs.

        Args:
            task: `started.task`, or its string from another process, or the `resume_token` of an outcome. Or
                the bare id of a task that was started anywhere: the service then lists jobs without their
                instances, so outcomes have the ids of jobs, unless `ids` are given.
            ids: The instances of a bare task, one for each of its jobs and in the order of the call. If the
                service does not show the jobs of a task of reset, backup or unassign (`RM_`), the state of
                these instances is awaited; one that does not change ends as `unknown`.
            timeout: Seconds after which the jobs that still run are `unfinished`, each with a resume token;
                None for no limit. By default a time that depends on the operation.

        Raises:
            InvalidRequest: There is no task to wait for, as after a reset in the China edition; or the
                string is a damaged resume token; or the task has another number of jobs than `ids`.
            NotFound: The service does not know the task.
        """
        if task is None:
            problem = "is None: the call started no task; use instances.status"
            raise InvalidRequest(_WAIT, "task", problem, Rule.MISSING)
        if isinstance(task, ResumeToken):
            resume_token = task
        elif ResumeToken.is_token(task):
            resume_token = ResumeToken.parse(task)
        else:
            instances = tuple(ids)
            jobs = await self._jobs_of(task, instances)
            if jobs is None:
                return await self._wait_for_states(instances, timeout)
            resume_token = ResumeToken("", task, jobs)
        operation = resume_token.operation or _operation_of(resume_token.handle)
        report = Report(operation)
        if not resume_token.jobs:
            reason = "the service lists no jobs of this task"
            report.keep(Outcome(resume_token.handle, State.UNKNOWN, error_message=reason))
            return report
        return await wait_for_jobs(self._session, self._poller(resume_token), resume_token, report, timeout)

    async def _jobs_of(self, task: str, ids: Sequence[str]) -> Mapping[str, str] | None:
        """Return the id of the outcome of each job of a bare task; a new task may not be listed at once.

        None means that the service does not show the jobs, and the state of their instances can be awaited.
        """
        has_states = ids and task.startswith(_STATE_TASK)
        try:
            jobs = [job.id for job in await once_listed(lambda: self._listed(task))]
        except Refused as error:
            if not has_states or not is_final(error):
                raise
            return None
        if has_states and not jobs:
            return None
        if ids and len(ids) != len(jobs):
            problem = f"are {len(ids)}, but the task has {len(jobs)} jobs"
            raise InvalidRequest(_WAIT, "ids", problem, Rule.CONFLICT)
        return dict(zip(jobs, ids or jobs, strict=True))

    async def _wait_for_states(
        self,
        instances: Iterable[str],
        timeout: float | Deadline | None,  # noqa: ASYNC109 - passed on
    ) -> Report:
        """Wait until the instances of a task show that it has ended, whatever it does to them."""
        wait = list_poller(self._session, TaskEnd(NewBackup(self._session.now))).wait(instances)
        token = ResumeToken("", wait.handle, wait.jobs)
        report = Report(_UNKNOWN_OPERATION)
        return await wait_for_jobs(self._session, wait.poller, token, report, timeout, has_jobs=False)

    async def _listed(self, task: str) -> Sequence[Job]:
        return (await self.list(task)).jobs

    def _poller(self, resume_token: ResumeToken) -> TaskPoller | TaskOrStatePoller:
        """Return a poller; it polls states if the service does not show the jobs of the operation."""
        states = _states_after(self._session, resume_token)
        if states is None:
            return self._tasks
        poller = TaskOrStatePoller(self._tasks, states)
        age = resume_token.age(self._session.now())
        poller.wait(resume_token.handle, resume_token.jobs, age)
        return poller


_WAIT: Final = "koophone.jobs.wait"
_STATE_TASK: Final = "RM_"
"""Prefix of the ids of tasks that change a state (002 4.1.6, 4.1.9, 4.3.3)."""

_UNKNOWN_OPERATION: Final = "koophone.jobs"


def _operation_of(task: str) -> str:
    """Return the operation that a bare task is of, as far as its id shows it (002 4.1.2, 4.2.2, 4.1.6)."""
    if task.startswith(("ZGCA", "FULFILL")):
        return apps.INSTALL.name
    return _UNKNOWN_OPERATION if task.startswith(_STATE_TASK) else commands.RUN.name


def _states_after(session: Sender, resume_token: ResumeToken) -> StatePoller | None:
    match resume_token.operation:
        case instances.RESET.name:
            return until_running(session)
        case instances.BACKUP.name:
            backup = NewBackup(session.now)
            if resume_token.started_at is not None:
                backup.resume(resume_token.jobs.values(), resume_token.started_at)
            return list_poller(session, backup)
        case users.UNASSIGN.name:
            return list_poller(session, unassigned)
        case _:
            return None
