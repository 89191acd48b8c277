"""`koophone demo`: an emulator in this process, a command on all its phones, and what they said."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from koophone_async.batches import Outcome
from koophone_async.cli.errors import Exit, Tally, say
from koophone_async.cli.exec_command import Output
from koophone_async.cli.output import Format, printer
from koophone_async.cli.rows import OUTCOME, Row, grouped
from koophone_async.cli.runner import execute, follow, some
from koophone_async.services.koophone.client import KooPhone
from koophone_async.services.koophone.commands import RUN

if TYPE_CHECKING:
    from koophone_async.emulator import Emulator


def run(
    phones: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many phones.")] = 1000,
    command: Annotated[str, typer.Option(help="What to run on each.")] = "getprop ro.build.version.release",
    output: Output = Format.TABLE,
) -> None:
    """Run a command on emulated phones: no account, no network, nothing left behind.

    Prints what the phones said, those together that said the same, and checks with the emulator's
    own ledger that each executed the command exactly once.
    """
    execute(_demonstrate(phones, command, output))


async def _demonstrate(phones: int, command: str, output: Format) -> Exit:
    from koophone_async.emulator import Durations, Emulator  # noqa: PLC0415 - no other command pays for it

    loop = asyncio.get_running_loop()
    async with (
        Emulator(phones=phones, jobs=Durations(median=1, sigma=0.2)) as emulator,
        emulator.session() as session,
    ):
        ids = [phone.id for phone in emulator.phones]
        run = KooPhone(session).fleet(ids).run(command)
        kept: list[Outcome] = []
        began = loop.time()
        if output is Format.TABLE:
            tally, code = await follow(run, kept.append, label=command, total=phones)
            for row in grouped(kept):
                typer.echo(_line(row))
        else:
            with printer(output, OUTCOME) as out:
                tally, code = await follow(run, lambda o: out.row(o.to_row()), label=command, total=phones)
        for line in (_sum(tally, loop.time() - began, emulator), verdict(emulator, ids)):
            typer.echo(line) if output is Format.TABLE else say(line)
        return code


def _line(row: Row) -> str:
    said = row["output"] if row["output"] is not None else row["error_message"]
    return f"{some(row['ids'], 4)}  x{row['count']:,} {row['state']}: {(said or '').rstrip()}"


def _sum(tally: Tally, seconds: float, emulator: Emulator) -> str:
    return f"{tally.total:,} phones: {tally} in {seconds:.1f} s with {emulator.ledger.requests:,} requests"


def verdict(emulator: Emulator, ids: list[str]) -> str:
    """Say whether each phone executed the command once, as the ledger knows."""
    executions = emulator.ledger.executions(RUN.name)
    if executions == dict.fromkeys(ids, 1):
        return f"ledger: each of the {len(ids):,} phones executed the command exactly once"
    never, often = sum(id not in executions for id in ids), sum(times > 1 for times in executions.values())
    return f"ledger: {never:,} of {len(ids):,} phones never executed the command, {often:,} more than once"
