from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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
