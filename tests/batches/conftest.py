from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import TestServer

from koophone_async import AccessKey, CloudPhone, Endpoints, Session
from tests.batches.cph import CloudPhoneService

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def service() -> CloudPhoneService:
    return CloudPhoneService()


@pytest.fixture
async def cph(service: CloudPhoneService) -> AsyncIterator[CloudPhone]:
    """Call a service whose servers do one job after the other."""
    async with TestServer(service.application) as server:
        endpoints = Endpoints(cph=str(server.make_url("/")))
        async with Session(AccessKey("access", "secret"), endpoints=endpoints, environ={}) as session:
            yield CloudPhone(session, project_id="P", region="cn-north-4")
