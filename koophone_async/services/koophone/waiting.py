"""Looking at jobs once, and waiting for their end."""

from __future__ import annotations

from attrs import field, frozen

from koophone_async.batches import Report, wait_for
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import Sender
from koophone_async.polling import ResumeToken
from koophone_async.services.koophone.completion import Tasks
from koophone_async.services.koophone.jobs import LIST, Task, TaskQuery


@frozen
class Jobs:
    """What became of the work that was started."""

    _session: Sender
    _tasks: Tasks = field(repr=False)

    async def list(self, task: str) -> Task:
        """Look once at all jobs of a task.

        Args:
            task: The id that the starting call answered.

        Raises:
            NotFound: The service does not know the task, or not yet (KOOPHONE.API.1323).

        API: KooPhone 4.1.3 (2025-12-31)
        """
        return await self._session.send(LIST, TaskQuery(task))

    async def wait(
        self,
        task: ResumeToken | str | None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the end of a wait is no failure here
    ) -> Report:
        """Wait until every job of a task has ended, and give the outcome of each instance.

        Looks are shared with every other wait of the session. A cancelled wait costs nothing, and
        the jobs go on.

        Args:
            task: `started.task`, or its string from another process. An outcome's `resume_token` will do.
            timeout: Seconds, after which the open jobs are `unfinished`, each with a resume token to go on with.

        Raises:
            InvalidRequest: There is no task to wait for, as in the China edition after a reset; or the
                string is no resume token.
        """
        if task is None:
            problem = "is None: this call gave no task; ask for instances.status"
            raise InvalidRequest("koophone.jobs.wait", "task", problem, Rule.MISSING)
        resume_token = ResumeToken.parse(task) if isinstance(task, str) else task
        report = Report(resume_token.operation or "koophone.jobs")
        return await wait_for(self._session, self._tasks, resume_token, report, timeout)
