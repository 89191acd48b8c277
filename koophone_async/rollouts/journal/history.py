"""Find rollouts in a journal, and delete old ones."""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Final

from attrs import frozen

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.journal import queries, schema
from koophone_async.rollouts.journal.lease import LeaseKey, lock_lease
from koophone_async.rollouts.journal.records import ENDED_STATES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from koophone_async.rollouts.journal.database import Database
    from koophone_async.rollouts.journal.lease import Leases
    from koophone_async.rollouts.journal.records import Kind, RolloutRecord, RolloutState

LAST: Final = "last"
"""Name that always means the newest rollout."""

_KEPT: Final = ("unknown", "unfinished")
"""Outcome states that are looked into later."""

_ABANDONED_AFTER: Final = 24 * 3600 * 1_000_000
"""Microseconds after which a rollout whose targets were never completely written is deleted."""

_HIDE: Final = "UPDATE rollouts SET state = 'hidden' WHERE id = ?"
_DELETE: Final = "DELETE FROM rollouts WHERE id = ?"
_DELETE_SOME: Final = """
DELETE FROM {table} WHERE rollout = ? AND {key} IN (
    SELECT {key} FROM {table} WHERE rollout = ? ORDER BY {key} LIMIT 200)
"""
_ABANDONED: Final = "SELECT id FROM rollouts WHERE state = 'hidden' AND created_at < ?"


@frozen
class Filter:
    """Which rollouts are wanted."""

    states: Collection[RolloutState] = ()
    name: str | None = None
    kind: Kind | None = None
    since: int = 0
    until: int = 2**63 - 1
    limit: int | None = None

    def fits(self, record: RolloutRecord) -> bool:
        """Return whether a rollout is wanted, but for the time, which the database compares."""
        return (
            (not self.states or record.state in self.states)
            and (self.name is None or self.name == record.name or fnmatchcase(record.name, self.name))
            and self.kind in (None, record.kind)
        )


@frozen
class Retention:
    """How long rollouts are kept."""

    before: int = 0
    """Those created before this time are deleted, in microseconds since 1970."""

    kind: Kind | None = None
    """Of this kind only."""

    keep: int | None = None
    """Those beyond this number of the newest ones are deleted too."""


def find(database: Database, leases: Leases, name: str) -> RolloutRecord:
    """Return the rollout with this id or beginning of an id, or the newest with this name.

    Raises:
        InvalidRequest: There is none, or several ids begin so.
    """
    if name == LAST:
        found = queries.newest(database, leases)
    else:
        found = queries.rollout_by_id(database, leases, name)
    return found or queries.newest_with_name(database, leases, name) or _by_prefix(database, leases, name)


def _by_prefix(database: Database, leases: Leases, prefix: str) -> RolloutRecord:
    known = queries.ids_and_names(database)
    ids = [id for id, _ in known if prefix and id.startswith(prefix)]
    found = queries.rollout_by_id(database, leases, ids[0]) if len(ids) == 1 else None
    if found is not None:
        return found
    if ids:
        problem = f"{prefix!r} is the beginning of {len(ids)} ids: {', '.join(ids[:5])}"
    else:
        problem = f"there is no rollout {prefix!r}{_near(prefix, known)}"
    raise InvalidRequest("", "rollout", problem)


def _near(name: str, known: Sequence[tuple[str, str]]) -> str:
    if not known:
        return "; the journal is empty"
    near = get_close_matches(name, list(dict.fromkeys(text for pair in known for text in pair if text)), n=3)
    return f"; similar: {', '.join(near)}" if near else ""


def select(database: Database, leases: Leases, wanted: Filter) -> list[RolloutRecord]:
    """Return the rollouts that fit, the newest first."""
    records = queries.rollouts_between(database, leases, wanted.since, wanted.until)
    return list(islice(filter(wanted.fits, records), wanted.limit))


def hide_old(database: Database, leases: Leases, retention: Retention) -> list[RolloutRecord]:
    """Hide rollouts that have ended and that nobody has to look into, and return them."""
    rank = retention.keep
    surplus = None if rank is None else queries.creation_of(database, retention.kind, rank)
    until = max(retention.before, 0 if surplus is None else surplus + 1)
    wanted = Filter(ENDED_STATES, kind=retention.kind, until=until)
    for record in select(database, leases, wanted):
        lock_lease(database, LeaseKey(record.id))
    old = select(database, leases, wanted)
    hidden = [record for record in old if _is_done(record)]
    database.execute_many(_HIDE, [(record.id,) for record in hidden])
    return hidden


def abandoned(database: Database, now: int) -> list[str]:
    """Return the ids of rollouts that are hidden for long: whoever created or deleted them was killed."""
    return [id for (id,) in database.query(_ABANDONED, (now - _ABANDONED_AFTER,))]


def _is_done(record: RolloutRecord) -> bool:
    return record.driver is None and not any(map(record.counts.get, _KEPT))


def delete_some(database: Database, id: str, table: str) -> int:
    """Delete some rows of a hidden rollout, so that others can write in between; return their number."""
    key = schema.OWNED_TABLES[table]
    return database.execute(_DELETE_SOME.format(table=table, key=key), (id, id))


def delete(database: Database, id: str) -> None:
    """Delete a rollout of which nothing else is left."""
    database.execute(_DELETE, (id,))
