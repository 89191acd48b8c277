from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from koophone_async.rollouts.journal import Journal
from koophone_async.session import utc_now
from koophone_async.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from koophone_async.emulator import Emulator


@pytest_asyncio.fixture
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    """Return an empty journal, which has the time of the loop; in a file, or in each kind with `IN_BOTH`."""
    is_served = getattr(request, "param", "sqlite") == "postgresql"
    location: str | Path = (
        request.getfixturevalue("postgresql_url") if is_served else tmp_path / "rollouts.db"
    )
    loop = asyncio.get_running_loop()
    now = loop.now if isinstance(loop, VirtualTimeLoop) else utc_now
    async with await Journal.open(location, now=now, lease_clock=loop.time) as opened:
        yield opened


@pytest.fixture
def ids(emulator: Emulator) -> list[str]:
    return [phone.id for phone in emulator.phones]
