"""Find rollouts in a journal, and delete old ones."""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Final

from attrs import frozen

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.journal import queries, schema
from koophone_async.rollouts.journal.encoding import to_micros

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

_ABANDONED: Final = "SELECT id FROM rollouts WHERE state = 'creating' AND created_at < ?"


@frozen
class Filter:
    """Which rollouts are wanted."""

    states: Collection[RolloutState] = ()
    name: str | None = None
    kind: Kind | None = None
    since: int = 0
    limit: int | None = None

    def fits(self, record: RolloutRecord) -> bool:
        """Return whether a rollout is wanted, but for the time, which the database compares."""
        return (
            (not self.states or record.state in self.states)
            and (self.name is None or fnmatchcase(record.name, self.name))
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

    def is_over(self, record: RolloutRecord, rank: int) -> bool:
        """Return whether a rollout that so many newer ones follow can be deleted."""
        is_old = to_micros(record.created_at) < self.before
        is_surplus = self.keep is not None and rank >= self.keep
        is_done = record.has_ended and record.driver is None
        return (is_old or is_surplus) and is_done and not any(map(record.counts.get, _KEPT))


def find(database: Database, leases: Leases, name: str) -> RolloutRecord:
    """Return the rollout with this id or beginning of an id, or the newest with this name.

    Raises:
        InvalidRequest: There is none, or several ids begin so.
    """
    if name == LAST:
        known = queries.ids_and_names(database)
        name = known[0][0] if known else name
    found = queries.rollout_by_id(database, leases, name) or queries.newest_with_name(database, leases, name)
    return found or _by_prefix(database, leases, name)


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
    records = queries.rollouts_since(database, leases, wanted.since)
    return list(islice(filter(wanted.fits, records), wanted.limit))


def prune(database: Database, leases: Leases, retention: Retention, now: int) -> list[RolloutRecord]:
    """Delete rollouts that have ended and that nobody has to look into, and return them."""
    records = select(database, leases, Filter(kind=retention.kind))
    deleted = [record for rank, record in enumerate(records) if retention.is_over(record, rank)]
    for record in deleted:
        delete(database, record.id)
    for (id,) in database.query(_ABANDONED, (now - _ABANDONED_AFTER,)):
        delete(database, id)
    return deleted


def delete(database: Database, id: str) -> None:
    """Delete everything of a rollout."""
    for table in schema.OWNED_TABLES:
        database.execute(f"DELETE FROM {table} WHERE rollout = ?", (id,))  # noqa: S608 - our own names
    database.execute("DELETE FROM rollouts WHERE id = ?", (id,))
