from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koophone_async.cph import CloudPhone
from tests.emulator.scenes import GamingScene, Scene
from tests.emulator.signed_client import SignedClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from koophone_async import Session
    from koophone_async.emulator import Emulator


@pytest.fixture
async def call(emulator: Emulator) -> AsyncIterator[SignedClient]:
    async with SignedClient(emulator) as client:
        yield client


@pytest.fixture
def scene(emulator: Emulator, session: Session) -> Scene:
    return Scene(emulator, session, CloudPhone(session, project_id=emulator.project_id))


@pytest.fixture
def gaming_scene(emulator: Emulator, session: Session) -> GamingScene:
    return GamingScene(emulator, session, CloudPhone(session, project_id=emulator.project_id))
