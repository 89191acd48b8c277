"""Commands that ask something of a rollout in another process: pause, approve, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from koophone_async.cli.errors import Exit, print_stderr
from koophone_async.cli.rollouts.options import JournalOption, Run
from koophone_async.cli.rollouts.refusals import unless_refused
from koophone_async.cli.runner import execute
from koophone_async.rollouts import Journal, requests
from koophone_async.session import utc_now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from koophone_async.rollouts import RolloutRecord


def pause(run: Run = "last", *, journal: JournalOption = None) -> None:
    """Send nothing more until `resume`; jobs that run are awaited meanwhile."""
    execute(unless_refused(_request(journal, lambda opened: requests.pause(opened, run), "is being paused")))


def approve(
    run: Run = "last",
    *,
    wave: Annotated[
        int | None, typer.Option(help="The wave after which the gate is; by default where it stands.")
    ] = None,
    journal: JournalOption = None,
) -> None:
    """Open the gate at which a rollout stands, so that its next wave starts."""
    work = _request(journal, lambda opened: requests.approve(opened, run, wave), "is approved", resumes=True)
    execute(unless_refused(work))


def cancel(run: Run = "last", *, journal: JournalOption = None) -> None:
    """End a rollout: nothing more is sent, and what is on the wire is awaited by its process."""
    work = _request(journal, lambda opened: requests.cancel(opened, run, utc_now()), "is being cancelled")
    execute(unless_refused(work))


async def _request(
    location: str | None,
    request: Callable[[Journal], Awaitable[RolloutRecord]],
    done: str,
    *,
    resumes: bool = False,
) -> Exit:
    async with await Journal.open(location) as journal:
        record = await request(journal)
    print_stderr(f"koophone: rollout {record.id} {done}")
    if resumes and record.driver is None:
        print_stderr(f"koophone: no process drives it; to go on: koophone rollout resume {record.id}")
    return Exit.DONE
