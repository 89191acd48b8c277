"""What became of every id, and the sum of it."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from koophone_async.errors import InvalidRequest, JobFailed, JobUnfinished, PartialFailure

if TYPE_CHECKING:
    from collections.abc import Iterator


class State(StrEnum):
    """How one id ended. Every distinct id that was asked for ends in exactly one of these."""

    SUCCEEDED = "succeeded"
    """Its job ended well."""

    ACCEPTED = "accepted"
    """The service took it, and there is no job to await."""

    FAILED = "failed"
    """Its job, or the call itself, ended badly; code, message and output are kept."""

    REFUSED = "refused"
    """The service refused it before starting; it was not executed."""

    UNKNOWN = "unknown"
    """It was sent and no trustworthy answer came: it may have been executed."""

    UNFINISHED = "unfinished"
    """Still running at the deadline; its resume token lets the wait go on."""

    NOT_SENT = "not_sent"
    """Never sent: cancelled or too late, not connected, or not a usable id."""


GOOD: Final = frozenset({State.SUCCEEDED, State.ACCEPTED})

CANCELLED: Final = "cancelled"
TOO_LATE: Final = "the deadline came first"
SAYS_NOTHING: Final = "the answer says nothing about this id"
STOPPED: Final = frozenset({CANCELLED, TOO_LATE})
"""What is said of ids for which nothing was sent, or no answer awaited, because the run had ended."""


COLUMNS: Final[tuple[str, ...]] = (
    "id",
    "state",
    "job_id",
    "error_code",
    "error_message",
    "output",
    "seconds",
)
"""What a row of every output holds, in its order."""


@frozen
class Outcome:
    """What became of one id."""

    id: str
    state: State
    job_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    output: str | None = None
    seconds: float = 0.0
    """From the moment its call was begun to the moment its end was known."""

    value: object = None
    """What the service answered for this id, where it answers more than an output."""

    resume_token: str | None = field(default=None, repr=False)
    """For what is unfinished: `jobs.wait(resume_token)` of the same client goes on waiting."""

    @property
    def ok(self) -> bool:
        """Whether it succeeded, or was accepted where there is nothing to await."""
        return self.state in GOOD

    def to_row(self) -> dict[str, object]:
        """Give the flat fields, in the order of `COLUMNS`."""
        row: dict[str, object] = {name: getattr(self, name) for name in COLUMNS}
        return row | {"state": self.state.value, "seconds": round(self.seconds, 3)}


@define
class Report:
    """The sum of a run, growing while it runs."""

    operation: str
    counts: Counter[State] = field(factory=Counter[State])
    failures: Counter[str] = field(factory=Counter[str])
    """How many ids ended badly, by the service's code; by the state where there is no code."""

    outcomes: dict[str, Outcome] = field(factory=dict[str, Outcome], repr=False)
    """By id in the order they were asked for. Empty where the run was iterated: then it is not kept twice."""

    def add(self, outcome: Outcome) -> None:
        """Count one more."""
        self.counts[outcome.state] += 1
        if not outcome.ok:
            self.failures[outcome.error_code or outcome.state.value] += 1

    def keep(self, outcome: Outcome) -> None:
        """Count one more and keep it."""
        self.add(outcome)
        self.outcomes[outcome.id] = outcome

    @property
    def total(self) -> int:
        """How many ids there were."""
        return self.counts.total()

    @property
    def ok(self) -> bool:
        """Whether every id succeeded or was accepted."""
        return all(state in GOOD for state, count in self.counts.items() if count)

    def __iter__(self) -> Iterator[Outcome]:
        """Give the outcomes in the order of the ids."""
        return iter(self.outcomes.values())

    def __getitem__(self, id: str) -> Outcome:
        """Give the outcome of one id."""
        return self.outcomes[id]

    def __len__(self) -> int:
        """Tell how many outcomes are kept."""
        return len(self.outcomes)

    def failed(self) -> dict[str, Outcome]:
        """Give the outcomes that are neither succeeded nor accepted, by id."""
        return {id: outcome for id, outcome in self.outcomes.items() if not outcome.ok}

    def to_rows(self) -> list[dict[str, object]]:
        """Give a flat row for each id, as CSV and data frames want them."""
        return [outcome.to_row() for outcome in self]

    def raise_for_failures(self) -> None:
        """Raise where any id did not succeed.

        Raises:
            PartialFailure: With the outcome of every id that is kept, and the counts.
        """
        if not self.ok:
            counts = {state.value: self.counts[state] for state in State if self.counts[state]}
            raise PartialFailure(self.operation, self.outcomes, counts)

    def one(self) -> Outcome:
        """Give the outcome of the only id, which ended well.

        Raises:
            InvalidRequest: There is not exactly one outcome, or it was not kept.
            JobFailed: Its job, or the call itself, ended badly.
            JobUnfinished: Its job still ran at the deadline; it goes on, and the error holds its resume token.
            PartialFailure: It ended otherwise: refused, unknown, not sent, or still running without a resume token.
        """
        if len(self) != 1:
            raise InvalidRequest(
                self.operation, "report", f"holds {len(self):,} outcomes; `one` needs exactly 1"
            )
        (outcome,) = self
        if outcome.state is State.FAILED:
            words = filter(None, (outcome.error_code, outcome.error_message))
            raise JobFailed(self.operation, outcome, " ".join(words))
        if outcome.state is State.UNFINISHED and outcome.resume_token is not None:
            raise JobUnfinished(self.operation, outcome.resume_token, outcome.seconds)
        self.raise_for_failures()
        return outcome


@frozen
class Estimate:
    """What a run will cost, said before it starts."""

    ids: int
    calls: int
    """Calls that do the work; looks at jobs and repeats come on top."""

    seconds: float
    """The least time that the quotas leave for these calls."""
