"""The part of a database that a journal needs: SQLite and PostgreSQL have it.

Statements are in the common subset of both, with `?` for each value. One thread uses a database. Its
transactions run one after the other in SQLite, and beside those of other processes in PostgreSQL, at the
level READ COMMITTED: what a transaction reads and then relies on has to be locked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from koophone_async.rollouts.journal.errors import JournalError

Value: TypeAlias = str | int | float | None


class Database(Protocol):
    """An open database."""

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """The exceptions of the database itself."""
        ...

    def query(self, statement: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT."""
        ...

    def query_locked(
        self, statement: str, values: Sequence[Value] = (), *, shared: bool = False
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT, which no other process changes until the transaction ends.

        Args:
            statement: Without groups or aggregates.
            values: Of the statement.
            shared: Whether other transactions may lock the rows, too, if theirs is shared.
        """
        ...

    def execute(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Execute a statement and return the number of rows that it changed."""
        ...

    def execute_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        """Execute a statement for each row of values."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Return a context that commits to disk at its end, or undoes everything if it raises."""
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """Return a context, in a transaction, of which everything is undone if it raises."""
        ...

    @property
    def has_clock(self) -> bool:
        """Whether everybody who uses the database measures leases by the same clock, its own."""
        ...

    def lease_clock(self) -> float:
        """Return the seconds of the clock that leases are measured with."""
        ...

    def shrink(self) -> bool:
        """Return some space of deleted rows to the operating system, and whether there is more."""
        ...

    def recover(self, error: Exception, failures: int) -> bool:
        """Return whether work that failed can be repeated; nothing of it is written. May wait.

        Args:
            error: One of `failures`.
            failures: How often this work has failed.

        Raises:
            JournalError: It cannot, for a reason other than this error.
        """
        ...

    def describe(self, error: Exception) -> JournalError | None:
        """Return what an exception of this database means to a person; None if it is another's."""
        ...

    def close(self) -> None:
        """Close it."""
        ...
