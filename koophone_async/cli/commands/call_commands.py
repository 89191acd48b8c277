"""Commands of single calls: one documented call, or all pages of a list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Mapping, Sequence
from inspect import Parameter
from typing import cast

from attrs import frozen

from koophone_async.cli.commands.confirmation import Yes, confirm_entry
from koophone_async.cli.commands.orders import unpaid
from koophone_async.cli.commands.preview import DryRun, print_call
from koophone_async.cli.commands.services import Entry
from koophone_async.cli.errors import NO_RESULTS, Exit, print_stderr, report_unknown
from koophone_async.cli.output.columns import Columns
from koophone_async.cli.output.printing import print_bytes
from koophone_async.cli.output.resume_tokens import wait_command
from koophone_async.cli.output.rows import rows
from koophone_async.cli.output.view import LIST, ROWS, view_of, view_parameters
from koophone_async.cli.output.view_rows import Arranged
from koophone_async.cli.parameters.options import MethodOptions
from koophone_async.cli.parameters.values import Arguments
from koophone_async.cli.settings import Settings
from koophone_async.cli.targets.id_by_name import IdByName
from koophone_async.cli.targets.selection import Selection, filter_parameters, option
from koophone_async.services.cph.undocumented import RawAnswer


@frozen
class CallCommand:
    """An operation without a fleet verb: one documented call, or all pages of a list."""

    entry: Entry

    @property
    def options(self) -> MethodOptions:
        """Options of the method."""
        return MethodOptions.of(self.entry.method, self.entry.operation)

    @property
    def columns(self) -> Columns:
        """Columns of the rows, if it lists any."""
        return Columns.of(self.entry.operation)

    @property
    def parameters(self) -> Sequence[Parameter]:
        """Parameters of the command."""
        own, named = self.options.parameters, self.id_by_name
        return [
            *(named.parameters(own) if named else own),
            *(filter_parameters(self.entry.lists) if self.entry.lists else []),
            *([option("yes", Yes, default=False)] if self.entry.is_confirmed else []),
            *([option("dry_run", DryRun, default=False)] if self.entry.changes_something else []),
            *view_parameters(LIST if self.columns.is_list else ROWS),
        ]

    @property
    def id_by_name(self) -> IdByName | None:
        """The id that `--name` can stand for, if the call takes one."""
        return IdByName.of(self.entry, self.options.parameters)

    @property
    def labels(self) -> Mapping[str, str]:
        """Options and metavars of arguments by field name, for error messages."""
        return {"where": "--where"} | self.options.labels | dict(self.entry.details.labels)

    async def work(self, settings: Settings, args: Arguments) -> Exit:
        """Make the call and print its answer; rows of a list are printed as they arrive."""
        arguments, named = self.options.read(args), self.id_by_name
        if named:
            named.check(args)
        inventory = self.entry.lists
        selection = Selection.filtered(inventory, args) if inventory else None
        out = view_of(args).printer(self.columns)
        async with settings.session(anonymous=self.entry.operation.anonymous) as session:
            client = self.entry.service.client(session)
            if named and args["names"]:
                arguments |= {named.parameter: await named.resolve(args["names"], client)}
            if args.get("dry_run"):
                return await print_call(self.entry, session, arguments, view_of(args).printer(Columns()))
            if self.entry.is_confirmed:
                code = await confirm_entry(
                    self.entry, settings, arguments, self._ids(arguments), yes=args["yes"]
                )
                if code is not None:
                    return code
            if selection is not None:
                return await print_answer(self.entry, selection.items(client, *arguments.values()), out)
            code = await print_answer(self.entry, self.entry.bound(client)(**arguments), out)
            if self.entry.operation.order and (note := unpaid(arguments)):
                print_stderr(f"koophone: {note}")
            return code

    def _ids(self, arguments: Mapping[str, object]) -> Sequence[str]:
        """Return the ids that the call is for."""
        batch = self.entry.operation.batch
        return cast("tuple[str, ...]", arguments.get(batch.field, ())) if batch else ()


async def print_answer(
    entry: Entry, answer: Awaitable[object] | AsyncIterable[object], out: Arranged
) -> Exit:
    """Print the answer of a call, or the items of a list as they arrive."""
    if isinstance(answer, AsyncIterable):
        await _print_list(answer, out)
        return Exit.DONE
    try:
        result = await answer
    except asyncio.CancelledError:
        report_unknown(entry.operation)
        raise
    if isinstance(result, bytes) and not isinstance(result, RawAnswer):
        print_bytes(result)
        return Exit.DONE
    with out:
        for row in rows(result):
            out.row(row)
    if hint := wait_command(entry, result):
        print_stderr(f"koophone: to wait for the end: {hint}")
    elif not out.count:
        print_stderr(NO_RESULTS)
    return Exit.DONE


async def _print_list(answer: AsyncIterable[object], out: Arranged) -> None:
    with out:
        async for item in answer:
            for row in rows(item):
                out.row(row)
            if out.is_full:
                break
    if not out.count:
        print_stderr(NO_RESULTS)
