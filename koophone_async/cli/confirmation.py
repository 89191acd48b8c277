"""Confirmation of commands that destroy or interrupt: a question in a terminal, `--yes` without one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from koophone_async.cli.errors import Exit, print_stderr
from koophone_async.cli.interruption import Interrupted, raising
from koophone_async.errors import InvalidRequest

Yes = Annotated[
    bool,
    typer.Option("--yes", envvar="KOOPHONE_YES", help="Do not ask for confirmation; required in scripts."),
]

_SHOWN: Final = 3
"""How many ids the question shows."""


def confirm(action: str, noun: str, ids: Sequence[str], account: str, *, yes: bool) -> Exit | None:
    """Ask whether a command may change several phones or servers. One alone needs no confirmation.

    Args:
        action: What is destroyed or interrupted, such as `overwrite the data of`.
        noun: Of the ids, in the plural.
        ids: All ids that the command changes.
        account: The credentials in use, without their secrets.
        yes: Whether the user confirmed already, by `--yes`.

    Returns:
        The exit code if the command must not run, else None.

    Raises:
        InvalidRequest: There is no terminal to ask in.
    """
    if yes or len(ids) <= 1:
        return None
    question = f"{action} {len(ids):,} {noun} ({_shown(ids)}) with {account}"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidRequest("", "--yes", f"is required without a terminal: would {question}")
    try:
        answer = _ask(f"koophone: {question}? [y/N] ")
    except Interrupted as error:
        print_stderr("")
        return error.exit
    if answer.strip().lower() in ("y", "yes"):
        return None
    print_stderr("koophone: not confirmed; nothing was done")
    return Exit.SOME_FAILED


def _shown(ids: Sequence[str]) -> str:
    first, rest = ", ".join(ids[:_SHOWN]), len(ids) - _SHOWN
    return f"{first} and {rest:,} more" if rest > 0 else first


def _ask(question: str) -> str:
    """Read a line from the terminal."""
    with raising():
        sys.stderr.write(question)
        sys.stderr.flush()
        return sys.stdin.readline()
