"""The journal of rollouts: what is to be sent, what may have been sent, and what became of it."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, Self

from attrs import define, field

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.journal import attempts, changes, history, queries
from koophone_async.rollouts.journal.attempts import Creation
from koophone_async.rollouts.journal.changes import FencedWriter
from koophone_async.rollouts.journal.driver import Driver
from koophone_async.rollouts.journal.encoding import BLOCK, DETAILS, OutputStore, to_micros
from koophone_async.rollouts.journal.history import Retention
from koophone_async.rollouts.journal.lease import LeaseKey, Leases, lock_lease
from koophone_async.rollouts.journal.location import VARIABLE, default_location, parse_location
from koophone_async.rollouts.journal.machine import boot_clock
from koophone_async.rollouts.journal.opening import open_database
from koophone_async.rollouts.journal.postgresql.location import PostgresLocation
from koophone_async.rollouts.journal.reader import JournalReader
from koophone_async.rollouts.journal.records import Actor
from koophone_async.rollouts.journal.schedules import ScheduleStore
from koophone_async.rollouts.journal.schema import OWNED_TABLES
from koophone_async.rollouts.journal.shards import Shards
from koophone_async.rollouts.journal.sqlite import LOCK_TIMEOUT
from koophone_async.rollouts.journal.workers import Workers
from koophone_async.rollouts.journal.writer import GroupWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from koophone_async.rollouts.journal.database import Database
    from koophone_async.rollouts.journal.location import Location
    from koophone_async.rollouts.journal.records import (
        Kind,
        NewRollout,
        RequestKind,
        RolloutRecord,
        Target,
    )

_HOLD: Final = (
    "UPDATE rollouts SET admission = 'held' WHERE id = ? AND admission = 'open' AND handover IS NOT NULL"
)
"""Nothing is sent by workers until their new driver has counted what became of earlier calls."""

_TARGETS_WRITTEN: Final = 10 * BLOCK
"""Targets that are written at once."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@define(eq=False)
class Journal(JournalReader):
    """A journal of rollouts, open.

    ```python
    async with await Journal.open("rollouts.db") as journal:
        rollout = await journal.create(NewRollout("shop-2.4", "koophone"), targets)
        driver = await journal.acquire(rollout.id)
    ```
    Several processes can have it open. Whoever wants to send for a rollout acquires its driver.
    """

    location: str
    actor: Actor
    _now: Callable[[], datetime]
    _lease_clock: Callable[[], float]
    _thread: ThreadPoolExecutor
    _database: Database
    place: Location = field(repr=False)
    """Where it is, with its secrets."""

    _drivers: list[Driver] = field(factory=list[Driver], init=False)
    shards: Shards = field(init=False)
    """Parts of rollouts that workers run."""

    workers: Workers = field(init=False)
    """Processes that run shards."""

    def __attrs_post_init__(self) -> None:
        """Prepare what concerns workers."""
        self.shards = Shards(
            self._writer, self._leases, self.actor, self._now, self._lease_clock, self._register
        )
        self.workers = Workers(self._writer, self._leases, self._now)

    @classmethod
    async def open(
        cls,
        location: str | Path | None = None,
        *,
        actor: Actor | None = None,
        now: Callable[[], datetime] = _utc_now,
        lease_clock: Callable[[], float] | None = None,
        lock_timeout: float = LOCK_TIMEOUT,
    ) -> Self:
        """Open a journal; create it if it does not exist.

        Args:
            location: A path, or a URL such as `sqlite:///PATH` or `postgresql://USER@HOST/DATABASE`. None
                means what KOOPHONE_JOURNAL names, else `koophone/rollouts.db` in the user's directory for
                state.
            actor: Who is recorded as doing things; the user of this process by default.
            now: Returns the time that is recorded, with a zone.
            lease_clock: Returns the seconds that leases are measured with; by default the server's clock in
                PostgreSQL, and that of this machine since its start in SQLite.
            lock_timeout: Seconds to wait for other processes that write.

        Raises:
            InvalidRequest: The location is invalid, or KOOPHONE_JOURNAL turns the journal off.
            JournalError: It cannot be opened, is damaged, of a newer version or another program's.
        """
        text = location if location is not None else default_location()
        if text is None:
            raise InvalidRequest("", "journal", f"is turned off by {VARIABLE}")
        place = parse_location(text)
        actor = actor or Actor.current()
        thread = ThreadPoolExecutor(1, "koophone-journal")
        opening = asyncio.get_running_loop().run_in_executor(
            thread, open_database, place, lease_clock, lock_timeout
        )
        try:
            database = await opening
        except BaseException:
            thread.shutdown(wait=False)
            raise
        leases = Leases.of_this_process(actor, is_local=not place.is_shared)
        writer = GroupWriter(database, thread)
        label = place.label if isinstance(place, PostgresLocation) else str(text)
        clock = lease_clock or boot_clock
        return cls(writer, leases, label, actor, now, clock, thread, database, place)

    async def __aenter__(self) -> Self:
        """Return the journal."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the journal."""
        await self.close()

    async def close(self) -> None:
        """Write what is queued and close the journal. Leases that were not released end by themselves."""
        for driver in self._drivers:
            await driver.close()
        await self._writer.finish()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._database.close)
        self._thread.shutdown()

    @property
    def schedules(self) -> ScheduleStore:
        """Plans that are started at set times."""
        return ScheduleStore(self._writer)

    async def create(
        self,
        new: NewRollout,
        targets: Iterable[Target],
        record: Callable[[Database, str], None] | None = None,
    ) -> RolloutRecord:
        """Write a new rollout with its targets, which is complete or not there at all.

        Args:
            new: What is known of it.
            targets: With positions from 0 in steps of 1.
            record: Called with its id in the transaction that makes it visible; if it raises, there is none.

        Raises:
            InvalidRequest: The name is reserved.
            JournalError: It could not be written.
        """
        if new.name == history.LAST:
            raise InvalidRequest("", "name", f"{history.LAST!r} is reserved for the newest rollout")
        creation = Creation(secrets.token_hex(5), new, to_micros(self._now()), self.actor, record)
        source = iter(targets)
        first, others = list(islice(source, _TARGETS_WRITTEN)), list(islice(source, _TARGETS_WRITTEN))
        if not others:
            return await self._writer.write(self._create_at_once, creation, first)
        await self._writer.write(attempts.begin_creation, creation, first)
        count = len(first)
        while others:
            await self._writer.write(attempts.add_targets, creation.id, others)
            count += len(others)
            others = list(islice(source, _TARGETS_WRITTEN))
        return await self._writer.write(self._finish_creation, creation, count)

    def _create_at_once(
        self, database: Database, creation: Creation, targets: Sequence[Target]
    ) -> RolloutRecord:
        attempts.begin_creation(database, creation, targets)
        return self._finish_creation(database, creation, len(targets))

    def _finish_creation(self, database: Database, creation: Creation, count: int) -> RolloutRecord:
        attempts.finish_creation(database, creation, count)
        self._leases.create(database, LeaseKey(creation.id))
        return history.find(database, self._leases, creation.id)

    async def acquire(self, rollout: str, *, steal: bool = False) -> Driver:
        """Acquire the lease of a rollout, with a new epoch, renew it from now on, and return its driver.

        Args:
            rollout: Its id.
            steal: Take over from a living driver, which then can send nothing more.

        Raises:
            LeaseHeld: Another process drives it.
            InvalidRequest: There is no such rollout.
            JournalError: It could not be written.
        """
        at = to_micros(self._now())
        driver = await self._writer.write(partial(self._acquire, steal=steal), rollout, at)
        self._register(driver)
        driver.start_renewing()
        return driver

    def _register(self, driver: Driver) -> None:
        """Close a driver with the journal."""
        self._drivers = [known for known in self._drivers if known.is_active] + [driver]

    def _acquire(self, database: Database, rollout: str, at: int, *, steal: bool) -> Driver:
        key = LeaseKey(history.find(database, self._leases, rollout).id)
        lock_lease(database, key)
        record = history.find(database, self._leases, key.rollout)  # as the last driver has left it
        before, lease = self._leases.acquire(database, key, steal=steal)
        database.execute(_HOLD, (record.id,))
        if before.holder is not None:
            details = {"from": f"{before.holder.user}@{before.holder.host}", "pid": before.holder.pid}
            self._log(database, record.id, at, "take-over", details)
        return Driver(
            record,
            queries.chunks(database, record.id),
            self._writer,
            FencedWriter(key, lease.epoch, self.actor, OutputStore(keep=record.keep_output)),
            self._now,
            self._lease_clock,
            *queries.last_numbers(database, key),
        )

    async def request(
        self, rollout: str, kind: RequestKind, *, wave: int | None = None, by: Actor | None = None
    ) -> bool:
        """Ask the driver of a rollout for something.

        Returns:
            Whether a living process drives it. Otherwise the next driver will find the request.

        Raises:
            InvalidRequest: There is no such rollout.
            JournalError: It could not be written.
        """
        at, actor = to_micros(self._now()), queries.ACTOR.encode(by or self.actor)

        def work(database: Database) -> bool:
            record = history.find(database, self._leases, rollout)
            changes.add_request(database, (record.id, kind.value, wave, None, None, at, actor))
            return record.driver is not None

        return await self._writer.write(work)

    async def log(self, rollout: str, what: str, details: Mapping[str, object] | None = None) -> None:
        """Add an entry to the log of a rollout."""
        at = to_micros(self._now())
        await self._writer.write(self._log, rollout, at, what, details or {})

    def _log(
        self, database: Database, rollout: str, at: int, what: str, details: Mapping[str, object]
    ) -> None:
        actor = queries.ACTOR.encode(self.actor)
        database.execute(changes.LOG, (rollout, at, actor, what, DETAILS.encode(details)))

    async def prune(
        self, before: datetime | None = None, *, kind: Kind | None = None, keep: int | None = None
    ) -> list[RolloutRecord]:
        """Delete old rollouts, and return them.

        Those that have not ended, or with phones that are unknown or unfinished, are kept.

        Args:
            before: Those created before this time.
            kind: Only plans, or only commands.
            keep: Those beyond this number of the newest ones.
        """
        retention = Retention(0 if before is None else to_micros(before), kind, keep)
        deleted = await self._writer.write(history.hide_old, self._leases, retention)
        abandoned = await self._writer.read(history.abandoned, to_micros(self._now()))
        for id in (*(record.id for record in deleted), *abandoned):
            await self._delete(id)
        has_space = bool(deleted)
        while has_space:
            has_space = await self._writer.read(_shrink)
        return deleted

    async def _delete(self, id: str) -> None:
        """Delete a hidden rollout in many transactions, so that no driver waits until it loses its lease."""
        for table in OWNED_TABLES:
            while await self._writer.write(history.delete_some, id, table):
                pass
        await self._writer.write(history.delete, id)


def _shrink(database: Database) -> bool:
    return database.shrink()
