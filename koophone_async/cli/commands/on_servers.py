"""ADB commands on all phones of a server, in one documented call: `koophone cph commands run --server ID`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import attrs
import typer

from koophone_async.batches.verb import CallResult
from koophone_async.cli.commands.confirmation import Consequence, confirm
from koophone_async.cli.commands.journalled import RunOptions, deadline
from koophone_async.cli.commands.preview import print_call
from koophone_async.cli.commands.services import Entry
from koophone_async.cli.commands.wait import Waits, split
from koophone_async.cli.errors import Exit, report_unknown
from koophone_async.cli.output.columns import Columns
from koophone_async.cli.output.outcome_printer import OutcomePrinter
from koophone_async.cli.output.progress import Total, Work
from koophone_async.cli.output.rows import rows
from koophone_async.cli.output.view import View
from koophone_async.cli.parameters.values import Arguments
from koophone_async.cli.runner import print_outcomes
from koophone_async.cli.settings import Settings
from koophone_async.errors import InvalidRequest
from koophone_async.polling import ResumeToken
from koophone_async.services.cph.commands import AdbCommand, CommandResults, OnServers
from koophone_async.services.cph.completion import JobPoller
from koophone_async.services.cph.started_jobs import Started
from koophone_async.session import utc_now

Servers = Annotated[
    list[str] | None,
    typer.Option(
        "--server", metavar="ID", help="Run on every phone of this server. Repeat for several servers."
    ),
]

_ONE_CALL: Final = (
    "is not possible: --server makes one call, for phones that the service selects; "
    "to select the phones of a server yourself, use --where 'server == ID'"
)

_OPTIONS_OF_PHONES: Final[Mapping[str, str]] = {
    "ids": "ID",
    "names": "--name",
    "select_all": "--all",
    "changes": "--changes",
    **{
        name: f"--{name.replace('_', '-')}"
        for name in (
            *("ids_file", "where", "where_output", "failed_from", "not_sent"),
            *("waves", "stop_at", "journal", "concurrency", "max_per_server"),
        )
    },
}
"""Options that select phones, or that go over them, by argument."""

_DEFAULTS: Final = attrs.asdict(RunOptions(), recurse=False)


def takes_servers(entry: Entry) -> bool:
    """Whether an operation can be called for servers instead of phones."""
    return issubclass(entry.operation.request, AdbCommand)


async def run_on_servers(
    entry: Entry, settings: Settings, arguments: Mapping[str, Any], args: Arguments, view: View
) -> Exit:
    """Make one call for servers, and print an outcome for each of their phones.

    It is not written to a journal, whose rollouts have their phones before anything is sent.

    Raises:
        InvalidRequest: Phones were selected too, or an option is about them.
    """
    for name, typed in _OPTIONS_OF_PHONES.items():
        if args.get(name) and args[name] != _DEFAULTS.get(name):
            raise InvalidRequest("", f"{typed} with --server", _ONE_CALL)
    servers = OnServers(args["server"])
    out = OutcomePrinter.of(view)
    async with settings.session() as session:
        if args["dry_run"]:
            where = {"where": servers, **arguments}
            return await print_call(entry, session, where, view.printer(Columns()))
        if entry.is_confirmed:
            consequence = Consequence.of_change(entry.details.destroys, "servers", servers.servers)
            if (code := confirm(consequence, str(await settings.account()), yes=args["yes"])) is not None:
                return code
        try:
            answer = await entry.bound(entry.service.client(session))(servers, **arguments)
        except asyncio.CancelledError:
            report_unknown(entry.operation)
            raise
        if not isinstance(answer, Started | CommandResults) or args.get("no_wait"):
            with view.printer(Columns()) as printed:
                for row in rows(answer):
                    printed.row(row)
            return Exit.DONE
        result = _read(JobPoller(session), answer)
        outcomes, jobs = tuple(result.outcomes), _tokens(entry, result)
        work = Work(" ".join(entry.words), total=lambda: Total(len(outcomes) + len(jobs)))
        wait = entry.service.client(session).jobs.wait
        return await print_outcomes(Waits(wait, jobs, deadline(args["timeout"]), outcomes), out, work)


def _read(poller: JobPoller, answer: Started | CommandResults) -> CallResult:
    """Return the outcomes that an answer has, and the jobs that are awaited."""
    if isinstance(answer, CommandResults):
        return poller.read_results(answer, ())
    return poller.read_started(answer, ())


def _tokens(entry: Entry, result: CallResult) -> Sequence[ResumeToken | str]:
    """Return a token for each awaited job."""
    if result.wait is None:
        return ()
    return tuple(
        split(str(ResumeToken(entry.operation.name, result.wait.handle, result.wait.jobs, utc_now())))
    )
