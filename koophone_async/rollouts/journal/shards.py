"""Shards: parts of a wave that one worker each sends and awaits, with a lease of their own.

The process that drives a rollout cuts its waves into shards and reads what became of them; workers acquire
the shards. So a chunk is sent only by whoever holds its shard, in a transaction that also checks that
somebody drives the rollout, and that it admits calls.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from attrs import define, evolve, field, frozen

from koophone_async.batches.call_log import SendingHeld, SendingStopped
from koophone_async.rollouts.journal import history, lease, queries
from koophone_async.rollouts.journal.changes import FencedWriter
from koophone_async.rollouts.journal.driver import Driver
from koophone_async.rollouts.journal.encoding import COUNTS, OutputStore, Start, decode_starts, encode_starts
from koophone_async.rollouts.journal.errors import LeaseHeld
from koophone_async.rollouts.journal.lease import Lease, LeaseKey
from koophone_async.rollouts.journal.records import ENDED_STATES, AdmissionState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from koophone_async.rollouts.journal.changes import Changes
    from koophone_async.rollouts.journal.database import Database
    from koophone_async.rollouts.journal.lease import Leases
    from koophone_async.rollouts.journal.records import Actor, ChunkRecord, Holder, Result
    from koophone_async.rollouts.journal.writer import GroupWriter

_CREATE: Final = """
INSERT INTO shards (rollout, shard, attempt, wave, selection, lock, is_done, starts, counts, results)
VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, 0)
"""
_ADOPT: Final = "UPDATE chunks SET shard = ? WHERE rollout = ? AND chunk = ?"
_LAST: Final = "SELECT max(shard) FROM shards WHERE rollout = ?"
_SHARDS: Final = """
SELECT s.rollout, s.shard, s.attempt, s.wave, s.selection, s.lock, s.is_done, s.counts, s.results,
    l.epoch, l.renewals, l.expires_at, l.holder
FROM shards s JOIN leases l ON l.rollout = s.rollout AND l.shard = s.shard
"""
_OF_ROLLOUT: Final = _SHARDS + "WHERE s.rollout = ? AND s.shard >= ? ORDER BY s.shard"
_OPEN: Final = _SHARDS + "WHERE s.rollout = ? AND s.is_done = 0 ORDER BY s.shard"
_HAS_OPEN_CHUNKS: Final = """
EXISTS (SELECT 1 FROM chunks c WHERE c.rollout = s.rollout AND c.shard = s.shard AND c.state <> 'settled')
"""
_UNBEGUN: Final = (
    _SHARDS + "WHERE s.rollout = ? AND s.is_done = 0 AND l.holder IS NULL AND NOT " + _HAS_OPEN_CHUNKS
)
_ONE: Final = _SHARDS + "WHERE s.rollout = ? AND s.shard = ?"
_WITH_LOCK: Final = _SHARDS + "WHERE s.lock = ? AND s.is_done = 0 ORDER BY s.rollout, s.shard"
_STARTS: Final = "SELECT starts FROM shards WHERE rollout = ? AND shard = ?"
_PROGRESS: Final = """
UPDATE shards SET results = results + ?, counts = coalesce(?, counts) WHERE rollout = ? AND shard = ?
"""
_DONE: Final = "UPDATE shards SET is_done = 1 WHERE rollout = ? AND shard = ?"
_ADMISSION: Final = """
SELECT r.admission, l.epoch, l.renewals, l.expires_at, l.holder
FROM rollouts r JOIN leases l ON l.rollout = r.id AND l.shard = 0 WHERE r.id = ?
"""
_HANDED_OVER: Final = """
SELECT r.id, r.handover, l.epoch, l.renewals, l.expires_at, l.holder
FROM rollouts r JOIN leases l ON l.rollout = r.id AND l.shard = 0
WHERE r.handover IS NOT NULL AND r.state <> 'hidden' AND r.state NOT IN (?, ?, ?)
"""

STOPPED: Final = "the rollout has stopped"


@frozen
class NewShard:
    """A shard that is to be written."""

    selection: int
    starts: Sequence[Start]
    """At least one phone."""

    lock: str | None = None
    """Shards with the same lock are not run at the same time."""

    adopted: Sequence[int] = ()
    """Chunks that were sent for earlier shards, or without any, and that this one awaits."""


@frozen
class ShardRecord:
    """A shard, as it was when it was read."""

    key: LeaseKey
    attempt: int
    wave: int
    selection: int
    lock: str | None
    is_done: bool
    counts: Mapping[str, int]
    """As its worker counts its phones, and those that the service has taken by step."""

    results: int
    """Number of rows of results."""

    holder: Holder | None
    """The living process that runs it."""


@frozen
class Admission:
    """Whether calls of a rollout may be sent, as its row has it."""

    state: AdmissionState
    is_driven: bool
    """Whether a living process drives the rollout, and judges whether it must stop."""

    @property
    def error(self) -> Exception | None:
        """Why no call may be sent now; None if it may."""
        if self.state in (AdmissionState.STOPPED, AdmissionState.LEFT):
            return SendingStopped(STOPPED)
        if self.state is AdmissionState.HELD or not self.is_driven:
            return SendingHeld()
        return None


@define
class ShardWriter(FencedWriter):
    """Writes changes of a shard, as long as its epoch is the current one."""

    _leases: Leases

    def _refusal(self, database: Database, own: Lease) -> Exception | None:
        """Return why nothing of the shard may be sent now; None if it may."""
        state, driver = _read_driver(database, self.rollout)
        now = database.lease_clock()
        if self._leases.remaining(database, own, now) <= 0:
            return SendingHeld()  # until it is renewed: nobody else has acquired it yet
        return Admission(state, self._leases.living_holder(database, driver, now) is not None).error

    def _write_rollout(self, database: Database, changes: Changes) -> None:
        """Write how far the shard has come; the rollout itself is its driver's."""
        counts = changes.rollout.get("counts")
        if changes.results or counts is not None:
            values = len(changes.results), None if counts is None else COUNTS.encode(counts)
            database.execute(_PROGRESS, (*values, *self.key))


