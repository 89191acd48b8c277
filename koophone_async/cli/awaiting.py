"""`koophone jobs wait`: the end of what another command, or another program, has started."""

from __future__ import annotations

from typing import Annotated

import typer

from koophone_async.cli.complaints import Exit, Tally, sum_up
from koophone_async.cli.execution import Group, Output, Timeout
from koophone_async.cli.printing import Format, printer
from koophone_async.cli.rows import OUTCOME
from koophone_async.cli.running import execute, print_kept
from koophone_async.cli.settings import Settings, settings
from koophone_async.services.koophone.client import KooPhone


def run(
    context: typer.Context,
    ticket: Annotated[str, typer.Argument(metavar="TICKET", help="What a command with --no-wait has told.")],
    output: Output = Format.TABLE,
    group: Group = False,
    timeout: Timeout = None,
) -> None:
    """Wait for the end of jobs that were started elsewhere, and print a row for each instance."""
    execute(_wait(settings(context), ticket, output, timeout, group=group))


async def _wait(having: Settings, ticket: str, output: Format, seconds: float | None, *, group: bool) -> Exit:
    async with having.session() as session:
        report = await KooPhone(session).jobs.wait(ticket, timeout=seconds)
    tally = Tally()
    for outcome in report:
        tally.add(outcome)
    with printer(output, () if group else OUTCOME) as out:
        print_kept(out, report, group=group)
    sum_up(tally, tally.exit)
    return tally.exit
