from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import TestServer

from koophone_async import AccessKey, Endpoints, Session
from koophone_async.gaming import Gaming
from tests.gaming.service import GameService

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def service() -> GameService:
    return GameService()


@pytest.fixture
async def gaming(service: GameService) -> AsyncIterator[Gaming]:
    async with TestServer(service.application) as server:
        endpoints = Endpoints(cph=str(server.make_url("/")))
        async with Session(AccessKey("access", "secret"), endpoints=endpoints, environ={}) as session:
            yield Gaming(session.bind(project_id="P"))
