"""Commands as described say what the real ones say, before anything that they call is imported."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest
import typer
from typer.main import get_command

from koophone_async.cli import described_commands
from koophone_async.cli.app import app
from koophone_async.cli.described_commands import Description, described_command
from koophone_async.cli.lazy_groups import described
from tests.cli.command_table import descriptions, text_of_descriptions

if TYPE_CHECKING:
    from collections.abc import Iterator

DESCRIPTIONS: Final = descriptions()
COMMANDS: Final = {path: each for path, each in DESCRIPTIONS.items() if "parameters" in each}
UsageError: Final[Any] = typer.BadParameter.__base__
SETTINGS: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"], "terminal_width": 100}


class LoadedError(Exception):
    """A described command left the line to the real one."""


def loaded() -> object:
    raise LoadedError


def real_command(path: str) -> Any:  # noqa: ANN401 - click's
    command: Any = get_command(app)
    for word in path.split():
        command = command.commands[word]
    return command


def answer(command: Any, path: str, line: list[str], capsys: pytest.CaptureFixture[str]) -> str | None:  # noqa: ANN401 - click's
    """Return what is printed for a line of a command, and how it ends; None if it is right."""
    try:
        command.make_context(f"koophone {path}", [*line], **SETTINGS)
    except UsageError as error:
        text = io.StringIO()
        error.show(text)
        return f"{error.exit_code} {text.getvalue()}"
    except typer.Exit as end:
        return f"{end.exit_code} {capsys.readouterr().out}"
    return None


def wrong_lines(description: Description) -> Iterator[list[str]]:
    """Yield lines that are wrong or ask for help, one for each kind of mistake and parameter."""
    yield from ([], ["--help"], ["-h"], ["--bogus"], ["--hel"], ["-Z"], ["a"] * 9, ["--", "--bogus"])
    for parameter in description.get("parameters", []):
        names = [name for name in parameter.get("names", []) if name.startswith("-")]
        for name in (*names, f"--{parameter['name'].replace('_', '-')}"):
            yield from ([name], [name[:-1]], [f"{name}=bogus"])
            yield from ([name, choice, "--bogus"] for choice in parameter.get("choices", [])[:1])


def test_the_descriptions_are_those_of_the_commands() -> None:
    current = described_commands.FILE.read_text("utf-8")

    assert text_of_descriptions(DESCRIPTIONS) == current, "run python -m tests.cli.command_table"


@pytest.mark.parametrize("path", COMMANDS)
def test_a_described_command_answers_as_the_real_one(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = described_command(path.rsplit(maxsplit=1)[-1], COMMANDS[path], loaded)
    real = real_command(path)
    decided = 0
    for line in wrong_lines(COMMANDS[path]):
        try:
            shown = answer(command, path, line, capsys)
        except LoadedError:
            continue
        assert shown == answer(real, path, line, capsys), line
        decided += 1

    assert decided >= 5


@pytest.mark.parametrize(
    "line", [[], ["--help"], ["--output", "bogus"], ["--output", "json"], ["--limit", "2"]], ids=str
)
def test_a_typer_of_unknown_internals_checks_all_values_itself(
    line: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = answer(real_command("instances list"), "instances list", line, capsys)
    monkeypatch.setattr(typer, "__version__", "1.0.0")
    monkeypatch.delattr("koophone_async.cli.light_checks._Check.coerce")

    assert answer(real_command("instances list"), "instances list", line, capsys) == known


@pytest.mark.parametrize("path", sorted(DESCRIPTIONS.keys() - COMMANDS.keys()))
@pytest.mark.parametrize("line", [[], ["--help"], ["--bogus"]], ids=str)
def test_a_described_group_answers_as_the_real_one(
    path: str, line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = answer(described(tuple(path.split()), loaded), path, line, capsys)

    assert shown
    assert shown == answer(real_command(path), path, line, capsys)


@pytest.mark.process
@pytest.mark.parametrize(
    "line",
    [
        "instances --help",
        "instances list --bogus",
        "instances list --output bogus",
        "cph phones restart --help",
        "cph phones restart --output",
        "cph gaming applications --help",
        "rollout start",
    ],
)
def test_usage_errors_and_help_import_no_client(line: str) -> None:
    code = (
        "import atexit, sys; from koophone_async.cli import main; sys.argv[1:] = " + repr(line.split()) + "\n"
        "atexit.register(lambda: print('LOADED', *({'aiohttp', 'pydantic', 'attrs'} & set(sys.modules))))\n"
        "main()"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, check=False, text=True)  # noqa: S603 - ourselves

    assert done.stdout.splitlines()[-1] == "LOADED"
    assert "Usage: koophone" in done.stdout or "Error: " in done.stderr
