"""A journal in a PostgreSQL database.

A lost connection is opened again, and the transaction that it interrupted is repeated, unless the server has
committed it: what became of a COMMIT whose answer was lost is read from the status of its transaction id.
"""

from __future__ import annotations

import random
import time
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

import psycopg
from attrs import define, field

from koophone_async.errors import KooPhoneError
from koophone_async.rollouts.journal.errors import JournalError
from koophone_async.rollouts.journal.postgresql.connection import Connection, connect
from koophone_async.rollouts.journal.postgresql.errors import REPEATABLE, is_cut, message_of, problem_of
from koophone_async.rollouts.journal.postgresql.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from psycopg.rows import TupleRow

    from koophone_async.rollouts.journal.database import Value
    from koophone_async.rollouts.journal.postgresql.location import PostgresLocation

RECONNECT_TIMEOUT: Final = 30.0
"""Seconds for which a server that is gone is connected to again and again."""

_MAX_FAILURES: Final = 5
"""How often the same work is tried."""

_MAX_DELAY: Final = 1.0

_NUL: Final = "\N{SYMBOL FOR NULL}"

_BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_catalog.pg_current_xact_id()::text"
_STATUS: Final = "SELECT pg_catalog.pg_xact_status(%s::text::pg_catalog.xid8)"
_FINAL: Final = {"committed": True, "aborted": False}
"""Whether a transaction was committed, by its status; the server knows no status of a very old one."""

_CLOCK: Final = "SELECT extract(epoch FROM pg_catalog.clock_timestamp())::double precision"


