"""The pytest plugin in a project of its own: with the plugins that run async tests, and without any."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from koophone_async.pytest_plugin import NO_RUNNER, NO_VIRTUAL_TIME

pytestmark = pytest.mark.process

ROOT: Final = Path(__file__).parents[1]
SETUP: Final = """
import pytest
from koophone_async import KooPhone, Report
from koophone_async.emulator import Emulator, Fail


async def our_nightly_reset(koophone: KooPhone) -> Report:
    return await koophone.fleet(f"phone{n:04}" for n in range(1, 11)).reset()


"""
PAGE: Final = (ROOT / "docs/emulator.md").read_text("utf-8")
DOCUMENTED: Final = next(
    block
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    if "test_our_nightly_reset" in block
)
PLAIN: Final = """
async def test_plain(koophone):
    assert (await koophone.fleet(["phone0001"]).run_sync("id")).counts == {"succeeded": 1}
"""
MARKED: Final = """
pytestmark = pytest.mark.{}
"""
REAL_TIME: Final = """
@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
TRIO: Final = """
@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param
"""


def run(folder: Path, test: str, *options: str) -> tuple[int, str]:
    """Run pytest with no plugins but those in the options, and return its exit code and output."""
    (folder / "test_project.py").write_text(SETUP + test)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    ended = subprocess.run(  # noqa: S603 - our own project
        command,
        cwd=folder,
        env=environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return ended.returncode, ended.stdout + ended.stderr


PLUGIN: Final = ("-p", "koophone_async.pytest_plugin")
ASYNCIO: Final = ("-p", "asyncio")
ANYIO: Final = ("-p", "anyio")
AUTO: Final = ("-o", "asyncio_mode=auto")


@pytest.mark.parametrize(
    "options, test",
    [
        pytest.param(ASYNCIO, DOCUMENTED + PLAIN, id="asyncio-strict"),
        pytest.param((*ASYNCIO, *AUTO), DOCUMENTED + PLAIN, id="asyncio-auto"),
        pytest.param(ANYIO, DOCUMENTED + PLAIN, id="anyio"),
        pytest.param((*ASYNCIO, *ANYIO), DOCUMENTED + PLAIN, id="both"),
        pytest.param(ASYNCIO, MARKED.format("asyncio") + DOCUMENTED + PLAIN, id="marked-asyncio"),
        pytest.param((*ASYNCIO, *ANYIO), MARKED.format("anyio") + PLAIN + TRIO, id="marked-anyio"),
        pytest.param((*ANYIO, "-o", "anyio_mode=auto"), PLAIN + TRIO, id="anyio-auto"),
    ],
)
def test_the_documented_test_passes(tmp_path: Path, options: tuple[str, ...], test: str) -> None:
    code, output = run(tmp_path, test, *PLUGIN, *options)

    assert code == 0, output
    if "trio" in test:
        assert "1 passed, 1 skipped" in output
    else:
        assert "2 passed" in output


@pytest.mark.parametrize(
    "options, test, message",
    [
        (("-p", "no:anyio", "-p", "no:asyncio"), PLAIN, NO_RUNNER),
        (
            ANYIO,
            MARKED.format("anyio") + "anyio_backend = pytest.fixture(lambda: 'asyncio')\n" + DOCUMENTED,
            NO_VIRTUAL_TIME,
        ),
    ],
)
def test_what_is_missing_is_reported(
    tmp_path: Path, options: tuple[str, ...], test: str, message: str
) -> None:
    code, output = run(tmp_path, test, *PLUGIN, *options)

    assert code == 1
    assert message in output
    assert "natively" not in output


def test_the_former_line_in_conftest_still_works(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["koophone_async.testing"]\n')

    assert run(tmp_path, PLAIN, *ASYNCIO)[0] == 0
    assert run(tmp_path, PLAIN, *ASYNCIO, *PLUGIN)[0] == 0


def test_a_suite_that_uses_no_fixture_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text("""
import asyncio, sys

async def test_other():
    assert type(asyncio.get_running_loop()) is type(asyncio.new_event_loop())
    loaded = {name for name in sys.modules if name.startswith("koophone_async")}
    assert loaded == {"koophone_async", "koophone_async.lazy_names", "koophone_async.pytest_plugin"}
""")

    code, output = run(tmp_path, "", *PLUGIN, *ASYNCIO, *AUTO, "test_other.py")

    assert code == 0, output


def test_the_entry_point_is_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    (module,) = project["entry-points"]["pytest11"].values()
    assert import_module(module).emulator
