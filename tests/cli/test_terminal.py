"""Nothing that a phone or a service prints drives the operator's terminal."""

from __future__ import annotations

import ast
import csv
import io
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async import cli
from koophone_async.cli.errors import print_stderr
from koophone_async.cli.logs import VisibleFormatter, print_traceback
from koophone_async.cli.output.encoding import dump_json
from koophone_async.cli.output.printing import Format, print_bytes, print_lines, printer
from koophone_async.cli.output.terminal import is_visible, visible
from tests.cli.conftest import settings_of, started
from tests.cli.terminals import PLAIN, in_terminal, run_in_terminal, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.cli.conftest import RunMain

ATTACKS: Final = {
    "moves the cursor": "\x1b[2J\x1b[H",
    "sets the clipboard": "\x1b]52;c;cm0gLXJm\x07",
    "adds a link": "\x1b]8;;https://example.org\x1b\\update\x1b]8;;\x1b\\",
    "sets the title": "\x1b]0;root\x07",
    "C1 control": "\x9b2J",
    "overwrites the line": "failed\rsucceeded",
    "deletes characters": "failed\b\b\b\b\b\bok",
    "DEL": "a\x7f",
    "reversed": "\u202efdp.exe",
    "isolates": "a\u2066b\u2069",
    "zero width": "pho\u200bne\ufeff",
    "tags": "ok\U000e0041\U000e0042",
    "variation selectors": "a\ufe0f\U000e0100",
    "filler": "\u3164\u115f",
    "ends the line": "ok\u2028koophone: done\u2029\x85",
}
HARMLESS: Final = "世界\u3000é e\u0301 😀 \u00a0אבג ไทย"
TEXT: Final = st.text(st.characters() | st.sampled_from("".join(ATTACKS.values())))


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_is_shown_escaped(attack: str) -> None:
    assert all(is_visible(character) for character in visible(attack))
    assert visible(attack) != attack


def test_escapes_are_those_of_python() -> None:
    assert visible("\x1b\x9b\n\r\t\x7f\u202e\U000e0041\ud800") == r"\x1b\x9b\n\r\t\x7f\u202e\U000e0041\ud800"


def test_texts_of_all_languages_are_unchanged() -> None:
    assert visible(HARMLESS) == HARMLESS


@given(TEXT)
def test_only_visible_characters_are_left(text: str) -> None:
    assert all(is_visible(character) for character in visible(text))
    assert all(is_visible(character) or character in "\n\t" for character in visible(text, keep_lines=True))


@given(st.recursive(TEXT, lambda inner: st.dictionaries(TEXT, inner, max_size=2)))
def test_json_is_one_visible_line_that_loses_nothing(value: object) -> None:
    line = dump_json(value, "utf-8")

    assert all(is_visible(character) for character in line)
    assert json.loads(line) == value


def test_a_message_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_stderr("no: \x1b[2J\nkoophone: done")

    assert capsys.readouterr().err == "no: \\x1b[2J\\nkoophone: done\n"


def fail(message: str) -> None:
    raise ValueError(message)


def test_log_records_and_tracebacks_are_escaped() -> None:
    with pytest.raises(ValueError, match="2J") as failure:
        fail("\x1b[2J")
    args = ("\x1b]0;root\x07",)
    record = logging.LogRecord(
        "name", logging.ERROR, "file", 1, "%s\nforged", args, (failure.type, failure.value, failure.tb)
    )

    line, *trace = VisibleFormatter("%(message)s").format(record).split("\n")

    assert line == r"\x1b]0;root\x07\nforged"
    assert (trace[0], trace[-1]) == ("Traceback (most recent call last):", r"ValueError: \x1b[2J")


def test_the_traceback_of_an_unhandled_error_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    print_traceback(ValueError, ValueError("\x1b[2J"), None)

    assert capsys.readouterr().err == "ValueError: \\x1b[2J\n"


