"""The command that waits for jobs started by an earlier call."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from koophone_async.cli.services import Entry
from koophone_async.polling import ResumeToken
from koophone_async.services.cph import started_jobs as cph
from koophone_async.services.gaming import started_jobs as gaming
from koophone_async.services.koophone.jobs import StartedTask
from koophone_async.session import utc_now


def wait_command(entry: Entry, answer: object) -> str | None:
    """Return the command that waits for the jobs of an answer; None if it started none."""
    match answer:
        case StartedTask():
            resume_token = answer.task and evolve(
                answer.task, operation=entry.operation.name, started_at=utc_now()
            )
            return f"koophone jobs wait {resume_token}" if resume_token else "koophone instances status ID..."
        case cph.StartedOne():
            return wait_command(entry, answer.started)
        case cph.Started():
            return _wait_command(
                entry, answer.request, {job: target or job for job, target in answer.targets_by_job.items()}
            )
        case gaming.Started():
            return _wait_command(entry, answer.request, {_key(answer, id): id for id in answer.targets})
        case _:
            return None


def _key(started: gaming.Started, target: str) -> str:
    """Return the job ids of a server or phone joined by commas, as its resume token has them."""
    return ",".join(dict.fromkeys(job.id for job in started.jobs_for(target) if job.id))


def _wait_command(entry: Entry, request: str | None, jobs: Mapping[str, str]) -> str | None:
    started_jobs = {job: target for job, target in jobs.items() if job}
    if not request or not started_jobs:
        return None
    return f"{entry.service.wait} {ResumeToken(entry.operation.name, request, started_jobs, utc_now())}"
