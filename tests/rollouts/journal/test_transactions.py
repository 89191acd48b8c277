"""Transactions of several processes in PostgreSQL, which run beside each other."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.journal import (
    ChunkState,
    Driver,
    Journal,
    JournalError,
    LeaseHeld,
    LeaseLost,
    RequestKind,
    RolloutState,
)
from koophone_async.rollouts.journal.postgresql import connection as connections
from koophone_async.rollouts.journal.schedules import MissedRuns, Schedule
from koophone_async.virtual_time import EPOCH
from tests.rollouts.journal.samples import change_holder, only_chunk, run_in_journal, run_sql, send

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from koophone_async.rollouts.journal import RolloutRecord
    from koophone_async.rollouts.journal.database import Database


@pytest.fixture
def location(postgresql_url: str) -> str:
    return postgresql_url


@pytest.fixture
async def other(location: str) -> AsyncGenerator[Journal]:
    async with await Journal.open(location) as other:
        yield other


@contextmanager
def transaction(location: str) -> Generator[psycopg.Connection[Any]]:
    """Run another program's transaction, which is committed when the context ends."""
    with psycopg.connect(location) as db:
        db.execute("SET search_path = koophone")
        yield db


async def wait_for_waiting(location: str, count: int) -> None:
    """Wait until so many connections wait for a lock."""
    where = "datname = current_database() AND wait_event_type = 'Lock'"
    waiting = f"SELECT count(*) FROM pg_stat_activity WHERE {where}"  # noqa: S608 - ours
    while await asyncio.to_thread(run_sql, location, waiting) != [(count,)]:
        pass


