"""Run commands in a real terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING, Final

from tests.cli.conftest import COMMAND, Process

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

_OPEN_TERMINAL: Final = """
import os, sys
os.close(os.open(os.ttyname(next(filter(os.isatty, range(3)))), os.O_RDWR))
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
"""Program that makes its terminal the controlling one, as a login does: Ctrl-C and a hang-up send signals."""

PLAIN: Final = {"NO_COLOR": "1", "TERM": "dumb"}
"""Environment in which the command itself writes no escape sequence, so that any other is the phone's."""


def resize(terminal: int, columns: int, lines: int = 50) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


@contextmanager
def in_terminal(
    *line: str,
    environ: Mapping[str, str],
    columns: int = 80,
    piped: str = "",
    directory: Path | None = None,
) -> Generator[tuple[Process, int]]:
    """Start a command in a terminal of its own; yield it and the descriptor of what the user sees.

    Args:
        line: Arguments of the command.
        environ: Variables that are added to the environment.
        columns: Width of the terminal.
        piped: The streams that are pipes instead, such as `stdout stderr`.
        directory: The working directory; by default that of this process.
    """
    controller, terminal = pty.openpty()
    resize(terminal, columns)
    environment = {**os.environ, **environ}
    environment.pop("COLUMNS", None)
    stdin, stdout, stderr = (PIPE if name in piped else terminal for name in ("stdin", "stdout", "stderr"))
    has_terminal = terminal in (stdin, stdout, stderr)
    command = (
        [sys.executable, "-Sc", _OPEN_TERMINAL, *COMMAND[1:], *line] if has_terminal else [*COMMAND, *line]
    )
    with Process(
        command,
        env=environment,
        cwd=directory,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        text=True,
        start_new_session=True,
    ) as process:
        os.close(terminal)
        try:
            yield process, controller
        finally:
            process.kill()
            os.close(controller)


def hang_up(controller: int) -> None:
    """Close a terminal, as a person closes its window."""
    with Path(os.devnull).open() as null:
        os.dup2(null.fileno(), controller)


def shown(controller: int, until: str | None = None) -> str:
    """Return what is shown from now on, until a text or the end of the command."""
    read = b""
    while until is None or until.encode() not in read:
        try:
            read += os.read(controller, 65_536)
        except OSError:  # Linux reports the end of a terminal as an error
            break
    return read.decode().replace("\r\n", "\n")


def run_in_terminal(*line: str, environ: Mapping[str, str], columns: int = 80) -> str:
    """Return all that a command shows in a terminal."""
    with in_terminal(*line, environ=environ, columns=columns) as (process, controller):
        text = shown(controller)
        process.wait(60)
    return text