@define(eq=False)
class PostgresDatabase:
    """A PostgreSQL database, used by the thread that opened it."""

    _location: PostgresLocation
    _lease_clock: Callable[[], float] | None
    _lock_timeout: float
    _sleep: Callable[[float], None]
    _db: Connection = field(init=False)
    failures: tuple[type[Exception], ...] = field(default=(psycopg.Error,), init=False)
    has_clock: bool = field(default=True, init=False)

    @classmethod
    def open(
        cls,
        location: PostgresLocation,
        lease_clock: Callable[[], float] | None,
        lock_timeout: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> PostgresDatabase:
        """Open a journal; create or migrate it if necessary.

        Raises:
            InvalidRequest: The location is invalid.
            JournalError: It cannot be used.
        """
        database = cls(location, lease_clock, lock_timeout, sleep)
        try:
            database._connect()
        except (psycopg.Error, OSError, ValueError) as error:
            raise database.describe(error) or error from error
        return database

    def _connect(self) -> None:
        db = connect(self._location, self._lock_timeout)
        try:
            Schema(self._location, db).prepare()
        except BaseException:
            db.close()
            raise
        self._db = db

    def lease_clock(self) -> float:
        """Return the seconds of the server's clock."""
        if self._lease_clock is not None:
            return self._lease_clock()
        ((now,),) = self.query(_CLOCK)
        return float(now)

    def query(self, statement: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT."""
        return self._execute(statement, values).fetchall()

    def query_locked(
        self, statement: str, values: Sequence[Value] = (), *, shared: bool = False
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT, which no other process changes until the transaction ends."""
        return self.query(f"{statement} FOR {'SHARE' if shared else 'UPDATE'}", values)

    def execute(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Execute a statement and return the number of rows that it changed."""
        return self._execute(statement, values).rowcount

    def execute_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        """Execute a statement for each row of values."""
        values = list(map(_storable, rows))
        if len(values) > 1:
            with self._db.cursor() as cursor:
                cursor.executemany(_translated(statement), values)
        elif values:  # without the round trips of a pipeline
            self._db.execute(_translated(statement), *values)

    def _execute(self, statement: str, values: Sequence[Value] = ()) -> psycopg.Cursor[TupleRow]:
        return self._db.execute(_translated(statement), _storable(values))

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Commit to disk at the end, or undo everything if it raises."""
        try:
            transaction = self._begin()
            yield
        except BaseException:
            with suppress(psycopg.Error):
                self._db.execute("ROLLBACK")
            raise
        self._commit(transaction)

    def _begin(self) -> str:
        """Begin a transaction and return its id."""
        cursor = self._db.execute(_BEGIN)
        cursor.nextset()
        ((id,),) = cursor.fetchall()
        return str(id)

    def _commit(self, transaction: str) -> None:
        try:
            status = self._db.execute("COMMIT").statusmessage
        except psycopg.Error as error:
            if not (is_cut(error) and self._was_committed(transaction)):
                raise
        else:
            if status != "COMMIT":
                raise JournalError("", self._location.label, f"a transaction was not committed, but {status}")

    def _was_committed(self, transaction: str) -> bool:
        """Return whether a transaction was committed whose connection was lost; wait until that is certain.

        Raises:
            JournalError: It is not known.
        """
        for delay in _delays(RECONNECT_TIMEOUT):
            status = self._status_of(transaction)
            if status in _FINAL:
                return _FINAL[status]
            self._sleep(delay)
        problem = "the connection was lost, and it is not known whether the last changes were written"
        raise JournalError("", self._location.label, problem)

    def _status_of(self, transaction: str) -> str | None:
        """Return the status of a transaction by a new connection; None if that is lost, too."""
        self._reconnect()
        try:
            ((status,),) = self._db.execute(_STATUS, (transaction,)).fetchall()
        except psycopg.Error:
            return None
        return cast("str | None", status)

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
            raise

    def shrink(self) -> bool:
        """Return False: the server itself uses the space of deleted rows again."""
        return False

    def recover(self, error: Exception, failures: int) -> bool:
        """Return whether work that failed can be repeated; nothing of it is written. May wait.

        Raises:
            JournalError: The server cannot be reached any more.
        """
        if failures >= _MAX_FAILURES:
            return False
        if isinstance(error, psycopg.Error) and is_cut(error):
            self._reconnect()
            return True
        return isinstance(error, REPEATABLE)

    def _reconnect(self) -> None:
        """Open the connection again, and wait for a server that is being restarted.

        Raises:
            JournalError: It cannot be reached, or another program has changed the journal meanwhile.
        """
        self._db.close()
        delays = _delays(RECONNECT_TIMEOUT)
        while True:
            try:
                return self._connect()
            except psycopg.OperationalError as error:
                if (delay := next(delays, None)) is None:
                    raise self._unreachable(error) from error
            self._sleep(delay)

    def _unreachable(self, error: psycopg.Error) -> JournalError:
        problem = f"the server cannot be reached since {RECONNECT_TIMEOUT:.0f} s ({message_of(error)})"
        return JournalError("", self._location.label, problem)

    def describe(self, error: Exception) -> JournalError | None:
        """Return what an exception of PostgreSQL means to a person."""
        match error:
            case psycopg.Error():
                return JournalError("", self._location.label, problem_of(error))
            case OSError():
                return JournalError("", self._location.label, f"cannot be opened: {error.strerror or error}")
            case ValueError() if not isinstance(error, KooPhoneError):
                return JournalError("", self._location.label, f"is damaged ({error})")
            case _:
                return None

    def close(self) -> None:
        """Close the connection."""
        self._db.close()


@lru_cache(maxsize=256)
def _translated(statement: str) -> bytes:
    """Return a statement with the placeholders of psycopg."""
    return statement.replace("%", "%%").replace("?", "%s").encode()


def _storable(values: Sequence[Value]) -> list[Value]:
    """Return values without NUL, which PostgreSQL cannot store; it is no part of JSON text."""
    return [value.replace("\0", _NUL) if isinstance(value, str) else value for value in values]


def _delays(total: float) -> Iterator[float]:
    """Yield the seconds between attempts: more and more, and together about as many as the total."""
    delay = 0.05
    while total > 0:
        yield delay * random.uniform(0.7, 1.3)  # noqa: S311 - so that not all processes come at once
        total -= delay
        delay = min(delay * 2, _MAX_DELAY)
