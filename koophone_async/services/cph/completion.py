"""Completion of calls: outcomes that an answer contains, and jobs polled by request id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from attrs import field, frozen

from koophone_async.batches import (
    NOT_IN_ANSWER,
    CallResult,
    Outcome,
    State,
    UnreadableJob,
    Wait,
    error_code,
    open_job,
    outcomes_without_row,
    unreadable_jobs,
)
from koophone_async.errors import Refused
from koophone_async.operation import Sender
from koophone_async.polling import OpenJob, PollLimiter, PollResult
from koophone_async.rows import UnreadableValue, dropped_rows
from koophone_async.services.cph.commands import CommandResult, CommandResults
from koophone_async.services.cph.connections import Connections, RefusedConnection
from koophone_async.services.cph.jobs import (
    LIST,
    MAX_JOBS,
    MAX_REQUESTS,
    SHOW,
    Job,
    JobPage,
    JobQuery,
    JobRequest,
    JobState,
)
from koophone_async.services.cph.quotas import POLL_QUOTA
from koophone_async.services.cph.started_jobs import NO_ERROR, JobEntry, Started
from koophone_async.services.page_reader import PageReader


@frozen(eq=False)
class JobPoller:
    """Polls jobs by the request ids of their calls: up to 20 calls, and pages of 100 jobs, at a time."""

    _session: Sender
    limiter: PollLimiter = field(factory=lambda: PollLimiter(POLL_QUOTA))
    max_handles: int = MAX_REQUESTS
    max_jobs: int | None = MAX_JOBS

    async def poll(self, handles: Sequence[str]) -> PollResult[Job | UnreadableJob]:
        """Return the pending jobs of these calls; a job that is still running maps to None."""
        awaited = {
            job: handle for handle in handles for job in self._session.poll_scheduler.pending(self, handle)
        }
        seen: dict[str, dict[str, Job | UnreadableJob | OpenJob | None]] = {handle: {} for handle in handles}
        for id, job in (await find_jobs(self._session, self.limiter, handles, awaited)).items():
            seen[awaited[id]][id] = ended_or_open(job)
        return seen

    def read_started(
        self, started: Started, ids: Sequence[str], value: Callable[[Job], object] | None = None
    ) -> CallResult:
        """Read started jobs and refused entries, which share one list of an HTTP 200 answer."""
        jobs = {entry.id: _target(entry, ids) for entry in started.jobs if entry.id and not entry.refused}
        outcomes = list(refusals(started, ids))
        if not started.request:
            return CallResult(outcomes + _without_request(jobs))
        known = {*jobs.values(), *(outcome.id for outcome in outcomes)}
        outcomes += outcomes_without_row(ids, known, dropped_rows(started.jobs), f"request {started.request}")
        return CallResult(outcomes, Wait(self, started.request, jobs, value=value) if jobs else None)

    def read_results(self, answer: CommandResults, ids: Sequence[str]) -> CallResult:
        """Read the results of a synchronous call. Jobs that were still running are polled further."""
        ended = [result for result in answer.results if result.state != JobState.RUNNING]
        running = {one.id: _target(one, ids) for one in answer.results if one not in ended and one.id}
        outcomes = [_outcome(result, ids) for result in ended]
        known = {*running.values(), *(outcome.id for outcome in outcomes)}
        outcomes += outcomes_without_row(ids, known, dropped_rows(answer.results))
        if not answer.request:
            return CallResult(outcomes + _without_request(running))
        return CallResult(outcomes, Wait(self, answer.request, running) if running else None)


@frozen(eq=False)
class SingleJobPoller:
    """Polls jobs by their own ids, one per request."""

    _session: Sender
    limiter: PollLimiter
    max_handles: int = 1
    max_jobs: int | None = None

    async def poll(self, handles: Sequence[str]) -> PollResult[Job | UnreadableJob]:
        """Return a job under its own id."""
        (id,) = handles
        job = await self._session.send(SHOW, JobRequest(id))
        return {id: {id: ended_or_open(job)}}


async def find_jobs(
    session: Sender, limiter: PollLimiter, handles: Sequence[str], wanted: Iterable[str]
) -> Mapping[str, Job | UnreadableJob]:
    """Return the wanted jobs of some calls by id; read as many pages as it takes to find them.

    Answers do not name the call of a job, and list jobs that ended long ago too. A page may be shorter than
    requested and not be the last one, so a job is missing only if no page has it.
    """
    missing, jobs, dropped = set(wanted), dict[str, Job](), list[UnreadableValue]()
    pages = PageReader(LIST.name, [])
    while True:
        page = await _page(session, handles, pages.received)
        for job in pages.read(page.items):
            if job.id in missing:
                missing.remove(job.id)
                jobs[job.id] = job
        if not pages.size or pages.is_repeated:
            break  # by a service that does not page
        dropped += dropped_rows(page.items)
        if not missing or (page.total is not None and pages.received >= page.total):
            break
        limiter.record(asyncio.get_running_loop().time())  # one more page
    return {**jobs, **unreadable_jobs(dropped, missing, ())}


async def _page(session: Sender, handles: Sequence[str], offset: int) -> JobPage:
    """Return a page of jobs, empty where the service refuses an offset past the end (003 requires less)."""
    try:
        return await session.send(LIST, JobQuery(handles, offset))
    except Refused as error:
        if not offset or error.repeatable:
            raise
        return JobPage()


def ended_or_open(job: Job | UnreadableJob) -> Job | UnreadableJob | OpenJob | None:
    """Return a job that has ended, or what is known of one that has not."""
    if isinstance(job, UnreadableJob) or job.ended:
        return job
    return open_job(job.state, job.error_code, job.error_message)


def refusals(started: Started, ids: Sequence[str] = ()) -> Iterator[Outcome]:
    """Yield an outcome for each entry without a job: refused, or unknown where there is no reason."""
    for entry in started.refused:
        if entry.error_code not in NO_ERROR or entry.error_message:
            yield _refused(_target(entry, ids), entry)
        else:
            yield Outcome(_target(entry, ids), State.UNKNOWN, error_message=NOT_IN_ANSWER)


def read_connections(answer: Connections, ids: Sequence[str]) -> CallResult:
    """Read the connections, and the phones that were refused one."""
    outcomes = [Outcome(one.phone, State.SUCCEEDED, value=one.access) for one in answer.connections]
    outcomes += [_refused(one.phone, one) for one in answer.refused]
    known = {outcome.id for outcome in outcomes}
    dropped = (*dropped_rows(answer.connections), *dropped_rows(answer.refused))
    return CallResult(outcomes + outcomes_without_row(ids, known, dropped))


def read_accepted(_: object, ids: Sequence[str]) -> CallResult:
    """Read the answer to a call without jobs: every id is accepted."""
    return CallResult([Outcome(id, State.ACCEPTED) for id in ids])


def read_listing(job: Job) -> object:
    """Return the listing in a job's output; None if the job failed."""
    return job.listing if job.succeeded else None


