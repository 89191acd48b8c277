"""Workers: processes that drive rollouts and run shards, each with a heartbeat."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from koophone_async.rollouts.journal.encoding import STRINGS, from_micros, to_micros
from koophone_async.rollouts.journal.lease import HOLDER, Lease, LeaseKey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from koophone_async.rollouts.journal.database import Database
    from koophone_async.rollouts.journal.lease import Leases
    from koophone_async.rollouts.journal.records import Holder
    from koophone_async.rollouts.journal.writer import GroupWriter

_CREATE: Final = """
INSERT INTO workers (id, holder, version, queues, concurrency, started_at, beats, beat_at)
VALUES (?, ?, ?, ?, ?, ?, 0, ?)
"""
_BEAT: Final = "UPDATE workers SET beats = beats + 1, beat_at = ? WHERE id = ?"
_DELETE: Final = "DELETE FROM workers WHERE id = ?"
_DELETE_SILENT: Final = "DELETE FROM workers WHERE beat_at < ?"
_ALL: Final = """
SELECT id, holder, version, queues, concurrency, started_at, beat_at FROM workers ORDER BY started_at, id
"""
_HELD: Final = """
SELECT rollout, shard, epoch, renewals, expires_at, holder FROM leases WHERE holder IS NOT NULL
ORDER BY rollout, shard
"""

_FORGOTTEN_AFTER: Final = 24 * 3600.0
"""Seconds without a heartbeat after which a worker is no longer listed."""


@frozen
class NewWorker:
    """What a worker is started with."""

    version: str
    queues: tuple[str, ...]
    concurrency: int
    """Number of shards that it runs at the same time."""


@frozen
class WorkerRecord:
    """A worker, as it was when it was read."""

    id: str
    holder: Holder
    version: str
    queues: tuple[str, ...]
    concurrency: int
    started_at: datetime
    seconds_since_beat: float
    holds: Sequence[LeaseKey]
    """Rollouts that it drives, and shards that it runs."""


@define(eq=False)
class Workers:
    """The workers of a journal."""

    _writer: GroupWriter
    _leases: Leases
    _now: Callable[[], datetime]
    _id: str = field(factory=lambda: secrets.token_hex(5), init=False)

    async def register(self, new: NewWorker) -> None:
        """Write this process down as a worker.

        Raises:
            JournalError: It could not be written.
        """
        await self._writer.write(self._register, new, to_micros(self._now()))

    def _register(self, database: Database, new: NewWorker, at: int) -> None:
        now = database.lease_clock()
        database.execute(_DELETE_SILENT, (now - _FORGOTTEN_AFTER,))
        holder, queues = HOLDER.encode(self._leases.me), STRINGS.encode(new.queues)
        database.execute(_CREATE, (self._id, holder, new.version, queues, new.concurrency, at, now))

    async def beat(self) -> None:
        """Write that this worker is alive.

        Raises:
            JournalError: It could not be written.
        """
        await self._writer.write(lambda database: database.execute(_BEAT, (database.lease_clock(), self._id)))

    async def unregister(self) -> None:
        """Remove this worker from the list.

        Raises:
            JournalError: It could not be written.
        """
        await self._writer.write(lambda database: database.execute(_DELETE, (self._id,)))

    async def all(self) -> Sequence[WorkerRecord]:
        """Return the workers, the one first that was started first."""
        return await self._writer.read(self._all)

    def _all(self, database: Database) -> Sequence[WorkerRecord]:
        now, held = database.lease_clock(), self._held(database)
        return [
            WorkerRecord(
                id,
                HOLDER.decode(holder),
                version,
                STRINGS.decode(queues),
                concurrency,
                from_micros(started_at),
                max(0.0, now - beat_at),
                held.get(holder, ()),
            )
            for id, holder, version, queues, concurrency, started_at, beat_at in database.query(_ALL)
        ]

    def _held(self, database: Database) -> dict[str, list[LeaseKey]]:
        """Return the leases that living processes hold, by holder."""
        held: dict[str, list[LeaseKey]] = {}
        for rollout, shard, *row in database.query(_HELD):
            known = Lease.of_row(LeaseKey(rollout, shard), tuple(row))
            if self._leases.living_holder(database, known) is not None:
                held.setdefault(row[-1], []).append(known.key)
        return held
