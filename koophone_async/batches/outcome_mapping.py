"""The outcome of an id, from the end of its job, from a failed call, or from a wait that timed out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from koophone_async.batches.outcomes import NOT_IN_ANSWER, Outcome, State
from koophone_async.errors import KooPhoneError, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from koophone_async.batches.verb import EndedJob
    from koophone_async.polling import ResumeToken
    from koophone_async.rows import UnreadableValue


@frozen
class UnreadableJob:
    """Result of a job whose row in a list of jobs cannot be read."""

    error_message: str
    ended: bool = True
    succeeded: bool = False
    error_code: str | None = None
    output: str | None = None


def unreadable_jobs(
    dropped: Sequence[UnreadableValue], awaited: Collection[str], listed: Collection[str]
) -> Mapping[str, UnreadableJob]:
    """Return the awaited jobs whose rows cannot be read.

    A row without a job id may be that of any job that is not listed. If there are at least as many such rows
    as missing jobs, the missing jobs are taken to be theirs.

    Args:
        dropped: One value for each unreadable row.
        awaited: Ids of the jobs that may be in it.
        listed: Ids of the readable rows.
    """
    if not dropped:
        return {}
    found = {id: _unreadable_job(value) for value in dropped for id in value.ids if id in awaited}
    nameless = [value for value in dropped if value.field in ("", "job_id")]
    missing = [id for id in awaited if id not in listed and id not in found]
    if len(missing) <= len(nameless):
        found |= {id: _unreadable_job(value) for id, value in zip(missing, nameless, strict=False)}
    return found


def _unreadable_job(value: UnreadableValue) -> UnreadableJob:
    return UnreadableJob(f"its job cannot be read: {value}")


def outcomes_without_row(
    ids: Sequence[str], known: Collection[str], dropped: Sequence[UnreadableValue], started: str = ""
) -> list[Outcome]:
    """Return unknown outcomes for the ids of a call that have no readable row in its answer.

    Args:
        ids: All ids of the call.
        known: The ids that have a readable row.
        dropped: One value for each unreadable row of the answer.
        started: What the answer has of started work, such as `task t1`; empty for nothing.
    """
    missing = [id for id in ids if id not in known]
    if not missing:
        return []
    own = {id: value for value in dropped for id in value.ids}
    nameless = [value for value in dropped if not any(id in ids for id in value.ids)]
    outcomes: list[Outcome] = []
    for id in missing:
        value = own.get(id) or (nameless[0] if nameless else None)
        reason = f"its row in the answer cannot be read: {value}" if value else NOT_IN_ANSWER
        reason += f"; the answer has {started}" if started else ""
        outcomes.append(Outcome(id, State.UNKNOWN, error_message=reason))
    return outcomes


def job_outcome(
    id: str, job_id: str, job: EndedJob | None, seconds: float, value: Callable[[Any], object] | None = None
) -> Outcome:
    """Return the outcome of an id whose job has ended; None is a job that the service has lost."""
    if job is None:
        message = "the service does not know its job any more"
        return Outcome(id, State.UNKNOWN, job_id, error_message=message, seconds=seconds)
    if isinstance(job, UnreadableJob):
        return Outcome(id, State.UNKNOWN, job_id, error_message=job.error_message, seconds=seconds)
    return Outcome(
        id,
        State.SUCCEEDED if job.succeeded else State.FAILED,
        job_id,
        job.error_code or None,
        job.error_message or None,
        job.output,
        seconds,
        value(job) if value else None,
    )


def unfinished(
    resume_token: ResumeToken,
    job_id: str,
    seconds: float,
    reason: str = "still running",
    *,
    resumable: bool = True,
) -> Outcome:
    """Return the outcome of a job that was left running, with a resume token for it alone if resumable."""
    id = resume_token.jobs[job_id]
    own = str(evolve(resume_token, jobs={job_id: id})) if resumable else None
    return Outcome(id, State.UNFINISHED, job_id, error_message=reason, seconds=seconds, resume_token=own)


def error_state(error: KooPhoneError, *, sent: bool) -> tuple[State, str, str | None]:
    """Return the state of all ids of a failed call, with message and code.

    Args:
        error: The error of the last attempt.
        sent: Whether any attempt was sent that may have been executed. The error alone does not show that:
            it may be one of signing in, or of a retry.
    """
    match error:
        case Refused(not_executed=True) if not sent:
            return State.REFUSED, error.message, error.code
        case Refused(not_executed=False) if sent:
            return State.FAILED, error.message, error.code
        case _:
            return State.UNKNOWN if sent else State.NOT_SENT, str(error), None
