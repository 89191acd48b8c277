"""Send the chunks of a run, and find the outcome of each of their ids.

An id gets its outcome in one of four places: from the answer to its call (`_read_result`), from the end of
its job (`_subscribe`), from an error of its call (`send`), or when the run ends before its job does
(`leave_running`). No id has a task of its own: the poll scheduler calls back as jobs end.

A call may be refused as a whole because of a few wrong ids. If the refusal proves that nothing was executed,
the chunk is halved and both halves are sent, until the wrong ids are isolated: at most 2 k log2(n) more calls
for k wrong ids among n. If the ids are of several regions, they go back to the intake instead, which groups
them. Orders are neither halved nor grouped: what they cost is for their owner to decide.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic

from attrs import define, evolve, field

from koophone_async.batches.outcome_mapping import (
    OutcomeMerger,
    error_state,
    job_outcome,
    jobs_by_id,
    unfinished,
)
from koophone_async.batches.outcomes import NOT_IN_ANSWER, Outcome, State
from koophone_async.call import SendTracker
from koophone_async.errors import KooPhoneError, Refused
from koophone_async.operation import Answer, Request, Sender
from koophone_async.polling import PendingJobs, ResumeToken

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from koophone_async.batches.regions import RegionLookup
    from koophone_async.batches.verb import CallResult, EndedJob, Verb, Wait
    from koophone_async.polling import LostJob


@define(eq=False)
class _PendingCall:
    """A call whose jobs have not all ended."""

    wait: Wait
    jobs: dict[str, str]
    """The id that each open job is for, by job id."""

    merger: OutcomeMerger
    started: float
    pending: PendingJobs[Any] | None = None


@define(eq=False)
class Dispatcher(Generic[Request, Answer]):
    """Sends chunks, and records the outcome of each of their ids exactly once."""

    _session: Sender
    _verb: Verb[Request, Answer]
    _record: Callable[[Outcome], None]
    _discard_duplicates: Callable[[int], None]
    """Uncounts ids that a chunk has twice, although the caller guaranteed that there are none."""

    _stop_reason: Callable[[], str]
    """Returns why the run is being stopped."""

    _put_back: Callable[[Sequence[str]], None]
    """Puts ids back into the input, to be grouped by region."""

    _regions: RegionLookup | None = None
    _max_wait: float | None = None
    """Seconds after which the jobs of a call are left running."""

    _calls: set[_PendingCall] = field(factory=set[_PendingCall], init=False)

    async def send(self, chunk: Sequence[str]) -> None:
        """Send a chunk, and its halves if it is refused because of some of its ids."""
        parts = [chunk]
        while parts:
            part = parts.pop()
            started, tracker, request = _now(), SendTracker(bisects=len(part) > 1), None
            try:
                request = self._verb.request(part)
                result = self._verb.read(await self._send(request, tracker), part)
            except KooPhoneError as error:
                may_split = _blames_ids(error) and not self._verb.operation.order
                if len(part) > 1 and (request is None or may_split):
                    with self._record_if_raised([part, *parts]):
                        is_separated = self._regions and await self._regions.separates(list(part), error)
                    if is_separated:
                        self._put_back(part)
                    else:
                        parts += _halves(part)
                else:
                    state, message, code = error_state(error, sent=tracker.sent)
                    self.record_all(part, state, message, started, code)
            except BaseException as error:
                reason = self._reason(error)
                self.record_all(part, State.UNKNOWN if tracker.sent else State.NOT_SENT, reason, started)
                for rest in parts:
                    self.record_all(rest, State.NOT_SENT, reason, started)
                raise
            else:
                self._read_result(part, result, started)

    def _reason(self, error: BaseException) -> str:
        return self._stop_reason() if isinstance(error, asyncio.CancelledError) else type(error).__name__

    @contextmanager
    def _record_if_raised(self, parts: Iterable[Sequence[str]]) -> Generator[None]:
        """Record parts as not sent if the block raises: the look-up of regions may be cancelled."""
        try:
            yield
        except BaseException as error:
            for part in parts:
                self.record_all(part, State.NOT_SENT, self._reason(error))
            raise

    def record_all(
        self,
        ids: Iterable[str],
        state: State,
        message: str,
        started: float | None = None,
        code: str | None = None,
    ) -> None:
        """Record the same outcome for several ids."""
        seconds = 0.0 if started is None else _now() - started
        for id in ids:
            self._record(Outcome(id, state, error_code=code, error_message=message, seconds=seconds))

    def leave_running(self) -> None:
        """Stop waiting for all jobs, and record that they still run."""
        for call in tuple(self._calls):
            self._leave_running(call)

    async def _send(self, request: Request, tracker: SendTracker) -> Answer:
        if self._verb.send is not None:
            return await self._verb.send(self._session, request, tracker)
        return await self._session.send(self._verb.operation, request, tracker=tracker)

    def _read_result(self, part: Sequence[str], result: CallResult, started: float) -> None:
        """Record the ids that have an outcome, and wait for the jobs of others; the rest is unknown."""
        missing = dict.fromkeys(part)
        self._discard_duplicates(len(part) - len(missing))
        for outcome in result.outcomes:
            if outcome.id in missing:
                del missing[outcome.id]
                self._record(evolve(outcome, seconds=_now() - started))
        if result.wait is not None:
            jobs = {job: id for job, id in result.wait.jobs.items() if id in missing}
            for id in jobs.values():
                missing.pop(id, None)
            if jobs:
                self._subscribe(_PendingCall(result.wait, jobs, OutcomeMerger.of(jobs.values()), started))
        self.record_all(missing, State.UNKNOWN, NOT_IN_ANSWER, started)

    def _subscribe(self, call: _PendingCall) -> None:
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
            operation=self._verb.operation.name,
            on_end=on_end,
            on_done=on_done,
            deadline=None if self._max_wait is None else call.started + self._max_wait,
        )

    def _leave_running(self, call: _PendingCall) -> None:
        self._calls.discard(call)
        if call.pending is not None:
            call.pending.cancel()
        seconds = _now() - call.started
        started_at = self._session.now() - timedelta(seconds=seconds)
        for jobs in jobs_by_id(call.jobs, call.jobs):
            token = ResumeToken(self._verb.operation.name, call.wait.handle, jobs, started_at)
            reason = call.pending.reason(next(iter(jobs))) if call.pending else "still running"
            self._merge(call, unfinished(token, seconds, reason, resumable=call.wait.has_jobs), len(jobs))

    def _merge(self, call: _PendingCall, outcome: Outcome, jobs: int = 1) -> None:
        """Record the outcome of an id once all its jobs have one."""
        if (merged := call.merger.add(outcome, jobs)) is not None:
            self._record(merged)


def _blames_ids(error: KooPhoneError) -> bool:
    return isinstance(error, Refused) and error.blames_ids


def _halves(part: Sequence[str]) -> list[Sequence[str]]:
    """Return both halves, the first one last: the next part to send is taken from the end."""
    half = len(part) // 2
    return [part[half:], part[:half]]


def _now() -> float:
    return asyncio.get_running_loop().time()
