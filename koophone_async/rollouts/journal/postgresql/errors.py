"""What errors of PostgreSQL mean: to a person, and for whether the work can be repeated."""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg import errors

REPEATABLE: Final = (errors.DeadlockDetected, errors.SerializationFailure)
"""The server has undone the transaction because of another one."""

_CUT: Final = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03", "25P04"})
"""The server ends the connection: it is shut down, starts, or has waited too long for this process."""

_PROBLEMS: Final = (
    (errors.DiskFull, "the server's disk is full"),
    (errors.ReadOnlySqlTransaction, "is read-only"),
    (errors.TooManyConnections, "the server has too many connections"),
    (errors.LockNotAvailable, "is locked by another program"),
    (errors.InsufficientPrivilege, "the role lacks a privilege"),
    (errors.UndefinedTable, "is damaged"),
    (errors.UndefinedColumn, "is damaged"),
    (errors.InvalidSchemaName, "is damaged"),
    (errors.DataCorrupted, "is damaged"),
    (errors.IndexCorrupted, "is damaged"),
    (errors.IoError, "cannot be read or written"),
    (REPEATABLE, "other transactions were in the way again and again"),
)


def is_cut(error: psycopg.Error) -> bool:
    """Return whether an error means that the connection is lost."""
    if error.sqlstate is None:  # from the client's side of the connection
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate.startswith("08") or error.sqlstate in _CUT


def problem_of(error: psycopg.Error) -> str:
    """Return what an error means to a person."""
    text = next((text for kind, text in _PROBLEMS if isinstance(error, kind)), None)
    if text is None:
        text = "the server cannot be reached" if is_cut(error) else "cannot be used"
    return f"{text} ({message_of(error)})"


def message_of(error: psycopg.Error) -> str:
    """Return the message of the server or of libpq, without details: these may show rows."""
    text = error.diag.message_primary or str(error)
    return " ".join(text.split())
