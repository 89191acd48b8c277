"""Shared permits in a PostgreSQL database: one row for each scope, locked while a request is settled."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from psycopg import AsyncConnection, Error, ProgrammingError
from psycopg.conninfo import make_conninfo

from koophone_async.errors import InvalidRequest
from koophone_async.limits.shared.ledger import settle
from koophone_async.limits.shared.store import KEPT, TIMEOUT, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from koophone_async.limits.shared.ledger import Answer, Request

_EPOCH: Final = ""
"""The key of the row that says since when the table exists, by the server's clock."""

_EXISTS: Final = "SELECT to_regclass('koophone_quotas') IS NOT NULL"

# Unlogged, because losing it in a crash is safe: an empty table grants nothing for a window. So no exchange
# waits for the disk. Half of each page is left free for updates.
_CREATE: Final = """
CREATE UNLOGGED TABLE IF NOT EXISTS koophone_quotas (
    key TEXT PRIMARY KEY, document TEXT NOT NULL, used TIMESTAMPTZ NOT NULL DEFAULT now()
) WITH (fillfactor = 50)
"""
_LOCK_SCHEMA: Final = "SELECT pg_advisory_xact_lock(hashtext('koophone_quotas'))"
_PRUNE: Final = "DELETE FROM koophone_quotas WHERE key <> %s AND used < now() - make_interval(secs => %s)"

_LOCK: Final = """
INSERT INTO koophone_quotas (key, document) SELECT unnest(%s::text[]), '{}'
ON CONFLICT (key) DO UPDATE SET used = now() RETURNING key, document
"""
_NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_READ: Final = f"SELECT {_NOW}, (SELECT document FROM koophone_quotas WHERE key = %s)"  # noqa: S608 - constants
_START: Final = f"""
INSERT INTO koophone_quotas (key, document) VALUES (%s, {_NOW}::text)
ON CONFLICT (key) DO UPDATE SET document = excluded.document
"""  # noqa: S608 - constants
_WRITE: Final = "UPDATE koophone_quotas SET document = %s WHERE key = %s"

_OPTIONS: Final = f"-c idle_in_transaction_session_timeout={TIMEOUT:.0f}s -c lock_timeout={TIMEOUT:.0f}s"
"""A process that is stopped in the middle of an exchange must not keep the rows locked."""


class PostgresStore:
    """Settles requests in this process, each in a transaction that locks the rows of their scopes."""

    def __init__(self, url: str, address: str, username: str | None, password: str | None) -> None:
        """Prepare the connection.

        Raises:
            InvalidRequest: The URL has a parameter that libpq does not know.
        """
        login = {"user": username, "password": password}
        self.address = address
        try:
            self._conninfo = make_conninfo(
                url, options=_OPTIONS, **{name: value for name, value in login.items() if value is not None}
            )
        except ProgrammingError:  # its text may quote the password
            raise InvalidRequest("", "limits", "is no URL that libpq accepts") from None
        self._connection: AsyncConnection | None = None

    async def settle(self, requests: Mapping[str, Request]) -> Mapping[str, Answer]:
        """Settle the requests of several scopes in one transaction.

        Raises:
            StoreError: There is no answer. The requests may have been settled.
        """
        try:
            async with asyncio.timeout(TIMEOUT):
                self._connection = self._connection or await self._connect()
                return await self._settle(self._connection, requests)
        except (Error, OSError) as error:
            await self.close()
            raise StoreError(str(error).partition("\n")[0] or type(error).__name__) from None
        except BaseException:
            await self.close()
            raise

    async def _settle(
        self, connection: AsyncConnection, requests: Mapping[str, Request]
    ) -> Mapping[str, Answer]:
        answers: dict[str, Answer] = {}
        async with connection.transaction():
            # In the order of the keys, so that two processes never wait for each other.
            rows = await (await connection.execute(_LOCK, [sorted(requests)])).fetchall()
            now, since = await self._times(connection)
            for key, text in rows:
                document = json.loads(text)
                answers[key] = settle(document, requests[key], now, since)
                await connection.execute(_WRITE, [json.dumps(document), key])
        return answers

    async def _times(self, connection: AsyncConnection) -> tuple[int, int]:
        row: Any = await (await connection.execute(_READ, [_EPOCH])).fetchone()
        now, since = int(row[0]), int(row[1] or 0)
        if not since or since > now:
            await connection.execute(_START, [_EPOCH])
            return now, now
        return now, since

    async def _connect(self) -> AsyncConnection:
        connection = await AsyncConnection.connect(self._conninfo, autocommit=True, connect_timeout=2)
        row: Any = await (await connection.execute(_EXISTS)).fetchone()
        if not row[0]:
            async with connection.transaction():
                await connection.execute(_LOCK_SCHEMA)  # two at once would fail, IF NOT EXISTS or not
                await connection.execute(_CREATE)
        await connection.execute(_PRUNE, [_EPOCH, KEPT])
        return connection

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
