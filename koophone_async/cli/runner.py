"""Running the library's coroutines to their end: outcomes as they come, Ctrl-C, the exit code."""

from __future__ import annotations

import asyncio
import signal
import sys
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer
from attrs import define, field

from koophone_async.batches import Outcome, Run
from koophone_async.cli.errors import Exit, Tally, complain, say, sum_up
from koophone_async.cli.id_ranges import by_number
from koophone_async.cli.output import Format, Printer, printer
from koophone_async.cli.progress import Progress
from koophone_async.cli.rows import OUTCOME, grouped, value_rows
from koophone_async.errors import KooPhoneError


def execute(work: Coroutine[Any, Any, Exit]) -> None:
    """Run to the end, and leave the command with the exit code where that is not 0.

    Raises:
        typer.Exit: Something did not succeed.
    """
    code = asyncio.run(ended(work))
    if code is not Exit.DONE:
        raise typer.Exit(code)


async def ended(work: Awaitable[Exit]) -> Exit:
    """Give the exit code of work, and say on stderr what it raises or warns of."""
    try:
        with _warnings_said():
            return await work
    except BrokenPipeError:
        return Exit.READER_GONE
    except KooPhoneError as error:
        return complain(error)


@contextmanager
def _warnings_said() -> Generator[None]:
    """Say on stderr what the library warns of, which Python shows to developers only."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("default", "the property ", DeprecationWarning)
        try:
            yield
        finally:
            for warning in caught:
                say(f"koophone: {warning.message}")


@define
class Interruption:
    """Whether Ctrl-C was pressed."""

    happened: bool = False
    _stopping: asyncio.Future[None] | None = field(default=None, repr=False)

    def stop(self, work: Callable[[], Awaitable[None]]) -> None:
        """Begin to stop the work, and remember the task so that it lives."""
        self._stopping = asyncio.ensure_future(work())


@contextmanager
def interruptible(stop: Callable[[], Awaitable[None]]) -> Generator[Interruption]:
    """Let the first Ctrl-C stop the work in order, and the second end the program.

    Args:
        stop: Ends the work; what is known by then is still printed.
    """
    loop, interruption = asyncio.get_running_loop(), Interruption()

    def on_signal(_: int, __: FrameType | None) -> None:
        if interruption.happened:
            raise KeyboardInterrupt
        interruption.happened = True
        loop.call_soon_threadsafe(interruption.stop, stop)

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, before)


async def follow(
    run: Run[Any, Any], take: Callable[[Outcome], None], *, label: str, total: int | None, shown: bool = True
) -> tuple[Tally, Exit]:
    """Take every outcome of a run as it comes, until the end or Ctrl-C.

    Returns:
        The counts and the exit code.
    """
    tally = Tally()
    with interruptible(run.cancel) as interruption, Progress(label, total, shown=shown) as progress:
        async for outcome in run:
            tally.add(outcome)
            take(outcome)
            progress.show(tally)
    return tally, Exit.INTERRUPTED if interruption.happened else tally.exit


async def print_outcomes(
    run: Run[Any, Any], output: Format, *, label: str, total: int | None, group: bool = False
) -> Exit:
    """Print a row for each id, or for each group of ids that ended alike, and the sum on stderr."""
    kept: list[Outcome] = []
    with printer(output, () if group else OUTCOME) as out:
        holds = group or not out.streams
        take: Callable[[Outcome], None] = kept.append if holds else lambda outcome: out.row(outcome.to_row())
        try:
            tally, code = await follow(run, take, label=label, total=total, shown=_is_free(holds))
        finally:
            print_kept(out, kept, group=group)
    sum_up(tally, code)
    return code


async def print_values(run: Run[Any, Any], output: Format, *, label: str, total: int | None) -> Exit:
    """Print what a run read for each id; ids that could not be read are told on stderr."""
    bad: list[Outcome] = []
    with printer(output) as out:

        def take(outcome: Outcome) -> None:
            if not outcome.ok:
                bad.append(outcome)
                return
            for row in value_rows(outcome):
                out.row(row)

        tally, code = await follow(run, take, label=label, total=total, shown=_is_free(not out.streams))
    for row in grouped(bad):
        say(f"koophone: {row['state']}: {row['error_code'] or ''} {row['error_message']}: {some(row['ids'])}")
    sum_up(tally, code)
    return code


def _is_free(holds: bool) -> bool:
    """Whether a bar may be drawn: not where rows go to the same terminal meanwhile."""
    return holds or not sys.stdout.isatty()


def print_kept(out: Printer, kept: Iterable[Outcome], *, group: bool) -> None:
    """Print outcomes that are all there, in the order of the ids' numbers."""
    if group:
        for row in grouped(kept):
            out.row(row)
        return
    for outcome in sorted(kept, key=lambda outcome: by_number(outcome.id)):
        out.row(outcome.to_row())


def some(folded: str, most: int = 8) -> str:
    """Name the first few ranges of folded ids, and how many more there are."""
    ranges = folded.split(",")
    more = len(ranges) - most
    return ",".join(ranges[:most]) + (f" and {more:,} more ranges" if more > 0 else "")
