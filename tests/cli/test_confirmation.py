"""Confirmation of destructive commands: a question in a terminal, `--yes` without one."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from koophone_async.cli.confirmation import confirm
from koophone_async.cli.errors import Exit
from koophone_async.errors import InvalidRequest
from tests.cli.conftest import COMMAND, Process

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.cli.conftest import Invoke, Line, Result

IDS: Final = ["p1", "p2", "p3", "p4", "p5"]
QUESTION: Final = "overwrite the data of 5 phones (p1, p2, p3 and 2 more) with access key AKID…"
PHONES: Final = ("cph", "phones", "list", "--where", 'name ~ "phone-0000[12]"', "--output", "jsonl")


def ask(ids: list[str], *, yes: bool = False) -> Exit | None:
    return confirm("overwrite the data of", "phones", ids, "access key AKID…", yes=yes)


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, typed: str) -> Generator[int]:
    """Make stdin and stderr a terminal, in which a text was typed."""
    outer, inner = os.openpty()
    os.write(outer, typed.encode())
    with os.fdopen(os.dup(inner)) as stdin, os.fdopen(inner, "w") as stderr:
        monkeypatch.setattr("sys.stdin", stdin)
        monkeypatch.setattr("sys.stderr", stderr)
        yield outer
    os.close(outer)


def test_one_id_needs_no_confirmation() -> None:
    assert ask(["p1"]) is None


def test_yes_is_a_confirmation() -> None:
    assert ask(IDS, yes=True) is None


def test_without_a_terminal_yes_is_required() -> None:
    with pytest.raises(InvalidRequest) as caught:
        ask(IDS)

    assert str(caught.value) == f"--yes: is required without a terminal: would {QUESTION}"


@pytest.mark.parametrize(
    "typed, code",
    [
        ("y\n", None),
        ("Yes\n", None),
        ("n\n", Exit.SOME_FAILED),
        ("\n", Exit.SOME_FAILED),
        ("\x04", Exit.SOME_FAILED),
    ],
)
def test_the_answer_decides(typed: str, code: Exit | None, monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch, typed) as outer:
        assert ask(IDS) is code

        shown = ""
        while QUESTION not in shown:  # the terminal's echo of the answer may come first, alone
            shown += os.read(outer, 4096).decode()


def migrate(*options: str) -> Line:
    """Migrate the first listed phone to the second, and the second to a third."""

    def line(previous: Result) -> tuple[str, ...]:
        first, second = (row["id"] for row in previous.rows[:2])
        sources = ("--sources", f"{first}={second}", "--sources", f"{second}={first}")
        return ("cph", "phones", "migrate", first, second, *sources, *options, "--output", "jsonl")

    return line


def test_a_destructive_command_runs_with_yes(koophone: Invoke) -> None:
    ended = koophone(PHONES, migrate("--yes"))

    assert [row["state"] for row in ended.rows[2:]] == ["succeeded"] * 2
    assert ended.code == 0


def test_the_environment_can_confirm(koophone: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOOPHONE_YES", "1")

    assert koophone(PHONES, migrate("--no-wait")).code == 0


def test_a_destructive_command_is_refused_without_a_terminal(koophone: Invoke) -> None:
    ended = koophone(PHONES, migrate())

    assert ended.code == Exit.USAGE
    assert "--yes: is required without a terminal: would overwrite the data of 2 phones" in ended.err


def test_an_empty_selection_needs_no_confirmation(koophone: Invoke) -> None:
    none = ("cph", "phones", "migrate", "--where", "name == nobody", "--sources", "a=b")

    assert koophone(none).code == 0


@pytest.mark.process
def test_ctrl_c_ends_the_question(emulator: dict[str, str]) -> None:
    outer, inner = os.openpty()
    line = ("cph", "phones", "migrate", "p1", "p2", "--sources", "p1=p2", "--sources", "p2=p1")
    environment = {**os.environ, **emulator}
    with Process([*COMMAND, *line], env=environment, stdin=inner, stderr=inner, text=True) as process:
        os.close(inner)
        while "[y/N]" not in os.read(outer, 4096).decode():
            pass
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(30) == Exit.INTERRUPTED
        finally:
            process.kill()
    os.close(outer)
