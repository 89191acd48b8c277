"""Tasks and their jobs: what was started, and how it ended."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from attrs import field, frozen

from koophone_async.checks import Text
from koophone_async.operation import Operation
from koophone_async.polling import ResumeToken
from koophone_async.wire import wire


class JobState(IntEnum):
    """Where a job stands (KooPhone 4.1.3)."""

    RUNNING = 1
    SUCCEEDED = 2
    FAILED = -1


_ENDED: Final = {JobState.SUCCEEDED, JobState.FAILED}


@frozen
class StartedJob:
    """The job that a call started on one instance."""

    instance: str = field(metadata=wire("instance_id"))
    id: str = field(metadata=wire("job_id"))


@frozen
class StartedTask:
    """The task of one call, with a job for each instance.

    Only this answer links a job to its instance: later looks at the task give job ids alone.
    """

    id: str | None = field(default=None, metadata=wire("task_id"))
    """None where the edition gives no task: then only the instances' state shows the end."""

    jobs: tuple[StartedJob, ...] = field(default=(), metadata=wire("cmd_jobs"))

    @property
    def task(self) -> ResumeToken | None:
        """What `koophone.jobs.wait` takes, here or, as a string, in another process."""
        return ResumeToken("", self.id, {job.id: job.instance for job in self.jobs}) if self.id else None


@frozen
class Accepted:
    """The service took the call and says nothing more."""


@frozen
class Job:
    """One job of a task, as the service last showed it."""

    id: str = field(metadata=wire("job_id"))
    state: JobState | int = field(metadata=wire("status"))
    """An int when the service sends a state this version does not know; that job has not ended."""

    error_code: str | None = None
    error_message: str | None = field(default=None, metadata=wire("error_msg"))
    output: str | None = field(default=None, metadata=wire("execute_msg"))
    """The first 1,024 bytes, of failed commands too; None until the job has ended."""

    @property
    def ended(self) -> bool:
        """Whether the service will not change this job any more."""
        # Since 2026-07 app installs show states 0 to 3 that no document explains; 3 with an
        # error code can only be a failure, without one it may be a stage.
        return self.state in _ENDED or (self.state == 3 and bool(self.error_code))

    @property
    def succeeded(self) -> bool:
        """Whether the job ended well."""
        return self.state == JobState.SUCCEEDED


@frozen
class TaskQuery:
    """Which task to look at."""

    task: str = field(validator=Text(256), metadata=wire("task_id"))


@frozen
class Task:
    """All jobs of one task."""

    jobs: tuple[Job, ...] = ()


# No document says that this call takes the RM_ ids of reset, unassign and backup; a service
# that answers 1323 to them is settled by the instances' state instead.
LIST: Final = Operation(
    "koophone.jobs.list", "GET", "/v1/instances/tasks/{task_id}",
    TaskQuery, Task, source="KooPhone 4.1.3 (2025-12-31)", repeatable=True,
)  # fmt: skip
