"""`koophone exec`: run a shell command on phones, and print a row for each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

import typer
from typer.core import TyperCommand

from koophone_async.cli.commands.journalled import NAMES, FleetCall, RunOptions, run_directly, run_journalled
from koophone_async.cli.commands.koophone import INSTANCES
from koophone_async.cli.errors import Exit
from koophone_async.cli.light_checks import Click
from koophone_async.cli.output.outcome_printer import OutcomePrinter
from koophone_async.cli.output.progress import Work, quota_wait
from koophone_async.cli.output.view import OUTCOMES, View, with_view
from koophone_async.cli.parameters.option_classes import with_options
from koophone_async.cli.runner import execute, print_outcomes, with_option_names
from koophone_async.cli.settings import Settings, current_settings
from koophone_async.cli.targets.failed_from import FailedFrom, NotSentToo, with_failed
from koophone_async.cli.targets.output_selection import WhereOutput
from koophone_async.cli.targets.selection import (
    IdsFile,
    Names,
    Selection,
    all_option,
    ids_argument,
    where_option,
)
from koophone_async.errors import InvalidRequest
from koophone_async.services.koophone import commands
from koophone_async.services.koophone.client import KooPhone
from koophone_async.services.koophone.fleet import Fleet

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


EXAMPLES: Final = (
    "koophone exec phone0001 phone0002 -- 'ls /sdcard | wc -l'",
    "koophone exec --all --group -- getprop ro.build.version.release",
)


@with_options("options", RunOptions, (*NAMES, "no_wait"))
@with_view(OUTCOMES)
def run(
    context: typer.Context,
    *,
    ids: Annotated[list[str] | None, ids_argument(INSTANCES)] = None,
    ids_file: IdsFile = None,
    names: Names = None,
    where: Annotated[str | None, where_option(INSTANCES)] = None,
    where_output: WhereOutput = None,
    select_all: Annotated[bool, all_option(INSTANCES)] = False,
    failed_from: FailedFrom = None,
    not_sent: NotSentToo = False,
    sync: Annotated[
        bool, typer.Option("--sync", help="Use the synchronous operation; for short commands.")
    ] = False,
    view: View,
    options: RunOptions,
) -> None:
    """Run a shell command on phones, wait for it, and print a row for each.

    The words after `--` are joined by spaces, as adb does. Quote whatever your own shell must not expand:

    koophone exec phone0001 -- 'ls /sdcard | wc -l'

    The phones are written to a journal before anything is sent, so that an interrupted run can be resumed
    with `koophone rollout resume`.

    Exit code: 0 all succeeded, 1 some did not, 2 wrong usage, 3 refused or no connection, 4 stopped by a
    rule, 130 interrupted, 143 terminated, 129 hung up. The outcomes so far are printed in every case.
    """
    selected = {"ids": ids, "ids_file": ids_file, "names": names, "where": where, "select_all": select_all}
    args = selected | {"where_output": where_output}

    args |= {"failed_from": failed_from, "not_sent": not_sent}

    async def work(settings: Settings, words: Sequence[str]) -> Exit:
        operation = commands.RUN_SYNC if sync else commands.RUN
        selected = await with_failed(args, INSTANCES, operation, options.journal, settings.profile)
        if selected is None:
            return Exit.DONE
        selection = Selection.of(INSTANCES, selected)
        if not words:
            raise InvalidRequest("", "COMMAND", "is missing; usage: koophone exec ID... -- COMMAND")
        command, out = " ".join(words), OutcomePrinter.of(view, selection.names)
        async with settings.session() as session:
            koophone = KooPhone(session)
            verb = Fleet.run_sync if sync else Fleet.run
            verb(koophone.fleet(()), command).discard()  # a wrong command is refused before anything is sent
            if selection.needs_resolving:
                selection = await selection.resolved(koophone, dry_run=options.dry_run)
            if selection.is_empty:
                return options.nothing_matched(INSTANCES.noun)
            work = Work(
                "exec",
                total=selection.total,
                waits_for=quota_wait(session),
                is_resumable=options.is_journalled,
            )
            print_run = partial(print_outcomes, out=out, work=work)
            if options.is_journalled or options.dry_run:
                call = FleetCall("koophone", verb.__name__, {"command": command}, selection)
                return await run_journalled(call, koophone, session, options, print_run)
            fleet = koophone.fleet(
                selection.source(koophone), concurrency=options.concurrency, deadline=options.deadline
            )
            return await run_directly(verb(fleet, command), options, print_run)

    labels = {"where": "--where", "command": "COMMAND"}
    words = context.meta.get(_COMMAND_WORDS, ())
    execute(with_option_names(work(current_settings(context), words), labels))
