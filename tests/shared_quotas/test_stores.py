"""Stores on real servers: what is leased, and what a restart, an outage and a wrong password do."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from koophone_async import PostgresLimits, Quota, RedisLimits
from koophone_async.limits.shared import create_limits, parse_limits
from koophone_async.limits.shared.redis_store import RedisStore
from koophone_async.limits.shared.store import StoreError
from tests.limits.shared.test_ledger import window
from tests.postgresql_server import PostgresServer
from tests.send.network import Certificate
from tests.shared_quotas.valkey_server import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

    from koophone_async.limits.limits import Limits
    from koophone_async.limits.shared.ledger import Lease
    from koophone_async.limits.shared.store import PermitStore

TEN_A_SECOND = Quota(10, 1)
HOLD = 3.02
"""Seconds for which a store that knows nothing grants no permit: a lease, and a window with its margin."""


@asynccontextmanager
async def limits_of(url: str) -> AsyncGenerator[Limits]:
    async def no_credentials() -> Any:  # noqa: ANN401
        pytest.fail("the account is stated")

    limits = create_limits(
        parse_limits({"KOOPHONE_LIMITS": f"{url}{'&' if '?' in url else '?'}account=a"}),
        {},
        rng=random.Random(1),
        now=lambda: datetime.now(UTC),
        credentials=no_credentials,
    )
    try:
        yield limits
    finally:
        await limits.close()


async def calls(limits: Limits, count: int = 10) -> float:
    """Make calls, and return when the first was sent."""
    times = list[float]()

    async def call() -> None:
        with await limits.acquire("a.b", (TEN_A_SECOND,)) as permit:
            permit.mark_sent()
            times.append(asyncio.get_running_loop().time())
            permit.mark_answered()

    await asyncio.gather(*(call() for _ in range(count)))
    return min(times)


async def lease(store: PermitStore, holder: str, **fields: Any) -> Lease:  # noqa: ANN401
    request: Any = {"holder": holder, "serial": 1, "windows": [window(**fields)], "throttle": None}
    return (await store.settle({"scope": request}))["scope"]["leases"][0]


def count(lease: Lease) -> int:
    return sum(number for _, number in lease["starts"])


async def test_what_one_leases_another_does_not_get(store_url: str) -> None:
    limits = parse_limits({"KOOPHONE_LIMITS": store_url})
    async with opened(limits) as first, opened(limits) as second:
        assert count(await lease(first, "a", permits=4, want=3)) == 3
        assert count(await lease(second, "b", permits=4, want=3)) == 1


@asynccontextmanager
async def opened(limits: RedisLimits | PostgresLimits) -> AsyncGenerator[PermitStore]:
    store = limits.open_store()
    try:
        yield store
    finally:
        await store.close()


async def test_two_processes_may_create_the_table_at_once(postgresql_url: str) -> None:
    limits = PostgresLimits(postgresql_url)
    async with opened(limits) as first, opened(limits) as second:
        leases = await asyncio.gather(lease(first, "a", want=1), lease(second, "b", want=1))

    assert [count(lease) for lease in leases] == [0, 0]


async def test_a_cancelled_exchange_leaves_no_lock(store_url: str) -> None:
    limits = parse_limits({"KOOPHONE_LIMITS": store_url})
    async with opened(limits) as first, opened(limits) as second:
        await first.settle({})
        cancelled = asyncio.create_task(lease(first, "a", permits=4, want=1))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait([cancelled])

        assert count(await lease(second, "b", permits=4, want=3)) == 3
        assert count(await lease(first, "c", permits=9, want=1)) == 1


async def test_a_clock_that_was_set_back_holds_all_permits(postgresql: str) -> None:
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute("UPDATE koophone_quotas SET document = '99999999999999'")
    async with opened(PostgresLimits(postgresql)) as store:
        assert count(await lease(store, "a", want=1)) == 0


@pytest.fixture
async def outage() -> AsyncGenerator[asyncio.Event]:
    """Return an event that is set when the log has a warning that a store cannot be reached."""
    event = asyncio.Event()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            event.set()

    handler = Handler(logging.WARNING)
    logging.getLogger("koophone_async").addHandler(handler)
    yield event
    logging.getLogger("koophone_async").removeHandler(handler)


@pytest.fixture
def own_valkey() -> Generator[ValkeyServer]:
    with ValkeyServer.run() as server:
        yield server


@pytest.mark.parametrize("keeps_data", [False, True])
async def test_a_restarted_valkey_grants_nothing_for_a_window(
    own_valkey: ValkeyServer, outage: asyncio.Event, *, keeps_data: bool
) -> None:
    async with limits_of(own_valkey.url) as limits:
        await calls(limits)
        if keeps_data:
            own_valkey.client().save()
        own_valkey.stop()
        waiting = asyncio.create_task(calls(limits))
        await outage.wait()
        assert str(limits.outage).startswith(f"quota store at {own_valkey.url} is unreachable since ")
        restarted = asyncio.get_running_loop().time()
        own_valkey.start()

        assert await waiting - restarted >= HOLD


@pytest.fixture
def own_postgresql() -> Generator[PostgresServer]:
    with PostgresServer.run() as server:
        yield server


@pytest.mark.parametrize("how, holds", [(signal.SIGQUIT, True), (signal.SIGINT, False)])
async def test_a_crashed_postgresql_grants_nothing_for_a_window(
    own_postgresql: PostgresServer, outage: asyncio.Event, how: signal.Signals, *, holds: bool
) -> None:
    async with limits_of(own_postgresql.url()) as limits:
        await calls(limits)
        own_postgresql.stop(how)
        waiting = asyncio.create_task(calls(limits))
        await outage.wait()
        restarted = asyncio.get_running_loop().time()
        own_postgresql.start()

        assert (await waiting - restarted >= HOLD) or not holds


async def test_a_user_of_the_server_needs_few_rights(own_valkey: ValkeyServer) -> None:
    rights = "on >secret ~{koophone}:* +evalsha +script|load +time +info +get +set +hmget +hset"
    own_valkey.client().execute_command("ACL", "SETUSER", "app", *rights.split())
    limits = RedisLimits(own_valkey.url, username="app", password="secret")

    async with opened(limits) as store:
        assert count(await lease(store, "a", want=1)) == 0


async def test_a_wrong_password_is_not_shown(own_valkey: ValkeyServer) -> None:
    url = own_valkey.url.replace("//", "//app:hunter2@")
    limits = RedisLimits(url)

    async with opened(limits) as store:
        with pytest.raises(StoreError, match="username-password") as error:
            await lease(store, "a", want=1)

    assert "hunter2" not in f"{error.value}{limits}"


@pytest.mark.parametrize("reply", [b"$-1\r\n", b"+odd\r\n", b"garbage\r\n", b"-LOADING\r\n"])
async def test_what_another_server_answers_is_an_outage(reply: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            writer.write(reply)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    store = RedisStore(f"redis://127.0.0.1:{port}", "", None, None, "p")
    async with server:
        with pytest.raises(StoreError):
            await lease(store, "one", want=1)
        await store.close()


async def test_a_wrong_role_is_not_shown(postgresql_server: PostgresServer) -> None:
    limits = PostgresLimits(postgresql_server.url(), username="nobody", password="hunter2")

    async with opened(limits) as store:
        with pytest.raises(StoreError, match="nobody") as error:
            await lease(store, "a", want=1)

    assert "hunter2" not in f"{error.value}{limits}"


async def forward(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            target.write(data)
    finally:
        target.close()


@asynccontextmanager
async def tls_proxy(port: int, certificate: Certificate) -> AsyncGenerator[str]:
    """Run a server that speaks TLS before one that does not."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(forward(reader, to_server), forward(from_server, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificate.server)
    yield f"rediss://localhost:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_tls_verifies_the_certificate(valkey: ValkeyServer, tmp_path: Path) -> None:
    async with tls_proxy(valkey.port, Certificate.make(tmp_path)) as url:
        trusting = RedisLimits(f"{url}?ssl_ca_certs={tmp_path / 'localhost.pem'}")
        async with opened(trusting) as store:
            assert count(await lease(store, "a", want=1)) == 1
        async with opened(RedisLimits(url)) as store:
            with pytest.raises(StoreError, match="certificate verify failed"):
                await lease(store, "a", want=1)
