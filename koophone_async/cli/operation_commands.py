"""A command for every documented operation, made from its constant, its method and its models."""

from __future__ import annotations

import sys
from collections.abc import (
    AsyncIterable,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from functools import cached_property, partial
from inspect import Parameter, Signature
from itertools import groupby
from typing import Annotated, Any, TypeAlias

import typer
from attrs import frozen
from typer.core import TyperGroup
from typer.main import get_command_from_info, get_group
from typer.models import CommandInfo

from koophone_async.batches import Run
from koophone_async.cli import help_text, wait
from koophone_async.cli.errors import Exit, say
from koophone_async.cli.exec_command import Click, Concurrency, Group, Output, Timeout
from koophone_async.cli.fleet_commands import Verb
from koophone_async.cli.options import Form
from koophone_async.cli.output import Format, printer
from koophone_async.cli.resume_tokens import awaited
from koophone_async.cli.rows import rows
from koophone_async.cli.runner import execute, print_outcomes, print_values
from koophone_async.cli.selection import Selection, choices, filters, option
from koophone_async.cli.services import Entry, entries, service
from koophone_async.cli.settings import Settings, settings
from koophone_async.cli.values import Given
from koophone_async.services.cph.undocumented import RawAnswer

NoWait = Annotated[
    bool,
    typer.Option("--no-wait", help="Make the one documented call and print its answer, without the end."),
]


Makers: TypeAlias = Mapping[str, Callable[[], Click]]
"""What makes commands, by their names."""


class Commands(Mapping[str, Any]):
    """The commands of a group by name, each made when it is first asked for."""

    def __init__(self, made: Mapping[str, Any], more: Callable[[], Makers]) -> None:
        """Take what is there already, and what tells of more when it is first asked."""
        self._made = dict(made)
        self._more = more

    @cached_property
    def _makers(self) -> dict[str, Callable[[], Click]]:
        return {name: maker for name, maker in self._more().items() if name not in self._made}

    def __getitem__(self, name: str) -> Click:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._makers, **self._made})

    def __len__(self) -> int:
        return sum(1 for _ in self)


def group(about: str | None, more: Callable[[], Makers]) -> typer.Typer:
    """Make a group of commands, whose names may be written with `_` too, as the operations' are.

    Args:
        about: What its help says.
        more: Tells what commands it has, when it is first asked for one.
    """

    class Words(TyperGroup):
        def __init__(self, **given: Any) -> None:  # noqa: ANN401 - handed on
            super().__init__(**given)
            self.commands: Click = Commands(self.commands, more)

        def get_command(self, ctx: Click, cmd_name: str) -> Click:
            """Find a command."""
            return super().get_command(ctx, cmd_name.replace("_", "-"))

    return typer.Typer(cls=Words, help=about, no_args_is_help=True)


def groups(*services: str) -> Makers:
    """Tell what makes the groups of some services; those of the first stand side by side."""
    inner = typer.Typer()
    add_operations(inner, *services)
    made = get_group(inner).commands
    return {name: partial(made.__getitem__, name) for name in made}


def add_operations(app: typer.Typer, *services: str) -> None:
    """Add a group for every resource of some services, in groups of their own after the first service."""
    for name in services:
        into, found = app, service(name)
        if name != services[0]:
            app.add_typer(into := typer.Typer(help=found.about, no_args_is_help=True), name=found.path[-1])
        for resource, of in groupby(entries(name), lambda entry: entry.words[-2]):
            into.add_typer(_resource(tuple(of)), name=resource)


def _resource(of: tuple[Entry, ...]) -> typer.Typer:
    made = group(
        of[0].resource_class.__doc__, lambda: {entry.words[-1]: partial(_made, entry) for entry in of}
    )
    if of[0].words[-2] == of[0].service.awaits:
        made.command("wait")(wait.command(of[0]))
    return made


def _made(entry: Entry) -> Click:
    info = CommandInfo(entry.words[-1], callback=command(entry))
    return get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode="rich")


