"""Tasks: a job for each phone of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from koophone_async.emulator.fleet import Phone
from koophone_async.emulator.jobs.engine import Effect, Job, Jobs
from koophone_async.emulator.koophone.resource import Resource
from koophone_async.emulator.server.errors import koophone_refusal, message_of
from koophone_async.emulator.server.routing import serves
from koophone_async.emulator.server.wire_structs import wire_struct
from koophone_async.operation import AnyOperation
from koophone_async.services.koophone import jobs as operations
from koophone_async.services.koophone.jobs import JobState, StartedJob, StartedTask


class Tasks(Resource):
    """Reports on tasks, also on those of reset, unassign and backup, which no document mentions."""

    @serves(operations.LIST)
    async def list(self, request: operations.TaskQuery) -> operations.Task:
        found = [job for job in self.jobs.of_request(request.task) if job.service == "koophone"]
        if not found:
            raise koophone_refusal("1323", request.task)
        now = self.world.clock()
        return _Task(tuple([self._row(job, now) for job in found]))

    def _row(self, job: Job, now: float) -> operations.Job:
        if not job.ended(now):
            return _Job(job.id, JobState.RUNNING, "", "")
        state = JobState.FAILED if job.code else JobState.SUCCEEDED
        message = job.message
        if message == message_of(job.code):
            message = message_of(job.code, self.world.edition)
        return _Job(job.id, state, job.code, message, job.output)


_Job: Final = wire_struct(operations.Job)
_Task: Final = wire_struct(operations.Task)
_StartedJob: Final = wire_struct(StartedJob)
_StartedTask: Final = wire_struct(StartedTask)


def start_task(
    jobs: Jobs,
    operation: AnyOperation,
    phones: Iterable[Phone],
    effect: Callable[[Phone], Effect],
    prefix: str = "",
) -> StartedTask:
    """Start a task with one job for each phone.

    Args:
        jobs: Where to start it.
        operation: The operation that was called.
        phones: The phones of the call.
        effect: Returns what the job of a phone does.
        prefix: The beginning of the task's id.
    """
    task = prefix + jobs.world.hex()
    started = [(phone, jobs.start(operation, task, effect(phone), phone=phone.id)) for phone in phones]
    return _StartedTask(task, tuple([_StartedJob(phone.id, job.id) for phone, job in started]))
