"""The outcome of an id, from the end of its jobs, from a failed call, or from a wait that timed out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from attrs import define, evolve, field, frozen

from koophone_async.batches.outcomes import NOT_IN_ANSWER, Outcome, State, new_outcome
from koophone_async.errors import KooPhoneError, Refused
from koophone_async.polling import LostJob, OpenJob

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

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
    """Return the awaited jobs whose rows cannot be read; see `unreadable_rows`."""
    rows = unreadable_rows(dropped, awaited, listed)
    return {id: UnreadableJob(f"its job cannot be read: {value}") for id, value in rows.items()}


def unreadable_rows(
    dropped: Sequence[UnreadableValue], awaited: Collection[str], listed: Collection[str]
) -> Mapping[str, UnreadableValue]:
    """Return what is unreadable in the rows of awaited ids.

    A row without an id may be that of any id that is not listed. If there are at least as many such rows as
    missing ids, the missing ids are taken to be theirs.

    Args:
        dropped: One value for each unreadable row.
        awaited: The ids, of jobs or instances, that may be in it.
        listed: The ids of the readable rows.
    """
    if not dropped:
        return {}
    found = {id: value for value in dropped for id in value.ids if id in awaited and id not in listed}
    nameless = [value for value in dropped if value.field in _ROW_IDS]
    missing = [id for id in awaited if id not in listed and id not in found]
    if len(missing) <= len(nameless):
        found |= dict(zip(missing, nameless, strict=False))
    return found


_ROW_IDS: Final = frozenset({"", "job_id", "instance_id"})
"""What is unreadable in a row without an id: the row itself, or its id."""


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


_RUNNING: Final = 1
"""The status of running jobs in all services."""

_NO_CODE: Final = frozenset({"", "0"})
"""Error codes of answers that report no error."""

_WORST_FIRST: Final = (State.FAILED, State.UNKNOWN, State.UNFINISHED, State.SUCCEEDED)


def job_outcome(
    id: str,
    job_id: str | None,
    job: EndedJob | LostJob,
    seconds: float,
    value: Callable[[Any], object] | None = None,
) -> Outcome:
    """Return the outcome of an id whose job has ended or is lost."""
    if isinstance(job, LostJob):
        return Outcome(id, State.UNKNOWN, job_id, error_message=job.reason, seconds=seconds)
    if isinstance(job, UnreadableJob):
        return Outcome(id, State.UNKNOWN, job_id, error_message=job.error_message, seconds=seconds)
    return new_outcome(
        id,
        State.SUCCEEDED if job.succeeded else State.FAILED,
        job_id,
        error_code(job.error_code),
        job.error_message or None,
        job.output,
        seconds,
        value(job) if value else None,
    )


def error_code(code: str | None) -> str | None:
    """Return the error code of an answer; None if it stands for no error."""
    return None if code in _NO_CODE else code


def open_job(status: int | None, code: str | None, message: str | None) -> OpenJob | None:
    """Return what is known of a job that has not ended; None if it is simply running, or has no status."""
    if status is None or status == _RUNNING:
        return None
    details = ", ".join(filter(None, (error_code(code), message)))
    return OpenJob(f"its status is {int(status)}, which is not documented" + (details and f" ({details})"))


def unfinished(
    resume_token: ResumeToken, seconds: float, reason: str = "still running", *, resumable: bool = True
) -> Outcome:
    """Return the outcome of an id whose jobs were left running.

    Args:
        resume_token: Token of the jobs of this id alone.
        seconds: Seconds since the call.
        reason: Why they have not ended.
        resumable: Whether they are jobs, which can be awaited again, or states of the id.
    """
    (id,) = set(resume_token.jobs.values())
    job_id, token = (",".join(resume_token.jobs), str(resume_token)) if resumable else (None, None)
    return Outcome(id, State.UNFINISHED, job_id, error_message=reason, seconds=seconds, resume_token=token)


@define
class OutcomeMerger:
    """Merges the outcomes of all jobs of an id into one: it succeeded if all its jobs did.

    Nearly every id has one job. The documents show a task with two of the same instance (002 4.1.9).
    """

    _open: Counter[str]
    """Jobs without an outcome, of ids with several jobs."""

    _known: dict[str, list[Outcome]] = field(factory=dict[str, list[Outcome]], init=False)

    @classmethod
    def of(cls, ids: Iterable[str]) -> OutcomeMerger:
        """Create a merger for jobs of these ids: an id for each job."""
        return cls(Counter({id: jobs for id, jobs in Counter(ids).items() if jobs > 1}))

    def merge(self, outcomes: Sequence[Outcome], jobs: int = 1) -> Sequence[Outcome]:
        """Add outcomes, each of this many jobs of its id; return those of the ids without open jobs."""
        if not self._open:
            return outcomes
        return [merged for outcome in outcomes if (merged := self._add(outcome, jobs)) is not None]

    def _add(self, outcome: Outcome, jobs: int) -> Outcome | None:
        if outcome.id not in self._open:
            return outcome
        known = self._known.setdefault(outcome.id, [])
        known.append(outcome)
        self._open[outcome.id] -= jobs
        return None if self._open[outcome.id] > 0 else _merge(known)


def jobs_by_id(id_of: Mapping[str, str], jobs: Iterable[str]) -> Iterable[Mapping[str, str]]:
    """Group jobs by their id; each group maps its jobs to that id."""
    groups: dict[str, dict[str, str]] = {}
    for job in jobs:
        groups.setdefault(id_of[job], {})[job] = id_of[job]
    return groups.values()


def _merge(outcomes: Sequence[Outcome]) -> Outcome:
    worst = min(outcomes, key=lambda outcome: _WORST_FIRST.index(outcome.state))
    job_ids = ",".join(outcome.job_id for outcome in outcomes if outcome.job_id)
    token = next((outcome.resume_token for outcome in outcomes if outcome.resume_token), None)
    return evolve(worst, job_id=job_ids or None, seconds=outcomes[-1].seconds, resume_token=token)


def error_state(error: KooPhoneError, *, sent: bool) -> tuple[State, str, str | None]:
    """Return the state of all ids of a failed call, with message and code.

    Args:
        error: The error of the last attempt.
        sent: Whether any attempt was sent that may have been executed. The error alone does not show that:
            it may be one of signing in, or of a retry.
    """
    match error:
        case Refused(not_executed=True) if not sent:
            return State.REFUSED, error.reason, error.code
        case Refused(not_executed=False) if sent:
            return State.FAILED, error.message, error.code
        case Refused():  # perhaps of signing in, and not of the operation of the run
            return State.UNKNOWN if sent else State.NOT_SENT, str(error), None
        case _:
            message = str(error).removeprefix(f"{error.operation}: ")
            return State.UNKNOWN if sent else State.NOT_SENT, message, None
