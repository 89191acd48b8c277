"""`jobs wait`: wait for jobs that another command or program started."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from koophone_async.batches import Report
from koophone_async.cli.errors import Exit, Tally, print_summary
from koophone_async.cli.exec_command import Group, Output, Timeout
from koophone_async.cli.output import Format, printer
from koophone_async.cli.rows import OUTCOME_COLUMNS
from koophone_async.cli.runner import execute, print_sorted, with_option_names
from koophone_async.cli.services import Entry
from koophone_async.cli.settings import Settings, current_settings


def command(entry: Entry) -> Callable[..., None]:
    """Return the function of the `wait` command, for the resource of an operation."""

    def run(
        context: typer.Context,
        resume_token: Annotated[
            str, typer.Argument(metavar="TOKEN", help="Resume token, as printed by a command with --no-wait.")
        ],
        output: Output = Format.TABLE,
        group: Group = False,
        timeout: Timeout = None,
    ) -> None:
        """Wait for jobs that were started elsewhere, and print a row for each."""
        command = work(current_settings(context), resume_token, output, timeout, group=group)
        execute(with_option_names(command, {"resume_token": "TOKEN"}))

    async def work(
        settings: Settings, resume_token: str, output: Format, seconds: float | None, *, group: bool
    ) -> Exit:
        async with settings.session() as session:
            report: Report = await entry.resource(entry.service.client(session)).wait(
                resume_token, timeout=seconds
            )
        return _print(report, output, group=group)

    return run


def _print(report: Report, output: Format, *, group: bool) -> Exit:
    tally = Tally()
    for outcome in report:
        tally.add(outcome)
    with printer(output, () if group else OUTCOME_COLUMNS) as out:
        print_sorted(out, report, group=group)
    print_summary(tally, tally.exit)
    return tally.exit
