"""`jobs wait`: the end of what another command, or another program, has started."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from koophone_async.batches import Report
from koophone_async.cli.errors import Exit, Tally, sum_up
from koophone_async.cli.exec_command import Group, Output, Timeout
from koophone_async.cli.output import Format, printer
from koophone_async.cli.rows import OUTCOME
from koophone_async.cli.runner import execute, print_kept
from koophone_async.cli.services import Entry
from koophone_async.cli.settings import Settings, settings


def command(entry: Entry) -> Callable[..., None]:
    """Make the command that stands beside the one of an operation, and waits for jobs."""

    def run(
        context: typer.Context,
        resume_token: Annotated[
            str, typer.Argument(metavar="TOKEN", help="What a command with --no-wait has told.")
        ],
        output: Output = Format.TABLE,
        group: Group = False,
        timeout: Timeout = None,
    ) -> None:
        """Wait for the end of jobs that were started elsewhere, and print a row for each."""
        execute(work(settings(context), resume_token, output, timeout, group=group))

    async def work(
        having: Settings, resume_token: str, output: Format, seconds: float | None, *, group: bool
    ) -> Exit:
        async with having.session() as session:
            report: Report = await entry.resource(entry.service.client(session)).wait(
                resume_token, timeout=seconds
            )
        return _print(report, output, group=group)

    return run


def _print(report: Report, output: Format, *, group: bool) -> Exit:
    tally = Tally()
    for outcome in report:
        tally.add(outcome)
    with printer(output, () if group else OUTCOME) as out:
        print_kept(out, report, group=group)
    sum_up(tally, tally.exit)
    return tally.exit
