from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koophone_async.virtual_time import VirtualTimeLoop
from tests.send.network import Certificate

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], AbstractEventLoop]]:
    del config, item
    return {"virtual": VirtualTimeLoop}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("tls"))
