"""`koophone exec`: one command on many instances, and a row for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import typer
from typer.core import TyperCommand

from koophone_async.cli.errors import Exit
from koophone_async.cli.koophone import INSTANCES
from koophone_async.cli.output import Format
from koophone_async.cli.runner import execute, print_outcomes
from koophone_async.cli.selection import All, Ids, IdsFile, Selection, by_expression
from koophone_async.cli.settings import Settings, settings
from koophone_async.errors import InvalidRequest
from koophone_async.services.koophone.client import KooPhone

Click: TypeAlias = Any
"""A command or context of click, which newer versions of typer bring along: no import serves for all."""

Output = Annotated[Format, typer.Option("--output", "-o", help="How rows are printed.")]
Timeout = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", min=0, help="When to stop waiting; what still runs is left running."),
]
Concurrency = Annotated[int, typer.Option(min=1, help="Calls under way at once.")]
Group = Annotated[
    bool, typer.Option("--group", help="One row for all ids that ended alike: phone[0001-0480].")
]

_WORDS = "koophone.exec"


class AfterDashes(TyperCommand):
    """A command whose arguments end at `--`; what follows is for the phones."""

    def parse_args(self, ctx: Click, args: list[str]) -> list[str]:
        """Keep what follows `--` apart from the ids before it."""
        if "--" in args:
            at = args.index("--")
            args, ctx.meta[_WORDS] = args[:at], args[at + 1 :]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Click) -> list[str]:
        """Show where the command goes."""
        return [*super().collect_usage_pieces(ctx), "-- COMMAND"]


def run(
    context: typer.Context,
    *,
    ids: Ids = None,
    ids_file: IdsFile = None,
    where: Annotated[str | None, by_expression(INSTANCES)] = None,
    everything: All = False,
    sync: Annotated[bool, typer.Option("--sync", help="Use calls that wait; for short commands.")] = False,
    output: Output = Format.TABLE,
    group: Group = False,
    timeout: Timeout = None,
    concurrency: Concurrency = 32,
) -> None:
    """Run a shell command on instances, wait for it, and print a row for each.

    Words after `--` are joined by spaces, as adb does; quote what your own shell must not read:
    koophone exec phone0001 -- 'ls /sdcard | wc -l'

    Exit code: 0 all succeeded, 1 some did not, 2 usage, 3 nothing was begun, 130 interrupted.
    """
    given = {"ids": ids, "ids_file": ids_file, "where": where, "everything": everything}

    async def work(having: Settings, words: Sequence[str]) -> Exit:
        chosen = Selection.of(INSTANCES, given)
        if not words:
            raise InvalidRequest("", "command", "is missing: koophone exec ID... -- COMMAND")
        command = " ".join(words)
        async with having.session() as session:
            koophone = KooPhone(session)
            fleet = koophone.fleet(chosen.source(koophone), concurrency=concurrency, deadline=timeout)
            run = fleet.run_sync(command) if sync else fleet.run(command)
            return await print_outcomes(run, output, label="exec", total=chosen.total, group=group)

    execute(work(settings(context), context.meta.get(_WORDS, ())))
