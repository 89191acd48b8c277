"""Events on disk until they are done: SQLite, one writer thread, one commit for all who wait."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, TypeVarTuple

from attrs import define, field

from koophone_async.errors import InvalidRequest
from koophone_async.events.errors import Reason, Rejected
from koophone_async.events.queues import QueuedEvent

if TYPE_CHECKING:
    from asyncio import Future, Task
    from collections.abc import Callable, Sequence

LOG: Final = logging.getLogger(__name__)

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")

_VERSION: Final = 1
_PATIENCE: Final = 0.2
"""Seconds that another process may still hold the journal when this one opens it."""

# AUTOINCREMENT: a number is never given twice, so that the greatest number taken divides old from new.
_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS tickets (digest BLOB PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tickets_by_end ON tickets (until);
PRAGMA user_version = {_VERSION};
"""
_PUT: Final = "INSERT INTO events (body) VALUES (?)"
_DONE: Final = "DELETE FROM events WHERE number = ?"
_TAKE: Final = "SELECT number, body FROM events WHERE number > ? ORDER BY number LIMIT ?"
_SPEND: Final = "INSERT OR REPLACE INTO tickets VALUES (?, ?)"
_FORGET: Final = "DELETE FROM tickets WHERE until < ?"


class _Write(NamedTuple):
    statement: str
    values: tuple[bytes | int, ...]
    written: Future[None] | None


@define(eq=False)
class Journal:
    """A queue on disk that outlives the process, however that ends.

    What `put` or `spend` has returned from is on disk (WAL, synchronous FULL). All who wait at one moment
    share one commit. `done` does not wait: what it could not write in time is only delivered again.

    The file holds tickets until their events are done, so only its owner may read it. One process at a time
    has it open.

    Args:
        path: Made when it is not there.
        most: The most events that are kept; further ones are refused.
    """

    path: Path = field(converter=Path)
    most: int
    _kept: int = field(default=0, init=False)
    _thread: ThreadPoolExecutor = field(init=False)
    _db: sqlite3.Connection = field(init=False)
    _writes: list[_Write] = field(factory=list["_Write"], init=False, repr=False)
    _writer: Task[None] | None = field(default=None, init=False)
    _taken: int = field(default=0, init=False)
    _more: bool = field(default=True, init=False)

    @property
    def outlives(self) -> bool:
        """Everything outlives the process."""
        return True

    @property
    def kept(self) -> int:
        """How many events are not done."""
        return self._kept

    async def open(self) -> Sequence[tuple[bytes, int]]:
        """Open the file, make it where it is not there, and give the used tickets.

        Raises:
            InvalidRequest: Another process has it open, it is damaged or of a later version, or it cannot be opened.
        """
        self._thread = ThreadPoolExecutor(1, "koophone-events")
        try:
            self._kept, tickets = await self._in_thread(self._open)
        except (sqlite3.Error, OSError, ValueError) as error:  # the last for words that are no text
            self._thread.shutdown()
            raise InvalidRequest("", "journal", f"{self.path} cannot be opened: {error}") from None
        self._taken, self._more = 0, True
        return tickets

    def _open(self) -> tuple[int, list[tuple[bytes, int]]]:
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = db = sqlite3.connect(self.path, timeout=_PATIENCE)
        try:
            return self._begin(db)
        except BaseException:
            db.close()
            raise

    def _begin(self, db: sqlite3.Connection) -> tuple[int, list[tuple[bytes, int]]]:
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
            db.execute(f"PRAGMA {pragma}")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError(f"it is of version {version}, and this package knows {_VERSION}")
        # 0.2 s for a million events. What stands behind a damaged page would be kept and never delivered.
        if db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("it is damaged")
        db.executescript(_SCHEMA)
        (kept,) = db.execute("SELECT count(*) FROM events").fetchone()
        return kept, db.execute("SELECT digest, until FROM tickets").fetchall()

    async def close(self) -> None:
        """Write what waits, and close the file."""
        if self._writer:
            await asyncio.wait([self._writer])
        await self._write_all()
        await self._in_thread(self._db.close)
        self._thread.shutdown()

    async def put(self, body: bytes) -> None:
        """Keep an event; when this returns it is on disk."""
        if self._kept >= self.most:
            raise Rejected(Reason.FULL)
        self._kept += 1
        try:
            await self._write(_PUT, body)
        except sqlite3.Error:
            self._kept -= 1
            raise Rejected(Reason.STORAGE) from None

    async def take(self, most: int) -> Sequence[QueuedEvent]:
        """Give the next events."""
        if not self._more:
            return ()
        self._more = False  # before the look: a commit during it sets it again
        try:
            rows = await self._in_thread(self._next, most)
        except sqlite3.Error:
            self._more = True
            raise
        self._taken = rows[-1][0] if rows else self._taken
        self._more |= len(rows) == most
        return [QueuedEvent(number, body) for number, body in rows]

    def _next(self, most: int) -> list[tuple[int, bytes]]:
        return self._db.execute(_TAKE, (self._taken, most)).fetchall()

    def done(self, parcel: QueuedEvent) -> None:
        """Keep an event no longer."""
        self._kept -= 1
        self._add(_Write(_DONE, (parcel.number,), None))

    def give_up(self, parcel: QueuedEvent) -> None:
        """Leave an event on disk, where the next start finds it."""

    async def spend(self, ticket: bytes, until: int, moment: int) -> None:
        """Keep a used ticket, and those no longer that ended before `moment`."""
        self._add(_Write(_FORGET, (moment,), None))
        try:
            await self._write(_SPEND, ticket, until)
        except sqlite3.Error:
            raise Rejected(Reason.STORAGE) from None

    async def _write(self, statement: str, *values: bytes | int) -> None:
        written = asyncio.get_running_loop().create_future()
        self._add(_Write(statement, values, written))
        await written

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
            LOG.error("the journal could not be written: %s", error)  # noqa: TRY400 - no more to tell
            failure: sqlite3.Error | None = error
        else:
            failure, self._more = None, True
        for write in writes:
            if write.written and not write.written.done():
                write.written.set_exception(failure) if failure else write.written.set_result(None)

    def _commit(self, writes: Sequence[_Write]) -> None:
        with self._db:
            for write in writes:
                self._db.execute(write.statement, write.values)

    def _in_thread(
        self, work: Callable[[*Arguments], Result], *arguments: *Arguments
    ) -> asyncio.Future[Result]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
