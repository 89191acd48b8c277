"""`koophone api`: a raw call of an operation, and the list of operations."""

from __future__ import annotations

import asyncio
import re
import sys
from difflib import get_close_matches
from typing import Annotated, Final

import typer

from koophone_async.catalogue import OPERATIONS
from koophone_async.cli.commands.preview import DryRun, print_request
from koophone_async.cli.errors import Exit, report_unknown
from koophone_async.cli.output.encoding import dump_json
from koophone_async.cli.output.printing import Format, printer
from koophone_async.cli.output.rows import Row
from koophone_async.cli.parameters.json_options import Wire, parse_json_object, structure
from koophone_async.cli.runner import execute
from koophone_async.cli.settings import Settings, current_settings
from koophone_async.errors import InvalidRequest
from koophone_async.operation import AnyOperation
from koophone_async.services.cph.undocumented import RawAnswer, RawRequest
from koophone_async.wire import to_wire

_RAW_FORMATS = (Format.JSON, Format.JSONL)

EXAMPLES: Final = (
    "koophone api --list",
    'koophone api koophone.instances.status --body \'{"instance_ids": ["phone0001"]}\'',
)


def run(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="OPERATION",
            help="Name of the operation, such as koophone.commands.run.",
            show_default=False,
        ),
    ] = None,
    *,
    body: Annotated[
        str,
        typer.Option(
            metavar="JSON",
            help="All fields with the names of the API; @FILE reads a file.",
            show_default=False,
        ),
    ] = "{}",
    listing: Annotated[bool, typer.Option("--list", help="List all operations instead.")] = False,
    output: Annotated[
        Format | None,
        typer.Option(
            "--output",
            "-o",
            help="Output format. For a call: json (default) or jsonl; for --list: any, table by default.",
        ),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Make one call of an operation with a JSON body, or list all operations.

    Fields of the path and the query belong in the body too. The request is checked before it is sent. The
    answer is printed with the field names of the API.
    """
    if listing:
        execute(_list(name, output or Format.TABLE))
    else:
        execute(_call(current_settings(context), name, body, output or Format.JSON, dry_run=dry_run))


async def _list(name: str | None, output: Format) -> Exit:
    if name is not None:
        raise InvalidRequest(
            "",
            "--list",
            f"lists all operations and cannot be combined with the operation {name}",
        )
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
        raise InvalidRequest("", "OPERATION", "is missing; `koophone api --list` lists all")
    if name not in OPERATIONS:
        matches = get_close_matches(name, OPERATIONS, n=1)
        hint = f"did you mean {matches[0]}?" if matches else "`koophone api --list` lists all"
        raise InvalidRequest("", "OPERATION", f"{name} does not exist; {hint}")
    return OPERATIONS[name]


async def _call(settings: Settings, name: str | None, body: str, output: Format, *, dry_run: bool) -> Exit:
    operation = _operation(name)
    if output not in _RAW_FORMATS:
        raise InvalidRequest(
            "", "--output", f"is {output}; the answer of a call can be printed as json or jsonl"
        )
    request = _request(operation, parse_json_object(body))
    async with settings.session(anonymous=operation.anonymous) as session:
        if dry_run:
            return await print_request(operation, request, session, printer(output))
        try:
            answer = await session.send(operation, request)
        except asyncio.CancelledError:
            report_unknown(operation)
            raise
    result: object = answer.value if isinstance(answer, RawAnswer) else to_wire(answer)
    sys.stdout.write(dump_json(result, indent=2 if output is Format.JSON else None) + "\n")
    return Exit.DONE


def _request(operation: AnyOperation, body: Wire) -> object:
    if operation.request is not RawRequest:
        return structure(operation.request, body)
    in_query = operation.method in ("GET", "DELETE")
    return RawRequest.of(query=body) if in_query else RawRequest.of(body=body)
