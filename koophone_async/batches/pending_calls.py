"""Calls of a run whose jobs have not all ended: wait for them, and find the outcome of each of their ids."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from attrs import define, field

from koophone_async.batches.call_log import settling
from koophone_async.batches.outcome_mapping import OutcomeMerger, job_outcome, jobs_by_id, unfinished
from koophone_async.polling import PendingJobs, ResumeToken
from koophone_async.polling.pending_jobs import report_callback_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from koophone_async.batches.call_log import StartedCall
    from koophone_async.batches.outcomes import Outcome
    from koophone_async.batches.verb import EndedJob, Wait
    from koophone_async.operation import Sender
    from koophone_async.polling import LostJob


@define(eq=False)
class _PendingCall:
    """A call whose jobs have not all ended."""

    wait: Wait
    jobs: dict[str, str]
    """The id that each open job is for, by job id."""

    record: Callable[[Sequence[Outcome]], None]
    started: float
    """When the call began, by the loop's clock."""

    merger: OutcomeMerger = field(init=False)
    pending: PendingJobs[Any] | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        """Count the jobs of each id."""
        self.merger = OutcomeMerger.of(self.jobs.values())

    def outcome(self, job_id: str, job: EndedJob | LostJob, seconds: float) -> Outcome:
        """Return the outcome of a job that has ended; without a value if that cannot be read."""
        id, shown = self.jobs[job_id], job_id if self.wait.has_jobs else None
        try:
            return job_outcome(id, shown, job, seconds, self.wait.value)
        except Exception as error:  # noqa: BLE001 - whatever it is, the loop's own handler reports it
            report_callback_error(error)
            return job_outcome(id, shown, job, seconds)


@define(eq=False)
class PendingCalls:
    """Waits for the jobs of calls, and records the outcome of each id once all its jobs have one."""

    _session: Sender
    _operation: str
    _record: Callable[[Sequence[Outcome]], None]
    _max_wait: float | None = None
    """Seconds after which the jobs of a call are left running."""

    _calls: set[_PendingCall] = field(factory=set[_PendingCall], init=False)

    def add(
        self, wait: Wait, jobs: dict[str, str], record: Callable[[Sequence[Outcome]], None], seconds: float
    ) -> None:
        """Wait for jobs of a call that began some seconds ago."""
        call = _PendingCall(wait, jobs, record, _now() - seconds)
        self._subscribe(call, None if self._max_wait is None else call.started + self._max_wait)

    def resume(self, wait: Wait, call: StartedCall) -> None:
        """Wait for the jobs of a call that an earlier process has started."""
        age = call.age(self._session.now())
        pending = _PendingCall(wait, dict(wait.jobs), settling(self._record, call.entry), _now() - age)
        self._subscribe(pending, None if self._max_wait is None else _now() + self._max_wait, age)

    def leave_running(self) -> None:
        """Stop waiting for all jobs, and record that they still run."""
        for call in tuple(self._calls):
            self._leave_running(call)

    def _subscribe(self, call: _PendingCall, deadline: float | None, age: float = 0.0) -> None:
        self._calls.add(call)

        def on_end(ended: Mapping[str, EndedJob | LostJob]) -> None:
            seconds = _now() - call.started
            outcomes = [call.outcome(job_id, job, seconds) for job_id, job in ended.items()]
            for job_id in ended:
                del call.jobs[job_id]
            if not call.jobs:
                self._calls.discard(call)
            call.record(call.merger.merge(outcomes))

        def on_done(_: PendingJobs[Any]) -> None:
            if call.jobs:
                self._leave_running(call)

        call.pending = self._session.poll_scheduler.subscribe(
            call.wait.poller,
            call.wait.handle,
            tuple(call.jobs),
            operation=self._operation,
            on_end=on_end,
            on_done=on_done,
            deadline=deadline,
            age=age,
        )

    def _leave_running(self, call: _PendingCall) -> None:
        self._calls.discard(call)
        if call.pending is not None:
            call.pending.cancel()
        seconds = _now() - call.started
        started_at = self._session.now() - timedelta(seconds=seconds)
        outcomes: list[Outcome] = []
        for jobs in jobs_by_id(call.jobs, call.jobs):
            token = ResumeToken(self._operation, call.wait.handle, jobs, started_at)
            reason = call.pending.reason(next(iter(jobs))) if call.pending else "still running"
            outcome = unfinished(token, seconds, reason, resumable=call.wait.has_jobs)
            outcomes += call.merger.merge([outcome], len(jobs))
        call.record(outcomes)


def _now() -> float:
    return asyncio.get_running_loop().time()