class Terminal(io.TextIOWrapper):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def stdout(monkeypatch: pytest.MonkeyPatch, kind: type[io.TextIOWrapper]) -> io.BytesIO:
    buffer = io.BytesIO()
    monkeypatch.setattr("sys.stdout", kind(buffer, encoding="utf-8", newline="", write_through=True))
    return buffer


CELLS: Final = [*ATTACKS.values(), "two\nlines", HARMLESS]


def print_csv() -> None:
    with printer(Format.CSV) as out:
        for cell in CELLS:
            out.row({"output": cell})


def test_csv_in_a_terminal_is_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = stdout(monkeypatch, Terminal)
    print_csv()

    rows = csv.DictReader(io.StringIO(buffer.getvalue().decode(), newline=""))
    assert [row["output"] for row in rows] == [visible(cell, keep_lines=True) for cell in CELLS]


@pytest.mark.parametrize("output", Format)
@pytest.mark.parametrize("columns", ["80", "8"], ids=["wide", "narrow"])
def test_a_field_with_any_name_is_visible_in_a_terminal(
    output: Format, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    buffer = stdout(monkeypatch, Terminal)

    with printer(output) as out:
        out.row(dict.fromkeys(ATTACKS.values(), "value"))

    text = buffer.getvalue().decode()
    assert all(is_visible(character) or character == "\n" for character in text)
    assert "fdp.exe" in text.lower()


def test_csv_in_a_pipe_is_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = stdout(monkeypatch, io.TextIOWrapper)
    print_csv()

    rows = csv.DictReader(io.StringIO(buffer.getvalue().decode(), newline=""))
    assert [row["output"] for row in rows] == CELLS


def test_bytes_of_an_answer_are_unchanged_in_a_pipe_only(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"PK\x1b[2J\xff\n"
    piped = stdout(monkeypatch, io.TextIOWrapper)
    print_bytes(content)
    terminal = stdout(monkeypatch, Terminal)
    print_bytes(content)

    assert piped.getvalue() == content
    assert terminal.getvalue() == rb"PK\x1b[2J\xff" + b"\n"


HOSTILE: Final = "".join(text for text in ATTACKS.values() if "\x00" not in text)
ON_PHONE: Final = ("exec", "phone0001", "--sync")


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_line_of_any_origin_is_printed_visibly(attack: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_lines([attack])

    (line,) = capsys.readouterr().out.split("\n")[:-1]
    assert all(map(is_visible, line))


@pytest.mark.process
@pytest.mark.parametrize("options", [("-o", output) for output in Format] + [("--group",)], ids=" ".join)
def test_the_output_of_a_phone_is_visible_in_a_terminal(
    options: Sequence[str], emulator: dict[str, str]
) -> None:
    line = (*ON_PHONE, *options, "--", f"echo '{HOSTILE}'")
    # Without stderr, where progress moves the cursor.
    with in_terminal(*line, environ=emulator | PLAIN, piped="stderr") as (_, controller):
        text = shown(controller)

    assert all(is_visible(character) or character == "\n" for character in text)
    assert "52;c;cm0gLXJm" in text.replace("\n", "")


@pytest.mark.process
def test_errors_and_the_log_are_visible_in_a_terminal(emulator: dict[str, str]) -> None:
    line = ("-v", "instances", "list", "--where", f"name == {HOSTILE}")
    with in_terminal(*line, environ=emulator | PLAIN) as (_, controller):
        text = shown(controller)

    assert all(is_visible(character) or character == "\n" for character in text)
    assert "koophone: " in text


@pytest.mark.process
def test_the_message_of_a_service_is_visible_in_a_terminal(tmp_path: Path) -> None:
    refusal = {"kind": "refuse", "status": 400, "message": HOSTILE}
    plan = tmp_path / "faults.json"
    plan.write_text(json.dumps([{"operation": "koophone.instances.status", "action": refusal}]))
    with started("emulator", "--phones", "2", "--faults", str(plan)) as emulator:
        assert emulator.stdout
        environ = settings_of(json.loads(emulator.stdout.readline())) | PLAIN
        seen = [
            run_in_terminal("-v", *line, environ=environ)
            for line in (
                ("instances", "status", "phone0001", "--failed-only"),
                ("instances", "status", "phone0001", "--failed-only", "--group"),
                ("api", "koophone.instances.status", "--body", '{"instance_ids": ["phone0001"]}'),
            )
        ]

    for text in seen:
        assert all(is_visible(character) or character == "\n" for character in text)
        assert "cm0gLXJm" in text.replace("\n", "")


# Without NUL, which no argument can have, and the slash, which would be that of a folder.
ARGUMENT: Final = HOSTILE.replace("/", "")


@pytest.mark.parametrize(
    "line",
    [
        (ARGUMENT,),
        ("rollout", ARGUMENT),
        ("--edition", ARGUMENT, "config"),
        ("--region", ARGUMENT, "config"),
        ("--profile", ARGUMENT, "config"),
        ("--proxy", ARGUMENT, "config"),
        ("--limits", ARGUMENT, "config"),
        ("exec", f"--{ARGUMENT}"),
        ("exec", "phone0001", "-o", ARGUMENT, "--", "id"),
        ("exec", "--ids-file", ARGUMENT, "--", "id"),
        ("exec", "--where", ARGUMENT, "--", "id"),
        ("api", ARGUMENT),
        ("api", "koophone.instances.status", "--body", f"@{ARGUMENT}"),
        ("apps", "install", "phone0001", "--url", f"@{ARGUMENT}"),
        ("jobs", "wait", ARGUMENT),
        ("emulator", "--host", ARGUMENT),
        ("emulator", "--faults", ARGUMENT),
        ("emulator", "--state", f"{ARGUMENT}/state"),
        ("events", "serve", "--host", ARGUMENT),
        ("events", "serve", "--secrets-file", ARGUMENT),
        ("events", "serve", "--database", f"{ARGUMENT}/db"),
        ("rollout", "check", ARGUMENT),
        ("rollout", "start", ARGUMENT),
        ("rollout", "status", ARGUMENT),
        ("rollout", "status", "--journal", f"{ARGUMENT}/db"),
        ("rollout", "list", "--since", ARGUMENT),
        ("rollout", "list", "--state", ARGUMENT),
        ("rollout", "resume", "--set", ARGUMENT),
        ("rollout", "resume", "--deadline", ARGUMENT),
        ("rollout", "retry", "--only", ARGUMENT),
        ("rollout", "report", "--format", ARGUMENT),
    ],
    ids=lambda line: " ".join(word if word.isascii() else "X" for word in line),
)
def test_an_argument_is_quoted_visibly(
    line: Sequence[str], run_main: RunMain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KOOPHONE_JOURNAL", "journal.db")

    result = run_main(*line)

    assert result.code in (1, 2, 3)
    assert all(is_visible(character) or character == "\n" for character in result.out + result.err)


@pytest.mark.process
@pytest.mark.parametrize("command", [("emulator",), ("events", "serve")])
def test_a_warning_of_a_server_is_visible(command: Sequence[str]) -> None:
    text = run_in_terminal(*command, "--host", "\x1b[2J", environ=PLAIN)

    assert all(is_visible(character) or character == "\n" for character in text)
    assert "cannot start" in text


WRITERS: Final = {
    "__init__.py": "errors before anything is imported, and completions",
    "background_emulator.py": "its own settings for a shell",
    "api.py": "an answer as JSON, which is visible",
    "confirmation.py": "the question, without a line end",
    "emulator.py": "its own settings as JSON",
    "printing.py": "the printers of rows",
    "status_line.py": "messages, and the line of progress",
    "app.py": "the version, and usage errors",
}
"""Modules that write to stdout or stderr; everything else goes through the functions of these."""


WRITES: Final = {
    "print",
    "typer.echo",
    "typer.secho",
    "sys.stdout.write",
    "sys.stdout.buffer.write",
    "sys.stderr.write",
}


def test_no_other_module_writes_to_the_terminal() -> None:
    found = {
        path.name
        for path in Path(cli.__file__).parent.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in WRITES
    }

    assert found == set(WRITERS)
