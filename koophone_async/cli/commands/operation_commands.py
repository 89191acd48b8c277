"""A command for every documented operation, built from its constant, its method and its models."""

from __future__ import annotations

from collections.abc import (
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from functools import partial
from inspect import Parameter, Signature
from itertools import groupby
from typing import Annotated, Any

import typer
from attrs import frozen
from typer.main import get_command_from_info, get_group
from typer.models import CommandInfo

from koophone_async.cli import help_text
from koophone_async.cli.commands import wait
from koophone_async.cli.commands.call_commands import CallCommand, print_answer
from koophone_async.cli.commands.changes import COLUMNS, Changes, ShowChanges, print_changes
from koophone_async.cli.commands.confirmation import Yes, confirm_entry
from koophone_async.cli.commands.fleet_commands import Client, Verb
from koophone_async.cli.commands.journalled import NAMES, FleetCall, RunOptions, run_directly, run_journalled
from koophone_async.cli.commands.on_servers import Servers, run_on_servers, takes_servers
from koophone_async.cli.commands.services import Entry, entries, service
from koophone_async.cli.errors import Exit
from koophone_async.cli.examples import examples
from koophone_async.cli.lazy_groups import Builders, group
from koophone_async.cli.light_checks import Click
from koophone_async.cli.output.columns import Columns
from koophone_async.cli.output.outcome_printer import OutcomePrinter
from koophone_async.cli.output.progress import Work, quota_wait
from koophone_async.cli.output.view import OUTCOMES, VALUES, View, view_of, view_parameters
from koophone_async.cli.parameters.option_classes import parameters_of
from koophone_async.cli.parameters.options import MethodOptions
from koophone_async.cli.parameters.values import Arguments
from koophone_async.cli.runner import execute, print_outcomes, print_values, with_option_names
from koophone_async.cli.settings import Settings, current_settings
from koophone_async.cli.targets.failed_from import FAILED_FROM, with_failed
from koophone_async.cli.targets.selection import Selection, option, selection_parameters
from koophone_async.errors import InvalidRequest
from koophone_async.session import Session

NoWait = Annotated[
    bool,
    typer.Option(
        "--no-wait", help="Make one documented call and print its answer, without waiting for its jobs."
    ),
]


def groups(*services: str) -> Builders:
    """Return the builders of the groups of some services; those after the first get a group of their own."""
    first, *others = services
    return {
        **{name: partial(get_group, resource) for name, resource in _resources(first).items()},
        **{service(name).path[-1]: partial(_service_group, name) for name in others},
    }


def _service_group(name: str) -> Click:
    current = service(name)
    return get_group(group(current.path, current.about, partial(groups, name)))


def _resources(name: str) -> dict[str, typer.Typer]:
    """Return the groups of a service by resource."""
    by_resource = groupby(entries(name), lambda entry: entry.words[-2])
    return {resource: _resource_group(tuple(group_entries)) for resource, group_entries in by_resource}


def _resource_group(resource_entries: tuple[Entry, ...]) -> typer.Typer:
    first = resource_entries[0]
    resource = group(
        first.words[:-1],
        first.resource_class.__doc__,
        lambda: {entry.words[-1]: partial(_build, entry) for entry in resource_entries},
    )
    if first.words[-2] == first.service.wait_resource:
        line = f"{first.service.wait} {'REQUEST' if first.service.path else 'TASK'}"
        lines = (line, f"{line} --timeout 600 --output jsonl")
        resource.command("wait", epilog=help_text.epilog(lines))(wait.command(first))
    return resource


def _build(entry: Entry) -> Click:
    info = CommandInfo(entry.words[-1], callback=command(entry), epilog=help_text.epilog(examples(entry)))
    return get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)


