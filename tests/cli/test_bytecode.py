"""The command line runs where only its bytecode is, as a frozen program or a small image ships it."""

from __future__ import annotations

import compileall
import os
import shutil
import sys
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING, Final

import pytest

import koophone_async
from koophone_async.catalogue import OPERATIONS
from tests.cli.conftest import Process

if TYPE_CHECKING:
    from tests.cli.conftest import Result

pytestmark = pytest.mark.process

SOURCE: Final = Path(koophone_async.__file__).parent
EVERY_HELP: Final = """
import sys
from typer import Context
from typer.main import get_command
import koophone_async
from koophone_async.cli.app import app

def show(command, context):
    print(command.get_help(context))
    for name in getattr(command, "commands", ()):
        inner = command.get_command(context, name)
        show(inner, Context(inner, parent=context, info_name=name))

print(koophone_async.__file__, file=sys.stderr)
root = get_command(app)
show(root, Context(root, info_name="koophone"))
"""


def run(where: Path, *line: str) -> Result:
    """Run Python on the package that lies in a directory, unmeasured: coverage looks for the source."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, *line]
    with Process(command, cwd=where, env=environ, stdout=PIPE, stderr=PIPE, text=True) as process:
        return process.end()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the package in it, without its source."""
    where = tmp_path_factory.mktemp("compiled")
    shutil.copytree(SOURCE, where / SOURCE.name, ignore=shutil.ignore_patterns("__pycache__"))
    assert compileall.compile_dir(where, quiet=1, legacy=True)
    for source in where.rglob("*.py"):
        source.unlink()
    return where


def test_every_help_is_the_same_without_the_source(compiled: Path) -> None:
    ours, bytecode = run(SOURCE.parent, "-c", EVERY_HELP), run(compiled, "-c", EVERY_HELP)

    assert bytecode.err == f"{compiled / SOURCE.name / '__init__.pyc'}\n"
    assert bytecode.out == ours.out
    assert ours.out.count("Usage: koophone") > len(OPERATIONS)


def test_a_command_runs_without_the_source(compiled: Path) -> None:
    ended = run(compiled, "-m", "koophone_async.cli", "demo", "--phones", "3")

    assert (ended.code, ended.err) == (0, "")
