"""Selection of the instances, phones or servers that a command works on."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from functools import cached_property
from inspect import Parameter
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import attrs
import typer
from attrs import define, evolve, field, frozen

from koophone_async.batches.chunks import Item, Source
from koophone_async.cli.commands.fleet_commands import Client, Inventory
from koophone_async.cli.output.progress import Total
from koophone_async.cli.parameters.input_files import read_ids
from koophone_async.cli.parameters.json_options import Hint
from koophone_async.cli.parameters.key_value import parse_lists
from koophone_async.cli.targets.output_selection import OutputCondition, WhereOutput
from koophone_async.errors import InvalidRequest
from koophone_async.rows import Items
from koophone_async.selection import Where as Condition
from koophone_async.selection import parse
from koophone_async.selection.field_types import field_type
from koophone_async.selection.grammar import Value

if TYPE_CHECKING:
    from koophone_async.rollouts.plans.plan import Selection as PlannedSelection

_STDIN = "`-` reads them from stdin."

IdsFile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--ids-file",
        metavar="FILE",
        help="File with ids: one per line, a table with a column `id`, or JSON; `-` is stdin.",
    ),
]
Tags: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="KEY=VALUE",
        help="Select those with this tag; KEY alone matches any value. Repeat it to require several keys.",
    ),
]


Names: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--name",
        metavar="NAME",
        help="Select those with this name, which may have * and ?. Repeat it for several names.",
    ),
]


def where_option(inventory: Inventory) -> Any:  # noqa: ANN401 - as typer declares it
    """Create the option `--where`."""
    fields = attrs.fields(attrs.resolve_types(inventory.model))
    names = ", ".join(field.name for field in fields if field_type(field.type))
    text = f"Select those that match, such as '{inventory.example}'. Fields: {names}."
    if inventory.runs_commands:
        text += " Properties and versions of apps are in no list: --where-output selects by them."
    return typer.Option("--where", metavar="EXPR", help=text)


def option(name: str, annotation: Hint, default: object = None) -> Parameter:
    """Create a keyword parameter of a command."""
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def ids_argument(inventory: Inventory) -> Any:  # noqa: ANN401 - as typer declares it
    """Create the argument for ids."""
    return typer.Argument(metavar="ID", help=f"Ids of {inventory.noun}. {_STDIN}")


def all_option(inventory: Inventory) -> Any:  # noqa: ANN401 - as typer declares it
    """Create the option `--all`."""
    return typer.Option("--all", help=f"Select all {inventory.noun}.")


def filter_parameters(inventory: Inventory) -> list[Parameter]:
    """Return the options that filter a list."""
    annotated: Hint = Annotated
    tags = [option("tag", Tags)] if inventory.list_tagged else []
    return [option("where", annotated[str | None, where_option(inventory)]), *tags]


def selection_parameters(inventory: Inventory, *, has_name: bool = True) -> list[Parameter]:
    """Return the parameters that select the ids of a fleet.

    Args:
        inventory: What they are selected from.
        has_name: Whether `--name` selects, and is not an option of the command itself.
    """
    annotated: Hint = Annotated
    return [
        option("ids", annotated[list[str] | None, ids_argument(inventory)]),
        option("ids_file", IdsFile),
        *([option("names", Names)] if has_name else []),
        *filter_parameters(inventory),
        option("select_all", annotated[bool, all_option(inventory)], default=False),
        *([option("where_output", WhereOutput)] if inventory.runs_commands else []),
    ]


@define
class Listing:
    """Progress of a list that a fleet reads while it is working."""

    count: int = 0
    """Number of items so far."""

    total: int | None = None
    """Number of items of the list, as far as it is known."""

    names: dict[str, str] = field(factory=dict[str, str])
    """Names by id, where there are any."""

    async def follow(self, items: AsyncIterable[Any]) -> AsyncIterator[Any]:
        """Yield items, and record them; a list without filters may be counted by the service."""
        async for item in items:
            self.count += 1
            self.total = items.total if isinstance(items, Items) else None
            if item.name:
                self.names[item.id] = item.name
            yield item
        self.total = self.count


@frozen(slots=False)  # in slots, attrs' cached properties break `help` of Python 3.13
class Selection:
    """Explicit ids, or filters on a list; without filters, the whole list."""

    inventory: Inventory
    ids: tuple[str, ...] | None = None
    """None if they are to be listed."""

    where: Condition | None = None
    tags: Mapping[str, list[str]] = field(factory=dict[str, "list[str]"])
    literal_names: tuple[str, ...] = ()
    """Names that must be there."""

    output: OutputCondition | None = None
    """What the phones must output, which is asked after they are selected in other ways."""

    listing: Listing = field(factory=Listing, eq=False, repr=False)
    """What was listed so far."""

    @classmethod
    def of(cls, inventory: Inventory, args: Mapping[str, Any]) -> Selection:
        """Parse the selection, which must be made in one way; `--where` and `--tag` can be combined.

        Raises:
            InvalidRequest: No way was used or several, the file has no ids, or the expression is wrong.
        """
        ids, ids_file = args["ids"], args["ids_file"]
        ids_file, ids = ("-", None) if ids == ["-"] else (ids_file, ids)
        filtered = cls.filtered(inventory, args)
        condition = args.get("where_output")
        output = None if condition is None else OutputCondition.parse(condition)
        methods = [bool(ids), ids_file is not None, filtered.is_filtered, args["select_all"]]
        if sum(methods) != 1:
            problem = (
                f"{inventory.noun} were selected in more than one way"
                if any(methods)
                else f"no {inventory.noun} were selected"
            )
            tag = ", --tag" if inventory.list_tagged else ""
            options = f"ID..., --ids-file, --where{tag}, --name, --failed-from or --all"
            raise InvalidRequest("", "selection", f"{problem}; use one of {options}")
        if filtered.is_filtered or args["select_all"]:
            return evolve(filtered, output=output)
        return cls(inventory, tuple(ids or read_ids(ids_file)), output=output)

    @classmethod
    def filtered(cls, inventory: Inventory, args: Mapping[str, Any]) -> Selection:
        """Parse the options that filter a list.

        Raises:
            InvalidRequest: An option is malformed, or the expression has an unknown field.
        """
        where = parse(args["where"]) if args["where"] is not None else None
        if where is not None:
            where.predicate(inventory.model)
        names = tuple(args.get("names") or ())
        if names:
            where = _and_named(where, names)
        tags = parse_lists("--tag", args.get("tag") or ())
        literal = tuple(name for name in names if not _has_wildcard(name))
        return cls(inventory, None, where, tags, literal)

    @property
    def is_filtered(self) -> bool:
        """Whether there is a filter."""
        return bool(self.where or self.tags)

    @property
    def names(self) -> Mapping[str, str]:
        """Names by id of what was listed so far."""
        return self.listing.names

    @cached_property
    def _distinct(self) -> int:
        return len(dict.fromkeys(self.ids or ()))

    def total(self) -> Total | None:
        """Return the number of ids, as far as it is known."""
        if self.ids is not None:
            return Total(self._distinct)
        if self.listing.total is not None:
            return Total(self.listing.total)
        return Total(self.listing.count, is_final=False) if self.listing.count else None

    def source(self, client: Client) -> Source:
        """Return the ids for a fleet; a list is read while the fleet is working."""
        if self.ids is not None:
            return self.ids
        return self.listing.follow(self.items(client, self.inventory.query()))

    async def list_ids(self, client: Client) -> tuple[str, ...]:
        """Return all ids, for a single call."""
        if self.ids is not None:
            return self.ids
        items = self.listing.follow(self.items(client, self.inventory.query()))
        return tuple([item.id async for item in items])

    async def list_items(self, client: Client) -> list[Item]:
        """Return all ids, or the items that match now, which know their region and server."""
        if self.ids is not None:
            return list(self.ids)
        return [item async for item in self.listing.follow(self.items(client, self.inventory.query()))]

    def to_plan(self) -> PlannedSelection:
        """Return the selection as plans write it."""
        from koophone_async.rollouts.plans.plan import Selection as PlannedSelection  # noqa: PLC0415 - after help

        if self.ids is not None:
            return PlannedSelection(ids=self.ids)
        where = None if self.where is None else str(self.where)
        return PlannedSelection(all=not self.is_filtered, where=where, tag=self.tags or None)

    @property
    def needs_resolving(self) -> bool:
        """Whether the ids must be known before anything is sent."""
        return bool(self.literal_names) or self.output is not None

    @property
    def is_empty(self) -> bool:
        """Whether it is known to select nothing."""
        return self.ids == ()

    @property
    def only_id(self) -> str | None:
        """The id, if it is known to select exactly one."""
        return self.ids[0] if self.ids and self._distinct == 1 else None

    async def resolved(self, client: Client, *, dry_run: bool = False) -> Selection:
        """Return a selection of exactly the ids that match now, each once.

        Args:
            client: Client of the service.
            dry_run: Whether to run no command: all phones match, whatever their output would be.

        Raises:
            InvalidRequest: A name is that of none.
        """
        ids = tuple(dict.fromkeys(await self.list_ids(client)))
        self.check_names()
        if self.output is not None and ids:
            fleet = self.inventory.fleet(client, ids)
            ids = await self.output.filter(fleet, ids, dry_run=dry_run)
        return evolve(self, ids=ids, output=None)

    def check_names(self) -> None:
        """Check that each name was listed.

        Raises:
            InvalidRequest: A name is that of none.
        """
        if unknown := sorted({*self.literal_names} - {*self.names.values()}):
            noun = self.inventory.noun.removesuffix("s")
            raise InvalidRequest("", "--name", f"is {unknown[0]!r}, which is the name of no {noun}")

    def items(self, client: Client, query: object) -> AsyncIterable[Any]:
        """List the items that match."""
        if self.where is not None:
            query = self.where.pushed_down(self.inventory.model, query)
        items = self.inventory.items(client, query)
        if self.inventory.list_tagged is not None and self.tags:
            items = _with_tags(items, self.inventory.list_tagged(client, self.tags))
        return self.where.filter(items) if self.where is not None else items


async def _with_tags(items: AsyncIterator[Any], tagged: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Yield the items with the tags; the list itself does not contain tags."""
    ids = {item.id async for item in tagged}
    async for item in items:
        if item.id in ids:
            yield item


def _has_wildcard(name: str) -> bool:
    return any(character in name for character in "*?[")


def _and_named(where: Condition | None, names: Iterable[str]) -> Condition:
    """Return a condition that also requires one of some names."""
    named = " or ".join(f"name {'~' if _has_wildcard(name) else '=='} {Value(name)}" for name in names)
    return parse(f"({where}) and ({named})" if where else named)
