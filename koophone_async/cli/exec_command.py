"""`koophone exec`: run a shell command on phones, and print a row for each."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Annotated

import typer
from typer.core import TyperCommand

from koophone_async.cli.errors import Exit
from koophone_async.cli.koophone import INSTANCES
from koophone_async.cli.lazy_groups import Click
from koophone_async.cli.outcome_printer import OutcomePrinter
from koophone_async.cli.output import Format
from koophone_async.cli.progress import Work, quota_wait
from koophone_async.cli.runner import execute, print_outcomes, with_option_names
from koophone_async.cli.selection import IdsFile, Selection, all_option, ids_argument, where_option
from koophone_async.cli.settings import Settings, current_settings
from koophone_async.cli.view import OUTCOMES, View, with_view
from koophone_async.errors import InvalidRequest
from koophone_async.polling import Deadline
from koophone_async.services.koophone.client import KooPhone

Output = Annotated[Format, typer.Option("--output", "-o", help="Output format.")]


def _parse_timeout(text: str) -> float:
    """Parse seconds, or `none` for no limit, which is infinity here: None means that the option is absent."""
    seconds = inf if text == "none" else float(text)
    if not seconds >= 0:
        raise ValueError(text)
    return seconds


def deadline(timeout: float | None) -> float | Deadline | None:
    """Return the deadline that an option stands for."""
    if timeout is None:
        return Deadline.DEFAULT
    return None if timeout == inf else timeout


Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        parser=_parse_timeout,
        help="Seconds to wait, or none for no limit; unfinished jobs go on running. Default: 30 minutes, "
        "1 hour for installs, 6 hours for backups, restores and purchases.",
    ),
]
Concurrency = Annotated[int, typer.Option(min=1, help="Maximum number of concurrent calls.")]

_COMMAND_WORDS = "koophone.exec"


class Command(TyperCommand):
    """A typer command whose arguments end at `--`; the words after it are the shell command."""

    def parse_args(self, ctx: Click, args: list[str]) -> list[str]:
        """Separate the words after `--` from the ids before it."""
        if "--" in args:
            at = args.index("--")
            args, ctx.meta[_COMMAND_WORDS] = args[:at], args[at + 1 :]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Click) -> list[str]:
        """Append the shell command to the usage line."""
        return [*super().collect_usage_pieces(ctx), "-- COMMAND"]


@with_view(OUTCOMES)
def run(
    context: typer.Context,
    *,
    ids: Annotated[list[str] | None, ids_argument(INSTANCES)] = None,
    ids_file: IdsFile = None,
    where: Annotated[str | None, where_option(INSTANCES)] = None,
    select_all: Annotated[bool, all_option(INSTANCES)] = False,
    sync: Annotated[
        bool, typer.Option("--sync", help="Use the synchronous operation; for short commands.")
    ] = False,
    timeout: Timeout = None,
    concurrency: Concurrency = 32,
    view: View,
) -> None:
    """Run a shell command on phones, wait for it, and print a row for each.

    The words after `--` are joined by spaces, as adb does. Quote whatever your own shell must not expand:

    koophone exec phone0001 -- 'ls /sdcard | wc -l'

    Exit code: 0 all succeeded, 1 some did not, 2 wrong usage, 3 refused or no connection, 130 interrupted,
    143 terminated, 129 hung up. The outcomes so far are printed in every case.
    """
    args = {"ids": ids, "ids_file": ids_file, "where": where, "select_all": select_all}

    async def work(settings: Settings, words: Sequence[str]) -> Exit:
        selection = Selection.of(INSTANCES, args)
        if not words:
            raise InvalidRequest("", "COMMAND", "is missing; usage: koophone exec ID... -- COMMAND")
        command, out = " ".join(words), OutcomePrinter.of(view, selection.names)
        async with settings.session() as session:
            koophone = KooPhone(session)
            fleet = koophone.fleet(
                selection.source(koophone), concurrency=concurrency, deadline=deadline(timeout)
            )
            run = fleet.run_sync(command) if sync else fleet.run(command)
            return await print_outcomes(
                run, out, Work("exec", total=selection.total, waits_for=quota_wait(session))
            )

    names = {"where": "--where", "command": "COMMAND"}
    words = context.meta.get(_COMMAND_WORDS, ())
    execute(with_option_names(work(current_settings(context), words), names))
