"""The tables of procrastinate, in the database and the schema of a journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from procrastinate.schema import SchemaManager
from psycopg import errors

from koophone_async.rollouts.journal.errors import JournalError
from koophone_async.rollouts.journal.postgresql_connection import connect, parameters_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from koophone_async.rollouts.journal.postgresql_location import PostgresLocation

_LOCK: Final = int.from_bytes(b"KPrq")
"""Of whoever creates the tables in this database."""

_LOCK_TIMEOUT: Final = 60.0


def connection_options(location: PostgresLocation) -> Mapping[str, Any]:
    """Return the options of connections that find the tables."""
    parameters = parameters_of(location)
    options = f"{parameters.pop('options', '')} -c search_path={location.schema}".strip()
    return {**parameters, "options": options}


def create_tables(location: PostgresLocation) -> None:
    """Create the tables, unless they exist.

    Raises:
        JournalError: The role may not create them.
    """
    with connect(location, _LOCK_TIMEOUT) as db, db.transaction():
        db.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", (_LOCK,))
        if db.execute("SELECT to_regclass('procrastinate_jobs')").fetchall() != [(None,)]:
            return
        try:
            db.execute(SchemaManager.get_schema())
        except errors.InsufficientPrivilege as error:
            problem = (
                f"the role {db.info.user} may not create the tables of procrastinate: start a worker once"
                " with the role that owns the journal"
            )
            raise JournalError("", location.label, problem) from error
