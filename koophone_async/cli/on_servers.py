"""ADB commands on all phones of a server, in one documented call: `koophone cph commands run --server ID`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from koophone_async.cli.columns import Columns
from koophone_async.cli.confirmation import Consequence, confirm
from koophone_async.cli.errors import Exit, report_unknown
from koophone_async.cli.journalled import deadline
from koophone_async.cli.outcome_printer import OutcomePrinter
from koophone_async.cli.progress import Total, Work
from koophone_async.cli.rows import rows
from koophone_async.cli.runner import print_outcomes
from koophone_async.cli.services import Entry
from koophone_async.cli.settings import Settings
from koophone_async.cli.values import Arguments
from koophone_async.cli.view import View
from koophone_async.cli.wait import Waits, split
from koophone_async.errors import InvalidRequest
from koophone_async.polling import ResumeToken
from koophone_async.services.cph.commands import AdbCommand, OnServers
from koophone_async.services.cph.completion import refusals
from koophone_async.services.cph.started_jobs import Started
from koophone_async.session import Session, utc_now

Servers = Annotated[
    list[str] | None,
    typer.Option(
        "--server", metavar="ID", help="Run on every phone of this server. Repeat for several servers."
    ),
]

_SELECTIONS = ("ids", "ids_file", "where", "name", "select_all", "failed_from")


def takes_servers(entry: Entry) -> bool:
    """Whether an operation can be called for servers instead of phones."""
    return issubclass(entry.operation.request, AdbCommand)


async def run_on_servers(
    entry: Entry, settings: Settings, arguments: Mapping[str, Any], args: Arguments, view: View
) -> Exit:
    """Make one call for servers, and print an outcome for each of their phones.

    Raises:
        InvalidRequest: Phones were selected too.
    """
    if any(args.get(name) for name in _SELECTIONS):
        raise InvalidRequest("", "--server", "selects all phones of a server; no other selection is possible")
    servers = OnServers(args["server"])
    out = OutcomePrinter.of(view)
    async with settings.session() as session:
        if entry.is_confirmed:
            consequence = Consequence.of_change(entry.details.destroys, "servers", servers.servers)
            if (code := confirm(consequence, str(await settings.account()), yes=args["yes"])) is not None:
                return code
        try:
            answer = await entry.bound(entry.service.client(session))(servers, **arguments)
        except asyncio.CancelledError:
            report_unknown(entry.operation)
            raise
        if not isinstance(answer, Started) or args.get("no_wait"):
            with view.printer(Columns()) as printed:
                for row in rows(answer):
                    printed.row(row)
            return Exit.DONE
        work = Work(" ".join(entry.words), total=lambda: Total(len(answer.jobs)))
        return await print_outcomes(_waits(entry, session, answer, args), out, work)


def _waits(entry: Entry, session: Session, started: Started, args: Arguments) -> Waits:
    token = ResumeToken(entry.operation.name, started.request or "", started.targets_by_job, utc_now())
    wait = entry.service.client(session).jobs.wait
    return Waits(wait, split(str(token)), deadline(args["timeout"]), refusals(started))
