"""The part of a database that a journal needs: SQLite has it, and PostgreSQL can have it.

Statements are in the common subset of both, with `?` for each value. One thread uses a database.
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

    def lease_clock(self) -> float:
        """Return the seconds of the clock that leases are measured with."""
        ...

    def shrink(self) -> bool:
        """Return some space of deleted rows to the operating system, and whether there is more."""
        ...

    def describe(self, error: Exception) -> JournalError | None:
        """Return what an exception of this database means to a person; None if it is another's."""
        ...

    def close(self) -> None:
        """Close it."""
        ...
