"""What a driver writes: its pending changes, and the transaction that writes them with its epoch."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypedDict, cast

from attrs import define, field

from koophone_async.rollouts.journal import lease
from koophone_async.rollouts.journal.encoding import (
    COUNTS,
    DETAILS,
    NUMBERS,
    OUTPUT,
    Codec,
    encode_results,
    to_micros,
)
from koophone_async.rollouts.journal.errors import JournalError, LeaseLost
from koophone_async.rollouts.journal.queries import ACTOR
from koophone_async.rollouts.journal.records import AdmissionState, RequestKind, RolloutState, WaitingFor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from koophone_async.rollouts.journal.database import Database, Value
    from koophone_async.rollouts.journal.encoding import OutputStore
    from koophone_async.rollouts.journal.lease import Lease, LeaseKey
    from koophone_async.rollouts.journal.records import Actor, Result

_NEW: Final = (
    "INSERT INTO chunks"
    " (rollout, chunk, attempt, step, wave, selection, positions, epoch, parent, has_jobs, shard, called_at,"
    " state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, "
)
_PLAN: Final = _NEW + "'planned') ON CONFLICT DO NOTHING"
"""Once more if it is not known whether a transaction was committed; no other driver has this epoch."""

_PLAN_SENDING: Final = _NEW + "'sending')"
_SENDING: Final = (
    "UPDATE chunks SET state = 'sending', called_at = ?, epoch = ?"
    " WHERE rollout = ? AND chunk = ? AND state = 'planned'"
)
_SENT: Final = (
    "UPDATE chunks SET state = 'sent', handle = ?, jobs = ?, has_jobs = ?, called_at = ?, epoch = ?"
    " WHERE rollout = ? AND chunk = ?"
)
_SENT_LATE: Final = _SENT + " AND handle IS NULL AND state IN ('sending', 'settled')"
_CLOSE: Final = "UPDATE chunks SET state = 'settled', jobs = NULL, epoch = ? WHERE rollout = ? AND chunk = ?"
_RESULT: Final = "INSERT INTO results (rollout, attempt, chunk, step, body, shard) VALUES (?, ?, ?, ?, ?, ?)"
_OUTPUT: Final = "INSERT INTO outputs (rollout, hash, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_LOCK_REQUESTS: Final = "SELECT id FROM rollouts WHERE id = ?"
_REQUEST: Final = (
    "INSERT INTO requests (rollout, kind, wave, chunk, sent, at, actor) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
LOG: Final = "INSERT INTO log (rollout, at, actor, what, details) VALUES (?, ?, ?, ?, ?)"

Refusals: TypeAlias = "Mapping[int, Exception]"
"""Why chunks must not be sent, by their number."""


class Sent(NamedTuple):
    """A chunk that the service has taken."""

    chunk: int
    handle: str
    jobs: Mapping[str, int]
    has_jobs: bool
    called_at: int


SENT: Final = Codec[Sent](Sent)


class RolloutChanges(TypedDict, total=False):
    """Fields of a rollout that its driver changes."""

    state: RolloutState
    waiting_for: WaitingFor | None
    reason: str | None
    attempt: int
    wave: int
    counts: Mapping[str, int]
    forecast: str | None
    plan: str
    began_at: datetime | None
    ended_at: datetime | None
    admission: AdmissionState
    handover: str | None


class Planned(NamedTuple):
    """A chunk that will be sent."""

    chunk: int
    attempt: int
    step: int
    wave: int
    selection: int
    positions: tuple[int, ...]
    parent: int | None


class Logged(NamedTuple):
    """An entry for the log."""

    at: int
    by: Actor
    what: str
    details: Mapping[str, object]


@define
class Changes:
    """Changes of one rollout that are written in one transaction, in the order of these fields."""

    planned: list[Planned] = field(factory=list[Planned])
    sending: dict[int, int] = field(factory=dict[int, int])
    """When each chunk is sent, in microseconds, by its number."""

    sent: list[Sent] = field(factory=list[Sent])
    results: dict[int | None, list[Result]] = field(factory=dict[int | None, "list[Result]"])
    """By chunk."""

    closed: list[int] = field(factory=list[int])
    rollout: RolloutChanges = field(factory=RolloutChanges)
    last_request: int | None = None
    logged: list[Logged] = field(factory=list[Logged])


@define
class FencedWriter:
    """Writes changes of one rollout or shard, as long as its epoch is the current one."""

    key: LeaseKey
    epoch: int
    actor: Actor
    outputs: OutputStore

    @property
    def rollout(self) -> str:
        """The rollout."""
        return self.key.rollout

    def write(self, database: Database, changes: Changes) -> Refusals | LeaseLost:
        """Write changes, and return the chunks that must not be sent.

        If another process has taken over, write only the handles of chunks, for its driver.
        """
        try:
            own = lease.check(database, self.key, self.epoch)
        except LeaseLost as error:
            for sent in changes.sent:
                self._write_late(database, sent)
            return error
        reason = self._refusal(database, own) if changes.sending else None
        if reason is None:
            refused = self._write_chunks(database, changes.planned, changes.sending)
        else:
            self._write_chunks(database, changes.planned, {})
            refused = dict.fromkeys(changes.sending, reason)
        self._write_sent(database, changes.sent)
        self._write_results(database, changes.results)
        database.execute_many(_CLOSE, [(self.epoch, self.rollout, chunk) for chunk in changes.closed])
        self._write_rollout(database, changes)
        self._write_log(database, changes.logged)
        return refused

    def _refusal(self, database: Database, own: Lease) -> Exception | None:
        """Return why nothing may be sent now; None if it may."""
        return None

    def _write_chunks(
        self, database: Database, planned: Iterable[Planned], sending: Mapping[int, int]
    ) -> Refusals:
        """Write new chunks, mark those that are about to be sent, and return those that must not be."""
        earlier = dict(sending)
        new: list[tuple[Value, ...]] = []
        new_sending: list[tuple[Value, ...]] = []
        for chunk in planned:
            called_at = earlier.pop(chunk.chunk, None)
            (new if called_at is None else new_sending).append(self._row_of(chunk, called_at))
        database.execute_many(_PLAN, new)
        database.execute_many(_PLAN_SENDING, new_sending)
        return {
            chunk: JournalError("", self.rollout, f"chunk {chunk} is not planned")
            for chunk, at in earlier.items()
            if not database.execute(_SENDING, (at, self.epoch, self.rollout, chunk))
        }

    def _row_of(self, new: Planned, called_at: int | None) -> tuple[Value, ...]:
        positions = NUMBERS.encode(new.positions)
        return (self.rollout, *new[:5], positions, self.epoch, new.parent, self.key.shard, called_at)

    def _write_sent(self, database: Database, calls: Iterable[Sent]) -> None:
        database.execute_many(_SENT, [self._values_of(sent) for sent in calls])

    def _values_of(self, sent: Sent) -> tuple[Value, ...]:
        jobs = COUNTS.encode(sent.jobs)
        return (sent.handle, jobs, int(sent.has_jobs), sent.called_at, self.epoch, self.rollout, sent.chunk)

    def _write_late(self, database: Database, sent: Sent) -> None:
        """Write the handle of a chunk that another driver takes for unknown, and ask it to await the jobs."""
        if database.execute(_SENT_LATE, self._values_of(sent)):
            kind, actor = RequestKind.AWAIT.value, ACTOR.encode(self.actor)
            values = (self.rollout, kind, None, sent.chunk, SENT.encode(sent), sent.called_at, actor)
            add_request(database, values)

    def _write_results(self, database: Database, results: Mapping[int | None, Sequence[Result]]) -> None:
        outputs: dict[str, str] = {}
        shard = self.key.shard
        rows = [
            (self.rollout, attempt, chunk, step, encode_results(list(some), self.outputs, outputs), shard)
            for chunk, of_chunk in results.items()
            for (attempt, step), some in groupby(of_chunk, attrgetter("attempt", "step"))
        ]
        database.execute_many(_RESULT, rows)
        database.execute_many(
            _OUTPUT, [(self.rollout, hash_, OUTPUT.encode(output)) for hash_, output in outputs.items()]
        )

    def _write_rollout(self, database: Database, changes: Changes) -> None:
        columns = {name: _to_value(value) for name, value in changes.rollout.items()}
        if changes.last_request is not None:
            columns["last_request"] = changes.last_request
        if columns:
            assignments = ", ".join(f"{name} = ?" for name in columns)
            database.execute(
                f"UPDATE rollouts SET {assignments} WHERE id = ?",  # noqa: S608 - the names are keys of ours
                (*columns.values(), self.rollout),
            )

    def _write_log(self, database: Database, entries: Iterable[Logged]) -> None:
        database.execute_many(
            LOG,
            [
                (self.rollout, at, ACTOR.encode(by), what, DETAILS.encode(details))
                for at, by, what, details in entries
            ],
        )


def add_request(database: Database, values: tuple[Value, ...]) -> None:
    """Write a request for the driver of a rollout, after all those with lower numbers.

    The driver reads the requests after the last number that it knows: a lower number must not appear later.
    """
    database.query_locked(_LOCK_REQUESTS, values[:1])
    database.execute(_REQUEST, values)


def _to_value(value: object) -> Value:
    match value:
        case datetime():
            return to_micros(value)
        case Mapping():
            return COUNTS.encode(cast("Mapping[str, int]", value))
        case _:
            return cast("Value", value)
