"""pytest fixtures for code that uses this package: an emulator, a session with it, virtual time.

In your `conftest.py`:

    pytest_plugins = ["koophone_async.testing"]

and then, with pytest-asyncio:

    @pytest.mark.emulator(phones=10, edition="international")
    async def test_a_command_reaches_every_phone_once(emulator: Emulator, koophone: KooPhone) -> None:
        await koophone.fleet(phone.id for phone in emulator.phones).run("id")

        assert set(emulator.ledger.executions("koophone.commands.run").values()) == {1}

A test marked `virtual_time` runs on an event loop whose clock jumps to the next timer whenever nothing
else is ready to run, so an hour of jobs takes a second; client and emulator share this clock.
Outside pytest, `run_virtually(main())` does the same.

Where a test needs an answer that no emulator gives, `mock_aiohttp()`, or the fixture `mocked_aiohttp`,
answers requests with aioresponses, which must be installed.
"""

from __future__ import annotations

import asyncio
import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock, patch

import aiohttp
import pytest
import pytest_asyncio

from koophone_async.emulator import Emulator
from koophone_async.services.koophone.client import KooPhone
from koophone_async.session import Session, utc_now
from koophone_async.virtual_time import VirtualTimeLoop, run_virtually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator, Mapping

    from aioresponses import aioresponses

__all__ = [
    "VirtualTimeLoop",
    "emulator",
    "koophone",
    "mock_aiohttp",
    "mocked_aiohttp",
    "run_virtually",
    "session",
]


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    config.addinivalue_line("markers", "emulator(**options): arguments of the fixture's Emulator")
    config.addinivalue_line("markers", "virtual_time: run on a loop whose clock jumps to the next timer")


def pytest_asyncio_loop_factories(
    config: pytest.Config,  # noqa: ARG001 - pytest passes hook arguments by name
    item: pytest.Item,
) -> Mapping[str, type[asyncio.AbstractEventLoop]]:
    """Return the event loop of a test, chosen by its marker."""
    is_virtual = item.get_closest_marker("virtual_time") is not None
    return {"loop": VirtualTimeLoop if is_virtual else asyncio.SelectorEventLoop}


@pytest_asyncio.fixture
async def emulator(request: pytest.FixtureRequest) -> AsyncIterator[Emulator]:
    """Run an emulator for one test: 100 phones, unless the marker `emulator` has other options."""
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {"now": loop.now if isinstance(loop, VirtualTimeLoop) else utc_now}
    for marker in reversed(list(request.node.iter_markers("emulator"))):
        options |= marker.kwargs
    async with Emulator(**options) as running:
        yield running


@pytest_asyncio.fixture
async def session(emulator: Emulator) -> AsyncIterator[Session]:
    """Open a session with the emulator."""
    async with emulator.session() as opened:
        yield opened


@pytest.fixture
def koophone(session: Session) -> KooPhone:
    """Return a client of the emulator's edition."""
    return KooPhone(session)


class _Response(aiohttp.ClientResponse):
    """A response that aioresponses can make: 0.7.9, its newest version, lacks an argument of aiohttp 3.14."""

    def __init__(self, *args: Any, **arguments: Any) -> None:  # noqa: ANN401 - those of aiohttp
        if "stream_writer" in inspect.signature(aiohttp.ClientResponse).parameters:
            arguments.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **arguments)


@contextmanager
def mock_aiohttp(**options: Any) -> Generator[aioresponses]:  # noqa: ANN401 - those of aioresponses
    """Answer the requests of all aiohttp sessions with `aioresponses(**options)`.

    It replaces the method of aiohttp that sends, so nothing shows whether a failed request was sent: a call
    whose mocked connection breaks counts as sent (`NoAnswer`), and a write is not repeated.
    """
    from aioresponses import aioresponses, core  # noqa: PLC0415 - optional

    with patch.object(core, "ClientResponse", _Response), aioresponses(**options) as mocked:
        yield mocked


@pytest.fixture
def mocked_aiohttp() -> Iterator[aioresponses]:
    """Answer the requests of all aiohttp sessions as the test says; see `mock_aiohttp`."""
    with mock_aiohttp() as mocked:
        yield mocked
