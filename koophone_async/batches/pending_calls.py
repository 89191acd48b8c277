"""Calls of a run whose jobs have not all ended: wait for them, and find the outcome of each of their ids."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from attrs import define, field

from koophone_async.batches.call_log import settling
from koophone_async.batches.outcome_mapping import OutcomeMerger, job_outcome, jobs_by_id, unfinished
from koophone_async.polling import PendingJobs, ResumeToken

if TYPE_CHECKING:
    from collections.abc import Callable

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

    record: Callable[[Outcome], None]
    started: float
    """When the call began, by the loop's clock."""

    merger: OutcomeMerger = field(init=False)
    pending: PendingJobs[Any] | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        """Count the jobs of each id."""
        self.merger = OutcomeMerger.of(self.jobs.values())


@define(eq=False)
class PendingCalls:
    """Waits for the jobs of calls, and records the outcome of each id once all its jobs have one."""

    _session: Sender
    _operation: str
    _record: Callable[[Outcome], None]
    _max_wait: float | None = None
    """Seconds after which the jobs of a call are left running."""

    _calls: set[_PendingCall] = field(factory=set[_PendingCall], init=False)

    def add(
        self, wait: Wait, jobs: dict[str, str], record: Callable[[Outcome], None], seconds: float
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

        def on_end(job_id: str, job: EndedJob | LostJob) -> None:
            id, shown = call.jobs.pop(job_id), job_id if call.wait.has_jobs else None
            if not call.jobs:
                self._calls.discard(call)
            seconds = _now() - call.started
            try:
                outcome = job_outcome(id, shown, job, seconds, call.wait.value)
            except BaseException:
                self._merge(call, job_outcome(id, shown, job, seconds))
                raise
            self._merge(call, outcome)

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
        for jobs in jobs_by_id(call.jobs, call.jobs):
            token = ResumeToken(self._operation, call.wait.handle, jobs, started_at)
            reason = call.pending.reason(next(iter(jobs))) if call.pending else "still running"
            self._merge(call, unfinished(token, seconds, reason, resumable=call.wait.has_jobs), len(jobs))

    def _merge(self, call: _PendingCall, outcome: Outcome, jobs: int = 1) -> None:
        """Record the outcome of an id once all its jobs have one."""
        if (merged := call.merger.add(outcome, jobs)) is not None:
            call.record(merged)


def _now() -> float:
    return asyncio.get_running_loop().time()
