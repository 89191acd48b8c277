"""Wait for the jobs of a resume token, outside of a run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from koophone_async.batches.outcome_mapping import job_outcome, unfinished

if TYPE_CHECKING:
    from collections.abc import Callable

    from koophone_async.batches.outcomes import Report
    from koophone_async.operation import Sender
    from koophone_async.polling import Poller, ResumeToken


async def wait_for_jobs(  # noqa: PLR0913 - one is named, and has a default
    session: Sender,
    poller: Poller[Any],
    resume_token: ResumeToken,
    report: Report,
    timeout: float | None,  # noqa: ASYNC109 - a wait that times out returns its report
    *,
    value: Callable[[Any], object] | None = None,
) -> Report:
    """Wait until every job has ended or the timeout is over, and add the outcome of each to the report.

    `value` returns the `value` of the outcome of a job that has ended.
    """
    resume_token = resume_token.since(session.now())
    now = asyncio.get_running_loop().time
    started = now()
    async with session.poll_scheduler.stream(
        poller,
        resume_token.handle,
        tuple(resume_token.jobs),
        operation=report.operation,
        deadline=None if timeout is None else started + timeout,
        age=resume_token.age(session.now()),
    ) as stream:
        async for job_id, job in stream:
            report.keep(job_outcome(resume_token.jobs[job_id], job_id, job, now() - started, value))
        for job_id in stream.pending:
            report.keep(unfinished(resume_token, job_id, now() - started))
    return report