def command(entry: Entry) -> Callable[..., None]:
    """Make the function that typer turns into the command."""
    made: Call | FleetCommand = FleetCommand(entry, entry.verb) if entry.verb else Call(entry)

    def run(context: typer.Context, **given: Any) -> None:  # noqa: ANN401 - as the signature says
        execute(made.work(settings(context), given))

    parameters = [
        Parameter("context", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
        *made.parameters,
    ]
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    verb = entry.verb.run if entry.verb and entry.verb.waits else None
    run.__doc__ = help_text.escaped(help_text.about(entry.method, verb))
    return run


@frozen
class Call:
    """An operation without a list of ids: one documented call, or a list by the page."""

    entry: Entry

    @property
    def form(self) -> Form:
        """What the method takes."""
        return Form.of(self.entry.method, self.entry.operation)

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The command's parameters."""
        filtering = filters(self.entry.lists) if self.entry.lists else []
        return [*self.form.parameters, *filtering, option("output", Output, Format.TABLE)]

    async def work(self, having: Settings, given: Given) -> Exit:
        """Make the call and print its answer; rows of a list as they come."""
        arguments = self.form.read(given)
        population = self.entry.lists
        chosen = Selection.filtered(population, given) if population else None
        async with having.session(anonymous=self.entry.operation.anonymous) as session:
            client = self.entry.service.client(session)
            if chosen is not None:
                return await _print(self.entry, chosen.items(client, *arguments.values()), given["output"])
            return await _print(self.entry, self.entry.bound(client)(**arguments), given["output"])


@frozen
class FleetCommand:
    """An operation on instances, phones or servers: any number through the fleet verb, to the end."""

    entry: Entry
    verb: Verb

    @property
    def form(self) -> Form:
        """What the verb takes."""
        return Form.of(self.verb.run, self.entry.operation)

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The command's parameters."""
        waiting = [option("no_wait", NoWait, default=False)] if self.verb.waits else []
        grouping = [] if self.verb.reads else [option("group", Group, default=False)]
        return [
            *choices(self.verb.on),
            *self.form.parameters,
            *waiting,
            option("output", Output, Format.TABLE),
            *grouping,
            option("timeout", Timeout),
            option("concurrency", Concurrency, 32),
        ]

    async def work(self, having: Settings, given: Given) -> Exit:
        """Do it to all that are chosen, and print what became of each."""
        chosen = Selection.of(self.verb.on, given)
        arguments = self.form.read(given)
        async with having.session() as session:
            client = self.entry.service.client(session)
            if given.get("no_wait"):
                answer = self.entry.once(client, await chosen.listed(client), arguments)
                return await _print(self.entry, answer, given["output"])
            fleet = self.verb.on.fleet(
                client, chosen.source(client), concurrency=given["concurrency"], deadline=given["timeout"]
            )
            return await self._follow(self.verb.run(fleet, **arguments), chosen.total, given)

    async def _follow(self, run: Run[Any, Any], total: int | None, given: Given) -> Exit:
        label, output = " ".join(self.entry.words), given["output"]
        if self.verb.reads:
            return await print_values(run, output, label=label, total=total)
        return await print_outcomes(run, output, label=label, total=total, group=given["group"])


async def _print(entry: Entry, answer: Awaitable[object] | AsyncIterable[object], output: Format) -> Exit:
    if isinstance(answer, AsyncIterable):
        await _print_list(answer, output)
        return Exit.DONE
    given = await answer
    if isinstance(given, bytes) and not isinstance(given, RawAnswer):
        sys.stdout.buffer.write(given)
        return Exit.DONE
    with printer(output) as out:
        for row in rows(given):
            out.row(row)
    if hint := awaited(entry, given):
        say(f"koophone: to await the end: {hint}")
    return Exit.DONE


async def _print_list(answer: AsyncIterable[object], output: Format) -> None:
    is_empty = True
    with printer(output) as out:
        async for item in answer:
            for row in rows(item):
                is_empty = False
                out.row(row)
    if is_empty and output is Format.TABLE:
        say("koophone: there is none")
