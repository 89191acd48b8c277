"""The command that waits for jobs started by an earlier call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from attrs import evolve

from koophone_async.batches import Outcome
from koophone_async.cli.commands.services import Entry, service
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


def wait_commands(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Return the commands that wait for unfinished outcomes: one for all jobs of a call."""
    calls: dict[tuple[str, str], ResumeToken] = {}
    for outcome in outcomes:
        # A bare task id, which `jobs wait` was given, is its own token.
        if outcome.resume_token not in (None, outcome.id):
            token = ResumeToken.parse(outcome.resume_token)
            call = calls.setdefault((token.operation, token.handle), token)
            calls[token.operation, token.handle] = evolve(call, jobs={**call.jobs, **token.jobs})
    for token in calls.values():
        yield f"{service(token.operation.partition('.')[0]).wait} {token}"


def _key(started: gaming.Started, target: str) -> str:
    """Return the job ids of a server or phone joined by commas, as its resume token has them."""
    return ",".join(dict.fromkeys(job.id for job in started.jobs_for(target) if job.id))


def _wait_command(entry: Entry, request: str | None, jobs: Mapping[str, str]) -> str | None:
    started_jobs = {job: target for job, target in jobs.items() if job}
    if not request or not started_jobs:
        return None
    return f"{entry.service.wait} {ResumeToken(entry.operation.name, request, started_jobs, utc_now())}"
