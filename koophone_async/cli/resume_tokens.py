"""How what a call has started can be awaited later."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from koophone_async.cli.services import Entry
from koophone_async.polling import ResumeToken
from koophone_async.services.cph import started_jobs as cph
from koophone_async.services.gaming import started_jobs as gaming
from koophone_async.services.koophone.jobs import StartedTask
from koophone_async.session import utc_now


def awaited(entry: Entry, answer: object) -> str | None:
    """Give the command that awaits what a call has started; None where it started nothing."""
    match answer:
        case StartedTask():
            resume_token = answer.task and evolve(
                answer.task, operation=entry.operation.name, started_at=utc_now()
            )
            return f"koophone jobs wait {resume_token}" if resume_token else "koophone instances status ID..."
        case cph.StartedOne():
            return awaited(entry, answer.started)
        case cph.Started():
            return _wait(
                entry, answer.request, {job: target or job for job, target in answer.targets_by_job.items()}
            )
        case gaming.Started():
            return _wait(entry, answer.request, {_key(answer, id): id for id in answer.targets})
        case _:
            return None


def _key(started: gaming.Started, target: str) -> str:
    """Give the jobs of a server or phone as one, as the wait for them has it."""
    return ",".join(dict.fromkeys(job.id for job in started.jobs_for(target) if job.id))


def _wait(entry: Entry, request: str | None, jobs: Mapping[str, str]) -> str | None:
    begun = {job: target for job, target in jobs.items() if job}
    if not request or not begun:
        return None
    return f"{entry.service.wait} {ResumeToken(entry.operation.name, request, begun, utc_now())}"
