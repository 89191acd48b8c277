"""`koophone demo`: run a command on emulated phones and print the grouped output."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from koophone_async.batches import Outcome
from koophone_async.cli.errors import STOPPED, Exit, print_stderr
from koophone_async.cli.output.groups import group, group_lines
from koophone_async.cli.output.printing import Format, print_lines, print_styled, printer
from koophone_async.cli.output.progress import Total, Work
from koophone_async.cli.output.rows import OUTCOME_COLUMNS
from koophone_async.cli.output.summary import Tally
from koophone_async.cli.output.terminal import terminal_width
from koophone_async.cli.output.view import Output
from koophone_async.cli.runner import execute, follow
from koophone_async.services.koophone.client import KooPhone
from koophone_async.services.koophone.commands import RUN

if TYPE_CHECKING:
    from koophone_async.emulator import Emulator

EXAMPLES: Final = (
    "koophone demo",
    "koophone demo --phones 10000 --command 'getprop ro.product.model'",
)


def run(
    phones: Annotated[int, typer.Option(min=1, max=1_000_000, help="Number of phones.")] = 1000,
    command: Annotated[
        str, typer.Option(help="Shell command to run on each phone.")
    ] = "getprop ro.build.version.release",
    output: Output = Format.TABLE,
) -> None:
    """Run a command on emulated phones; needs no account and no network.

    Prints the output, grouping phones with equal output, and checks in the emulator's ledger that each
    phone executed the command exactly once.
    """
    execute(_demonstrate(phones, command, output))


async def _demonstrate(phones: int, command: str, output: Format) -> Exit:
    from koophone_async.emulator import Durations, Emulator  # noqa: PLC0415 - slow to import

    loop = asyncio.get_running_loop()
    async with (
        Emulator(phones=phones, jobs=Durations(median=1, sigma=0.2)) as emulator,
        emulator.session() as session,
    ):
        ids = [phone.id for phone in emulator.phones]
        run = KooPhone(session).fleet(ids).run(command)
        outcomes: list[Outcome] = []
        work, started_at = Work(command, total=lambda: Total(phones)), loop.time()
        if output is Format.TABLE:
            tally, code = await follow(run, outcomes.append, work)
            print_styled(group_lines(group(outcomes), terminal_width(sys.stdout)))
        else:
            with printer(output, OUTCOME_COLUMNS) as out:
                tally, code = await follow(run, lambda o: out.row(o.to_row()), work)
        for line in (_summary(tally, loop.time() - started_at, emulator), check_ledger(emulator, ids)):
            print_lines([line]) if output is Format.TABLE else print_stderr(line)
        if code in STOPPED:
            print_stderr(f"koophone: {STOPPED[code]}: the emulator has ended, and its jobs with it")
        return code


def _summary(tally: Tally, seconds: float, emulator: Emulator) -> str:
    return f"{tally.total:,} phones: {tally} in {seconds:.1f} s with {emulator.ledger.requests:,} requests"


def check_ledger(emulator: Emulator, ids: list[str]) -> str:
    """Compare the emulator's ledger with one execution per phone; return the result as a sentence."""
    executions = emulator.ledger.executions(RUN.name)
    if executions == dict.fromkeys(ids, 1):
        return f"ledger: each of the {len(ids):,} phones executed the command exactly once"
    missing, repeated = (
        sum(id not in executions for id in ids),
        sum(times > 1 for times in executions.values()),
    )
    return (
        f"ledger: {missing:,} of {len(ids):,} phones never executed the command, {repeated:,} more than once"
    )
