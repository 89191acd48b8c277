"""The pytest plugin: an emulator, a session with it, a client, and virtual time.

pytest loads it by its entry point, so that nothing has to be written into `conftest.py`. It imports no other
module of the package before a test uses a fixture, and runs with pytest-asyncio or with anyio's plugin.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Final

import pytest

try:
    import pytest_asyncio
except ImportError:
    pytest_asyncio = None  # type: ignore[assignment] # as type checkers expect it of an optional module

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from aioresponses import aioresponses

    from koophone_async.emulator import Emulator
    from koophone_async.services.koophone.client import KooPhone
    from koophone_async.session import Session

_FIXTURES: Final = {"emulator", "session", "koophone"}
_RUNNERS: Final = {"asyncio", "anyio", "trio"}
"""Markers of plugins that run async tests."""

NO_RUNNER: Final = (
    "the fixtures of koophone-async need a plugin that runs async tests: install pytest-asyncio, or remove"
    " `-p no:anyio` from the options of pytest to use the plugin of anyio"
)
NO_VIRTUAL_TIME: Final = (
    "the test is marked virtual_time, but its event loop is another: use pytest-asyncio 1.4 or newer, or the"
    " backend ('asyncio', {'loop_factory': VirtualTimeLoop}) of anyio"
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    config.addinivalue_line("markers", "emulator(**options): arguments of the fixture's Emulator")
    config.addinivalue_line("markers", "virtual_time: run on a loop whose clock jumps to the next timer")


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> None:
    """Mark an async test that uses a fixture, as far as it has no mark, for the plugin that can run it."""
    if not (inspect.iscoroutinefunction(obj) and collector.istestfunction(obj, name)):
        return
    own = {mark.name for mark in getattr(obj, "pytestmark", ())}
    marks = own | {mark.name for mark in collector.iter_markers()}
    manager = collector.config.pluginmanager
    if "virtual_time" in marks and not manager.hasplugin(_LOOPS):
        manager.register(VirtualTimeLoops(), _LOOPS)
    if (
        not _FIXTURES & {*inspect.signature(obj).parameters}
        or _RUNNERS & marks
        or _runs_all(collector.config)
    ):
        return
    if manager.hasplugin("asyncio"):
        pytest.mark.asyncio(obj)
    elif manager.hasplugin("anyio"):
        pytest.mark.anyio(obj)
        pytest.mark.usefixtures("anyio_backend")(obj)
        backend = ("asyncio", {"loop_factory": _loop_type(is_virtual="virtual_time" in marks)})
        pytest.mark.parametrize("anyio_backend", [pytest.param(backend, id="asyncio")])(obj)


def _runs_all(config: pytest.Config) -> bool:
    """Return whether anyio's plugin runs every async test."""
    if not config.pluginmanager.hasplugin("anyio"):
        return False
    return "auto" in (config.getoption("anyio_mode", None), config.getini("anyio_mode"))


def _loop_type(*, is_virtual: bool) -> Callable[[], asyncio.AbstractEventLoop]:
    from koophone_async.virtual_time import VirtualTimeLoop  # noqa: PLC0415 - only for whoever uses a fixture

    return VirtualTimeLoop if is_virtual else asyncio.new_event_loop


_LOOPS: Final = "koophone_async virtual time"


class VirtualTimeLoops:
    """The hook of pytest-asyncio for event loops, registered once a test is marked `virtual_time`.

    A suite without such a test keeps the loops that pytest-asyncio chooses.
    """

    @pytest.hookimpl(trylast=True, optionalhook=True)
    def pytest_asyncio_loop_factories(
        self,
        config: pytest.Config,
        item: pytest.Item,
    ) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
        """Return the event loop of a test, chosen by its marker."""
        return {"loop": _loop_type(is_virtual=item.get_closest_marker("virtual_time") is not None)}


async def _open_emulator(request: pytest.FixtureRequest) -> AsyncIterator[Emulator]:
    from koophone_async.emulator import Emulator  # noqa: PLC0415 - as above
    from koophone_async.session import utc_now  # noqa: PLC0415 - as above
    from koophone_async.virtual_time import VirtualTimeLoop  # noqa: PLC0415 - as above

    loop = asyncio.get_running_loop()
    is_virtual = isinstance(loop, VirtualTimeLoop)
    is_marked = request.node.get_closest_marker("virtual_time") is not None
    # The loop of a fixture of a test that is not async itself cannot be chosen.
    if is_marked and not is_virtual and inspect.iscoroutinefunction(request.function):
        pytest.fail(NO_VIRTUAL_TIME, pytrace=False)
    options: dict[str, Any] = {"now": loop.now if isinstance(loop, VirtualTimeLoop) else utc_now}
    for marker in reversed(list(request.node.iter_markers("emulator"))):
        options |= marker.kwargs
    async with Emulator(**options) as running:
        yield running


async def _open_session(emulator: Emulator) -> AsyncIterator[Session]:
    async with emulator.session() as opened:
        yield opened


_emulator_of_anyio = pytest.fixture(_open_emulator, name="_koophone_emulator_anyio")
_session_of_anyio = pytest.fixture(_open_session, name="_koophone_session_anyio")
if pytest_asyncio is not None:
    _emulator_of_asyncio = pytest_asyncio.fixture(_open_emulator, name="_koophone_emulator_asyncio")
    _session_of_asyncio = pytest_asyncio.fixture(_open_session, name="_koophone_session_asyncio")


def _opened(request: pytest.FixtureRequest, name: str) -> Any:  # noqa: ANN401 - the value of a fixture
    """Return what the plugin that runs the test has opened on the test's own event loop."""
    if "anyio_backend" in request.fixturenames:
        if "trio" in str(request.getfixturevalue("anyio_backend")):
            pytest.skip("koophone-async runs on asyncio only")
        return request.getfixturevalue(f"_koophone_{name}_anyio")
    if request.config.pluginmanager.hasplugin("asyncio"):
        return request.getfixturevalue(f"_koophone_{name}_asyncio")
    return pytest.fail(NO_RUNNER, pytrace=False)


@pytest.fixture
def emulator(request: pytest.FixtureRequest) -> Emulator:
    """Run an emulator for one test: 100 phones, unless the marker `emulator` has other options."""
    opened: Emulator = _opened(request, "emulator")
    return opened


@pytest.fixture
def session(request: pytest.FixtureRequest) -> Session:
    """Open a session with the emulator."""
    opened: Session = _opened(request, "session")
    return opened


@pytest.fixture
def koophone(session: Session) -> KooPhone:
    """Return a client of the emulator's edition."""
    from koophone_async.services.koophone.client import KooPhone  # noqa: PLC0415 - as above

    return KooPhone(session)


@pytest.fixture
def mocked_aiohttp() -> Iterator[aioresponses]:
    """Answer the requests of all aiohttp sessions as the test says; see `koophone_async.testing`."""
    from koophone_async.mocking import mock_aiohttp  # noqa: PLC0415 - as above

    with mock_aiohttp() as mocked:
        yield mocked
