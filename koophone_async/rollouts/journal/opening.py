"""Open the database of a journal, of the kind that its location names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts.journal.location import SqliteLocation
from koophone_async.rollouts.journal.machine import boot_clock
from koophone_async.rollouts.journal.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from collections.abc import Callable

    from koophone_async.rollouts.journal.database import Database
    from koophone_async.rollouts.journal.location import Location

EXTRA: Final = "koophone-async[distributed]"


def open_database(
    location: Location, lease_clock: Callable[[], float] | None, lock_timeout: float
) -> Database:
    """Open the database of a journal; create or migrate it if necessary.

    Raises:
        InvalidRequest: The location is invalid, or needs a package that is not installed.
        JournalError: It cannot be used.
    """
    if isinstance(location, SqliteLocation):
        return SqliteDatabase.open(location, lease_clock or boot_clock, lock_timeout)
    try:
        from koophone_async.rollouts.journal.postgresql.driver import PostgresDatabase  # noqa: PLC0415 - needs an extra
    except ImportError as error:  # without its binary wheel psycopg is installed, but not importable
        problem = f"PostgreSQL needs psycopg, which cannot be imported: pip install '{EXTRA}' ({error})"
        raise InvalidRequest("", "journal", problem, Rule.MISSING) from None
    return PostgresDatabase.open(location, lease_clock, lock_timeout)
