"""Commands of schedules: plans that workers start at the times of a cron expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from koophone_async.cli.errors import Exit, print_stderr
from koophone_async.cli.output.printing import Format, printer
from koophone_async.cli.output.view import Output
from koophone_async.cli.rollouts.options import JournalOption
from koophone_async.cli.rollouts.refusals import unless_refused
from koophone_async.cli.runner import execute, with_option_names
from koophone_async.cli.settings import current_settings
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts import Journal, load_plan, schedules
from koophone_async.rollouts.cron import Cron
from koophone_async.rollouts.distributed.hand_over import NEEDS_POSTGRESQL
from koophone_async.rollouts.journal.postgresql.location import PostgresLocation
from koophone_async.rollouts.journal.schedules import MissedRuns, Schedule
from koophone_async.rollouts.plans.zones import zone_of
from koophone_async.session import utc_now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_COLUMNS: Final = ("name", "state", "due", "cron", "timezone", "missed", "last_run", "last_rollout", "note")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the plan.")]


def add(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="YAML file with the plan.")],
    *,
    cron: Annotated[
        str,
        typer.Option(metavar="EXPRESSION", help="Minute, hour, day, month and weekday, such as '0 2 * * *'."),
    ],
    timezone: Annotated[
        str, typer.Option(metavar="ZONE", help="Time zone of the expression, such as Asia/Shanghai.")
    ],
    missed: Annotated[
        MissedRuns, typer.Option(help="Start runs that no worker could start in time once, or skip them.")
    ] = MissedRuns.ONCE,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the schedule of the same name.")
    ] = False,
    journal: JournalOption = None,
) -> None:
    """Start a plan at the times of a cron expression, on workers; its targets are selected anew each time.

    The journal keeps a copy of the plan. A local time that clocks skip means the next that exists, one that
    comes twice counts once, and a run never starts while the last one has not ended.
    """

    async def work() -> Exit:
        loaded, times = load_plan(plan), Cron(cron, timezone)

        async def change(opened: Journal) -> Schedule:
            if not isinstance(opened.place, PostgresLocation):
                raise InvalidRequest("", "journal", NEEDS_POSTGRESQL, Rule.CONFLICT)
            async with current_settings(context).session() as session:
                return await schedules.add_schedule(
                    opened, loaded, times, session, missed=missed, replace=replace
                )

        return await _change(journal, change, lambda added: f"{added.name} starts next at {_local(added)}")

    execute(with_option_names(work(), {"cron": "--cron", "timezone": "--timezone"}))


def list_(*, output: Output = Format.TABLE, journal: JournalOption = None) -> None:
    """List schedules, with the time of their next run and what became of the last."""

    async def work() -> Exit:
        async with await Journal.open(journal) as opened:
            found = await opened.schedules.all()
        with printer(output, _COLUMNS) as out:
            for schedule in found:
                out.row(_row(schedule))
        if not found:
            print_stderr("koophone: no schedules")
        return Exit.DONE

    execute(unless_refused(work()))


def disable(name: Name, *, journal: JournalOption = None) -> None:
    """Start no more rollouts of a schedule; one that runs goes on."""
    execute(
        _change(
            journal,
            lambda opened: schedules.disable_schedule(opened, name),
            lambda schedule: f"{schedule.name} is disabled",
        )
    )


def enable(name: Name, *, journal: JournalOption = None) -> None:
    """Start rollouts of a schedule again, at its next time."""
    execute(
        _change(
            journal,
            lambda opened: schedules.enable_schedule(opened, name, utc_now()),
            lambda schedule: f"{schedule.name} is enabled; next at {_local(schedule)}",
        )
    )


async def _change(
    location: str | None,
    change: Callable[[Journal], Awaitable[Schedule]],
    describe: Callable[[Schedule], str],
) -> Exit:
    async def work() -> Exit:
        async with await Journal.open(location) as opened:
            schedule = await change(opened)
        print_stderr(f"koophone: {describe(schedule)}")
        return Exit.DONE

    return await unless_refused(work())


def _local(schedule: Schedule) -> str:
    """Return the time of the next run, as clocks show it in the zone of the schedule."""
    local = schedule.due_at.astimezone(zone_of(schedule.zone, "timezone"))
    return f"{local:%Y-%m-%d %H:%M} {schedule.zone}"


def _row(schedule: Schedule) -> dict[str, Any]:
    last_run = schedule.last_run_at
    return {
        "name": schedule.name,
        "state": "enabled" if schedule.is_enabled else "disabled",
        "due": schedule.due_at.isoformat(timespec="minutes") if schedule.is_enabled else None,
        "cron": schedule.cron,
        "timezone": schedule.zone,
        "missed": schedule.missed.value,
        "last_run": last_run and last_run.isoformat(timespec="seconds"),
        "last_rollout": schedule.last_rollout,
        "note": schedule.note,
    }
