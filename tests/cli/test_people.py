"""What people meet at a terminal: questions, Ctrl-C, a closed window, a window that becomes narrow."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.cli.errors import print_stderr
from koophone_async.cli.output.status_line import STATUS
from tests.cli.screen import Screen
from tests.cli.terminals import hang_up, in_terminal, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.cli.conftest import RunMain

CTRL_C: Final = "\x03"
CTRL_D: Final = "\x04"
TERMINAL: Final = {"TERM": "xterm"}
PLAN: Final = """
name: shop
targets: {ids: [phone0001, phone0002]}
steps:
  - run: id -u
"""


def screen_of(text: str, columns: int = 80) -> list[str]:
    screen = Screen(columns)
    screen.feed(text.replace("\n", "\r\n"))
    return screen.text.splitlines()


@pytest.mark.process
@pytest.mark.parametrize(
    "typed, code, words",
    [
        ("y\n", 0, []),
        ("n\n", 1, ["koophone: not confirmed; nothing was done"]),
        (CTRL_D, 1, ["koophone: not confirmed; nothing was done"]),
        (CTRL_C, 130, ["koophone: interrupted; nothing was done"]),
    ],
    ids=["yes", "no", "Ctrl-D", "Ctrl-C"],
)
def test_a_question_has_four_answers(
    typed: str, code: int, words: list[str], emulator: dict[str, str]
) -> None:
    line = ("cph", "storage", "expand", "p1", "--size", "200", "--no-wait")
    with in_terminal(*line, environ=emulator | TERMINAL, piped="stdout") as (process, controller):
        seen = shown(controller, "[y/N] ")
        os.write(controller, typed.encode())
        seen += shown(controller)

        assert process.wait(60) == code
    lines = screen_of(seen)
    assert lines[:3] == [
        "koophone: about to place an order, which costs money, for 1 phone",
        "  phones: p1",
        "  size: 200",
    ]
    assert lines[3].startswith("  account: permanent access key ")
    assert lines[4].startswith("Continue? [y/N]")
    assert lines[5:] == words


def commands(directory: Path) -> dict[str, Sequence[str]]:
    plan = directory / "shop.yaml"
    plan.write_text(PLAN)
    journal = ("--journal", str(directory / "journal.db"))
    return {
        "exec": ("exec", "phone0001", "phone0002", *journal, "--", "id -u"),
        "rollout": ("rollout", "start", str(plan), *journal),
    }


@pytest.mark.process
@pytest.mark.parametrize("name", ["exec", "rollout"])
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_leaves_a_run_that_can_be_resumed(
    name: str, times: int, stuck: dict[str, str], tmp_path: Path
) -> None:
    line = commands(tmp_path)[name]
    with in_terminal(*line, environ=stuck | TERMINAL) as (process, controller):
        seen = shown(controller, "1 of 2 phones")
        os.write(controller, CTRL_C.encode() * times)
        lines = screen_of(seen + shown(controller))

        assert process.wait(60) == 130
    started = next(line for line in lines if line.startswith("koophone: rollout "))
    assert "koophone: interrupted: 1 succeeded · 1 unfinished" in lines
    assert lines[-1] == f"koophone: to go on: koophone rollout resume {started.split()[-1]}"


@pytest.mark.process
def test_a_terminated_rollout_can_be_resumed(stuck: dict[str, str], tmp_path: Path) -> None:
    line = commands(tmp_path)["rollout"]
    with in_terminal(*line, environ=stuck | TERMINAL) as (process, controller):
        seen = shown(controller, "1 of 2 phones")
        process.terminate()
        lines = screen_of(seen + shown(controller))

        assert process.wait(60) == 143
    assert "koophone: terminated: 1 succeeded · 1 unfinished" in lines
    assert lines[-1].startswith("koophone: to go on: koophone rollout resume ")


@pytest.mark.process
@pytest.mark.parametrize("name", ["exec", "rollout"])
def test_a_closed_window_loses_nothing(
    name: str, stuck: dict[str, str], tmp_path: Path, run_main: RunMain
) -> None:
    line = commands(tmp_path)[name]
    with in_terminal(*line, environ=stuck | TERMINAL) as (process, controller):
        shown(controller, "1 of 2 phones")
        hang_up(controller)

        assert process.wait(60) == 129
    journal = ("--journal", str(tmp_path / "journal.db"))
    (row,) = run_main("rollout", "list", *journal, "--output", "jsonl").rows
    assert row["state"] == "interrupted"
    assert row["counts"] == {"succeeded": 1, "in_flight": 1}


class Window(io.StringIO):
    """A terminal whose screen can be seen."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self.screen = screen

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.screen.feed(text.replace("\n", "\r\n"))
        return len(text)


@pytest.mark.parametrize("reflows", [True, False])
@given(widths=st.lists(st.integers(20, 120), max_size=6), lengths=st.lists(st.integers(1, 200), min_size=6))
def test_a_resized_window_has_no_remains_of_progress(
    widths: list[int], lengths: list[int], *, reflows: bool
) -> None:
    screen = Screen(120, reflows=reflows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", Window(screen))
        for width, length in zip(widths, lengths, strict=False):
            screen.resize(width)
            patch.setenv("COLUMNS", str(width))
            STATUS.draw("x" * length)
            print_stderr("koophone: message")
            STATUS.draw("y" * length)
        screen.resize(20)
        STATUS.clear()

    assert screen.text.split() == ["koophone:", "message"] * len(widths)
