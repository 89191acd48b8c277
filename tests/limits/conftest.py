from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from koophone_async.limits import Limits
from koophone_async.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], AbstractEventLoop]]:
    del config, item
    return {"virtual": VirtualTimeLoop}


@pytest.fixture
def limits() -> Limits:
    return Limits(rng=random.Random(1))
