"""The outcome of an id, from the end of its job, from a failed call, or from a wait that timed out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from koophone_async.batches.outcomes import Outcome, State
from koophone_async.errors import KooPhoneError, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from koophone_async.batches.verb import EndedJob
    from koophone_async.polling import ResumeToken


def job_outcome(
    id: str, job_id: str, job: EndedJob | None, seconds: float, value: Callable[[Any], object] | None = None
) -> Outcome:
    """Return the outcome of an id whose job has ended; None is a job that the service has lost."""
    if job is None:
        message = "the service does not know its job any more"
        return Outcome(id, State.UNKNOWN, job_id, error_message=message, seconds=seconds)
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
