"""A command for every documented operation, made from its constant, its method and its models."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from inspect import Parameter, Signature
from typing import Annotated, Any, TypeAlias

import typer
from attrs import frozen
from typer.core import TyperGroup

from koophone_async.cli import words
from koophone_async.cli.bodies import Hint
from koophone_async.cli.complaints import Exit, say
from koophone_async.cli.execution import Concurrency, Group, Output, Timeout
from koophone_async.cli.forms import Form, Given
from koophone_async.cli.printing import Format, printer
from koophone_async.cli.rows import rows
from koophone_async.cli.running import execute, print_outcomes, print_values
from koophone_async.cli.selection import All, Ids, IdsFile, Selection
from koophone_async.cli.services import ENTRIES, Entry, Verb
from koophone_async.cli.settings import Settings, settings
from koophone_async.services.koophone.client import KooPhone
from koophone_async.services.koophone.jobs import StartedTask
from koophone_async.session import Session

NoWait = Annotated[
    bool,
    typer.Option("--no-wait", help="Make the one documented call and print its answer, without the end."),
]


class Words(TyperGroup):
    """Commands whose names may be written with `_` too, as the operations' are."""

    def get_command(self, ctx: Hint, cmd_name: str) -> Hint:
        """Find a command."""
        return super().get_command(ctx, cmd_name.replace("_", "-"))


Groups: TypeAlias = dict[tuple[str, ...], typer.Typer]
"""The groups of commands by their words."""


def add_operations(app: typer.Typer) -> Groups:
    """Add a command for every operation of the catalogue."""
    groups: Groups = {(): app}
    for entry in ENTRIES:
        *path, name = entry.words
        group = _group(groups, tuple(path), entry)
        group.command(name)(command(entry))
    return groups


def _group(groups: Groups, path: tuple[str, ...], entry: Entry) -> typer.Typer:
    if path not in groups:
        about = entry.service.about if path == entry.service.path else entry.resource_class.__doc__
        groups[path] = typer.Typer(cls=Words, help=about, no_args_is_help=True)
        _group(groups, path[:-1], entry).add_typer(groups[path], name=path[-1])
    return groups[path]


def command(entry: Entry) -> Callable[..., None]:
    """Make the function that typer turns into the command."""
    made: Call | Sweep = Sweep(entry, entry.verb) if entry.verb else Call(entry)

    def run(context: typer.Context, **given: Any) -> None:  # noqa: ANN401 - as the signature says
        execute(made.work(settings(context), given))

    parameters = [
        Parameter("context", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
        *made.parameters,
    ]
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = words.escaped(words.about(entry.method))
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
        return [*self.form.parameters, _option("output", Output, Format.TABLE)]

    async def work(self, having: Settings, given: Given) -> Exit:
        """Make the call and print its answer; rows of a list as they come."""
        arguments = self.form.read(given)
        async with having.session(anonymous=self.entry.operation.anonymous) as session:
            return await _print(self.entry.bound(session)(**arguments), given["output"])


@frozen
class Sweep:
    """An operation on instances: any number of ids through the fleet verb, to the end."""

    entry: Entry
    verb: Verb

    @property
    def form(self) -> Form:
        """What the verb takes."""
        return Form.of(self.verb.run, self.entry.operation)

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The command's parameters."""
        waiting = [_option("no_wait", NoWait, default=False)] if self.verb.waits else []
        grouping = [] if self.verb.reads else [_option("group", Group, default=False)]
        return [
            _option("ids", Ids, None),
            _option("ids_file", IdsFile, None),
            _option("everything", All, default=False),
            *self.form.parameters,
            *waiting,
            _option("output", Output, Format.TABLE),
            *grouping,
            _option("timeout", Timeout, None),
            _option("concurrency", Concurrency, 32),
        ]

    async def work(self, having: Settings, given: Given) -> Exit:
        """Do it to all that are chosen, and print what became of each."""
        chosen = Selection.of(given["ids"], given["ids_file"], everything=given["everything"])
        arguments, output = self.form.read(given), given["output"]
        async with having.session() as session:
            if given.get("no_wait"):
                return await _print(self._once(session, await chosen.listed(session), arguments), output)
            koophone = KooPhone(session)
            fleet = koophone.fleet(
                chosen.source(koophone), concurrency=given["concurrency"], deadline=given["timeout"]
            )
            run, label = self.verb.run(fleet, **arguments), " ".join(self.entry.words)
            if self.verb.reads:
                return await print_values(run, output, label=label, total=chosen.total)
            return await print_outcomes(run, output, label=label, total=chosen.total, group=given["group"])

    def _once(
        self, session: Session, ids: tuple[str, ...], arguments: dict[str, object]
    ) -> Awaitable[object]:
        if self.verb.once is not None:
            return self.verb.once(self.entry.resource(session), ids, **arguments)
        answer: Awaitable[object] = self.entry.bound(session)(instances=ids, **arguments)
        return answer


def _option(name: str, annotation: Hint, default: object) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _next(started: StartedTask) -> str:
    return f"koophone jobs wait {started.task}" if started.task else "koophone instances status ID..."


async def _print(answer: Awaitable[object] | AsyncIterable[object], output: Format) -> Exit:
    with printer(output) as out:
        if isinstance(answer, AsyncIterable):
            async for item in answer:
                for row in rows(item):
                    out.row(row)
        else:
            given = await answer
            for row in rows(given):
                out.row(row)
            if isinstance(given, StartedTask):
                say(f"koophone: to await the end: {_next(given)}")
    return Exit.DONE