async def test_of_two_that_acquire_a_rollout_at_once_one_gets_it(
    journal: Journal, other: Journal, rollout: RolloutRecord, location: str
) -> None:
    with transaction(location) as blocking:
        blocking.execute("SELECT epoch FROM leases FOR UPDATE")
        acquiring = [asyncio.create_task(one.acquire(rollout.id)) for one in (journal, other)]
        await wait_for_waiting(location, 2)
    outcomes = await asyncio.gather(*acquiring, return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {Driver, LeaseHeld}
    assert run_sql(location, "SELECT epoch FROM leases") == [(1,)]


async def test_a_rollout_is_not_taken_over_within_a_transaction_of_its_driver(
    journal: Journal, other: Journal, driver: Driver, location: str
) -> None:
    with transaction(location) as as_driver:
        as_driver.execute("SELECT epoch FROM leases FOR SHARE")
        stealing = asyncio.create_task(other.acquire(driver.rollout.id, steal=True))
        await wait_for_waiting(location, 1)
        as_driver.execute("UPDATE rollouts SET reason = 'written'")
    thief = await stealing

    assert thief.rollout.reason == "written"
    with pytest.raises(LeaseLost):
        await driver.mark_sending(driver.plan_chunk(0, [0]))
    assert await journal.chunks(driver.rollout.id) == []


async def test_a_rollout_that_is_deleted_meanwhile_is_not_acquired(
    journal: Journal, rollout: RolloutRecord, location: str
) -> None:
    with transaction(location) as deleting:
        deleting.execute("DELETE FROM leases")
        acquiring = asyncio.create_task(journal.acquire(rollout.id))
        await wait_for_waiting(location, 1)

    with pytest.raises(InvalidRequest, match="was deleted"):
        await acquiring


async def test_a_rollout_that_is_acquired_meanwhile_is_not_deleted(
    journal: Journal, other: Journal, driver: Driver, location: str
) -> None:
    await driver.release(state=RolloutState.FINISHED)
    with transaction(location) as acquiring:
        acquiring.execute("SELECT epoch FROM leases FOR UPDATE")
        pruning = asyncio.create_task(other.prune(keep=0))
        await wait_for_waiting(location, 1)
        acquiring.execute("UPDATE rollouts SET state = 'running'")

    assert await pruning == []
    assert len(await journal.rollouts()) == 1


async def test_no_request_appears_behind_one_that_was_read(
    journal: Journal, driver: Driver, location: str
) -> None:
    with transaction(location) as first:
        first.execute("SELECT id FROM rollouts FOR UPDATE")
        actor = '{"user":"u","host":"h"}'
        first.execute(
            "INSERT INTO requests (rollout, kind, at, actor) VALUES (%s, 'pause', 0, %s)",
            (driver.rollout.id, actor),
        )
        second = asyncio.create_task(journal.request(driver.rollout.id, RequestKind.CANCEL))
        await wait_for_waiting(location, 1)
    await second

    assert [one.kind for one in await driver.requests()] == [RequestKind.PAUSE, RequestKind.CANCEL]


@pytest.mark.usefixtures("driver")
async def test_the_end_of_a_lease_is_a_time_of_the_server(location: str) -> None:
    ((seconds,),) = run_sql(location, "SELECT expires_at - extract(epoch FROM clock_timestamp()) FROM leases")

    assert 0 < seconds <= 15


async def test_a_driver_elsewhere_is_replaced_when_the_server_ends_its_lease(
    driver: Driver, other: Journal, location: str
) -> None:
    change_holder(location, boot_id="elsewhere")
    with pytest.raises(LeaseHeld):
        await other.acquire(driver.rollout.id)

    run_sql(location, "UPDATE leases SET expires_at = extract(epoch FROM clock_timestamp())")
    assert (await other.acquire(driver.rollout.id)).epoch == driver.epoch + 1


async def test_a_process_that_stops_in_a_transaction_does_not_keep_its_locks(
    location: str, rollout: RolloutRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "IDLE_TIMEOUT", 0.05)
    tries: list[int] = []

    def stop(database: Database) -> None:
        ((pid,),) = database.query("SELECT pg_backend_pid()")
        tries.append(pid)
        database.execute("UPDATE rollouts SET reason = ?", (f"try {len(tries)}",))
        while len(tries) == 1 and run_sql(location, "SELECT 1 FROM pg_stat_activity WHERE pid = ?", pid):
            pass

    async with await Journal.open(location) as journal:
        await journal._writer.write(stop)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        assert (await journal.find(rollout.id)).reason == "try 2"


RAISE = """
CREATE SEQUENCE failures;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('koophone.failures') <= {times} THEN RAISE EXCEPTION 'failed' USING ERRCODE = '{code}'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON chunks FOR EACH ROW EXECUTE FUNCTION fail()
"""


async def test_a_transaction_that_was_not_committed_is_reported(
    journal: Journal, rollout: RolloutRecord
) -> None:
    def hide_failure(database: Database) -> None:
        with suppress(*database.failures):
            database.execute("UPDATE nothing SET reason = ?", ("x",))

    with pytest.raises(JournalError, match="a transaction was not committed, but ROLLBACK"):
        await journal._writer.write(hide_failure)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    assert (await journal.find(rollout.id)).reason is None


@pytest.mark.parametrize("code", ["40001", "40P01"], ids=["serialization", "deadlock"])
async def test_a_transaction_that_another_one_has_undone_is_repeated(
    journal: Journal, driver: Driver, location: str, code: str
) -> None:
    run_sql(location, RAISE.format(times=3, code=code))
    await send(driver, range(2))
    await driver.flush()

    assert (await only_chunk(journal, driver.rollout.id)).state is ChunkState.SENT


@pytest.mark.parametrize(
    "code, problem",
    [
        ("53100", "the server's disk is full (failed)"),
        ("58030", "cannot be read or written (failed)"),
        ("XX001", "is damaged (failed)"),
        ("40001", "other transactions were in the way again and again (failed)"),
        ("P0001", "cannot be used (failed)"),
    ],
)
async def test_a_chunk_is_not_sent_when_the_server_fails(
    journal: Journal, driver: Driver, location: str, code: str, problem: str
) -> None:
    run_sql(location, RAISE.format(times=1_000, code=code))
    chunk = driver.plan_chunk(0, range(2))

    with pytest.raises(JournalError) as failure:
        await driver.mark_sending(chunk)
    assert failure.value.problem == problem
    assert driver.error is failure.value
    assert await journal.chunks(driver.rollout.id) == []


async def test_a_database_that_is_read_only_is_reported(journal: Journal, driver: Driver) -> None:
    await run_in_journal(journal, "SELECT set_config('default_transaction_read_only', 'on', false)")

    with pytest.raises(JournalError, match="is read-only"):
        await driver.flush()
    assert (await journal.find(driver.rollout.id)).epoch == driver.epoch


async def test_a_lock_of_another_program_is_waited_for_and_reported(
    rollout: RolloutRecord, location: str
) -> None:
    async with await Journal.open(location, lock_timeout=0.05) as journal:
        with transaction(location) as blocking:
            blocking.execute("LOCK TABLE leases")
            with pytest.raises(JournalError, match="is locked by another program"):
                await journal.acquire(rollout.id)


async def test_too_many_connections_are_reported(location: str) -> None:
    run_sql(location, "DROP ROLE IF EXISTS single")
    run_sql(location, "CREATE ROLE single LOGIN CONNECTION LIMIT 0")

    with pytest.raises(JournalError, match="too many connections for role"):
        await Journal.open(location.replace("postgres@", "single@"))


@pytest.mark.parametrize("setting, used", [("off", "on"), ("remote_apply", "remote_apply")])
async def test_a_commit_is_on_disk_whatever_the_server_is_set_to(
    location: str, setting: str, used: str
) -> None:
    run_sql(location, f"ALTER ROLE CURRENT_USER SET synchronous_commit = {setting}")
    try:
        async with await Journal.open(location) as journal:
            database = journal._database  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            writer = journal._writer  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            assert await writer.read(lambda _: database.query("SHOW synchronous_commit")) == [(used,)]
    finally:
        run_sql(location, "ALTER ROLE CURRENT_USER RESET synchronous_commit")


async def test_of_two_schedules_added_at_once_one_is_refused_by_name(
    journal: Journal, other: Journal, location: str
) -> None:
    new = Schedule("shop", "{}", "* * * * *", "UTC", MissedRuns.ONCE, None, EPOCH, journal.actor, EPOCH)
    with transaction(location) as blocking:
        blocking.execute("LOCK TABLE schedules IN SHARE MODE")
        adding = [asyncio.create_task(one.schedules.add(new)) for one in (journal, other)]
        await wait_for_waiting(location, 2)
    outcomes = await asyncio.gather(*adding, return_exceptions=True)

    (refused,) = (outcome for outcome in outcomes if outcome is not None)
    assert isinstance(refused, InvalidRequest)
    assert "'shop' has a schedule already" in str(refused)
