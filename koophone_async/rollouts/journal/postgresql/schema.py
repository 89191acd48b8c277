"""The tables of a journal in PostgreSQL: created, migrated and checked."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from attrs import frozen
from psycopg import errors
from psycopg.sql import SQL, Identifier

from koophone_async.rollouts.journal import schema
from koophone_async.rollouts.journal.errors import JournalError

if TYPE_CHECKING:
    from koophone_async.rollouts.journal.postgresql.connection import Connection
    from koophone_async.rollouts.journal.postgresql.location import PostgresLocation

_PRIVILEGES: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
_READER: Final = frozenset({"SELECT"})
_SERIAL: Final = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"  # needs no privilege for a sequence
_LOCK: Final = int.from_bytes(b"KPro")
"""Of whoever creates or migrates a journal in this database."""

_MIGRATION_LOCK_TIMEOUT: Final = "60s"
"""For what others do with a table that is changed: they go on meanwhile, and are waited for."""

_TABLES: Final = """
SELECT c.relname::text, array_agg(a.attname::text), array(
    SELECT p FROM unnest(%s::text[]) p WHERE pg_catalog.has_table_privilege(c.oid, p))
FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = %s AND c.relkind IN ('r', 'p') GROUP BY c.oid, c.relname
"""


@frozen
class _Table:
    columns: frozenset[str]
    privileges: frozenset[str]
    """Of this role."""


@frozen
class Schema:
    """The schema of a journal, as a connection sees it."""

    _location: PostgresLocation
    _db: Connection

    def prepare(self) -> None:
        """Create or migrate the tables if necessary, and check them.

        Raises:
            JournalError: They cannot be used.
        """
        tables = self._tables()
        if self._version(tables) < schema.VERSION:
            self._migrate()
            tables = self._tables()
        self._check(tables)

    def _tables(self) -> dict[str, _Table]:
        rows = self._db.execute(_TABLES, (list(_PRIVILEGES), self._location.schema)).fetchall()
        return {name: _Table(frozenset(columns), frozenset(granted)) for name, columns, granted in rows}

    def _version(self, tables: dict[str, _Table]) -> int:
        """Return the version of the tables; 0 if there are none."""
        if "journal_version" not in tables:
            if tables.keys() & schema.COLUMNS.keys():
                raise self._error(f"the schema {self._location.schema} has tables of another program")
            return 0
        try:
            ((version,),) = self._db.execute("SELECT version FROM journal_version").fetchall()
        except (errors.InsufficientPrivilege, errors.UndefinedTable):  # a schema is hidden without USAGE
            raise self._lacks("USAGE", "SCHEMA") from None
        if version > schema.VERSION:
            raise self._error(
                f"has version {version}, and this program knows {schema.VERSION}: update koophone-async"
            )
        return int(version)

    def _migrate(self) -> None:
        """Create the tables, or bring those of an earlier version up to date, in one transaction."""
        limit, self._db.answer_timeout = self._db.answer_timeout, None
        try:
            with self._db.transaction():
                self._db.execute(f"SET LOCAL lock_timeout = '{_MIGRATION_LOCK_TIMEOUT}'")
                self._db.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", (_LOCK,))
                version = self._version(self._tables())  # another process may have been faster
                if version == 0:
                    self._create()
                for statement in chain.from_iterable(schema.MIGRATIONS[version:]):
                    self._db.execute(statement.format(serial=_SERIAL).encode())
                self._db.execute("UPDATE journal_version SET version = %s", (schema.VERSION,))
        except errors.InsufficientPrivilege as error:
            raise self._error(self._missing_for_migration()) from error
        finally:
            self._db.answer_timeout = limit

    def _create(self) -> None:
        ((exists,),) = self._db.execute(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = %s)", (self._location.schema,)
        ).fetchall()
        if not exists:
            self._db.execute(SQL("CREATE SCHEMA {}").format(Identifier(self._location.schema)))
        self._db.execute("CREATE TABLE journal_version (version BIGINT NOT NULL)")
        self._db.execute("INSERT INTO journal_version VALUES (0)")

    def _missing_for_migration(self) -> str:
        role, database = self._db.info.user, self._db.info.dbname
        return (
            f"the role {role} may not create or migrate the tables: open the journal once with the role that"
            f" owns them, or GRANT CREATE ON DATABASE {database} TO {role}"
        )

    def _check(self, tables: dict[str, _Table]) -> None:
        for name, columns in schema.COLUMNS.items():
            if name not in tables or not columns <= tables[name].columns:
                raise self._error(f"is damaged: the table {name} or a column of it is missing")
        granted = [tables[name].privileges for name in schema.COLUMNS]
        if any(privileges != _READER for privileges in granted):  # who only reads needs nothing else
            missing = {
                privilege
                for privileges in granted
                for privilege in _PRIVILEGES
                if privilege not in privileges
            }
            if missing:
                raise self._lacks(", ".join(sorted(missing, key=_PRIVILEGES.index)), "ALL TABLES IN SCHEMA")

    def _lacks(self, privileges: str, where: str) -> JournalError:
        role, name = self._db.info.user, self._location.schema
        grant = f"GRANT {privileges} ON {where} {name} TO {role}"
        return self._error(f"the role {role} lacks a privilege: {grant}")

    def _error(self, problem: str) -> JournalError:
        return JournalError("", self._location.label, problem)
