"""`--failed-from`: select what failed or was refused in an earlier run, by the journal or by its output.

Phones whose state is `unknown` may have executed the command, and are never selected. `not_sent` is, if an
option names it. Of a phone with several rows the last one counts.
"""

from __future__ import annotations

import csv
import io
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from koophone_async.batches import State
from koophone_async.cli.errors import print_stderr
from koophone_async.cli.parameters.input_files import read_bytes
from koophone_async.errors import InvalidRequest
from koophone_async.id_files import MAX_SIZE
from koophone_async.text_input import decode_text, parse_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from koophone_async.cli.commands.fleet_commands import Inventory
    from koophone_async.operation import AnyOperation

FailedFrom = Annotated[
    str | None,
    typer.Option(
        "--failed-from",
        metavar="RUN|FILE",
        help="Select what failed or was refused, and not what is unknown, in a rollout or in the output of a "
        "command: json, jsonl, csv.",
    ),
]
NotSentToo = Annotated[
    bool, typer.Option("--not-sent", help="With --failed-from: select what was not sent, too.")
]

FAILED_FROM: Final = (
    Parameter("failed_from", Parameter.KEYWORD_ONLY, annotation=FailedFrom, default=None),
    Parameter("not_sent", Parameter.KEYWORD_ONLY, annotation=NotSentToo, default=False),
)
"""The options as parameters of a command."""

_OPTION: Final = "--failed-from"
_OTHERS: Final = ("ids", "ids_file", "names", "where", "tag", "select_all", "server")
"""Arguments that select in another way."""


async def with_failed(
    args: Mapping[str, Any],
    inventory: Inventory,
    operation: AnyOperation,
    journal: str | None,
    profile: str | None = None,
) -> Mapping[str, Any] | None:
    """Return arguments in which the ids that did not succeed replace `--failed-from`.

    Args:
        args: The arguments.
        inventory: What they select from.
        operation: What is to be done.
        journal: The journal with the run.
        profile: The profile in use, whose rows are selected if those of a file have one.

    Returns:
        The arguments; None if nothing failed, which is printed.

    Raises:
        InvalidRequest: There is another selection, or no such rollout or file, or it is of other phones.
    """
    source = args.get("failed_from")
    if source is None:
        if args.get("not_sent"):
            raise InvalidRequest("", "--not-sent", "needs --failed-from")
        return args
    if any(args.get(name) for name in _OTHERS):
        raise InvalidRequest("", _OPTION, "selects; no other selection is possible")
    states = {State.REFUSED} if operation.order else {State.FAILED, State.REFUSED}
    if args.get("not_sent"):
        states.add(State.NOT_SENT)
    last = (
        _of_file(source, profile)
        if _is_file(source)
        else await _of_rollout(source, journal, inventory.operation)
    )
    ids = [id for id, state in last.items() if state in states]
    unknown = sum(state is State.UNKNOWN for state in last.values())
    if unknown:
        print_stderr(
            f"koophone: {unknown:,} unknown {inventory.noun} are left out: they may have executed it"
        )
    if not ids:
        print_stderr(f"koophone: nothing failed in {source}; nothing was done")
        return None
    return {**args, "ids": ids}


def _is_file(source: str) -> bool:
    """Return whether a file is meant: no rollout is named like one that is there."""
    return source == "-" or "/" in source or Path(source).is_file()


async def _of_rollout(name: str, location: str | None, lister: str) -> dict[str, State]:
    """Return the last state of each phone of a rollout."""
    # Imported here, because few commands need it.
    from koophone_async.rollouts.journal import Journal, JournalError  # noqa: PLC0415
    from koophone_async.rollouts.plans.plan import Plan  # noqa: PLC0415
    from koophone_async.rollouts.reports.last_outcomes import last_outcomes  # noqa: PLC0415

    try:
        async with await Journal.open(location) as journal:
            record = await journal.find(name)
            resource = Plan.from_json(record.plan).resource
            if f"{record.service}.{resource}.list" != lister and record.service != "gaming":
                problem = f"{name} is of {resource} of {record.service}, which this command is not about"
                raise InvalidRequest("", _OPTION, problem)
            return {outcome.id: outcome.state async for _, outcome in last_outcomes(journal, record)}
    except JournalError as error:
        raise InvalidRequest("", f"{_OPTION} {name}", str(error)) from None


def _of_file(file: str, profile: str | None) -> dict[str, State]:
    """Return the last state of each phone in the output of a command."""
    option = f"{_OPTION} {file}"
    try:
        rows = _rows(decode_text(read_bytes(file, option, MAX_SIZE)))
        return {_id(row): _state(row) for row in rows if _is_of(profile, row)}
    except ValueError as error:
        raise InvalidRequest("", option, str(error)) from None


def _rows(text: str) -> Iterator[Mapping[str, object]]:
    """Yield the rows of JSON, of one object a line, or of CSV."""
    start = text.lstrip()[:1]
    if start == "[":
        yield from map(_row, cast("Collection[object]", parse_json(text)))
    elif start == "{":
        yield from (_row(parse_json(line)) for line in text.splitlines() if line.strip())
    else:
        yield from _csv_rows(text)


def _csv_rows(text: str) -> Iterator[Mapping[str, object]]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        if reader.fieldnames is not None:
            _id(dict.fromkeys(reader.fieldnames, "any"))
        yield from reader
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: is not CSV: {error}") from None


def _row(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"has {type(value).__name__} instead of rows with id and state")  # noqa: TRY004 - of the file
    return cast("Mapping[str, object]", value)


def _is_of(profile: str | None, row: Mapping[str, object]) -> bool:
    """Return whether a row is of the account in use.

    Raises:
        ValueError: It is of a profile, and none is in use.
    """
    named = row.get("profile")
    if named and not profile:
        raise ValueError(f"has rows of the profile {named}; use --profile {named}, or several")
    return not named or named == profile


def _id(row: Mapping[str, object]) -> str:
    id = row.get("id")
    if not isinstance(id, str) or not id:
        hint = "; use the output without --group" if "ids" in row else ""
        raise ValueError(f"has a row without an id{hint}")
    return id


def _state(row: Mapping[str, object]) -> State:
    name = row.get("state")
    try:
        return State(str(name))
    except ValueError:
        problem = "has no column state" if name is None else f"has a row with the state {name!r}"
        raise ValueError(f"{problem}; expected the output of a command: json, jsonl or csv") from None
