from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koophone_async.gaming import Gaming
from tests.fake_server import FakeServer
from tests.gaming.gaming_service import GameService

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def service() -> GameService:
    return GameService()


@pytest.fixture
async def gaming(service: GameService) -> AsyncIterator[Gaming]:
    async with FakeServer.handling(service.handle) as server, server.session() as session:
        yield Gaming(session.bind(project_id="P"))
