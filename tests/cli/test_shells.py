"""Completion in real shells, by the scripts that `koophone --show-completion` prints there."""

from __future__ import annotations

import os
import pty
from contextlib import contextmanager
from subprocess import PIPE
from typing import TYPE_CHECKING, Final

import pytest

from tests.cli.conftest import Process
from tests.cli.terminals import resize, shown

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.process]

HOSTILE_NAMES: Final = (
    "$(touch executed)",
    "`touch executed`",
    "a'$(touch executed)'",
    'b"$(touch executed)"',
)


@pytest.fixture(autouse=True)
def environment(on_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the command on PATH, and profiles with names that a shell could execute."""
    monkeypatch.setenv("PATH", f"{on_path}:{os.environ['PATH']}")
    monkeypatch.chdir(on_path)
    file = on_path / "credentials"
    file.write_text("".join(f"[{name}]\n" for name in ("plain", *HOSTILE_NAMES)))
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", str(file))


def fish(line: str) -> list[str]:
    """Return the words and descriptions that fish completes a line with."""
    script = f"koophone --show-completion | source; complete --do-complete '{line}'"
    with Process(
        ["fish", "--no-config", "--command", script], stdout=PIPE, stderr=PIPE, text=True
    ) as process:
        result = process.end()
    assert (result.code, result.err) == (0, "")
    return result.out.splitlines()


def test_fish_completes_commands_with_their_help() -> None:
    assert fish("koophone cph phones re") == [
        "rename\tRename a phone.",
        "reset\tReset phones to their initial state.",
        "restart\tRestart phones, or start those that are stopped.",
    ]


def test_fish_executes_nothing_of_a_name(on_path: Path) -> None:
    assert set(fish("koophone --profile ")) == {"plain", *HOSTILE_NAMES}
    assert not (on_path / "executed").exists()


@contextmanager
def zsh() -> Generator[int]:
    """Start zsh in a terminal, with the completion; yield the descriptor of what the user sees and types."""
    controller, terminal = pty.openpty()
    resize(terminal, 80)
    with Process(
        ["zsh", "-f", "-i"], stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    ) as shell:
        os.close(terminal)
        try:
            type_in(controller, "autoload -Uz compinit; compinit -u -D\n")
            type_in(controller, 'eval "$(koophone --show-completion)"; PS1="ready$((40 + 2))> "\n')
            shown(controller, until="ready42> ")
            yield controller
        finally:
            shell.kill()
            os.close(controller)


def type_in(controller: int, text: str) -> None:
    os.write(controller, text.encode())


def test_zsh_completes_a_command() -> None:
    with zsh() as terminal:
        type_in(terminal, "koophone cph phones resta\t\x01print -r \n")  # before all after Ctrl-A

        assert "\nkoophone cph phones restart\n" in shown(
            terminal, until="\r\nkoophone cph phones restart\r\n"
        )


def test_zsh_shows_the_help_of_commands() -> None:
    with zsh() as terminal:
        type_in(terminal, "koophone cph phones re\t")

        text = shown(terminal, until="that are stopped")

    assert "reset" in text
    assert "Reset phones to their initial state." in text


def test_zsh_executes_nothing_of_a_name(on_path: Path) -> None:
    with zsh() as terminal:
        type_in(terminal, "koophone --profile \t")
        text = shown(terminal, until="plain")
        type_in(terminal, "\x15print -r ended $(( 40 + 3 ))\n")  # after Ctrl-U
        text += shown(terminal, until="ended 43")

    assert all(name in text for name in ("plain", "touch executed"))
    assert not (on_path / "executed").exists()
