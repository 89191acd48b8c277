"""Persistent event queue: SQLite, one writer thread, group commit."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, TypeVarTuple

from attrs import define, field

from koophone_async.errors import InvalidRequest
from koophone_async.events.errors import Reason, Rejected
from koophone_async.events.limits import MIB
from koophone_async.events.queues import QueuedEvent
from koophone_async.events.used_tickets import UsedTicket
from koophone_async.sqlite_files import FileFormat, create_private

if TYPE_CHECKING:
    from asyncio import Future, Task
    from collections.abc import Callable, Sequence

LOG: Final = logging.getLogger(__name__)

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")

_LOCK_TIMEOUT: Final = 0.2
"""Seconds to wait for another process that has the journal open."""

FORMAT: Final = FileFormat(
    application_id=int.from_bytes(b"KPev"),
    version=1,
    columns={
        "events": frozenset({"number", "body"}),
        "tickets": frozenset({"number", "digest", "session", "until"}),
    },
)

# AUTOINCREMENT never reuses a number, so every event above the last number read is a new one.
_TABLES: Final = (
    "CREATE TABLE events (number INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL)",
    "CREATE TABLE tickets (number INTEGER PRIMARY KEY, digest BLOB UNIQUE, session BLOB, until INTEGER)",
)
_INSERT: Final = "INSERT INTO events (body) VALUES (?)"
_DELETE: Final = "DELETE FROM events WHERE number = ?"
_NEXT: Final = "SELECT number, body FROM events WHERE number > ? ORDER BY number LIMIT ?"
_INSERT_TICKET: Final = "INSERT OR REPLACE INTO tickets (digest, session, until) VALUES (?, ?, ?)"
_DELETE_TICKET: Final = "DELETE FROM tickets WHERE digest = ?"
_TICKETS: Final = "SELECT digest, session, until FROM tickets ORDER BY number"


class _Write(NamedTuple):
    statement: str
    values: tuple[bytes | int | None, ...]
    committed: Future[None] | None


@define(eq=False)
class Journal:
    """A queue on disk that survives the end of the process, including a kill.

    When `put` or `spend` returns, the data is on disk (WAL, synchronous FULL). Concurrent calls share one
    commit. `done` does not wait: an event whose deletion was not committed in time is delivered again.

    The file contains tickets until their events are done, so only its owner may read it. Only one process
    can have it open.

    Args:
        path: Created if it does not exist.
        max_events: Maximum number of stored events; further ones are refused.
        max_bytes: Maximum size of the file; events that would exceed it are refused.
        free_disk: Bytes that are left free on the disk.
    """

    path: Path = field(converter=Path)
    max_events: int
    max_bytes: int = 1024 * MIB
    free_disk: int = 16 * MIB
    _size: int = field(default=0, init=False)
    _used_bytes: int = field(default=0, init=False)
    """Size of the file without its free pages, at the last commit."""

    _pending_bytes: int = field(default=0, init=False)
    """Size of the events that are not committed yet."""

    _thread: ThreadPoolExecutor = field(init=False)
    _db: sqlite3.Connection = field(init=False)
    _writes: list[_Write] = field(factory=list["_Write"], init=False, repr=False)
    _writer: Task[None] | None = field(default=None, init=False)
    _last_read: int = field(default=0, init=False)
    _has_more: bool = field(default=True, init=False)

    @property
    def is_persistent(self) -> bool:
        """Always: events are on disk."""
        return True

    @property
    def size(self) -> int:
        """Number of events that are not done."""
        return self._size

    async def open(self) -> Sequence[UsedTicket]:
        """Open the file, creating it if necessary, and return the used tickets.

        Raises:
            InvalidRequest: Another process has the file open, it is damaged, of another program or of a later
                version, or the operating system cannot open it.
        """
        self._thread = ThreadPoolExecutor(1, "koophone-events")
        try:
            self._size, tickets = await self._in_thread(self._open)
        except (sqlite3.Error, OSError, ValueError) as error:
            self._thread.shutdown()
            raise InvalidRequest("", "journal", f"{self.path} cannot be opened: {error}") from None
        self._last_read, self._has_more = 0, True
        return tickets

    def _open(self) -> tuple[int, list[UsedTicket]]:
        version = FORMAT.check(self.path)
        create_private(self.path)
        self._db = db = sqlite3.connect(self.path, timeout=_LOCK_TIMEOUT)
        try:
            if not version:
                _create_tables(db)
            return self._prepare(db)
        except BaseException:
            db.close()
            raise

    def _prepare(self, db: sqlite3.Connection) -> tuple[int, list[UsedTicket]]:
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
            db.execute(f"PRAGMA {pragma}")
        # 0.2 s for a million events. Without it, events on a damaged page would never be delivered.
        if db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("the file is damaged")
        (size,) = db.execute("SELECT count(*) FROM events").fetchone()
        self._used_bytes = _used_bytes(db)
        return size, [UsedTicket(*row) for row in db.execute(_TICKETS)]

    async def close(self) -> None:
        """Commit pending writes and close the file."""
        if self._writer:
            await asyncio.wait([self._writer])
        await self._write_all()
        await self._in_thread(self._db.close)
        self._thread.shutdown()

    async def put(self, body: bytes) -> None:
        """Store an event; it is on disk when this returns."""
        if self._size >= self.max_events or not self._has_room(len(body)):
            raise Rejected(Reason.FULL)
        self._size += 1
        self._pending_bytes += len(body)
        try:
            await self._write(_INSERT, body)
        except sqlite3.Error:
            self._size -= 1
            raise Rejected(Reason.STORAGE) from None
        finally:
            self._pending_bytes -= len(body)

    def _has_room(self, size: int) -> bool:
        needed = self._pending_bytes + size
        return (
            self._used_bytes + needed <= self.max_bytes
            and shutil.disk_usage(self.path.parent).free - needed >= self.free_disk
        )

    async def take(self, count: int) -> Sequence[QueuedEvent]:
        """Return up to `count` of the next events."""
        if not self._has_more:
            return ()
        self._has_more = False  # before reading: a commit in the meantime sets it again
        try:
            rows = await self._in_thread(self._next, count)
        except sqlite3.Error:
            self._has_more = True
            raise
        self._last_read = rows[-1][0] if rows else self._last_read
        self._has_more |= len(rows) == count
        return [QueuedEvent(number, body) for number, body in rows]

    def _next(self, count: int) -> list[tuple[int, bytes]]:
        return self._db.execute(_NEXT, (self._last_read, count)).fetchall()

    def done(self, event: QueuedEvent) -> None:
        """Delete an event."""
        self._size -= 1
        self._add(_Write(_DELETE, (event.number,), None))

    def give_up(self, event: QueuedEvent) -> None:
        """Leave an event on disk until the next start."""

    async def spend(self, ticket: UsedTicket, forgotten: Sequence[UsedTicket]) -> None:
        """Store a used ticket, and delete those that are forgotten."""
        for old in forgotten:
            self._add(_Write(_DELETE_TICKET, (old.digest,), None))
        try:
            await self._write(_INSERT_TICKET, ticket.digest, ticket.session, ticket.end)
        except sqlite3.Error:
            raise Rejected(Reason.STORAGE) from None

    async def _write(self, statement: str, *values: bytes | int | None) -> None:
        committed = asyncio.get_running_loop().create_future()
        self._add(_Write(statement, values, committed))
        await committed

    def _add(self, write: _Write) -> None:
        self._writes.append(write)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        try:
            while self._writes:
                writes, self._writes = self._writes, []
                await self._write_group(writes)
        finally:
            self._writer = None

    async def _write_group(self, writes: Sequence[_Write]) -> None:
        try:
            await self._in_thread(self._commit, writes)
        except sqlite3.Error as error:
            LOG.error("the journal could not be written: %s", error)  # noqa: TRY400 - the traceback adds nothing
            failure: sqlite3.Error | None = error
        else:
            failure, self._has_more = None, True
        for write in writes:
            if write.committed and not write.committed.done():
                write.committed.set_exception(failure) if failure else write.committed.set_result(None)

    def _commit(self, writes: Sequence[_Write]) -> None:
        with self._db:
            for write in writes:
                self._db.execute(write.statement, write.values)
        self._used_bytes = _used_bytes(self._db)

    def _in_thread(
        self, work: Callable[[*Arguments], Result], *arguments: *Arguments
    ) -> asyncio.Future[Result]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


def _create_tables(db: sqlite3.Connection) -> None:
    """Create the tables and the identity in one transaction, in the file itself: no log of WAL exists yet."""
    with db:
        db.execute("BEGIN EXCLUSIVE")
        for table in _TABLES:
            db.execute(table)
        FORMAT.stamp(db)


def _used_bytes(db: sqlite3.Connection) -> int:
    """Return the size of a file without its free pages, which new events fill."""
    pages, free, page_size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * page_size)
