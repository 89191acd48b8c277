"""What is read from a journal, and how rows become records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from koophone_async.batches import State
from koophone_async.rollouts.journal.encoding import (
    BLOCK,
    COUNTS,
    DETAILS,
    NUMBERS,
    OUTPUT,
    PAIRS,
    STRINGS,
    TEXTS,
    Codec,
    EncodedResults,
    decode_targets,
    from_micros,
)
from koophone_async.rollouts.journal.lease import Lease, LeaseKey, Leases
from koophone_async.rollouts.journal.records import (
    Actor,
    AttemptRecord,
    ChunkRecord,
    ChunkState,
    Kind,
    LogEntry,
    Request,
    RequestKind,
    Result,
    RolloutRecord,
    RolloutState,
    Target,
    WaitingFor,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime

    from koophone_async.rollouts.journal.database import Database, Value

ACTOR: Final = Codec[Actor](Actor)

_ROLLOUTS: Final = """
SELECT r.id, r.name, r.kind, r.service, r.state, r.waiting_for, r.reason, r.targets, r.counts, r.attempt,
    r.wave, r.waves, r.created_at, r.created_by, r.began_at, r.ended_at, r.account, r.edition, r.projects,
    r.keep_output, r.plan, r.forecast, r.handover, l.epoch, l.renewals, l.expires_at, l.holder
FROM rollouts r JOIN leases l ON l.rollout = r.id AND l.shard = 0
"""
# A rollout is hidden until its targets are written, and while everything of it is deleted.
_NEWEST: Final = " AND r.state <> 'hidden' ORDER BY r.created_at DESC, r.id"
_BY_ID: Final = _ROLLOUTS + "WHERE r.id = ? AND r.state <> 'hidden'"
_BY_NAME: Final = _ROLLOUTS + "WHERE r.name = ?" + _NEWEST + " LIMIT 1"
_LAST: Final = _ROLLOUTS + "WHERE r.created_at IS NOT NULL" + _NEWEST + " LIMIT 1"
_BETWEEN: Final = _ROLLOUTS + "WHERE r.created_at >= ? AND r.created_at < ?" + _NEWEST
_RANKS: Final = (
    "SELECT created_at FROM rollouts WHERE state <> 'hidden' {} ORDER BY created_at DESC LIMIT 1 OFFSET ?"
)
_IDS: Final = "SELECT id, name FROM rollouts WHERE state <> 'hidden' ORDER BY created_at DESC, id"

_CHUNKS: Final = """
SELECT chunk, attempt, step, wave, selection, state, positions, epoch, parent, handle, jobs, has_jobs,
    called_at, shard
