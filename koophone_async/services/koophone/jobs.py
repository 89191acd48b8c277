"""Tasks and their jobs: models of what a call started, and of its result."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from attrs import field, frozen

from koophone_async.checks import Text
from koophone_async.operation import Operation
from koophone_async.polling import ResumeToken
from koophone_async.wire import NULL_TEXTS, wire


class JobState(IntEnum):
    """State of a job (KooPhone 4.1.3)."""

    RUNNING = 1
    SUCCEEDED = 2
    FAILED = -1


_ENDED: Final = {JobState.SUCCEEDED, JobState.FAILED}
NO_ID: Final = ("", *NULL_TEXTS)
"""Texts in place of an id."""

_NO_ERROR: Final = (None, "0", *NO_ID)
"""Error codes of jobs without an error."""


@frozen
class StartedJob:
    """A job that a call started on one instance."""

    instance: str = field(metadata=wire("instance_id"))
    id: str = field(metadata=wire("job_id"))


@frozen
class StartedTask:
    """The task that a call started, with a job for each instance.

    Only this answer has the instance of each job; polls of the task return job ids alone.
    """

    id: str | None = field(default=None, metadata=wire("task_id", null_text=True))
    """None where the edition has no task: then only the state of the instances shows the result."""

    jobs: tuple[StartedJob, ...] = field(default=(), metadata=wire("cmd_jobs"))

    @property
    def instances_by_job(self) -> dict[str, str]:
        """Instance of each job, by job id."""
        return {job.id: job.instance for job in self.jobs if job.id not in NO_ID}

    @property
    def task(self) -> ResumeToken | None:
        """Resume token for `koophone.jobs.wait`, here or, as a string, in another process."""
        return ResumeToken("", self.id, self.instances_by_job) if self.id else None


@frozen
class Accepted:
    """The service accepted the call; the answer has nothing else."""


@frozen
class Job:
    """One job of a task, as last polled."""

    id: str = field(metadata=wire("job_id"))
    state: JobState | int = field(metadata=wire("status"))
    """An int if this version does not know the state; such a job counts as running."""

    error_code: str | None = None
    error_message: str | None = field(default=None, metadata=wire("error_msg"))
    output: str | None = field(default=None, metadata=wire("execute_msg"))
    """The first 1,024 bytes, also of failed commands; None until the job has ended."""

    @property
    def ended(self) -> bool:
        """Whether the job has ended, well or badly."""
        # Since 2026-07 app installations have states 0 to 3, which no document explains. With an error code
        # 3 can only be a failure; without one it may be a stage. "0" is the code of a success.
        return self.state in _ENDED or (self.state == 3 and self.error_code not in _NO_ERROR)

    @property
    def succeeded(self) -> bool:
        """Whether the job succeeded."""
        return self.state == JobState.SUCCEEDED


@frozen
class TaskQuery:
    """The task whose jobs to list."""

    task: str = field(validator=Text(256), metadata=wire("task_id"))


@frozen
class Task:
    """All jobs of one task."""

    jobs: tuple[Job, ...] = ()


# No document says that this call accepts the RM_ ids of reset, unassign and backup. If the service answers
# 1323 (no such task), the state of the instances is polled instead.
LIST: Final = Operation(
    "koophone.jobs.list", "GET", "/v1/instances/tasks/{task_id}",
    TaskQuery, Task, source="KooPhone 4.1.3 (2025-12-31)", repeatable=True,
)  # fmt: skip
