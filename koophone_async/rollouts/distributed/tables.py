"""The tables of procrastinate, in the database and the schema of a journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from procrastinate.schema import SchemaManager
from psycopg import errors

from koophone_async.rollouts.journal.errors import JournalError
from koophone_async.rollouts.journal.postgresql.connection import connect, parameters_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from koophone_async.rollouts.journal.postgresql.location import PostgresLocation

_LOCK: Final = int.from_bytes(b"KPrq")
"""Of whoever creates the tables in this database."""

_LOCK_TIMEOUT: Final = 60.0

_PRIVILEGES: Final = """
SELECT 'r', bool_and(
    has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
    AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))
FROM pg_catalog.pg_class
WHERE relkind = 'r' AND relname LIKE 'procrastinate%' AND relnamespace = current_schema()::regnamespace
UNION ALL
SELECT 'S', bool_and(has_sequence_privilege(oid, 'USAGE'))
FROM pg_catalog.pg_class
WHERE relkind = 'S' AND relname LIKE 'procrastinate%' AND relnamespace = current_schema()::regnamespace
"""
_GRANTS: Final = {
    "r": "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {} TO {}",
    "S": "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {} TO {}",
}
"""By the kind of what is in the schema."""


def connection_options(location: PostgresLocation) -> Mapping[str, Any]:
    """Return the options of connections that find the tables."""
    parameters = parameters_of(location)
    options = f"{parameters.pop('options', '')} -c search_path={location.schema}".strip()
    return {**parameters, "options": options}


def create_tables(location: PostgresLocation) -> None:
    """Create the tables, unless they exist, and check that they can be used.

    Raises:
        JournalError: The role may not create or use them.
    """
    with connect(location, _LOCK_TIMEOUT) as db, db.transaction():
        db.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", (_LOCK,))
        if db.execute("SELECT to_regclass('procrastinate_jobs')").fetchall() == [(None,)]:
            try:
                db.execute(SchemaManager.get_schema())
            except errors.InsufficientPrivilege as error:
                problem = (
                    f"the role {db.info.user} may not create the tables of procrastinate: start a worker once"
                    " with the role that owns the journal"
                )
                raise JournalError("", location.label, problem) from error
        missing = [kind for kind, is_granted in db.execute(_PRIVILEGES).fetchall() if not is_granted]
        if missing:
            grants = "; ".join(_GRANTS[kind].format(location.schema, db.info.user) for kind in missing)
            raise JournalError("", location.label, f"the role {db.info.user} lacks privileges: {grants}")
