"""Commands that show rollouts, and delete old ones: list, status, outcomes, watch, prune, schema."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, cast

import typer

from koophone_async.cli.errors import Exit, print_stderr
from koophone_async.cli.output.columns import Columns
from koophone_async.cli.output.encoding import dump_json
from koophone_async.cli.output.outcome_printer import OutcomePrinter
from koophone_async.cli.output.printing import Format, print_lines, printer
from koophone_async.cli.output.rows import OUTCOME_COLUMNS
from koophone_async.cli.output.status_line import STATUS, StatusLine
from koophone_async.cli.output.view import OUTCOMES, ROWS, Output, View, with_view
from koophone_async.cli.rollouts.checking import shown_duration
from koophone_async.cli.rollouts.options import JournalOption, Run, exit_of_record, seconds_of
from koophone_async.cli.rollouts.refusals import unless_refused
from koophone_async.cli.runner import execute
from koophone_async.rollouts import (
    Journal,
    Plan,
    RolloutRecord,
    RolloutState,
    json_schema,
)
from koophone_async.rollouts.journal import Target
from koophone_async.rollouts.reports.last_outcomes import all_outcomes, last_outcomes
from koophone_async.rollouts.reports.outcomes import PhoneOutcome
from koophone_async.rollouts.requests import describe_state
from koophone_async.session import utc_now

_WATCH_INTERVAL: Final = 1.0
_PRUNED: Final = 90 * 86_400
"""Age in seconds of the rollouts that `prune` deletes by default."""

_LIST_COLUMNS: Final = ("id", "name", "state", "targets", "counts", "created")
_OUTCOME_COLUMNS: Final = (*OUTCOME_COLUMNS, "step", "wave", "attempt")
_PLACE_COLUMNS: Final = ("profile", "project", "region")


def schema() -> None:
    """Print the JSON Schema of plans, by which editors complete and check them."""

    async def work() -> Exit:
        print_lines(json.dumps(json_schema(), indent=2).splitlines())
        return Exit.DONE

    execute(work())


@with_view(ROWS)
def list_(
    *,
    state: Annotated[
        list[RolloutState] | None, typer.Option(help="Only those in this state; may be repeated.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Only those of this name, such as 'shop-*'.")] = None,
    since: Annotated[
        float | None,
        typer.Option(parser=seconds_of, metavar="DURATION", help="Only those of the last time, such as 7d."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Maximum number of rollouts.")] = 50,
    view: View,
    journal: JournalOption = None,
) -> None:
    """List rollouts, the newest first. Every command that changes phones is one."""

    async def work() -> Exit:
        async with await Journal.open(journal) as opened:
            records = await opened.rollouts(
                state=state or None, name=name, since=None if since is None else _before(since), limit=limit
            )
        is_table = view.output is Format.TABLE
        with view.printer(Columns(_LIST_COLUMNS, _LIST_COLUMNS)) as out:
            for record in records:
                minute = {"created": f"{record.created_at:%Y-%m-%d %H:%M %Z}"} if is_table else {}
                out.row(_shown(_row(record) | minute, view.output))
        if not records:
            print_stderr("koophone: no rollouts")
        return Exit.DONE

    execute(unless_refused(work()))


def status(run: Run = "last", *, output: Output = Format.TABLE, journal: JournalOption = None) -> None:
    """Show the state of a rollout: its counts, its wave, what it waits for, and its times."""

    async def work() -> Exit:
        async with await Journal.open(journal) as opened:
            record = await opened.find(run)
        row = _details(record)
        if output is Format.JSON:
            print_lines([dump_json(row)])
        elif output is Format.TABLE:
            print_lines([f"{name + ':':13} {text}" for name, text in _shown(row, output).items() if text])
        else:
            with printer(output) as out:
                out.row(_shown(row, output))
        return Exit.DONE

    execute(unless_refused(work()))


@with_view(OUTCOMES)
def outcomes(
    run: Run = "last",
    *,
    all_attempts: Annotated[
        bool, typer.Option("--all-attempts", help="Print every step of every attempt, not only the last.")
    ] = False,
    view: View,
    journal: JournalOption = None,
) -> None:
    """Print the outcome of each phone: its last attempt, and the step that it reached."""

    async def work() -> Exit:
        count = 0
        async with await Journal.open(journal) as opened:
            record = await opened.find(run)
            found = all_outcomes(opened, record) if all_attempts else last_outcomes(opened, record)
            with _grouped(view) if view.is_grouped else _rows(view, record) as out:
                async for target, outcome in found:
                    count += 1
                    out(target, outcome)
        if not all_attempts and count < record.targets:
            print_stderr(f"koophone: {record.targets - count:,} phones have no outcome yet")
        return Exit.DONE

    execute(unless_refused(work()))


@contextmanager
def _rows(view: View, record: RolloutRecord) -> Generator[Callable[[Target, PhoneOutcome], None]]:
    """Print a row for each outcome, with the place of its phone if the plan has several selections."""
    places = _places(record)
    columns = (*(_PLACE_COLUMNS if len(places) > 1 else ()), *_OUTCOME_COLUMNS)
    with view.printer(Columns(columns, columns)) as rows:

        def add(target: Target, outcome: PhoneOutcome) -> None:
            if view.failed_only and outcome.ok:
                return
            place = places[target.selection] if len(places) > 1 else {}
            rows.row({**place, **outcome.to_rollout_row()})

        yield add


@contextmanager
def _grouped(view: View) -> Generator[Callable[[Target, PhoneOutcome], None]]:
    """Print phones with the same result as a group."""
    with OutcomePrinter.of(view) as groups:
        yield lambda _, outcome: groups.add(outcome)


def watch(run: Run = "last", *, journal: JournalOption = None) -> None:
    """Follow a rollout that another process drives, until it ends or is left."""

    async def work() -> Exit:
        async with await Journal.open(journal) as opened:
            record = await opened.find(run)
            async for changed in _changes(opened, record.id):
                record = changed
                if StatusLine.is_possible():
                    STATUS.draw(_summary(record))
                else:
                    print_stderr(f"koophone: {_summary(record)}")
            STATUS.clear()
            print_stderr(f"koophone: {_summary(record)}")
        return exit_of_record(record)

    execute(unless_refused(work()))


def prune(
    *,
    older_than: Annotated[
        float | None,
        typer.Option(
            "--older-than", parser=seconds_of, metavar="DURATION", help="Age such as 30d. Default: 90d."
        ),
    ] = None,
    journal: JournalOption = None,
) -> None:
    """Delete old rollouts that have ended, and whose phones are neither unknown nor unfinished."""

    async def work() -> Exit:
        async with await Journal.open(journal) as opened:
            deleted = await opened.prune(_before(_PRUNED if older_than is None else older_than))
        print_stderr(f"koophone: {len(deleted):,} rollouts deleted")
        return Exit.DONE

    execute(unless_refused(work()))


def _before(seconds: float) -> datetime:
    return utc_now() - timedelta(seconds=seconds)


def _row(record: RolloutRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "state": record.state.value,
        "targets": record.targets,
        "counts": dict(record.counts),
        "created": record.created_at.isoformat(timespec="seconds"),
    }


def _details(record: RolloutRecord) -> dict[str, Any]:
    return _row(record) | {
        "wave": record.wave,
        "waves": list(record.waves),
        "attempt": record.attempt,
        "waiting_for": record.waiting_for and record.waiting_for.value,
        "reason": record.reason,
        "began": record.began_at and record.began_at.isoformat(timespec="seconds"),
        "ended": record.ended_at and record.ended_at.isoformat(timespec="seconds"),
        "driver": record.driver
        and f"process {record.driver.pid} of {record.driver.user}@{record.driver.host}",
        "forecast": record.forecast and json.loads(record.forecast),
    }


def _shown(row: dict[str, Any], output: Format) -> dict[str, Any]:
    """Return a row with texts for people, unless it is printed as JSON."""
    is_json = output in (Format.JSON, Format.JSONL, Format.YAML)
    if is_json:
        return row
    return {name: _forecast(value) if name == "forecast" else _text(value) for name, value in row.items()}


def _forecast(value: dict[str, Any] | None) -> str:
    """Return the likely duration, which is what people ask; `report` shows more of a forecast."""
    return shown_duration(value["seconds"]) if value and "seconds" in value else _text(value)


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    match value:
        case None:
            return ""
        case dict():
            counts = cast("dict[str, object]", value)
            return ", ".join(f"{_text(count)} {state}" for state, count in counts.items())
        case list():
            return ", ".join(map(_text, cast("list[object]", value)))
        case int():
            return f"{value:,}"
        case _:
            return str(value)


def _places(record: RolloutRecord) -> list[dict[str, str | None]]:
    """Return profile, project and region of each selection of a plan."""
    return [
        {"profile": selection.profile, "project": selection.project_id, "region": selection.region}
        for selection in Plan.from_json(record.plan).selections
    ]


async def _changes(journal: Journal, id: str) -> AsyncIterator[RolloutRecord]:
    """Yield a rollout whenever it has changed, until no process drives it."""
    shown = None
    while True:
        record = await journal.find(id)
        if _summary(record) != shown:
            shown = _summary(record)
            yield record
        if record.has_ended or record.driver is None:
            return
        await asyncio.sleep(_WATCH_INTERVAL)


def _summary(record: RolloutRecord) -> str:
    waves = f" · wave {record.wave} of {len(record.waves)}" if len(record.waves) > 1 else ""
    return f"rollout {record.id} {describe_state(record)}{waves} · {_text(dict(record.counts))}"
