"""Fixtures for runs: a session to the emulator, and a fake CPH."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koophone_async import CloudPhone
from tests.batches.cph_service import CloudPhoneService
from tests.fake_server import FakeServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def service() -> CloudPhoneService:
    return CloudPhoneService()


@pytest.fixture
async def cph(service: CloudPhoneService) -> AsyncIterator[CloudPhone]:
    """Call a service whose servers do one job after the other."""
    async with FakeServer.handling(service.handle) as server, server.session() as session:
        yield CloudPhone(session, project_id="P", region="cn-north-4")
