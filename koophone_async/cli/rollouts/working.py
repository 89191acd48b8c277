"""Commands of workers: processes on any machine that send and await the rollouts of a journal."""

from __future__ import annotations

import logging
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from koophone_async import __version__
from koophone_async.cli.errors import Exit, print_stderr
from koophone_async.cli.interruption import interruptible
from koophone_async.cli.output.printing import Format, printer
from koophone_async.cli.output.view import Output
from koophone_async.cli.rollouts.options import JournalOption
from koophone_async.cli.rollouts.refusals import unless_refused
from koophone_async.cli.runner import execute
from koophone_async.cli.settings import current_settings
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts import Journal
from koophone_async.rollouts.distributed.hand_over import NEEDS_POSTGRESQL, QUEUE
from koophone_async.rollouts.journal.postgresql.location import PostgresLocation

if TYPE_CHECKING:
    from koophone_async.cli.settings import Settings
    from koophone_async.rollouts.journal.lease import LeaseKey
    from koophone_async.rollouts.journal.workers import WorkerRecord

_COLUMNS: Final = ("id", "host", "pid", "version", "queues", "concurrency", "started", "heartbeat", "holds")


def worker(
    context: typer.Context,
    *,
    concurrency: Annotated[
        int, typer.Option(min=1, help="Parts of rollouts, of up to 1,000 phones, to run at the same time.")
    ] = 4,
    queue: Annotated[
        list[str] | None,
        typer.Option(metavar="QUEUE", help="Take rollouts of this queue only; may be repeated."),
    ] = None,
    heartbeat: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0.5,
            help="Time without a sign of life after which the work of another worker is taken over.",
        ),
    ] = 30.0,
    journal: JournalOption = None,
) -> None:
    """Send and await rollouts until SIGINT or SIGTERM, together with the workers of other machines.

    The journal is in PostgreSQL, and so is what workers agree on. When ready, it prints a line to stderr. A
    signal ends it in order: nothing more is sent, answers to calls on the wire are awaited, and the rest is
    handed back to other workers.
    """

    async def work() -> Exit:
        return await unless_refused(
            _work(current_settings(context), journal, heartbeat, concurrency, tuple(queue or ()))
        )

    execute(work(), is_server=True)


async def _work(
    settings: Settings, location: str | None, heartbeat: float, concurrency: int, queues: tuple[str, ...]
) -> Exit:
    async with AsyncExitStack() as stack:
        journal = await stack.enter_async_context(await Journal.open(location))
        if not isinstance(journal.place, PostgresLocation):
            raise InvalidRequest("", "journal", NEEDS_POSTGRESQL, Rule.CONFLICT)
        from koophone_async.rollouts.distributed.jobs import Jobs  # noqa: PLC0415 - needs an extra
        from koophone_async.rollouts.distributed.worker import Worker, WorkerOptions  # noqa: PLC0415

        logging.basicConfig(stream=sys.stderr, format="koophone: %(message)s", level=logging.WARNING)
        logging.getLogger("procrastinate").setLevel(logging.CRITICAL)  # the worker logs what fails itself
        session = await stack.enter_async_context(settings.session())
        jobs = await stack.enter_async_context(Jobs.open(journal.place, heartbeat=heartbeat))
        options = WorkerOptions(__version__, concurrency, queues or (QUEUE,))
        running = Worker(journal, jobs, session, options)

        async def stop() -> None:
            print_stderr("koophone: worker stops, and hands back what is not done")
            running.stop()

        with interruptible(stop) as interruption:
            print_stderr(f"koophone: worker of {journal.location} is ready")
            await interruption.wait(running.run())
        return interruption.exit or Exit.DONE


def workers(*, output: Output = Format.TABLE, journal: JournalOption = None) -> None:
    """List the workers of a journal, with their heartbeat, their version, and what each of them holds."""

    async def work() -> Exit:
        async with await Journal.open(journal) as opened:
            found = await opened.workers.all()
        with printer(output, _COLUMNS) as out:
            for record in found:
                out.row(_row(record))
        if not found:
            print_stderr("koophone: no workers")
        return Exit.DONE

    execute(unless_refused(work()))


def _row(record: WorkerRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "host": record.holder.host,
        "pid": record.holder.pid,
        "version": record.version,
        "queues": ", ".join(record.queues),
        "concurrency": record.concurrency,
        "started": record.started_at.isoformat(timespec="seconds"),
        "heartbeat": f"{record.seconds_since_beat:.0f} s ago",
        "holds": ", ".join(map(_shown, record.holds)),
    }


def _shown(key: LeaseKey) -> str:
    """Return a rollout that is driven, or a shard that is run."""
    return f"{key.rollout}/{key.shard}" if key.shard else key.rollout
