"""Confirmation of commands that destroy, interrupt or cost money: by a question in a terminal, or `--yes`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final

import typer
from attrs import field, frozen

from koophone_async.cli.commands.orders import ordered
from koophone_async.cli.commands.services import Entry
from koophone_async.cli.errors import STOPPED, Exit, print_stderr, report_error
from koophone_async.cli.interruption import Interrupted, raising
from koophone_async.cli.output.id_ranges import shorten
from koophone_async.cli.output.terminal import terminal_width
from koophone_async.cli.settings import Settings
from koophone_async.errors import InvalidRequest

YES: Final = "KOOPHONE_YES"
Yes = Annotated[
    bool,
    typer.Option("--yes", envvar=YES, help="Do not ask for confirmation; required in scripts."),
]

_SHOWN: Final = 3
"""How many ids an error message shows."""


@frozen
class Consequence:
    """What a command does that must be confirmed."""

    action: str
    """Such as `erase the data of 5 phones`."""

    noun: str = ""
    """Of the ids, in the plural."""

    ids: Sequence[str] = ()
    order: Mapping[str, str] = field(factory=dict[str, str])
    """What is ordered, by field."""

    @classmethod
    def of_change(cls, verb: str, noun: str, ids: Sequence[str]) -> Consequence:
        """Return what a command does to ids.

        Args:
            verb: What is done, such as `reset` or `overwrite the data of`.
            noun: Of the ids, in the plural.
            ids: All ids that the command changes.
        """
        return cls(f"{verb} {_counted(noun, ids)}", noun, ids)

    @classmethod
    def of_order(
        cls, arguments: Mapping[str, object], noun: str = "", ids: Sequence[str] = ()
    ) -> Consequence:
        """Return what a command orders.

        Args:
            arguments: Those of the method that places the order.
            noun: Of the ids, in the plural.
            ids: What the order changes, unless it is for something new.
        """
        subject = f", for {_counted(noun, ids)}" if ids else ""
        return cls(f"place an order, which costs money{subject}", noun, ids, ordered(arguments))

    def __str__(self) -> str:
        """Return the consequence in one line, with the first ids."""
        first, rest = ", ".join(self.ids[:_SHOWN]), len(self.ids) - _SHOWN
        more = f" and {rest:,} more" if rest > 0 else ""
        ids = f" ({first}{more})" if self.ids else ""
        order = ", ".join(f"{name} {value}" for name, value in self.order.items())
        return ": ".join(filter(None, (f"{self.action}{ids}", order)))

    def lines(self, account: str, width: int) -> Iterator[str]:
        """Return the consequence as lines: what is done, to which ids, with which account.

        Args:
            account: The account in use, without secrets.
            width: Width of the terminal.
        """
        yield f"koophone: about to {self.action}"
        if self.ids:
            head = f"  {self.noun}: "
            yield f"{head}{shorten(self.ids, width - len(head))}"
        yield from (f"  {name}: {value}" for name, value in self.order.items())
        yield f"  account: {account}"


async def confirm_entry(
    entry: Entry, settings: Settings, arguments: Mapping[str, object], ids: Sequence[str], *, yes: bool
) -> Exit | None:
    """Ask before a command destroys or interrupts several phones, or places an order.

    Returns:
        The exit code if the command must not run, else None. Without a terminal to ask in, it must not.
    """
    inventory = entry.verb.inventory if entry.verb else entry.details.inventory
    noun = inventory.noun if inventory else ""
    if entry.operation.order:
        consequence = Consequence.of_order(arguments, noun, ids)
        is_needed = bool(ids) or not entry.verb
    else:
        consequence = Consequence.of_change(entry.details.destroys, noun, ids)
        is_needed = len(ids) > 1 or (bool(ids) and inventory is not None and inventory.has_phones)
    return confirm(consequence, str(await settings.account()), yes=yes) if is_needed else None


def confirm(consequence: Consequence, account: str, *, yes: bool) -> Exit | None:
    """Ask whether a command may go on.

    Args:
        consequence: What it does.
        account: The account in use, without secrets.
        yes: Whether the user confirmed already, by `--yes`.

    Returns:
        The exit code if the command must not run, else None. Without a terminal to ask in, it must not.
    """
    if yes:
        return None
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        problem = f"is required without a terminal: would {consequence}, with {account}"
        return report_error(InvalidRequest("", "--yes", problem))
    for line in consequence.lines(account, terminal_width(sys.stderr) or 1):
        print_stderr(line)
    try:
        answer = _ask()
    except Interrupted as error:
        print_stderr("")  # below the question
        print_stderr(f"koophone: {STOPPED[error.exit]}; nothing was done")
        return error.exit
    if not answer.endswith("\n"):  # Ctrl-D
        print_stderr("")
    if answer.strip().lower() in ("y", "yes"):
        return None
    print_stderr("koophone: not confirmed; nothing was done")
    return Exit.SOME_FAILED


def _counted(noun: str, ids: Sequence[str]) -> str:
    return f"{len(ids):,} {noun if len(ids) > 1 else noun.removesuffix('s')}"


def _ask() -> str:
    """Ask the user, and read the answer from the terminal."""
    with raising():
        sys.stderr.write("Continue? [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline()
