"""How the end of a call is found: what its answer says at once, and its jobs by its request id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from attrs import field, frozen

from koophone_async.batches import SAYS_NOTHING, Outcome, Reading, State, Wait
from koophone_async.operation import Quota, Sender
from koophone_async.polling import PollLimiter, PollResult
from koophone_async.services.cph.commands import CommandResult, CommandResults
from koophone_async.services.cph.connections import Connections, RefusedConnection
from koophone_async.services.cph.jobs import LIST, MAX_JOBS, MAX_REQUESTS, Job, JobQuery, JobState
from koophone_async.services.cph.paging import items_by_offset
from koophone_async.services.cph.started_jobs import JobEntry, Started

POLL_QUOTA: Final = Quota(60, 60)
"""How often jobs are looked at unless the client is told otherwise. No document states a quota."""


@frozen(eq=False)
class JobPoller:
    """Looks at the jobs of calls by their request ids, twenty calls or a page of a hundred jobs at once."""

    _session: Sender
    limiter: PollLimiter = field(factory=lambda: PollLimiter(POLL_QUOTA))
    max_handles: int = MAX_REQUESTS
    max_jobs: int | None = MAX_JOBS

    async def poll(self, handles: Sequence[str]) -> PollResult[Job]:
        """See the jobs of these calls that are waited for."""
        awaited = {
            job: handle for handle in handles for job in self._session.poll_scheduler.pending(self, handle)
        }
        seen: dict[str, dict[str, Job | None]] = {handle: {} for handle in handles}
        for job in (await find_jobs(self._session, self.limiter, handles, awaited)).values():
            seen[awaited[job.id]][job.id] = job if job.ended else None
        return seen

    def read_started(
        self, started: Started, ids: Sequence[str], value: Callable[[Job], object] | None = None
    ) -> Reading:
        """Read what a call began and what it refused, both with HTTP 200 and in one list."""
        jobs = {entry.id: _target(entry, ids) for entry in started.jobs if entry.id}
        wait = Wait(self, started.request, jobs, value=value) if started.request and jobs else None
        return Reading(tuple(refusals(started, ids)), wait)

    def read_results(self, answer: CommandResults, ids: Sequence[str]) -> Reading:
        """Read what phones did while the call waited. What was still running then is looked at further."""
        ended = [result for result in answer.results if result.state != JobState.RUNNING]
        running = {one.id: _target(one, ids) for one in answer.results if one not in ended and one.id}
        wait = Wait(self, answer.request, running) if answer.request and running else None
        return Reading([_outcome(result, ids) for result in ended], wait)


async def find_jobs(
    session: Sender, limiter: PollLimiter, handles: Sequence[str], wanted: Iterable[str]
) -> Mapping[str, Job]:
    """Look for jobs of some calls, by id, as many pages as it takes.

    Answers do not tell which call began a job, and list those that were seen to end before.
    """
    missing, found, rows = set(wanted), dict[str, Job](), 0
    async for job in items_by_offset(session, LIST, JobQuery(handles)):
        if rows and not rows % MAX_JOBS:
            limiter.take(asyncio.get_running_loop().time())  # one more page
        rows += 1
        if job.id in missing:
            missing.remove(job.id)
            found[job.id] = job
            if not missing:
                break
    return found


def refusals(started: Started, ids: Sequence[str] = ()) -> Iterator[Outcome]:
    """Tell of all for which a call names no job: refused, or unknown where it gives no reason either."""
    for entry in started.refused:
        if entry.error_code or entry.error_message:
            yield _refused(_target(entry, ids), entry)
        else:
            yield Outcome(_target(entry, ids), State.UNKNOWN, error_message=SAYS_NOTHING)


def read_connections(answer: Connections, _: Sequence[str]) -> Reading:
    """Read who can be streamed from and who cannot."""
    good = [Outcome(one.phone, State.ACCEPTED, value=one.access) for one in answer.connections]
    return Reading([*good, *(_refused(one.phone, one) for one in answer.refused)])


def read_accepted(_: object, ids: Sequence[str]) -> Reading:
    """Read the answer to a call that has no job."""
    return Reading([Outcome(id, State.ACCEPTED) for id in ids])


def read_listing(job: Job) -> object:
    """Read the listing that a job found, as far as its output goes; None where it failed."""
    return job.listing if job.succeeded else None


def _refused(id: str, why: JobEntry | RefusedConnection) -> Outcome:
    code, words = why.error_code or None, why.error_message or None
    return Outcome(id, State.REFUSED, error_code=code, error_message=words)


def _target(entry: JobEntry | CommandResult, ids: Sequence[str]) -> str:
    """Tell whom an entry is about: of a call with one id it need not say."""
    named = entry.phone if isinstance(entry, CommandResult) else entry.target
    return named or (ids[0] if len(ids) == 1 else "")


_STATES: Final[Mapping[object, State]] = {
    JobState.SUCCEEDED: State.SUCCEEDED,
    JobState.FAILED: State.FAILED,
}


def _outcome(result: CommandResult, ids: Sequence[str]) -> Outcome:
    # Who was refused has no job, and may be shown as failed all the same.
    was_begun = result.id or result.output or not result.error_code
    return Outcome(
        _target(result, ids),
        _STATES.get(result.state, State.UNKNOWN) if was_begun else State.REFUSED,
        result.id,
        result.error_code or None,
        result.error_message or None,
        result.output,
    )
