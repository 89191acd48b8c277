"""pytest fixtures for code that uses this package: an emulator, a session with it, virtual time.

pytest loads them by itself, where the package is installed:

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

from typing import TYPE_CHECKING

from koophone_async import pytest_plugin
from koophone_async.mocking import mock_aiohttp
from koophone_async.pytest_plugin import emulator, koophone, mocked_aiohttp, session
from koophone_async.virtual_time import VirtualTimeLoop, run_virtually

if TYPE_CHECKING:
    import pytest

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
    """Load the plugin for `pytest_plugins = ["koophone_async.testing"]`, unless its entry point has."""
    if not config.pluginmanager.is_registered(pytest_plugin):
        config.pluginmanager.register(pytest_plugin, "koophone_async.testing, the plugin")