@define(eq=False)
class ShardDriver(Driver):
    """The right to run one shard, until it is handed back or lost."""

    shard: ShardRecord = field(kw_only=True)
    starts: Sequence[Start] = field(kw_only=True)
    """Its phones, as they were when the shard was written."""

    async def hand_back(self, *, is_done: bool) -> None:
        """Write everything that is queued, and end the lease.

        Args:
            is_done: Whether nothing is left to do; otherwise another worker can acquire it.

        Raises:
            LeaseLost: Another process has taken over.
            JournalError: It could not be written.
        """
        self._renewing.cancel()
        await self.flush()
        await self._writer.write(_hand_back, self._fenced.key, self.epoch, is_done)


def _hand_back(database: Database, key: LeaseKey, epoch: int, is_done: bool) -> None:  # noqa: FBT001 - private
    lease.check(database, key, epoch)
    if is_done:
        database.execute(_DONE, key)
    lease.release(database, key, epoch)


@define(eq=False)
class Shards:
    """The shards of a journal."""

    _writer: GroupWriter
    _leases: Leases
    _actor: Actor
    _now: Callable[[], datetime]
    _lease_clock: Callable[[], float]
    _register: Callable[[Driver], None]
    """Called with each driver, which the journal closes."""

    async def create(
        self, driver: Driver, attempt: int, wave: int, shards: Iterable[NewShard]
    ) -> Sequence[ShardRecord]:
        """Write shards of a wave, in one transaction.

        Args:
            driver: The driver of the rollout.
            attempt: The attempt.
            wave: The wave.
            shards: What each of them is.

        Raises:
            LeaseLost: Another process has taken over.
            JournalError: They could not be written.
        """
        key = LeaseKey(driver.rollout.id)
        return await self._writer.write(self._create, key, driver.epoch, (attempt, wave), list(shards))

    def _create(
        self, database: Database, key: LeaseKey, epoch: int, place: tuple[int, int], new: Sequence[NewShard]
    ) -> Sequence[ShardRecord]:
        lease.check(database, key, epoch)
        ((last,),) = database.query(_LAST, (key.rollout,))
        first = (last or 0) + 1
        empty = COUNTS.encode({})
        for number, shard in enumerate(new, first):
            starts = encode_starts(shard.starts)
            values = (key.rollout, number, *place, shard.selection, shard.lock, starts, empty)
            database.execute(_CREATE, values)
            self._leases.create(database, LeaseKey(key.rollout, number))
            database.execute_many(_ADOPT, [(number, key.rollout, chunk) for chunk in shard.adopted])
        return self._records(database, _OF_ROLLOUT, (key.rollout, first))

    async def open(self, rollout: str) -> Sequence[ShardRecord]:
        """Return the shards of a rollout that are not done."""
        return await self._writer.read(self._records, _OPEN, (rollout,))

    async def from_number(self, rollout: str, first: int) -> Sequence[ShardRecord]:
        """Return the shards of a rollout from a number on."""
        return await self._writer.read(self._records, _OF_ROLLOUT, (rollout, first))

    async def starts(self, key: LeaseKey) -> Sequence[Start]:
        """Return the phones of a shard, as they were when it was written."""
        return await self._writer.read(_read_starts, key)

    async def results(self, key: LeaseKey, number: int = 0) -> tuple[int, Sequence[Result]]:
        """Return the results of a shard after a row, and the number of the last row."""
        return await self._writer.read(queries.results_of_shard, key, number)

    async def undriven(self) -> Sequence[tuple[str, str]]:
        """Return id and handover of the rollouts that workers shall go on with and that nobody drives."""
        return await self._writer.read(self._undriven)

    def _undriven(self, database: Database) -> Sequence[tuple[str, str]]:
        return [
            (rollout, handover)
            for rollout, handover, *row in database.query(_HANDED_OVER, tuple(ENDED_STATES))
            if self._leases.living_holder(database, Lease.of_row(LeaseKey(rollout), tuple(row))) is None
        ]

    async def admission(self, rollout: str) -> Admission:
        """Return whether calls of a rollout may be sent."""
        return await self._writer.read(read_admission, self._leases, rollout)

    async def acquire(self, key: LeaseKey) -> ShardDriver | None:
        """Acquire the lease of a shard, and renew it from now on.

        Returns:
            Its driver; None if there is nothing left to do.

        Raises:
            LeaseHeld: Another process runs it, or one with the same lock.
            JournalError: It could not be written.
        """
        driver = await self._writer.write(self._acquire, key)
        if driver is not None:
            self._register(driver)
            driver.start_renewing()
        return driver

    def _acquire(self, database: Database, key: LeaseKey) -> ShardDriver | None:
        for shard in self._records(database, _ONE, key):
            self._check_lock(database, shard)
        found = self._records(database, _ONE, key, locked=True)
        if not found or found[0].is_done:
            return None
        _, acquired = self._leases.acquire(database, key, steal=False)
        record = history.find(database, self._leases, key.rollout)
        starts = _read_starts(database, key)
        return ShardDriver(
            record,
            _within(queries.open_chunks_of(database, key), {target.position for target, _ in starts}),
            self._writer,
            ShardWriter(key, acquired.epoch, self._actor, OutputStore(keep=record.keep_output), self._leases),
            self._now,
            self._lease_clock,
            *queries.last_numbers(database, key),
            shard=found[0],
            starts=starts,
        )

    def _check_lock(self, database: Database, shard: ShardRecord) -> None:
        """Raise if a shard with the same lock is run; none is acquired until the transaction ends."""
        if shard.lock is None or shard.is_done:
            return
        for other in self._records(database, _WITH_LOCK, (shard.lock,), locked=True):
            if other.holder is not None and other.key != shard.key:
                raise LeaseHeld("", shard.key.rollout, lease.LENGTH, other.holder)

    async def close_unbegun(self, driver: Driver) -> None:
        """Close the shards of a rollout that has stopped, of which nothing was sent and that nobody runs.

        Raises:
            LeaseLost: Another process has taken over.
            JournalError: They could not be written.
        """
        await self._writer.write(self._close_unbegun, LeaseKey(driver.rollout.id), driver.epoch)

    def _close_unbegun(self, database: Database, key: LeaseKey, epoch: int) -> None:
        lease.check(database, key, epoch)
        for shard in self._records(database, _UNBEGUN, (key.rollout,)):
            with suppress(LeaseHeld):  # a worker has begun meanwhile, and ends it
                _, acquired = self._leases.acquire(database, shard.key, steal=False)
                is_unbegun = not queries.open_chunks_of(database, shard.key)
                _hand_back(database, shard.key, acquired.epoch, is_done=is_unbegun)

    async def close_all(self, driver: Driver) -> None:
        """Close the shards of a rollout that goes on in the process of its driver, which gets their chunks.

        Raises:
            LeaseHeld: A worker runs one of them.
            LeaseLost: Another process has taken over.
            JournalError: They could not be written.
        """
        chunks = await self._writer.write(self._close_all, driver)
        if chunks is not None:
            driver.take_chunks(chunks)

    def _close_all(self, database: Database, driver: Driver) -> Sequence[ChunkRecord] | None:
        rollout = driver.rollout.id
        lease.check(database, LeaseKey(rollout), driver.epoch)
        shards = self._records(database, _OPEN, (rollout,), locked=True)
        for shard in shards:
            _, acquired = self._leases.acquire(database, shard.key, steal=False)
            _hand_back(database, shard.key, acquired.epoch, is_done=True)
        return queries.chunks(database, rollout) if shards else None

    def _records(
        self, database: Database, statement: str, values: tuple[str | int, ...], *, locked: bool = False
    ) -> Sequence[ShardRecord]:
        query = database.query_locked if locked else database.query
        return [
            ShardRecord(
                key := LeaseKey(rollout, shard),
                attempt,
                wave,
                selection,
                lock,
                bool(is_done),
                COUNTS.decode(counts),
                results,
                self._leases.living_holder(database, Lease.of_row(key, tuple(lease_row))),
            )
            for rollout, shard, attempt, wave, selection, lock, is_done, counts, results, *lease_row
            in query(statement, values)
        ]  # fmt: skip


def read_admission(database: Database, leases: Leases, rollout: str) -> Admission:
    """Return whether calls of a rollout may be sent."""
    state, driver = _read_driver(database, rollout)
    return Admission(state, leases.living_holder(database, driver) is not None)


def _read_driver(database: Database, rollout: str) -> tuple[AdmissionState, Lease]:
    """Return what the driver of a rollout admits, and its lease."""
    ((state, *row),) = database.query(_ADMISSION, (rollout,))
    return AdmissionState(state), Lease.of_row(LeaseKey(rollout), tuple(row))


def _read_starts(database: Database, key: LeaseKey) -> Sequence[Start]:
    ((starts,),) = database.query(_STARTS, key)
    return decode_starts(starts)


def _within(chunks: Iterable[ChunkRecord], positions: set[int]) -> Sequence[ChunkRecord]:
    """Return chunks whose other phones count as settled: earlier shards have their results."""
    return [
        evolve(chunk, settled=chunk.settled.union(p for p in chunk.positions if p not in positions))
        for chunk in chunks
    ]
