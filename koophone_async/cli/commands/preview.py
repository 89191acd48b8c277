"""`--dry-run` of a single call: check it and print it, and send nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Never, TypeAlias, cast

import typer
from attrs import define, evolve, frozen

from koophone_async.cli.commands.services import Entry
from koophone_async.cli.errors import Exit, print_stderr
from koophone_async.cli.output.printing import Printer
from koophone_async.operation import AnyOperation, Sender
from koophone_async.wire import encode_request

DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Check the call, and print it instead of sending it.")
]

NOTE: Final = "koophone: a dry run: nothing was sent"


@define(eq=False)
class _Prepared(Exception):
    """What would be sent."""

    operation: AnyOperation
    request: object


@frozen(eq=False)
class _Offline:
    """A session that sends nothing, and raises what it would send."""

    _session: Sender

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - anything of a session
        return getattr(self._session, name)

    def bind(self, **scope: Any) -> _Offline:  # noqa: ANN401 - passed on
        return evolve(self, session=self._session.bind(**scope))

    async def send(self, operation: AnyOperation, request: object, **_: object) -> Never:
        raise _Prepared(operation, request)


async def print_call(entry: Entry, session: Sender, arguments: Mapping[str, object], out: Printer) -> Exit:
    """Print the call that a method makes, instead of sending it.

    Args:
        entry: The operation.
        session: The session that it would be sent with.
        arguments: Those of the method.
        out: Prints the call.

    Raises:
        InvalidRequest: An argument is wrong.
    """
    client = entry.service.client(cast("Sender", _Offline(session)))
    try:
        await entry.bound(client)(**arguments)
    except _Prepared as prepared:
        return await print_request(prepared.operation, prepared.request, session, out)
    raise AssertionError(entry.operation.name)  # each method sends a request


async def print_request(operation: AnyOperation, request: object, session: Sender, out: Printer) -> Exit:
    """Print the request of a call, instead of sending it.

    Raises:
        InvalidRequest: A value of its path is empty.
    """
    project = await session.project_id() if "{project_id}" in operation.path else None
    call = encode_request(operation, request, project_id=project)
    with out:
        query = "&".join(f"{name}={value}" for name, value in call.query)
        out.row(
            {
                "operation": operation.name,
                "method": operation.method,
                "path": f"{call.path}?{query}" if query else call.path,
                "body": json.loads(call.body) if call.body else None,
            }
        )
    print_stderr(NOTE)
    return Exit.DONE
