"""Write the table of commands: `python -m tests.cli.command_table`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, cast, get_args, get_origin

import attrs
import typer
from typer.core import TyperCommand
from typer.main import get_command

from koophone_async.cli import described_commands
from koophone_async.cli.app import app
from koophone_async.cli.command_table import FILE, Entry, Table
from koophone_async.cli.commands.koophone import INSTANCES
from koophone_async.cli.commands.services import Entry as Operation
from koophone_async.cli.commands.services import entries
from koophone_async.cli.described_commands import DescribedParameter, Description
from koophone_async.cli.output.columns import Columns
from koophone_async.cli.output.rows import OUTCOME_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from koophone_async.cli.commands.fleet_commands import Inventory

INVENTORIES: Final = {
    "phone": "cph.phones.list",
    "server": "cph.servers.list",
    "instance": "koophone.instances.list",
}
KINDS: Final = {
    "profile": "@profiles",
    "failed_from": "@rollouts",
    "run": "@rollouts",
    "name": "@operations",
}
"""What completes options and arguments, by name."""

OPERATIONS: Final = {entry.words: entry for entry in entries("koophone", "cph", "gaming", "iam")}


def commands() -> Table:
    """Return the table, from the commands themselves."""
    lists = {entry.operation.name: entry.lists for entry in OPERATIONS.values() if entry.lists}
    fields = {name: [a.name for a in attrs.fields(inventory.model)] for name, inventory in lists.items()}
    fields |= {entry.operation.name: list(columns(entry)) for entry in OPERATIONS.values() if columns(entry)}
    fields |= {"outcomes": list(OUTCOME_COLUMNS)}
    return Table(fields=fields, root=describe(get_command(app), ()))


def text_of(table: Table) -> str:
    """Return the table as JSON with a line for each command."""
    return f'{{"fields": {json.dumps(table["fields"])},\n"root": {lines(table["root"])}}}\n'


def columns(entry: Operation) -> tuple[str, ...]:
    """Return the columns of what an operation lists."""
    if not entry.verb:
        return Columns.of(entry.operation).known
    return Columns.of_values(entry.operation, entry.verb.reads).known if entry.verb.reads else ()


def describe(command: Any, path: tuple[str, ...]) -> Entry:  # noqa: ANN401 - click's
    operation = OPERATIONS.get(path)
    inventory = inventory_of(operation) if operation else INSTANCES if path == ("exec",) else None
    entry = Entry(help=first_sentence(command.help), options=dict(options(command, operation, inventory)))
    if operation:
        entry["operation"] = operation.operation.name
    if argument := next((p for p in command.params if p.param_type_name == "argument"), None):
        entry["argument"] = argument_values(argument, inventory)
    if hasattr(command, "commands"):
        children = command.commands.items()
        entry["commands"] = {name: describe(child, (*path, name)) for name, child in children}
    return entry


def first_sentence(text: str | None) -> str:
    sentence = re.split(r"(?<=\w[.)`])\s|\n\n", (text or "").strip(), maxsplit=1)[0]
    return " ".join(sentence.split())


def inventory_of(operation: Operation) -> Inventory | None:
    return operation.verb.inventory if operation.verb else operation.lists


def options(
    command: Any,  # noqa: ANN401 - click's
    operation: Operation | None,
    inventory: Inventory | None,
) -> Iterator[tuple[str, list[str] | None]]:
    for parameter in command.params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            has_value = not (parameter.is_flag or parameter.count)
            values = option_values(parameter, operation, inventory) if has_value else None
            for name in (*parameter.opts, *parameter.secondary_opts):
                yield name, values


def option_values(
    parameter: Any,  # noqa: ANN401 - click's
    operation: Operation | None,
    inventory: Inventory | None,
) -> list[str]:
    match parameter.name:
        case "profile" | "failed_from" as name:
            return [KINDS[name]]
        case "where" if inventory:
            return [f"@fields {inventory.operation}"]
        case "names" if inventory:
            return [f"@names {inventory.operation}"]
        case "server" if operation and operation.verb:
            return [f"@ids {INVENTORIES['server']}"]
        case "columns" | "sort":
            return [
                f"@columns {operation.operation.name if operation and columns(operation) else 'outcomes'}"
            ]
        case _:
            return choices(parameter)


def choices(parameter: Any) -> list[str]:  # noqa: ANN401 - click's
    return [str(getattr(choice, "value", choice)) for choice in parameter.type_descriptor.choices or ()]


def argument_values(argument: Any, inventory: Inventory | None) -> list[str]:  # noqa: ANN401 - click's
    if argument.name in KINDS:
        return [KINDS[argument.name]]
    if argument.name == "ids" and inventory:
        return [f"@ids {inventory.operation}"]
    if argument.name in INVENTORIES:
        return [f"@ids {INVENTORIES[argument.name]}"]
    return choices(argument)


def lines(entry: Entry, indent: int = 1) -> str:
    """Return an entry as JSON with a line for each command."""
    plain = {key: value for key, value in entry.items() if key != "commands"}
    text = json.dumps(plain, ensure_ascii=False)
    if "commands" not in entry:
        return text
    pad = " " * indent
    children = ",\n".join(
        f"{pad}{json.dumps(k)}: {lines(v, indent + 1)}" for k, v in entry["commands"].items()
    )
    return f'{text[:-1]}, "commands": {{\n{children}}}}}'


def descriptions() -> dict[str, Description]:
    """Return the descriptions of all commands that can be described."""
    return dict(descriptions_below(get_command(app), ()))


def descriptions_below(group: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Description]]:  # noqa: ANN401 - click's
    for name, command in group.commands.items():
        words = (*path, name)
        if hasattr(command, "commands"):
            if len(command.params) == 0 and not command.context_settings.get("ignore_unknown_options"):
                yield " ".join(words), Description(help=command.help or "")
            yield from descriptions_below(command, words)
        elif type(command) is TyperCommand and not any(getattr(p, "prompt", None) for p in command.params):
            parameters = [parameter(each) for each in command.params]
            yield (
                " ".join(words),
                Description(help=command.help or "", epilog=command.epilog, parameters=parameters),
            )


PLAIN: Final[dict[bool, dict[str, Any]]] = {True: vars(typer.Argument()), False: vars(typer.Option())}
"""What arguments and options have where nothing else is stated."""

STATED_ELSEWHERE: Final = {"default", "param_decls", "parser", "callback"}


def parameter(described: Any) -> DescribedParameter:  # noqa: ANN401 - click's
    """Describe a parameter; what is empty is left out, but for a default."""
    info, type_ = described.type_descriptor.parameter_info, described.type_descriptor.annotation
    is_argument, is_list = described.param_type_name == "argument", get_origin(type_) is list
    (item,) = get_args(type_) if is_list else (type_,)
    values = [str(getattr(each, "value", each)) for each in described.type_descriptor.choices or ()]
    plain = PLAIN[is_argument]
    settings = cast("dict[str, Any]", vars(info))
    entry = DescribedParameter(
        name=described.name,
        is_argument=is_argument,
        type="" if values else item.__name__,
        choices=values,
        is_list=is_list,
        required=described.required,
        default=getattr(described.default, "value", described.default),
        names=list(info.param_decls or ()),
        settings={k: v for k, v in settings.items() if v != plain[k] and k not in STATED_ELSEWHERE},
        is_parsed=info.parser is not None,
        is_checked=info.callback is not None,
    )
    stated = {k: v for k, v in entry.items() if v or (k == "default" and v is not None)}
    return cast("DescribedParameter", stated)


def text_of_descriptions(described: Mapping[str, Description]) -> str:
    """Return descriptions as JSON with a line for each command."""
    texts = (
        f"{json.dumps(path)}: {json.dumps(each, ensure_ascii=False)}" for path, each in described.items()
    )
    return "{\n" + ",\n".join(texts) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(text_of(commands()), "utf-8")
    described_commands.FILE.write_text(text_of_descriptions(descriptions()), "utf-8")
