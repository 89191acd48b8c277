"""Leases: one process drives a rollout at a time, and those that drove it before can change nothing more.

A driver renews its lease; living means that it does. Each new driver has a higher epoch, and every
transaction of a driver checks that its epoch is the current one. So a process that was stopped for longer
than its lease and wakes up finds itself locked out, however late its clock lets it notice.

The end of a lease is a time of the database's clock, if that is a server. In a file it is a time of the
boot-time clock, which no one can set. A process that does not share that clock (another machine, or a
container with a clock of its own) watches instead: a lease that is not renewed for its length by the
watcher's own clock has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from attrs import define, field, frozen

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.journal.encoding import Codec
from koophone_async.rollouts.journal.errors import LeaseHeld, LeaseLost
from koophone_async.rollouts.journal.machine import Process
from koophone_async.rollouts.journal.records import Actor, Holder

if TYPE_CHECKING:
    from koophone_async.rollouts.journal.database import Database

LENGTH: Final = 15.0
"""Seconds that a lease lasts."""

RENEWAL: Final = 5.0
"""Seconds between two renewals."""

HOLDER: Final = Codec[Holder](Holder)

_READ: Final = "SELECT epoch, renewals, expires_at, holder FROM leases WHERE rollout = ? AND shard = ?"
_CREATE: Final = (
    "INSERT INTO leases (rollout, shard, epoch, renewals, expires_at, holder) VALUES (?, ?, 0, 0, 0, NULL)"
)
_ACQUIRE: Final = (
    "UPDATE leases SET epoch = epoch + 1, renewals = renewals + 1, expires_at = ?, holder = ?"
    " WHERE rollout = ? AND shard = ?"
)
_RENEW: Final = (
    "UPDATE leases SET renewals = renewals + 1, expires_at = ? WHERE rollout = ? AND shard = ? AND epoch = ?"
)
_RELEASE: Final = (
    "UPDATE leases SET expires_at = 0, holder = NULL WHERE rollout = ? AND shard = ? AND epoch = ?"
)


class LeaseKey(NamedTuple):
    """What a lease is for: a rollout, or one shard of it."""

    rollout: str
    shard: int = 0
    """0 for the rollout itself."""


@frozen
class Lease:
    """A lease, as it was when it was read."""

    key: LeaseKey
    epoch: int
    renewals: int
    expires_at: float
    holder: Holder | None

    @classmethod
    def of_row(cls, key: LeaseKey, row: tuple[Any, ...]) -> Lease:
        """Return the lease of a row of `epoch, renewals, expires_at, holder`."""
        epoch, renewals, expires_at, holder = row
        return cls(key, epoch, renewals, expires_at, None if holder is None else HOLDER.decode(holder))


@define
class Leases:
    """The leases of a journal, as one process sees them."""

    me: Holder
    is_local: bool = True
    """Whether only this machine uses the journal."""

    _watched: dict[LeaseKey, tuple[int, float]] = field(factory=dict[LeaseKey, tuple[int, float]], init=False)
    """For leases by another clock: the number of renewals, and when it was first seen."""

    @classmethod
    def of_this_process(cls, actor: Actor, *, is_local: bool = True) -> Leases:
        """Return the leases as this process sees them."""
        return cls(Holder(actor.user, actor.host, Process.current()), is_local)

    def create(self, database: Database, key: LeaseKey) -> None:
        """Create a lease, which nobody holds."""
        database.execute(_CREATE, key)

    def acquire(self, database: Database, key: LeaseKey, *, steal: bool) -> tuple[Lease, Lease]:
        """Acquire a lease that has ended, or any if `steal`; return it as it was before and as it is now.

        Raises:
            LeaseHeld: A living process holds it.
            InvalidRequest: The rollout was deleted.
        """
        before = lock_lease(database, key)
        if before.holder is not None and not steal:
            seconds = self.remaining(database, before)
            if seconds > 0:
                raise LeaseHeld("", key.rollout, seconds, before.holder)
        expires_at = database.lease_clock() + LENGTH
        holder = HOLDER.encode(self.me)
        database.execute(_ACQUIRE, (expires_at, holder, *key))
        return before, Lease(key, before.epoch + 1, before.renewals + 1, expires_at, self.me)

    def living_holder(self, database: Database, lease: Lease, now: float | None = None) -> Holder | None:
        """Return who holds a lease that has not ended."""
        return lease.holder if self.remaining(database, lease, now) > 0 else None

    def remaining(self, database: Database, lease: Lease, now: float | None = None) -> float:
        """Return the seconds that a lease still lasts, unless it is renewed; 0 if it has ended.

        Args:
            database: Where it is.
            lease: As it was read.
            now: The clock of leases, if that was read after the lease.
        """
        if lease.holder is None or self._is_gone(lease.holder.process):
            return 0.0
        if now is None:
            now = database.lease_clock()
        if database.has_clock or self.me.process.shares_clock_with(lease.holder.process):
            ends_at = lease.expires_at
        else:
            renewals, seen_at = self._watched.get(lease.key, (-1, now))
            if renewals != lease.renewals:
                seen_at = now
                self._watched[lease.key] = lease.renewals, now
            ends_at = seen_at + LENGTH
        return min(max(0.0, ends_at - now), LENGTH)

    def _is_gone(self, process: Process) -> bool:
        """Return whether the process of a holder has certainly ended."""
        if self.is_local and process.is_of_another_boot_than(self.me.process):
            return True
        return process.is_visible_to(self.me.process) and process.has_ended()


def lock_lease(database: Database, key: LeaseKey) -> Lease:
    """Return a lease that nobody acquires until the transaction ends.

    Raises:
        InvalidRequest: The rollout was deleted.
    """
    rows = database.query_locked(_READ, key)
    if not rows:
        raise InvalidRequest("", "rollout", f"{key.rollout} was deleted")
    return Lease.of_row(key, rows[0])


def check(database: Database, key: LeaseKey, epoch: int) -> Lease:
    """Return a lease with this epoch, which no other process acquires until the transaction ends.

    Raises:
        LeaseLost: Another process has taken over.
    """
    rows = database.query_locked(_READ, key, shared=True)
    if not rows or rows[0][0] != epoch:
        raise LeaseLost("", key.rollout)
    return Lease.of_row(key, rows[0])


def renew(database: Database, key: LeaseKey, epoch: int) -> None:
    """Extend a lease by its length from now.

    Raises:
        LeaseLost: Another process has taken over.
    """
    if not database.execute(_RENEW, (database.lease_clock() + LENGTH, *key, epoch)):
        raise LeaseLost("", key.rollout)


def release(database: Database, key: LeaseKey, epoch: int) -> None:
    """End a lease, so that another process can take it at once."""
    database.execute(_RELEASE, (*key, epoch))
