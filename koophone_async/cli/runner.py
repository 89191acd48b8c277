"""Run coroutines of commands: print outcomes as they arrive, handle signals, return the exit code."""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import typer

from koophone_async.batches import Outcome
from koophone_async.cli import discard_stdout
from koophone_async.cli.errors import NO_RESULTS, STOPPED, Exit, print_stderr, report_error
from koophone_async.cli.interruption import Interrupted, interruptible
from koophone_async.cli.output.outcome_printer import OutcomePrinter
from koophone_async.cli.output.pivot import Pivot
from koophone_async.cli.output.progress import Progress, Work
from koophone_async.cli.output.resume_tokens import wait_commands
from koophone_async.cli.output.rows import value_rows
from koophone_async.cli.output.summary import Tally, print_summary
from koophone_async.cli.output.view_rows import Arranged
from koophone_async.errors import InvalidRequest, KooPhoneError


class Outcomes(Protocol):
    """A run, or something like it."""

    def __aiter__(self) -> AsyncIterator[Outcome]:
        """Iterate over outcomes as they arrive."""
        ...

    async def cancel(self) -> None:
        """Stop; outcomes of all ids still arrive."""


def execute(work: Coroutine[Any, Any, Exit], *, is_server: bool = False) -> None:
    """Run a command to its end, and exit with its exit code.

    Args:
        work: The command.
        is_server: Whether it serves requests instead of sending them.

    Raises:
        typer.Exit: The exit code is not 0.
    """
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        code = runner.run(exit_code_of(work, is_server=is_server))
    if code is not Exit.DONE:
        raise typer.Exit(code)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of uvloop where the extra `fast` is installed, else one of asyncio."""
    try:
        import uvloop  # noqa: PLC0415 - optional, and most commands end before they need a loop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def exit_code_of(work: Awaitable[Exit], *, is_server: bool = False) -> Exit:
    """Return the exit code of a command; print its errors and warnings to stderr."""
    try:
        with _warnings_on_stderr():
            return await (work if is_server else _until_signal(work))
    except BrokenPipeError:
        return Exit.READER_GONE
    except Interrupted as error:
        return _report_stop(error.exit)
    except KooPhoneError as error:
        return report_error(error, is_server=is_server)


async def _until_signal(work: Awaitable[Exit]) -> Exit:
    """Run a command until its end or a signal; what it has printed by then is complete rows."""

    async def stop() -> None:
        task.cancel()

    with interruptible(stop) as interruption:
        # Created here, so that its context knows the interruption, which counts the signals of inner work.
        task = asyncio.ensure_future(work)
        try:
            return await task
        except asyncio.CancelledError:
            if interruption.exit is None:
                raise
            return _report_stop(interruption.exit)
        except OSError:
            if interruption.exit is not Exit.HUNG_UP:
                raise
            discard_stdout()  # its terminal is gone
            return Exit.HUNG_UP
        finally:
            task.cancel()


def _report_stop(code: Exit) -> Exit:
    print_stderr(f"koophone: {STOPPED[code]}")
    return code


async def with_option_names(work: Awaitable[Exit], names: Mapping[str, str]) -> Exit:
    """Run a command, and name fields in its errors as their options are typed.

    Args:
        work: The command.
        names: Options and metavars of arguments by field name.

    Raises:
        InvalidRequest: As raised by the command, with the option instead of the field.
    """
    try:
        return await work
    except InvalidRequest as error:
        error.field = names.get(error.field, error.field)
        raise


@contextmanager
def _warnings_on_stderr() -> Generator[None]:
    """Print deprecation warnings of the library to stderr, which Python hides by default."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("default", "the property ", DeprecationWarning)
        try:
            yield
        finally:
            for message in dict.fromkeys(str(warning.message) for warning in caught):
                print_stderr(f"koophone: {message}")


async def follow(
    run: Outcomes, on_outcome: Callable[[Outcome], None], work: Work, *, shown: bool = True
) -> tuple[Tally, Exit]:
    """Pass each outcome of a run to a callback as it arrives, until the end or a signal.

    Returns:
        The counts and the exit code.

    Raises:
        OSError: stdout cannot be written. The run is stopped, and stderr shows the outcomes that are lost.
    """
    tally, failures, lost = Tally(only_reads=work.only_reads), list[OSError](), list[Outcome]()

    async def consume() -> None:
        async for outcome in run:
            tally.add(outcome)
            progress.show(outcome, tally)
            if failures:
                lost.append(outcome)
                continue
            try:
                on_outcome(outcome)
            except OSError as error:
                failures.append(error)
                lost.append(outcome)
                await run.cancel()

    with interruptible(run.cancel) as interruption, Progress(work, shown=shown) as progress:
        await interruption.wait(consume())
    if failures:
        report_lost(lost)
        raise failures[0]
    return tally, interruption.exit or tally.exit


def report_lost(outcomes: Iterable[Outcome]) -> None:
    """Print to stderr what cannot be printed to stdout, and how to go on. Successes need neither."""
    tally, lost = Tally(), [outcome for outcome in outcomes if not outcome.ok]
    if not lost:
        return
    for outcome in lost:
        tally.add(outcome)
    discard_stdout()
    print_stderr(f"koophone: stdout cannot be written; not printed: {tally}")
    for line in wait_commands(lost):
        print_stderr(f"  {line}")


async def print_outcomes(run: Outcomes, out: OutcomePrinter, work: Work) -> Exit:
    """Print the outcomes of a run to stdout, and their summary to stderr."""
    try:
        with out:
            tally, code = await follow(run, out.add, work, shown=_can_draw_progress(not out.streams))
    except OSError:
        report_lost(out.collected)
        raise
    is_left = work.is_resumable and code in STOPPED  # `rollout resume` awaits its jobs, too
    go_on = () if out.has_tokens or is_left else tuple(wait_commands(tally.unfinished))
    print_summary(tally, code, work.noun, is_resumable=work.is_resumable, wait_commands=go_on)
    return code


async def print_values(run: Outcomes, out: Arranged | Pivot, work: Work) -> Exit:
    """Print the values that a run read to stdout, and which could not be read to stderr."""
    with out:

        def on_outcome(outcome: Outcome) -> None:
            if outcome.ok:
                for row in value_rows(outcome):
                    out.row(row)

        tally, code = await follow(run, on_outcome, work, shown=_can_draw_progress(not out.streams))
    print_summary(tally, code, work.noun)
    if tally.total and not out.count and code is Exit.DONE:
        print_stderr(f"{NO_RESULTS} from {tally.total:,} {work.noun}")
    return code


def _can_draw_progress(is_buffered: bool) -> bool:
    """Whether a progress bar can be drawn: rows must not go to the same terminal meanwhile."""
    return is_buffered or not sys.stdout.isatty()
