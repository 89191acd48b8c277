from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koophone_async.events import Receiver
from koophone_async.virtual_time import VirtualTimeLoop
from tests.events.samples import Recorder

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from pathlib import Path


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], AbstractEventLoop]]:
    del config, item
    return {"virtual": VirtualTimeLoop}


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(params=["memory", "journal"])
def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Receiver:
    journal = tmp_path / "events.db" if request.param == "journal" else None
    return Receiver(journal=journal, now=lambda: VirtualTimeLoop.running().now())
