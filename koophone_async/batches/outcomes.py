"""Outcomes of ids, and reports of them."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final

from attrs import define, field, frozen

from koophone_async.drafts import draft_class
from koophone_async.errors import InvalidRequest, JobFailed, JobUnfinished, PartialFailure

if TYPE_CHECKING:
    from collections.abc import Iterator


class State(StrEnum):
    """State in which an id of a run ends: exactly one for every distinct id of the input."""

    SUCCEEDED = "succeeded"
    """Its job succeeded; or the call was a read, and `value` is its answer."""

    ACCEPTED = "accepted"
    """The service accepted the write, and there is no job to wait for."""

    FAILED = "failed"
    """Its job, or the call itself, failed; code, message and output are kept."""

    REFUSED = "refused"
    """The service refused it before starting; it was not executed."""

    UNKNOWN = "unknown"
    """It was sent and no usable answer was received: it may have been executed."""

    UNFINISHED = "unfinished"
    """Its job was still running at the deadline; its resume token resumes the wait."""

    NOT_SENT = "not_sent"
    """Never sent: cancelled, past the deadline, not connected, or not a valid id."""


_OK_STATES: Final = frozenset({State.SUCCEEDED, State.ACCEPTED})

CANCELLED: Final = "cancelled"
PAST_DEADLINE: Final = "past the deadline"
NOT_IN_ANSWER: Final = "the answer does not list this id"
STOP_REASONS: Final = frozenset({CANCELLED, PAST_DEADLINE})
"""Error messages of ids that were not sent, or whose answer was not awaited, because the run had ended."""


@frozen
class Outcome:
    """Outcome of one id."""

    COLUMNS: ClassVar[tuple[str, ...]] = (
        "id",
        "state",
        "job_id",
        "error_code",
        "error_message",
        "output",
        "seconds",
    )
    """The columns of a row, in order."""

    id: str
    state: State
    job_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    output: str | None = None
    seconds: float = 0.0
    """Seconds from the start of its call until its outcome was known."""

    value: object = None
    """The service's answer for this id, if it has more than an output."""

    resume_token: str | None = field(default=None, repr=False)
    """If unfinished: `jobs.wait(resume_token)` of the same client resumes the wait."""

    @property
    def ok(self) -> bool:
        """Whether it succeeded, or was accepted."""
        return self.state in _OK_STATES

    def to_row(self) -> dict[str, object]:
        """Return the fields of `COLUMNS` as a flat row, and the resume token if there is one."""
        row: dict[str, object] = {name: getattr(self, name) for name in self.COLUMNS}
        row |= {"state": self.state.value, "seconds": round(self.seconds, 3)}
        return row if self.resume_token is None else row | {"resume_token": self.resume_token}


_Draft: Final = draft_class(Outcome)


def new_outcome(  # noqa: PLR0913, PLR0917 - the fields of an outcome in their order
    id: str,
    state: State,
    job_id: str | None,
    error_code: str | None,
    error_message: str | None,
    output: str | None,
    seconds: float,
    value: object,
) -> Outcome:
    """Return `Outcome(...)` of the same arguments, in a fifth of the time: a run creates one for each id."""
    draft = _Draft()
    draft.id = id
    draft.state = state
    draft.job_id = job_id
    draft.error_code = error_code
    draft.error_message = error_message
    draft.output = output
    draft.seconds = seconds
    draft.value = value
    draft.resume_token = None
    draft.__class__ = Outcome
    outcome: Outcome = draft
    return outcome


@define
class Report:
    """Counts and outcomes of a run, updated while it runs."""

    operation: str
    counts: Counter[State] = field(factory=Counter[State])
    failures: Counter[str] = field(factory=Counter[str])
    """Number of ids that are not ok, by error code, or by state where there is no code."""

    outcomes: dict[str, Outcome] = field(factory=dict[str, Outcome], repr=False)
    """By id, in the order of the input. Empty if the run was iterated over: the caller has them already."""

    is_complete: bool = True
    """Whether it has every id of the input. False while the run goes on, and if it ended early, by a cancel
    or its deadline, before it had read an input other than a list to its end."""

    def add(self, *outcomes: Outcome) -> None:
        """Count outcomes."""
        for outcome in outcomes:
            self.counts[outcome.state] += 1
            if outcome.state not in _OK_STATES:
                self.failures[outcome.error_code or outcome.state.value] += 1

    def keep(self, outcome: Outcome) -> None:
        """Count an outcome and keep it."""
        self.add(outcome)
        self.outcomes[outcome.id] = outcome

    @property
    def total(self) -> int:
        """Number of ids."""
        return self.counts.total()

    @property
    def ok(self) -> bool:
        """Whether the report is complete, and every id succeeded or was accepted."""
        return self.is_complete and all(state in _OK_STATES for state, count in self.counts.items() if count)

    def __iter__(self) -> Iterator[Outcome]:
        """Iterate over the outcomes, in the order of the ids."""
        return iter(self.outcomes.values())

    def __getitem__(self, id: str) -> Outcome:
        """Return the outcome of an id."""
        return self.outcomes[id]

    def __len__(self) -> int:
        """Return the number of outcomes that are kept."""
        return len(self.outcomes)

    def failed(self) -> dict[str, Outcome]:
        """Return the outcomes that are not ok, by id."""
        return {id: outcome for id, outcome in self.outcomes.items() if not outcome.ok}

    def to_rows(self) -> list[dict[str, object]]:
        """Return a flat row for each id, for CSV files and data frames."""
        return [outcome.to_row() for outcome in self]

    def raise_for_failures(self) -> None:
        """Raise an error if any id is not ok, or if ids of the input were not read.

        Raises:
            PartialFailure: Some ids failed; the error has all outcomes that are kept, and the counts.
        """
        if not self.ok:
            counts = {state.value: self.counts[state] for state in State if self.counts[state]}
            raise PartialFailure(self.operation, self.outcomes, counts, self.is_complete)

    def one(self) -> Outcome:
        """Return the outcome of the only id, which must be ok.

        Raises:
            InvalidRequest: The report does not have exactly one outcome.
            JobFailed: Its job, or the call itself, failed.
            JobUnfinished: Its job was still running at the deadline; the error has its resume token.
            PartialFailure: It was refused or not sent, or is unknown, or runs on without a resume token.
        """
        if len(self) != 1:
            raise InvalidRequest(
                self.operation, "report", f"has {len(self):,} outcomes; `one` needs exactly 1"
            )
        (outcome,) = self
        if outcome.state is State.FAILED:
            reason = filter(None, (outcome.error_code, outcome.error_message))
            raise JobFailed(self.operation, outcome, " ".join(reason))
        if outcome.state is State.UNFINISHED and outcome.resume_token is not None:
            raise JobUnfinished(self.operation, outcome.resume_token, outcome.seconds)
        self.raise_for_failures()
        return outcome


@frozen
class Estimate:
    """Number of calls and polls and duration of a run, computed before it starts."""

    ids: int
    calls: int
    """Calls that start the work, without polls and retries."""

    polls: int
    """Expected polls, if jobs take as long as before, or as assumed where nothing is known of them."""

    min_seconds: float
    """Minimum duration of the calls that the quotas allow."""

    seconds: float
    """Likely duration, with the work that the calls start."""
