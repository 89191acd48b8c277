"""The table of all commands: their help, options and values, known without importing what they call.

`python -m tests.cli.command_table` writes it from the commands themselves, and a test compares them.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Final, Required, TypedDict

FILE: Final = Path(__file__).with_name("commands.json")


class Entry(TypedDict, total=False):
    """A command or a group of commands."""

    help: Required[str]
    options: Required[dict[str, list[str] | None]]
    """Options with the values that complete them; None for a flag, which takes no value.

    A value that begins with `@` stands for several: `@profiles`, `@rollouts`, `@operations`, and of what an
    operation lists `@fields OPERATION`, `@columns OPERATION` (joined by commas) and `@ids OPERATION`.
    """

    argument: list[str]
    """Values that complete an argument."""

    operation: str
    """The operation that it calls."""

    commands: dict[str, Entry]
    """The commands of a group."""


class Table(TypedDict):
    """All commands."""

    fields: dict[str, list[str]]
    """The fields of what an operation lists."""

    root: Entry


@cache
def table() -> Table:
    """Return the table."""
    read: Table = json.loads(FILE.read_text("utf-8"))
    return read


def commands_of(path: tuple[str, ...]) -> dict[str, Entry]:
    """Return the commands of a group, by name."""
    commands = table()["root"].get("commands", {})
    for word in path:
        commands = commands[word].get("commands", {})
    return commands
