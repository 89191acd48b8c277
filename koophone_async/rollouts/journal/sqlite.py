"""A journal in a SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from koophone_async.errors import KooPhoneError
from koophone_async.rollouts.journal import schema
from koophone_async.rollouts.journal.errors import JournalError
from koophone_async.sqlite_files import FileFormat, create_private

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from koophone_async.rollouts.journal.database import Value
    from koophone_async.rollouts.journal.location import SqliteLocation

FORMAT: Final = FileFormat(
    application_id=int.from_bytes(b"KPro"), version=schema.VERSION, columns=schema.COLUMNS
)
LOCK_TIMEOUT: Final = 8.0
"""Seconds to wait for other processes; shorter than a lease, so that a driver notices before it ends."""

_FULLY_CHECKED: Final = 8 * 1024 * 1024
"""Files up to this size are checked completely when they are opened, which takes about 10 ms."""

_FREED_PAGES: Final = 2_000
"""Pages that are freed at once; each may have to be moved."""

_SMALL_TABLES: Final = ("rollouts", "leases", "attempts")
"""What is checked in a larger file. Damage elsewhere is found when it is read."""

_MOUNTS: Final = Path("/proc/self/mountinfo")

_PROBLEMS: Final = {
    sqlite3.SQLITE_FULL: "the disk is full, or the file has reached its maximum size",
    sqlite3.SQLITE_READONLY: "is read-only",
    sqlite3.SQLITE_PERM: "is read-only",
    sqlite3.SQLITE_BUSY: "is locked by another program",
    sqlite3.SQLITE_LOCKED: "is locked by another program",
    sqlite3.SQLITE_CORRUPT: "is damaged",
    sqlite3.SQLITE_NOTADB: "is damaged, or no journal",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the operating system reports an input/output error",
}
"""By the primary code of the error."""


@define(eq=False)
class SqliteDatabase:
    """A SQLite file, used by the thread that opened it."""

    path: Path
    lease_clock: Callable[[], float]
    failures: tuple[type[Exception], ...] = field(default=(sqlite3.Error,), init=False)
    has_clock: bool = field(default=False, init=False)
    _db: sqlite3.Connection = field(init=False)
    _identity: tuple[int, int] = field(init=False)
    """Of the file that is open."""

    @classmethod
    def open(
        cls, location: SqliteLocation, lease_clock: Callable[[], float], lock_timeout: float = LOCK_TIMEOUT
    ) -> SqliteDatabase:
        """Open a journal; create or migrate it if necessary.

        Raises:
            JournalError: It cannot be used; nothing was written to it, unless it was being created.
        """
        database = cls(location.path.absolute(), lease_clock)
        try:
            database._open(location, lock_timeout)
        except ValueError as error:
            raise JournalError("", str(database.path), str(error)) from error
        except (sqlite3.Error, OSError) as error:
            raise database.describe(error) or error from error
        return database

    def _open(self, location: SqliteLocation, lock_timeout: float) -> None:
        with suppress(FileNotFoundError):  # no Linux
            location.check_file_system(_MOUNTS.read_text("utf-8", "surrogateescape"))
        is_new = not self.path.exists()
        if is_new:
            self.path.parent.mkdir(0o700, parents=True, exist_ok=True)
            create_private(self.path)
        self._identity = _identity(self.path)
        self._db = sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw", uri=True, timeout=lock_timeout, isolation_level=None
        )
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        version = self._check_format()
        self._db.execute("PRAGMA synchronous = FULL")
        if version == 0:
            self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._db.execute("PRAGMA journal_mode = WAL")
        if version < schema.VERSION:
            self._migrate()
        else:
            self._check_pages()
        self._make_private()

    def _check_format(self) -> int:
        """Return the version of the file, all read at one moment: another process may be creating it."""
        self._db.execute("BEGIN")
        try:
            return FORMAT.check_connection(self._db)
        finally:
            self._db.execute("ROLLBACK")

    def _check_pages(self) -> None:
        if self._pragma("page_count") * self._pragma("page_size") <= _FULLY_CHECKED:
            checks = ["PRAGMA quick_check(1)"]
        else:
            checks = [f"PRAGMA quick_check({table})" for table in _SMALL_TABLES]
        for check in checks:
            if self._db.execute(check).fetchone() != ("ok",):
                raise ValueError("is damaged")

    def _make_private(self) -> None:
        """Remove the access of others, which a copy or a restored backup may have."""
        if self.path.stat().st_mode & 0o077:
            with suppress(PermissionError):  # it is another user's
                self.path.chmod(0o600)

    def _migrate(self) -> None:
        """Create the tables, or bring those of an earlier version up to date, in one transaction."""
        with self.transaction():
            version = FORMAT.check_connection(self._db)  # another process may have been faster
            for statement in chain.from_iterable(schema.MIGRATIONS[version:]):
                self._db.execute(statement.format(serial="INTEGER PRIMARY KEY AUTOINCREMENT"))
            FORMAT.stamp(self._db)

    def _check_place(self) -> None:
        """Raise if the file was deleted or replaced: SQLite would go on writing what nobody finds again.

        Raises:
            JournalError: It was.
        """
        try:
            is_same = _identity(self.path) == self._identity
        except FileNotFoundError:
            is_same = False
        if not is_same:
            raise JournalError("", str(self.path), "was deleted or replaced while it was open")

    def _pragma(self, name: str) -> int:
        (value,) = self._db.execute(f"PRAGMA {name}").fetchone()
        return int(value)

    def query(self, statement: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT."""
        return self._db.execute(statement, values).fetchall()

    def query_locked(
        self, statement: str, values: Sequence[Value] = (), *, shared: bool = False
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT: in a transaction, the file is locked anyway."""
        return self.query(statement, values)

    def execute(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Execute a statement and return the number of rows that it changed."""
        return self._db.execute(statement, values).rowcount

    def execute_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        """Execute a statement for each row of values."""
        self._db.executemany(statement, rows)

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Commit to disk at the end, or undo everything if it raises."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._check_place()
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def savepoint(self) -> Generator[None]:
        """Undo everything since its beginning if it raises; the database itself undoes more when it fails."""
        self._db.execute("SAVEPOINT work")
        try:
            yield
        except self.failures:
            raise
        except BaseException:
            self._db.execute("ROLLBACK TO work")
            self._db.execute("RELEASE work")
            raise
        else:
            self._db.execute("RELEASE work")

    def shrink(self) -> bool:
        """Return some space of deleted rows to the operating system, and whether there is more."""
        self._db.executescript(f"PRAGMA incremental_vacuum({_FREED_PAGES})")  # `execute` would free one page
        return self._pragma("freelist_count") > 0

    def recover(self, error: Exception, failures: int) -> bool:
        """Return False: SQLite itself has waited for other processes, and what else fails fails again."""
        return False

    def describe(self, error: Exception) -> JournalError | None:
        """Return what an exception of SQLite or of the file system means to a person."""
        match error:
            case sqlite3.Error():
                problem = _PROBLEMS.get(_primary_code(error), "cannot be used")
                return JournalError("", str(self.path), f"{problem} ({error})")
            case OSError():
                return JournalError("", str(self.path), f"cannot be opened: {error.strerror or error}")
            case ValueError() if not isinstance(error, KooPhoneError):
                return JournalError("", str(self.path), f"is damaged ({error})")
            case _:
                return None

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _identity(path: Path) -> tuple[int, int]:
    """Return what tells a file from others that have its name before or after it."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
