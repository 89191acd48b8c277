"""A pytest plugin that runs the tests with real event loops on uvloop: `pytest -p tests.on_uvloop`.

Tests in virtual time need a loop of their own, and tests without a loop prove nothing about one: both are
left out.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    Factories = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]


@pytest.hookimpl(wrapper=True)
def pytest_asyncio_loop_factories() -> Generator[None, Factories | None, Factories]:
    """Return uvloop where a test has asyncio's own loop."""
    factories = yield
    if factories is None or asyncio.new_event_loop in factories.values():
        return {"uvloop": uvloop.new_event_loop}
    return factories


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that run on uvloop."""
    others = [item for item in items if not _runs_on_uvloop(item)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if _runs_on_uvloop(item)]


def _runs_on_uvloop(item: pytest.Item) -> bool:
    parameters = (
        item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    )
    return uvloop.new_event_loop in parameters.values()
