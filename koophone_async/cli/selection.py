"""Which instances, phones or servers a command is for."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from attrs import field, frozen

from koophone_async.batches.chunks import Source
from koophone_async.cli.fleet_commands import Client, Inventory
from koophone_async.cli.json_options import Hint
from koophone_async.cli.key_value import lists
from koophone_async.errors import InvalidRequest
from koophone_async.selection import Where as Condition
from koophone_async.selection import parse

_STDIN = "`-` reads them from stdin."

Ids: TypeAlias = Annotated[list[str] | None, typer.Argument(metavar="ID", help=f"Ids of instances. {_STDIN}")]
IdsFile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--ids-file", metavar="FILE", help="A file with an id a line; `-` is stdin, `#` begins a comment."
    ),
]
All: TypeAlias = Annotated[bool, typer.Option("--all", help="Everything that there is.")]
Tags: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="KEY=VALUE",
        help="All with this tag; KEY alone for any value. With other keys too: all of them.",
    ),
]


def by_expression(population: Inventory) -> Any:  # noqa: ANN401 - as typer gives it
    """Make the option that chooses by an expression."""
    said = f"All that fit, such as '{population.example}'; fields as listed."
    return typer.Option("--where", metavar="EXPR", help=said)


def option(name: str, annotation: Hint, default: object = None) -> Parameter:
    """Make a parameter of a command."""
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def filters(population: Inventory) -> list[Parameter]:
    """Give the options that choose from a list."""
    annotated: Hint = Annotated
    tags = [option("tag", Tags)] if population.tagged else []
    return [option("where", annotated[str | None, by_expression(population)]), *tags]


def choices(population: Inventory) -> list[Parameter]:
    """Give the parameters that say which ones a fleet is of."""
    annotated: Hint = Annotated
    ids = typer.Argument(metavar="ID", help=f"Ids of {population.noun}. {_STDIN}")
    return [
        option("ids", annotated[list[str] | None, ids]),
        option("ids_file", IdsFile),
        *filters(population),
        option("everything", All, default=False),
    ]


@frozen
class Selection:
    """Ids as they were given, or what fits, or all there are."""

    population: Inventory
    ids: tuple[str, ...] = ()
    where: Condition | None = None
    tags: Mapping[str, list[str]] = field(factory=dict[str, "list[str]"])

    @classmethod
    def of(cls, population: Inventory, given: Mapping[str, Any]) -> Selection:
        """Read the one way that was used; `--where` and `--tag` are one.

        Raises:
            InvalidRequest: None was used, or more than one, or the file holds no ids, or no field is called so.
        """
        ids, ids_file = given["ids"], given["ids_file"]
        ids_file, ids = ("-", None) if ids == ["-"] else (ids_file, ids)
        filtered = cls.filtered(population, given)
        ways = [bool(ids), ids_file is not None, filtered.is_filtered, given["everything"]]
        if sum(ways) != 1:
            which = "more than one way was used" if any(ways) else "none was given"
            tag = ", --tag" if population.tagged else ""
            known = f"ID..., --ids-file, --where{tag} or --all"
            raise InvalidRequest("", population.noun, f"say which, by {known}: {which}")
        if filtered.is_filtered or given["everything"]:
            return filtered
        return cls(population, tuple(ids or _read(ids_file)))

    @classmethod
    def filtered(cls, population: Inventory, given: Mapping[str, Any]) -> Selection:
        """Read the options that choose from a list.

        Raises:
            InvalidRequest: An option is wrong as written, or what is listed has no such field.
        """
        where = parse(given["where"]) if given["where"] is not None else None
        if where is not None:
            where.on(population.model)
        return cls(population, (), where, lists("--tag", given.get("tag") or ()))

    @property
    def is_filtered(self) -> bool:
        """Whether something must fit."""
        return bool(self.where or self.tags)

    @property
    def total(self) -> int | None:
        """How many ids; None where only the service knows."""
        return len(dict.fromkeys(self.ids)) or None

    def source(self, client: Client) -> Source:
        """Give what a fleet takes; what is listed is listed while it is being worked on."""
        return self.ids or self.items(client, self.population.query())

    async def listed(self, client: Client) -> tuple[str, ...]:
        """Give all ids at once, as one documented call takes them."""
        if self.ids:
            return self.ids
        return tuple([item.id async for item in self.items(client, self.population.query())])

    def items(self, client: Client, query: object) -> AsyncIterable[Any]:
        """List what fits."""
        if self.where is not None:
            query = self.where.pushed_down(self.population.model, query)
        items = self.population.items(client, query)
        if self.population.tagged is not None and self.tags:
            items = _among(items, self.population.tagged(client, self.tags))
        return self.where.among(items) if self.where is not None else items


async def _among(items: AsyncIterator[Any], tagged: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Give the items that have the tags, which the list does not show."""
    ids = {item.id async for item in tagged}
    async for item in items:
        if item.id in ids:
            yield item


def _read(file: str) -> list[str]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InvalidRequest("", f"--ids-file {file}", f"cannot be read: {problem}") from None
    ids = [*filter(None, (line.partition("#")[0].strip() for line in text.splitlines()))]
    if not ids:
        raise InvalidRequest("", f"--ids-file {file}", "holds no ids")
    return ids