def _refused(id: str, why: JobEntry | RefusedConnection) -> Outcome:
    code, words = why.error_code or None, why.error_message or None
    return Outcome(id, State.REFUSED, error_code=code, error_message=words)


def _target(entry: JobEntry | CommandResult, ids: Sequence[str]) -> str:
    """Return the id that an entry is about; an entry of a call with one id may omit it."""
    named = entry.phone if isinstance(entry, CommandResult) else entry.target
    return named or (ids[0] if len(ids) == 1 else "")


def _without_request(jobs: Mapping[str, str]) -> list[Outcome]:
    """Return unknown outcomes for the targets of jobs that cannot be polled."""
    reason = "the answer has no request id, by which its job could be polled"
    return [Outcome(id, State.UNKNOWN, job, error_message=reason) for job, id in jobs.items()]


_STATES: Final[Mapping[object, State]] = {
    JobState.SUCCEEDED: State.SUCCEEDED,
    JobState.FAILED: State.FAILED,
}


def _outcome(result: CommandResult, ids: Sequence[str]) -> Outcome:
    # A refused phone has no job, but the answer may show it as failed.
    was_started = result.id or result.output or result.error_code in NO_ERROR
    state = _STATES.get(result.state, State.UNKNOWN) if was_started else State.REFUSED
    reason = None
    if state is State.UNKNOWN:
        has_state = result.state is not None
        reason = (
            f"its status is {result.state}, which no document describes" if has_state else "it has no status"
        )
    return Outcome(
        _target(result, ids),
        state,
        result.id,
        error_code(result.error_code),
        result.error_message or reason,
        result.output,
    )