FROM chunks WHERE rollout = ?
"""
_CHUNKS_WITH: Final = """
SELECT rollout, chunk FROM chunks WHERE handle = ? OR jobs LIKE ? ORDER BY called_at DESC
"""
_LAST_CHUNK: Final = "SELECT max(chunk) FROM chunks WHERE rollout = ? AND chunk >= ? AND chunk < ?"
_LAST_REQUEST: Final = "SELECT last_request FROM rollouts WHERE id = ?"
_OPEN: Final = " AND state <> 'settled'"

_TARGETS: Final = "SELECT block, body FROM targets WHERE rollout = ? AND block >= ? ORDER BY block LIMIT ?"
_STARTS: Final = """
SELECT block, body FROM attempt_starts WHERE rollout = ? AND attempt = ? AND block >= ? ORDER BY block LIMIT ?
"""
_RESULTS: Final = """
SELECT number, attempt, step, body, shard FROM results WHERE rollout = ? AND number > ?
ORDER BY number LIMIT ?
"""
_RESULTS_OF_SHARD: Final = """
SELECT number, attempt, step, body, shard FROM results
WHERE rollout = ? AND shard = ? AND shard > 0 AND number > ? ORDER BY number
"""
_CHUNK_OF_RESULTS: Final = "SELECT number, chunk FROM results WHERE rollout = ? AND number > ?"
_RESULT: Final = "SELECT attempt, step, body FROM results WHERE number = ?"
_OUTPUTS: Final = "SELECT hash, body FROM outputs WHERE rollout = ? AND hash IN ({})"
_ATTEMPTS: Final = (
    "SELECT attempt, kind, targets, waves, created_at, options FROM attempts"
    " WHERE rollout = ? ORDER BY attempt"
)
_REQUESTS: Final = (
    "SELECT number, kind, wave, sent, at, actor FROM requests WHERE rollout = ? AND number > ?"
    " ORDER BY number"
)
_LATE: Final = "SELECT sent FROM requests WHERE rollout = ? AND kind = ? ORDER BY number"
_LOG: Final = "SELECT number, at, actor, what, details FROM log WHERE rollout = ? ORDER BY number"

_REOPENED: Final = frozenset({State.UNKNOWN, State.UNFINISHED})
"""Results that are not final in a chunk that is SENT: its jobs can tell."""


def rollout_by_id(database: Database, leases: Leases, id: str) -> RolloutRecord | None:
    """Return the rollout with this id."""
    rows = database.query(_BY_ID, (id,))
    return _to_rollout(database, leases, rows[0]) if rows else None


def newest_with_name(database: Database, leases: Leases, name: str) -> RolloutRecord | None:
    """Return the newest rollout with this name."""
    rows = database.query(_BY_NAME, (name,))
    return _to_rollout(database, leases, rows[0]) if rows else None


def newest(database: Database, leases: Leases) -> RolloutRecord | None:
    """Return the newest rollout."""
    rows = database.query(_LAST)
    return _to_rollout(database, leases, rows[0]) if rows else None


def rollouts_between(database: Database, leases: Leases, since: int, until: int) -> Iterator[RolloutRecord]:
    """Yield the rollouts created since a time and before another, the newest first."""
    return (_to_rollout(database, leases, row) for row in database.query(_BETWEEN, (since, until)))


def creation_of(database: Database, kind: Kind | None, rank: int) -> int | None:
    """Return when the rollout that so many newer ones of its kind follow was created."""
    condition, values = ("", ()) if kind is None else ("AND kind = ?", (kind.value,))
    rows = database.query(_RANKS.format(condition), (*values, rank))
    return rows[0][0] if rows else None


def ids_and_names(database: Database) -> list[tuple[str, str]]:
    """Return ids and names of all rollouts, the newest first."""
    return [(id, name) for id, name in database.query(_IDS)]


def _to_rollout(database: Database, leases: Leases, row: tuple[Any, ...]) -> RolloutRecord:
    (id, name, kind, service, state, waiting_for, reason, targets, counts, attempt, wave, waves, *rest) = row
    created_at, created_by, began_at, ended_at, account, edition, projects, keep_output, *rest = rest
    plan, forecast, handover, *lease_row = rest
    lease = Lease.of_row(LeaseKey(id), tuple(lease_row))
    driver = leases.living_holder(database, lease)
    state, waiting_for = _visible_state(
        RolloutState(state),
        None if waiting_for is None else WaitingFor(waiting_for),
        has_driver=driver is not None,
        is_handed_over=handover is not None,
    )
    return RolloutRecord(
        id=id,
        name=name,
        kind=Kind(kind),
        service=service,
        state=state,
        waiting_for=waiting_for,
        reason=reason,
        targets=targets,
        counts=COUNTS.decode(counts),
        attempt=attempt,
        wave=wave,
        waves=NUMBERS.decode(waves),
        epoch=lease.epoch,
        driver=driver,
        created_at=from_micros(created_at),
        created_by=ACTOR.decode(created_by),
        began_at=_time(began_at),
        ended_at=_time(ended_at),
        account=account,
        edition=edition,
        projects=STRINGS.decode(projects),
        keep_output=bool(keep_output),
        plan=plan,
        forecast=forecast,
        handover=handover,
    )


def _visible_state(
    state: RolloutState, waiting_for: WaitingFor | None, *, has_driver: bool, is_handed_over: bool
) -> tuple[RolloutState, WaitingFor | None]:
    """Return the state of a rollout: one that nobody runs any more is interrupted, or waits for a worker."""
    if state is not RolloutState.RUNNING or has_driver:
        return state, waiting_for
    if is_handed_over:
        return RolloutState.WAITING, WaitingFor.WORKER
    return RolloutState.INTERRUPTED, waiting_for


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def targets_from(database: Database, rollout: str, block: int, limit: int) -> list[tuple[int, list[Target]]]:
    """Return some blocks of targets, with their numbers."""
    rows = database.query(_TARGETS, (rollout, block, limit))
    return [(number, decode_targets(number * BLOCK, body)) for number, body in rows]


def starts_from(
    database: Database, rollout: str, attempt: int, block: int, limit: int
) -> list[tuple[int, list[tuple[int, int]]]]:
    """Return some blocks of the starts of an attempt, with their numbers."""
    rows = database.query(_STARTS, (rollout, attempt, block, limit))
    return [(number, PAIRS.decode(body)) for number, body in rows]


def attempts(database: Database, rollout: str) -> list[AttemptRecord]:
    """Return the attempts of a rollout, the first one first."""
    return [
        AttemptRecord(
            attempt, kind, targets, NUMBERS.decode(waves), from_micros(created_at), TEXTS.decode(options)
        )
        for attempt, kind, targets, waves, created_at, options in database.query(_ATTEMPTS, (rollout,))
    ]


def chunks(
    database: Database, rollout: str, attempt: int | None = None, *, open_only: bool = True
) -> list[ChunkRecord]:
    """Return the chunks of a rollout, or of one attempt, in the order in which they were planned."""
    condition = (_OPEN if open_only else "") + ("" if attempt is None else " AND attempt = ?")
    values = (rollout,) if attempt is None else (rollout, attempt)
    return _chunks(database, condition, values)


def open_chunks_of(database: Database, key: LeaseKey) -> list[ChunkRecord]:
    """Return the chunks of a shard that are not settled."""
    return _chunks(database, _OPEN + " AND shard = ? AND shard > 0", key)


def chunk(database: Database, rollout: str, number: int) -> ChunkRecord:
    """Return a chunk."""
    (found,) = _chunks(database, " AND chunk = ?", (rollout, number))
    return found


def calls_with(database: Database, leases: Leases, id: str) -> list[tuple[RolloutRecord, ChunkRecord]]:
    """Return the calls whose task or request has an id, or one of whose open jobs, the newest first."""
    found = list[tuple[RolloutRecord, ChunkRecord]]()
    for rollout, number in database.query(_CHUNKS_WITH, (id, f'%"{id}"%')):
        record = rollout_by_id(database, leases, rollout)
        if record is not None:
            found.append((record, chunk(database, rollout, number)))
    return found


CHUNKS_OF_SHARD: Final = 2**32
"""Numbers of chunks for each shard: several processes number their chunks at the same time."""


def last_numbers(database: Database, key: LeaseKey) -> tuple[int, int]:
    """Return the numbers of the last chunk and of the last request that a driver has read."""
    first = key.shard * CHUNKS_OF_SHARD
    ((last_chunk,),) = database.query(_LAST_CHUNK, (key.rollout, first, first + CHUNKS_OF_SHARD))
    ((last_request,),) = database.query(_LAST_REQUEST, (key.rollout,))
    return last_chunk or first, last_request


def _chunks(database: Database, condition: str, values: tuple[Value, ...]) -> list[ChunkRecord]:
    rows = database.query(f"{_CHUNKS}{condition} ORDER BY chunk", values)
    rollout = str(values[0])
    sent = {row[0] for row in rows if row[5] == ChunkState.SENT}
    settled = _settled(database, rollout, sent) if sent else {}
    return [_to_chunk(row, settled.get(row[0], {})) for row in rows]


def _settled(database: Database, rollout: str, sent: Collection[int]) -> dict[int, dict[int, State]]:
    """Return the last state of each position, by chunk."""
    found: dict[int, dict[int, State]] = {}
    for number, chunk in database.query(_CHUNK_OF_RESULTS, (rollout, 0)):
        if chunk in sent:
            ((attempt, step, body),) = database.query(_RESULT, (number,))
            found.setdefault(chunk, {}).update(EncodedResults(attempt, step, body).states())
    return found


def _to_chunk(row: tuple[Any, ...], states: Mapping[int, State]) -> ChunkRecord:
    chunk, attempt, step, wave, selection, state, positions, epoch, parent, handle, *rest = row
    jobs, has_jobs, called_at, shard = rest
    return ChunkRecord(
        chunk=chunk,
        attempt=attempt,
        step=step,
        wave=wave,
        selection=selection,
        state=ChunkState(state),
        positions=NUMBERS.decode(positions),
        epoch=epoch,
        parent=parent,
        handle=handle,
        jobs=None if jobs is None else COUNTS.decode(jobs),
        has_jobs=bool(has_jobs),
        called_at=_time(called_at),
        settled=frozenset(position for position, state in states.items() if state not in _REOPENED),
        shard=shard,
    )


@frozen
class WantedResults:
    """Which results of a rollout are read."""

    rollout: str
    attempt: int | None = None
    """Of this attempt only."""

    without_shards: Collection[int] = ()

    def fits(self, attempt: int, shard: int) -> bool:
        """Return whether a row is wanted."""
        return self.attempt in (None, attempt) and shard not in self.without_shards


def results_after(
    database: Database, wanted: WantedResults, number: int, limit: int
) -> tuple[int | None, list[Result]]:
    """Return results after a row, and the number of the last row; None if there are no more."""
    rows = database.query(_RESULTS, (wanted.rollout, number, limit))
    found = resolve(database, wanted.rollout, [row for row in rows if wanted.fits(row[1], row[4])])
    return (rows[-1][0] if rows else None), found


def results_of_shard(database: Database, key: LeaseKey, number: int) -> tuple[int, list[Result]]:
    """Return the results of a shard after a row, and the number of the last row."""
    rows = database.query(_RESULTS_OF_SHARD, (*key, number))
    return (rows[-1][0] if rows else number), resolve(database, key.rollout, rows)


def resolve(database: Database, rollout: str, rows: Iterable[tuple[Any, ...]]) -> list[Result]:
    """Return the results of rows of `number, attempt, step, body, shard`, with their outputs."""
    blocks = [EncodedResults(attempt, step, body) for _, attempt, step, body, _ in rows]
    outputs = _outputs(database, rollout, {hash_ for block in blocks for hash_ in block.hashes()})
    return [result for block in blocks for result in block.resolve(outputs)]


def _outputs(database: Database, rollout: str, hashes: Collection[str]) -> dict[str, str]:
    wanted, found = sorted(hashes), dict[str, str]()
    for first in range(0, len(wanted), BLOCK):
        part = wanted[first : first + BLOCK]
        statement = _OUTPUTS.format(",".join("?" * len(part)))
        found |= {hash_: OUTPUT.decode(body) for hash_, body in database.query(statement, (rollout, *part))}
    return found


def requests_after(database: Database, rollout: str, number: int) -> list[tuple[Request, str | None]]:
    """Return the requests after one, and the call of those that report a late handle."""
    return [
        (Request(number, RequestKind(kind), ACTOR.decode(actor), from_micros(at), wave), late)
        for number, kind, wave, late, at, actor in database.query(_REQUESTS, (rollout, number))
    ]


def late_calls(database: Database, rollout: str) -> list[str]:
    """Return the calls whose handles were written after another process had taken over."""
    return [sent for (sent,) in database.query(_LATE, (rollout, RequestKind.AWAIT.value))]


def log_of(database: Database, rollout: str) -> list[LogEntry]:
    """Return the log of a rollout."""
    return [
        LogEntry(number, from_micros(at), ACTOR.decode(actor), what, DETAILS.decode(details))
        for number, at, actor, what, details in database.query(_LOG, (rollout,))
    ]
