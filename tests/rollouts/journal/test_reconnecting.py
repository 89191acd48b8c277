"""A journal in PostgreSQL outlives cut connections and restarts of the server."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from koophone_async.rollouts.journal import (
    ChunkState,
    Journal,
    JournalError,
    LeaseLost,
    NewRollout,
)
from koophone_async.rollouts.journal.location import parse_location
from koophone_async.rollouts.journal.postgresql import connection as connections
from koophone_async.rollouts.journal.postgresql import driver as postgresql
from koophone_async.rollouts.journal.postgresql.driver import RECONNECT_TIMEOUT, PostgresDatabase
from koophone_async.rollouts.journal.postgresql.location import PostgresLocation
from tests.postgresql_proxy import Cut, Proxy
from tests.postgresql_server import PostgresServer
from tests.rollouts.journal.samples import (
    IN_A_SERVER,
    all_results,
    cut_connections,
    only_chunk,
    result,
    run_sql,
    send,
    targets,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from koophone_async.rollouts.journal import Driver, RolloutRecord


def through(proxy: Proxy, location: str) -> str:
    """Return the URL of a database through the proxy."""
    return proxy.url(str(conninfo_to_dict(location)["dbname"]))


@pytest.fixture
async def proxy(postgresql_server: PostgresServer) -> AsyncGenerator[Proxy]:
    async with Proxy.run(postgresql_server.socket) as proxy:
        yield proxy


@pytest.fixture
async def remote(proxy: Proxy, location: str, rollout: RolloutRecord) -> AsyncGenerator[Driver]:
    """Return a driver whose connection goes through the proxy."""
    async with await Journal.open(through(proxy, location)) as journal:
        yield await journal.acquire(rollout.id)


@IN_A_SERVER
async def test_a_connection_that_was_cut_is_opened_again(
    journal: Journal, driver: Driver, location: str
) -> None:
    for number in (1, 2):
        cut_connections(location)
        assert len(await journal.rollouts()) == 1
        cut_connections(location)
        assert await send(driver, range(2)) == number
    await driver.flush()
    assert [chunk.state for chunk in await journal.chunks(driver.rollout.id)] == [ChunkState.SENT] * 2


@IN_A_SERVER
async def test_a_transaction_that_was_cut_is_repeated_completely(
    journal: Journal, driver: Driver, location: str
) -> None:
    """Outputs are written again, too, which the driver takes for stored within a transaction."""
    long = "x" * 5_000
    failures = iter([True, False])
    writer = journal._writer  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    driver.settle(None, [result(0, output=long)], {"succeeded": 1})
    cut = writer.submit(lambda: lambda _: cut_connections(location) if next(failures) else None)
    await asyncio.gather(driver.flush(), cut)  # all in one transaction

    driver.settle(None, [result(1, output=long)], {"succeeded": 2})
    await driver.flush()
    assert [one.outcome.output for one in await all_results(journal, driver.rollout.id)] == [long] * 2


@IN_A_SERVER
@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER, Cut.LATE, Cut.TWICE], ids=str)
async def test_a_commit_whose_answer_is_lost_is_neither_lost_nor_repeated(
    proxy: Proxy, remote: Driver, journal: Journal, cut: Cut
) -> None:
    chunk = remote.plan_chunk(0, range(2))
    remote.log("one")
    proxy.cut = cut
    await remote.mark_sending(chunk)
    assert (await only_chunk(journal, remote.rollout.id)).state is ChunkState.SENDING
    assert [entry.what for entry in await journal.read_log(remote.rollout.id)] == ["one"]

    proxy.cut = cut
    remote.settle(chunk, [result(0), result(1)], {"succeeded": 2})
    await remote.flush()
    assert len(await all_results(journal, remote.rollout.id)) == 2
    assert proxy.cuts == 2


@IN_A_SERVER
async def test_a_commit_that_stays_unknown_ends_the_driver_and_sends_nothing(
    proxy: Proxy, remote: Driver, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "RECONNECT_TIMEOUT", 0.3)
    chunk = remote.plan_chunk(0, range(2))
    proxy.cut = Cut.HELD
    with pytest.raises(JournalError, match="it is not known whether the last changes were written"):
        await remote.mark_sending(chunk)
    with pytest.raises(JournalError):
        await remote.mark_sending(chunk)
    proxy.released.set()

    await remote.flush()
    assert (await only_chunk(journal, remote.rollout.id)).state is ChunkState.SENDING


@IN_A_SERVER
async def test_a_driver_that_was_replaced_while_it_was_cut_off_sends_nothing(
    proxy: Proxy, remote: Driver, journal: Journal, location: str
) -> None:
    chunk = remote.plan_chunk(0, range(2))
    await remote.flush()
    proxy.cut = Cut.BEFORE
    proxy.at_cut = lambda: run_sql(location, "UPDATE leases SET epoch = epoch + 1")

    with pytest.raises(LeaseLost):
        await remote.mark_sending(chunk)
    assert (await only_chunk(journal, remote.rollout.id)).state is ChunkState.PLANNED


@IN_A_SERVER
async def test_a_connection_without_answers_is_given_up(
    proxy: Proxy, location: str, rollout: RolloutRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "ANSWER_TIMEOUT", 0.2)
    async with await Journal.open(through(proxy, location)) as journal:
        driver = await journal.acquire(rollout.id)
        chunk = driver.plan_chunk(0, range(2))
        proxy.freeze()
        await driver.mark_sending(chunk)
        assert (await only_chunk(journal, rollout.id)).state is ChunkState.SENDING


@pytest.fixture
def server() -> Generator[PostgresServer]:
    """Return a server that only this test uses."""
    with PostgresServer.run() as server:
        yield server


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_a_restart_of_the_server_is_waited_for(server: PostgresServer, how: signal.Signals) -> None:
    async with await Journal.open(server.url()) as journal:
        rollout = await journal.create(NewRollout("shop", "cph"), targets(2))
        driver = await journal.acquire(rollout.id)
        chunk = driver.plan_chunk(0, range(2))
        server.stop(how)
        sending = asyncio.create_task(driver.mark_sending(chunk))
        await asyncio.to_thread(server.start)
        await sending
        assert (await only_chunk(journal, rollout.id)).state is ChunkState.SENDING


def test_a_server_that_does_not_come_back_is_given_up(server: PostgresServer) -> None:
    location = parse_location(server.url())
    assert isinstance(location, PostgresLocation)
    waits: list[float] = []
    database = PostgresDatabase.open(location, None, 8.0, waits.append)
    server.stop()
    with pytest.raises(psycopg.Error) as failure:
        database.query("SELECT 1")
    with pytest.raises(JournalError, match="the server cannot be reached since 30 s"):
        database.recover(failure.value, 1)
    assert sum(waits) == pytest.approx(RECONNECT_TIMEOUT, rel=0.3)
    server.start()
