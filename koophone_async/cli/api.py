"""`koophone api`: one raw call by its name in the catalogue, and the catalogue itself."""

from __future__ import annotations

import json
import re
import sys
from difflib import get_close_matches
from typing import Annotated

import typer

from koophone_async.catalogue import OPERATIONS
from koophone_async.cli.errors import Exit
from koophone_async.cli.json_options import Wire, json_object, structure
from koophone_async.cli.output import Format, printer
from koophone_async.cli.rows import Row
from koophone_async.cli.runner import execute
from koophone_async.cli.settings import Settings, settings
from koophone_async.errors import InvalidRequest
from koophone_async.operation import AnyOperation
from koophone_async.services.cph.undocumented import RawAnswer, RawRequest
from koophone_async.wire import to_wire

_RAW = (Format.JSON, Format.JSONL)


def run(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="OPERATION", help="Such as koophone.commands.run.", show_default=False),
    ] = None,
    body: Annotated[
        str,
        typer.Option(metavar="JSON", help="All fields, spelt as in the API; or @FILE.", show_default=False),
    ] = "{}",
    listing: Annotated[bool, typer.Option("--list", help="Show every operation instead.")] = False,
    output: Annotated[
        Format | None,
        typer.Option("--output", "-o", help="An answer is JSON; the list a table unless said otherwise."),
    ] = None,
) -> None:
    """Make one call of an operation, checked but otherwise raw; or list the operations.

    Fields of the path and the query go into the body too. The answer is printed as the API spells it.
    """
    if listing:
        execute(_list(name, output or Format.TABLE))
    else:
        execute(_call(settings(context), name, body, output or Format.JSON))


async def _list(name: str | None, output: Format) -> Exit:
    if name is not None:
        raise InvalidRequest("", "--list", "is for all operations, and one was given; nothing was called")
    with printer(output) as out:
        for operation in OPERATIONS.values():
            out.row(_row(operation))
    return Exit.DONE


def _row(operation: AnyOperation) -> Row:
    document, section = re.split(",? ", operation.source, maxsplit=1)
    return {
        "operation": operation.name,
        "method": operation.method,
        "path": operation.path,
        "document": document,
        "section": section,
        "batch_maximum": operation.batch.max if operation.batch else None,
        "quota": ", ".join(f"{quota.permits} in {quota.seconds:g} s" for quota in operation.quotas) or None,
    }


def _operation(name: str | None) -> AnyOperation:
    if name is None:
        raise InvalidRequest("", "operation", "is missing; `koophone api --list` shows all")
    if name not in OPERATIONS:
        near = get_close_matches(name, OPERATIONS, n=1)
        hint = f"did you mean {near[0]}?" if near else "`koophone api --list` shows all"
        raise InvalidRequest("", "operation", f"{name} is not in the catalogue; {hint}")
    return OPERATIONS[name]


async def _call(having: Settings, name: str | None, body: str, output: Format) -> Exit:
    operation = _operation(name)
    if output not in _RAW:
        raise InvalidRequest("", "--output", f"is {output}; an answer is json or jsonl")
    request = _request(operation, json_object(body))
    async with having.session(anonymous=operation.anonymous) as session:
        answer = await session.send(operation, request)
    told: object = answer.value if isinstance(answer, RawAnswer) else to_wire(answer)
    sys.stdout.write(json.dumps(told, ensure_ascii=False, indent=2 if output is Format.JSON else None) + "\n")
    return Exit.DONE


def _request(operation: AnyOperation, body: Wire) -> object:
    if operation.request is not RawRequest:
        return structure(operation.request, body)
    in_query = operation.method in ("GET", "DELETE")
    return RawRequest.of(query=body) if in_query else RawRequest.of(body=body)
