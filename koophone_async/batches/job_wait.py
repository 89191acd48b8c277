"""One wait for the jobs of a resume token, with the outcome of each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from koophone_async.batches.outcome_mapping import of_job, unfinished

if TYPE_CHECKING:
    from collections.abc import Callable

    from koophone_async.batches.outcomes import Report
    from koophone_async.operation import Sender
    from koophone_async.polling import Poller, ResumeToken


async def wait_for(  # noqa: PLR0913 - what a wait is
    session: Sender,
    poller: Poller[Any],
    resume_token: ResumeToken,
    report: Report,
    seconds: float | None,
    *,
    value: Callable[[Any], object] | None = None,
) -> Report:
    """Wait until every job has ended, or so many seconds, and keep the outcome of each in the report.

    What `value` reads from a job that ended is the outcome's.
    """
    resume_token = resume_token.since(session.now())
    now = asyncio.get_running_loop().time
    began = now()
    deadline = None if seconds is None else began + seconds
    async with session.poll_scheduler.stream(
        poller,
        resume_token.handle,
        tuple(resume_token.jobs),
        operation=report.operation,
        deadline=deadline,
        age=resume_token.age(session.now()),
    ) as stream:
        async for job_id, job in stream:
            report.keep(of_job(resume_token.jobs[job_id], job_id, job, now() - began, value))
        for job_id in stream.pending:
            report.keep(unfinished(resume_token, job_id, now() - began))
    return report
