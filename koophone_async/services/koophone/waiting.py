"""List jobs, and wait until they end."""

from __future__ import annotations

from attrs import field, frozen

from koophone_async.batches import Report, wait_for_jobs
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import Sender
from koophone_async.polling import Deadline, ResumeToken
from koophone_async.services.koophone.completion import TaskPoller
from koophone_async.services.koophone.jobs import LIST, Task, TaskQuery


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
        timeout: float | Deadline | None = Deadline.DEFAULT,  # noqa: ASYNC109 - a wait that times out returns its report
    ) -> Report:
        """Wait until every job of a task has ended, and return the outcome of each instance.

        All waits of the session share their polls. Cancelling a wait does not cancel the jobs.

        Args:
            task: `started.task`, or its string from another process, or the `resume_token` of an outcome.
            timeout: Seconds after which the jobs that still run are `unfinished`, each with a resume token;
                None for no limit. By default a time that depends on the operation.

        Raises:
            InvalidRequest: There is no task to wait for, as after a reset in the China edition; or the
                string is not a resume token.
        """
        if task is None:
            problem = "is None: the call started no task; use instances.status"
            raise InvalidRequest("koophone.jobs.wait", "task", problem, Rule.MISSING)
        resume_token = ResumeToken.parse(task) if isinstance(task, str) else task
        report = Report(resume_token.operation or "koophone.jobs")
        return await wait_for_jobs(self._session, self._tasks, resume_token, report, timeout)
