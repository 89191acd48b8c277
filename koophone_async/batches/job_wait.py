"""Wait for the jobs of a resume token, outside of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Sized
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import evolve

from koophone_async.batches.outcome_mapping import OutcomeMerger, job_outcome, jobs_by_id, unfinished
from koophone_async.errors import NotFound
from koophone_async.polling.deadlines import Deadline, seconds_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from koophone_async.batches.outcomes import Outcome, Report
    from koophone_async.operation import Sender
    from koophone_async.polling import Poller, ResumeToken


_LISTING_SECONDS: Final = 15.0
"""How long jobs that were just started may not be listed yet."""

_LISTING_INTERVAL: Final = 2.0

Listed = TypeVar("Listed", bound=Sized)


async def once_listed(query: Callable[[], Awaitable[Listed]]) -> Listed:
    """Return the jobs of an id that was started elsewhere, as soon as the service lists any.

    Raises:
        NotFound: The service does not know the id.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + _LISTING_SECONDS
    while True:
        try:
            listed = await query()
        except NotFound:
            if loop.time() >= give_up_at:
                raise
        else:
            if listed or loop.time() >= give_up_at:
                return listed
        await asyncio.sleep(_LISTING_INTERVAL)


async def wait_for_jobs(  # noqa: PLR0913 - one is named, and has a default
    session: Sender,
    poller: Poller[Any],
    resume_token: ResumeToken,
    report: Report,
    timeout: float | Deadline | None,  # noqa: ASYNC109 - a wait that times out returns its report
    *,
    value: Callable[[Any], object] | None = None,
    has_jobs: bool = True,
) -> Report:
    """Wait until every job has ended or the timeout is over, and add the outcome of each id to the report.

    `value` returns the `value` of the outcome of a job that has ended. Without jobs, the ids themselves serve
    as jobs, because their state is awaited.
    """
    resume_token = resume_token.since(session.now())
    now = asyncio.get_running_loop().time
    started, seconds = now(), seconds_of(timeout, report.operation)
    merger = OutcomeMerger.of(resume_token.jobs.values())

    def keep(outcome: Outcome, jobs: int = 1) -> None:
        for merged in merger.merge([outcome], jobs):
            report.keep(merged)

    async with session.poll_scheduler.stream(
        poller,
        resume_token.handle,
        tuple(resume_token.jobs),
        operation=report.operation,
        deadline=None if seconds is None else started + seconds,
        age=resume_token.age(session.now()),
    ) as stream:
        async for job_id, job in stream:
            shown = job_id if has_jobs else None
            keep(job_outcome(resume_token.jobs[job_id], shown, job, now() - started, value))
        for jobs in jobs_by_id(resume_token.jobs, stream.pending):
            reason = stream.reason(next(iter(jobs)))
            token = evolve(resume_token, jobs=jobs)
            keep(unfinished(token, now() - started, reason, resumable=has_jobs), len(jobs))
    return report
