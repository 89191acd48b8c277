from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from koophone_async import PostgresLimits
from tests.shared_quotas.valkey_server import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture(scope="session")
def valkey_server() -> Generator[ValkeyServer]:
    """Return a server that the tests of this process share."""
    with ValkeyServer.run() as server:
        yield server


@pytest.fixture
def valkey(valkey_server: ValkeyServer) -> ValkeyServer:
    """Return a server that has been empty for long."""
    with valkey_server.client() as client:
        client.flushall()
        run = client.info("server")["run_id"]
        client.hset("{koophone}:epoch", mapping={"run": run, "since": 1})
    return valkey_server


@pytest.fixture
async def postgresql(postgresql_url: str) -> str:
    """Return a database whose table of quotas has been empty for long."""
    store = PostgresLimits(postgresql_url).open_store()
    await store.settle({})
    await store.close()
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute("UPDATE koophone_quotas SET document = '1'")
    return postgresql_url


@pytest.fixture(params=["valkey", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a store of each kind, which has been empty for long."""
    value: ValkeyServer | str = request.getfixturevalue(request.param)
    return value if isinstance(value, str) else value.url
