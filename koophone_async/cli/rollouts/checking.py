"""Show what a rollout would do and how long it is likely to take: `rollout check`, and `--dry-run`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from koophone_async.cli.errors import Exit, print_stderr
from koophone_async.cli.output.encoding import dump_json
from koophone_async.cli.output.printing import Format, print_lines, printer
from koophone_async.cli.output.view import Output
from koophone_async.cli.rollouts.options import JournalOption
from koophone_async.cli.rollouts.refusals import unless_refused
from koophone_async.cli.runner import execute
from koophone_async.cli.settings import Settings, current_settings
from koophone_async.rollouts.execution.clients import Clients
from koophone_async.rollouts.journal import Journal
from koophone_async.rollouts.journal.location import default_location
from koophone_async.rollouts.plans.durations import format_duration
from koophone_async.rollouts.plans.file import load_plan_file
from koophone_async.rollouts.plans.links import check_links
from koophone_async.rollouts.reports.forecast import forecast_plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from koophone_async.rollouts.plans.plan import Plan
    from koophone_async.rollouts.reports.forecast import Forecast
    from koophone_async.session import Session

_SHOWN: Final = 5
"""How many servers are shown."""


def check(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="YAML file with the plan.")],
    *,
    output: Output = Format.TABLE,
    journal: JournalOption = None,
) -> None:
    """Check a plan, and show what its rollout would do; nothing is sent but the lists that it selects from.

    Shows phones by region, server and state, what is left out, waves, calls, polls, the share of the quota,
    and the minimum and the likely duration: by jobs of earlier rollouts in the journal, else by a guess.
    """
    execute(_check(current_settings(context), plan, output, journal))


async def _check(settings: Settings, path: str, output: Format, journal: str | None) -> Exit:
    file = load_plan_file(path)

    async def work() -> Exit:
        async with settings.session() as session:
            with file.located():
                return await print_forecast(file.plan, session, output, journal)

    return await unless_refused(work())


async def print_forecast(
    plan: Plan,
    session: Session,
    output: Format = Format.TABLE,
    journal: str | None = None,
    *,
    may_be_empty: bool = False,
) -> Exit:
    """Print what a rollout of a plan would do, and send nothing of it.

    Raises:
        InvalidRequest: A link expires before the likely end, or a reference cannot be read.
    """
    plan.check_references()
    async with Clients(plan, session) as clients:
        if journal is None and default_location() is None:
            found = await forecast_plan(plan, clients, session.now(), None)
        else:
            async with await Journal.open(journal) as opened:
                found = await forecast_plan(plan, clients, session.now(), opened)
    if not found.phones and not may_be_empty:
        print_stderr("koophone: the targets select no phone")
        return Exit.NOT_STARTED
    if plan.stop is not None:
        plan.stop.check_total(found.phones)
    check_links(plan, found.likely_end)
    if output is Format.TABLE:
        print_lines([f"{name + ':':12} {text}" for name, text in _lines(found)])
    elif output is Format.JSON:
        print_lines([dump_json(found.to_data())])
    else:
        with printer(output) as out:
            out.row(found.to_data())
    return Exit.DONE


def _lines(found: Forecast) -> Iterator[tuple[str, str]]:
    """Yield what is shown to people."""
    yield "phones", f"{found.phones:,}"
    yield from _counts("regions", found.regions)
    if found.server_count:
        more = found.server_count - _SHOWN
        largest = _counted(dict(list(found.servers.items())[:_SHOWN]))
        yield "servers", f"{found.server_count:,} ({largest}{f' and {more:,} more' if more > 0 else ''})"
    yield from _counts("states", found.states)
    yield from _counts("left out", found.skipped)
    if len(found.waves) > 1:
        yield "waves", ", ".join(f"{end:,}" for end in found.waves)
    if found.skipped_waves:
        yield "no waves", f"{', '.join(found.skipped_waves)}: would add no phone"
    for number, step in enumerate(found.steps, start=1):
        share = f" ({step.quota_share:.0%} of {step.quota})" if step.quota_share is not None else ""
        known = f"durations of {step.seen:,} earlier jobs" if step.seen else "durations are a guess"
        work = f"{step.phones:,} phones, {step.calls:,} calls{share}, {step.polls:,} polls; {known}"
        yield f"step {number}", f"{step.verb}: {work}"
    yield "at least", shown_duration(found.min_seconds)
    likely = shown_duration(found.seconds)
    yield "likely", f"{likely}, until {found.likely_end:%Y-%m-%d %H:%M %Z} if it starts now and no gate waits"


def shown_duration(seconds: float) -> str:
    """Return a duration for people, in seconds or, of ten minutes and more, in minutes."""
    unit = 1 if seconds < _MINUTES_FROM else 60
    return format_duration(math.ceil(seconds / unit) * unit)


_MINUTES_FROM: Final = 600


def _counts(name: str, counts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if counts and set(counts) != {"unknown"}:
        yield name, _counted(counts)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
