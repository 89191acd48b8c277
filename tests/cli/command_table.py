"""Write the table of commands: `python -m tests.cli.command_table`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import attrs
from typer.main import get_command

from koophone_async.cli.app import app
from koophone_async.cli.command_table import FILE, Entry, Table
from koophone_async.cli.commands.koophone import INSTANCES
from koophone_async.cli.commands.services import Entry as Operation
from koophone_async.cli.commands.services import entries
from koophone_async.cli.output.columns import Columns
from koophone_async.cli.output.rows import OUTCOME_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

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


if __name__ == "__main__":
    FILE.write_text(text_of(commands()), "utf-8")