def command(entry: Entry) -> Callable[..., None]:
    """Return the function that typer turns into the command."""
    runner: CallCommand | FleetCommand = FleetCommand(entry, entry.verb) if entry.verb else CallCommand(entry)

    def run(context: typer.Context, **args: Any) -> None:  # noqa: ANN401 - typed by __signature__
        execute(with_option_names(runner.work(current_settings(context), args), runner.labels))

    parameters = [
        Parameter("context", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
        *runner.parameters,
    ]
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    verb = entry.verb.run if entry.verb and entry.verb.waits else None
    run.__doc__ = help_text.about(entry.method, verb)
    return run


@frozen
class FleetCommand:
    """An operation with a fleet verb, on any number of instances, phones or servers."""

    entry: Entry
    verb: Verb

    @property
    def options(self) -> MethodOptions:
        """Options of the fleet verb."""
        return MethodOptions.of(self.verb.run, self.entry.operation)

    @property
    def parameters(self) -> Sequence[Parameter]:
        """Parameters of the command."""
        waiting = [option("no_wait", NoWait, default=False)] if self.verb.waits else []
        comparing = (
            [option("changes", ShowChanges, default=False)] if self.entry.details.shows_changes else []
        )
        return [
            *selection_parameters(
                self.verb.inventory,
                has_name=all(parameter.name != "name" for parameter in self.options.parameters),
            ),
            *FAILED_FROM,
            *([option("server", Servers)] if takes_servers(self.entry) else []),
            *self.options.parameters,
            *waiting,
            *([] if self.verb.reads else [option("yes", Yes, default=False)]),
            *comparing,
            *view_parameters(VALUES if self.verb.reads else OUTCOMES),
            *parameters_of(RunOptions, self._run_options),
        ]

    @property
    def _run_options(self) -> Sequence[str]:
        if self.verb.reads:
            return ("timeout", "concurrency")
        per_server = ("max_per_server",) if self.verb.inventory.operation == "cph.phones.list" else ()
        return (*NAMES, *per_server)

    @property
    def labels(self) -> Mapping[str, str]:
        """Options and metavars of arguments by field name, for error messages."""
        batch = self.entry.operation.batch
        ids = {batch.field: "ID"} if batch else {}
        return {"where": "--where"} | ids | self.options.labels | dict(self.entry.details.labels)

    async def work(self, settings: Settings, args: Arguments) -> Exit:
        """Run the verb on the selection and print the outcomes."""
        arguments: Mapping[str, Any] = self.options.read(args)
        view, options = view_of(args), RunOptions.of(args)
        if args.get("server"):
            return await run_on_servers(self.entry, settings, arguments, args, view)
        selected = await with_failed(
            args, self.verb.inventory, self.entry.operation, options.journal, settings.profile
        )
        if selected is None:
            return Exit.DONE
        selection = Selection.of(self.verb.inventory, selected)
        print_run = self._run_printer(view, selection, args)
        async with settings.session() as session:
            client = self.entry.service.client(session)
            if self._needs_ids(selection, options, args):
                # What was confirmed, and nothing that appears in the list later.
                selection = await selection.resolved(client, dry_run=options.dry_run)
            if selection.only_id and (for_one := self.entry.details.for_one):
                arguments = for_one(arguments, selection.only_id)
            # Wrong arguments are refused before anything is asked or written down.
            self.verb.run(self.verb.inventory.fleet(client, ()), **arguments).discard()
            code = await self._refusal(settings, selection, arguments, options, args)
            if code is not None:
                return code
            if self._is_one_call(options):
                request = self._request(client, selection.ids or (), arguments)
                answer = session.send(self.entry.operation, request)
                return await print_answer(self.entry, answer, view.printer(Columns()))
            if args.get("changes") and not options.dry_run and (read := self.entry.details.shows_changes):
                changes = await Changes.of(selection.ids or (), partial(read, client), options.concurrency)
                print_run = partial(print_run, changes=changes)
            return await self._run(session, selection, arguments, options, print_run)

    def _is_one_call(self, options: RunOptions) -> bool:
        """Whether one documented call is made, and its answer printed."""
        return options.no_wait and not (options.is_journalled or options.dry_run)

    def _needs_ids(self, selection: Selection, options: RunOptions, args: Arguments) -> bool:
        """Whether the ids must be known before anything is sent."""
        if options.dry_run:
            return selection.needs_resolving
        details = self.entry.details
        is_needed = self.entry.is_confirmed or details.for_one is not None or bool(args.get("changes"))
        return is_needed or self._is_one_call(options) or selection.needs_resolving

    async def _refusal(
        self,
        settings: Settings,
        selection: Selection,
        arguments: Mapping[str, Any],
        options: RunOptions,
        args: Arguments,
    ) -> Exit | None:
        """Return the exit code if nothing was selected, or the command is not confirmed; else None."""
        if selection.is_empty:
            code = options.nothing_matched(self.verb.inventory.noun)
            return Exit.DONE if self.verb.reads else code
        if not self.entry.is_confirmed or options.dry_run:
            return None
        return await confirm_entry(self.entry, settings, arguments, selection.ids or (), yes=args["yes"])

    async def _run(
        self,
        session: Session,
        selection: Selection,
        arguments: Mapping[str, Any],
        options: RunOptions,
        print_run: Callable[..., Awaitable[Exit]],
    ) -> Exit:
        """Run the verb, in a journal or in this process alone, and print the outcomes."""
        client = self.entry.service.client(session)
        label, noun = " ".join(self.entry.words), self.verb.inventory.noun
        is_rollout = not self.verb.reads and (options.is_journalled or options.dry_run)
        work = Work(
            label,
            noun,
            selection.total,
            quota_wait(session),
            is_resumable=is_rollout,
            only_reads=not self.entry.changes_something,
        )
        print_run = partial(print_run, work=work)
        if is_rollout:
            service = self.entry.operation.name.partition(".")[0]
            call = FleetCall(service, self.verb.run.__name__, arguments, selection)
            return await run_journalled(call, client, session, options, print_run)
        fleet = self.verb.inventory.fleet(
            client,
            selection.source(client),
            concurrency=options.concurrency,
            deadline=options.deadline,
        )
        run = self.verb.run(fleet, **arguments)
        return await (print_run(run) if self.verb.reads else run_directly(run, options, print_run))

    def _request(self, client: Client, ids: Sequence[str], arguments: Mapping[str, Any]) -> object:
        """Return the request of one documented call for ids."""
        if self.entry.operation.batch is None and len(ids) != 1:
            problem = f"makes a single call, which takes one phone; {len(ids)} were selected"
            raise InvalidRequest("", "--no-wait", problem)
        run = self.verb.run(self.verb.inventory.fleet(client, ids), **arguments)
        run.discard()
        return run.request(ids)

    def _run_printer(
        self, view: View, selection: Selection, args: Arguments
    ) -> Callable[..., Awaitable[Exit]]:
        """Return the function that prints a run, before there is one: the view may be wrong."""
        if args.get("changes"):
            return partial(print_changes, out=view.values_printer(COLUMNS))
        if self.verb.reads and not view.failed_only:
            columns = Columns.of_values(self.entry.operation, self.verb.reads)
            return partial(print_values, out=view.values_printer(columns))
        return partial(print_outcomes, out=OutcomePrinter.of(view, selection.names))
