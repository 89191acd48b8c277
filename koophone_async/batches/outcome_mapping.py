"""What the end of a job, a call that failed, and the lack of an end mean for an id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from koophone_async.batches.outcomes import Outcome, State
from koophone_async.errors import KooPhoneError, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from koophone_async.batches.verb import Ended
    from koophone_async.polling import ResumeToken


def of_job(
    id: str, job_id: str, job: Ended | None, seconds: float, value: Callable[[Any], object] | None = None
) -> Outcome:
    """Say what the end of its job means for an id; None is a job that the service has lost."""
    if job is None:
        message = "the service does not know its job any more"
        return Outcome(id, State.UNKNOWN, job_id, error_message=message, seconds=seconds)
    state = State.SUCCEEDED if job.succeeded else State.FAILED
    code, words, told = job.error_code or None, job.error_message or None, value(job) if value else None
    return Outcome(id, state, job_id, code, words, job.output, seconds, told)


def unfinished(
    resume_token: ResumeToken,
    job_id: str,
    seconds: float,
    why: str = "still running",
    *,
    can_be_awaited: bool = True,
) -> Outcome:
    """Say that a job was left running, and how to go on waiting for it."""
    id = resume_token.jobs[job_id]
    own = str(evolve(resume_token, jobs={job_id: id})) if can_be_awaited else None
    return Outcome(id, State.UNFINISHED, job_id, error_message=why, seconds=seconds, resume_token=own)


def of_error(error: KooPhoneError, *, left: bool) -> tuple[State, str, str | None]:
    """Say what a call that failed means for its ids: state, message and code.

    Args:
        error: What the last attempt came to.
        left: Whether any attempt has left, as far as it is not known to have come to nothing. The error
            alone does not tell: it may be one of signing in, or of a repeat.
    """
    match error:
        case Refused(not_executed=True) if not left:
            return State.REFUSED, error.message, error.code
        case Refused(not_executed=False) if left:
            return State.FAILED, error.message, error.code
        case _:
            return State.UNKNOWN if left else State.NOT_SENT, str(error), None
