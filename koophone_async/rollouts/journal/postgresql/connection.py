"""Connections to PostgreSQL, with the settings that a journal relies on."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.file_access import UnusableFile, read_secret
from koophone_async.rollouts.journal.errors import JournalError
from koophone_async.text_input import decode_text

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg.abc import PQGen

    from koophone_async.rollouts.journal.postgresql.location import PostgresLocation

IDLE_TIMEOUT: Final = 5.0
"""Seconds after which the server undoes a transaction whose process was stopped or cannot be reached, so that
others do not wait for its locks; shorter than a lease."""

ANSWER_TIMEOUT: Final = 20.0
"""Seconds after which a connection without an answer is given up, such as one to a server that is frozen or
through a proxy that no longer forwards; longer than a lock is waited for."""

MIN_VERSION: Final = 130000
"""Before PostgreSQL 13 the status of a transaction cannot be asked for."""

_DEFAULTS: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "fallback_application_name": "koophone",
}
"""Options of libpq where the URL does not name them: a network that is gone is noticed within a lease."""

_MAX_PASSWORD: Final = 2**16
"""Maximum size of a file with a password."""

_SETTINGS: Final = """
SET search_path = {schema}, pg_temp;
SET idle_in_transaction_session_timeout = {idle_timeout};
SET lock_timeout = {lock_timeout};
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""


Returned = TypeVar("Returned")


class Connection(psycopg.Connection[TupleRow]):
    """A connection that is given up when the server does not answer."""

    answer_timeout: float | None = None
    """In seconds; None while the server may take long."""

    def wait(self, gen: PQGen[Returned], *arguments: Any, **options: Any) -> Returned:  # noqa: ANN401 - of psycopg
        """Wait for an answer, at most as long as it may take.

        Raises:
            psycopg.OperationalError: There is none; the connection is closed.
        """
        return super().wait(self._bounded(gen), *arguments, **options)

    def _bounded(self, gen: PQGen[Returned]) -> PQGen[Returned]:
        """Yield what is waited for; psycopg sends whether that came, or nothing did, ten times a second."""
        limit = self.answer_timeout
        ends_at = None if limit is None else monotonic() + limit
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and ends_at is not None and monotonic() > ends_at:
                    self.close()
                    raise psycopg.OperationalError(f"no answer for {limit} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            result: Returned = end.value
            return result


def connect(location: PostgresLocation, lock_timeout: float) -> Connection:
    """Connect to the server.

    Args:
        location: Of the journal.
        lock_timeout: Seconds to wait for locks of other transactions.

    Raises:
        InvalidRequest: An option is unknown or invalid.
        JournalError: The server or the database is not suitable.
        psycopg.Error: It is not possible.
        OSError: The file with the password cannot be read.
    """
    db = Connection.connect(**parameters_of(location), autocommit=True)
    db.answer_timeout = ANSWER_TIMEOUT
    try:
        _check(db, location)
        settings = SQL(_SETTINGS).format(
            schema=Identifier(location.schema),
            idle_timeout=int(IDLE_TIMEOUT * 1000),
            lock_timeout=max(1, int(lock_timeout * 1000)),
        )
        db.execute(settings)
    except BaseException:
        db.close()
        raise
    return db


def parameters_of(location: PostgresLocation) -> dict[str, Any]:
    """Return the parameters of connections to a journal.

    Raises:
        InvalidRequest: An option is unknown or invalid.
        OSError: The file with the password cannot be read.
    """
    try:
        parameters = conninfo_to_dict(location.url)
    except psycopg.Error:
        raise InvalidRequest("", "journal", _problem_of_options(location), Rule.BAD_FORMAT) from None
    if location.password_file is not None:
        parameters["password"] = _password_in(location.password_file)
    return {**_DEFAULTS, **parameters, "client_encoding": "utf8"}


def _password_in(file: Path) -> str:
    try:
        return decode_text(read_secret(file, _MAX_PASSWORD)).rstrip("\r\n")
    except (UnusableFile, ValueError) as error:
        raise UnusableFile(f"{file} {error}") from None


def _problem_of_options(location: PostgresLocation) -> str:
    """Return what is wrong with a URL; libpq's own message may show a part of a password."""
    known = {option.keyword.decode() for option in Conninfo.get_defaults()} | {"ssl", "requiressl"}
    names = [part.partition("=")[0] for part in location.url.partition("?")[2].split("&")]
    unknown = [name for name in names if name and name not in known]
    return f"{unknown[0]}: is no option of PostgreSQL" if unknown else "is no valid PostgreSQL URL"


def _check(db: Connection, location: PostgresLocation) -> None:
    if db.info.server_version < MIN_VERSION:
        raise JournalError("", location.label, f"needs PostgreSQL {MIN_VERSION // 10_000} or newer")
    encoding = db.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise JournalError(
            "", location.label, f"the encoding of the database is {encoding}; it has to be UTF8"
        )
