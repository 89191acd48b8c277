"""The journal of rollouts: what survives the end of a process.

A chunk is on disk as `sending` before its first byte leaves, so that after a crash each phone is either
certainly untouched, or known by the handle of its job, or reported as unknown; none is sent twice.

SQLite is used directly, not through SQLAlchemy: importing that takes 0.5 s of CPU where sqlite3 takes 0.01 s,
and a command on one phone may cost 1.2 times as much with a journal as without. The statements are in the
common subset of SQLite and PostgreSQL, behind the small protocol `Database`.
"""

from koophone_async.rollouts.journal.database import Database
from koophone_async.rollouts.journal.driver import Driver
from koophone_async.rollouts.journal.errors import JournalError, LeaseHeld, LeaseLost
from koophone_async.rollouts.journal.journal import Journal
from koophone_async.rollouts.journal.location import default_location
from koophone_async.rollouts.journal.records import (
    Actor,
    AttemptRecord,
    ChunkRecord,
    ChunkState,
    Holder,
    Kind,
    LogEntry,
    NewRollout,
    Request,
    RequestKind,
    Result,
    RolloutRecord,
    RolloutState,
    Target,
    WaitingFor,
)

__all__ = [
    "Actor",
    "AttemptRecord",
    "ChunkRecord",
    "ChunkState",
    "Database",
    "Driver",
    "Holder",
    "Journal",
    "JournalError",
    "Kind",
    "LeaseHeld",
    "LeaseLost",
    "LogEntry",
    "NewRollout",
    "Request",
    "RequestKind",
    "Result",
    "RolloutRecord",
    "RolloutState",
    "Target",
    "WaitingFor",
    "default_location",
]
