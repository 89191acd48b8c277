"""Schedules: plans that workers start at the times of a cron expression.

A run is recorded in the transaction that makes its rollout visible, and only if the schedule is still due at
that time. So each run has one rollout, however many workers try to start it, and a worker that ends before
that transaction leaves the run to the next one.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import frozen

from koophone_async.errors import InvalidRequest, KooPhoneError, Rule
from koophone_async.rollouts.cron import Cron
from koophone_async.rollouts.execution.clients import Clients
from koophone_async.rollouts.execution.starts import NewOptions, find_unended
from koophone_async.rollouts.journal.schedules import MissedRuns, Schedule, ScheduleChanged, run_of
from koophone_async.rollouts.plans.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from koophone_async.rollouts.journal import Journal, RolloutRecord
    from koophone_async.session import Session

Begin: TypeAlias = "Callable[[Plan, NewOptions], Awaitable[str]]"
"""Writes a new rollout down, hands it to workers, and returns its id."""


@frozen
class DueRun:
    """What became of a run that was due."""

    description: str
    """For people."""

    is_in_time: bool = False
    """Whether it was started in time, by whichever worker."""


PUNCTUAL: Final = timedelta(minutes=5)
"""A run that starts later than this was missed."""


async def add_schedule(  # noqa: PLR0913 - two are named, and have defaults
    journal: Journal,
    plan: Plan,
    cron: Cron,
    session: Session,
    *,
    missed: MissedRuns = MissedRuns.ONCE,
    replace: bool = False,
) -> Schedule:
    """Schedule a plan, whose targets are selected anew at each start.

    Args:
        journal: The journal of the workers that start it.
        plan: The plan; later changes of its file have no effect.
        cron: When it is started.
        session: Has credentials of the account that every start must be of.
        missed: What becomes of a run that could not be started in time.
        replace: Whether it may replace a schedule of the same name.

    Raises:
        InvalidRequest: The plan has no name, or one with a schedule.
    """
    if not plan.name:
        raise InvalidRequest("", "name", "is missing; a schedule has the name of its plan", Rule.MISSING)
    async with Clients(plan, session) as clients:
        account = await clients.account()
    now = session.now()
    schedule = Schedule(
        plan.name,
        plan.to_json(),
        cron.expression,
        cron.zone,
        missed,
        account,
        now,
        journal.actor,
        next(cron.after(now)),
    )
    await journal.schedules.add(schedule, replace=replace)
    return schedule


async def enable_schedule(journal: Journal, name: str, now: datetime) -> Schedule:
    """Enable a schedule from now on, and return it.

    Raises:
        InvalidRequest: There is none of this name.
    """
    schedule = await _schedule(journal, name)
    await journal.schedules.set_enabled(name, next(_cron(schedule).after(now)), is_enabled=True)
    return await _schedule(journal, name)


async def disable_schedule(journal: Journal, name: str) -> Schedule:
    """Disable a schedule until it is enabled, and return it; a rollout that runs goes on.

    Raises:
        InvalidRequest: There is none of this name.
    """
    schedule = await _schedule(journal, name)
    await journal.schedules.set_enabled(name, schedule.due_at, is_enabled=False)
    return await _schedule(journal, name)


async def start_due(journal: Journal, begin: Begin, now: datetime) -> Mapping[str, DueRun]:
    """Start the rollouts that are due.

    Args:
        journal: The journal with the schedules.
        begin: Writes a rollout down and hands it to workers.
        now: The present time.

    Returns:
        What became of each, by the name of the schedule.
    """
    done = dict[str, DueRun]()
    for schedule in await journal.schedules.all():
        if schedule.is_enabled and schedule.due_at <= now:
            done[schedule.name] = await _start(journal, schedule, begin, now)
    return done


async def _start(journal: Journal, schedule: Schedule, begin: Begin, now: datetime) -> DueRun:
    """Start a run that is due, postpone it, or skip it."""
    following = next(_cron(schedule).after(now))
    unended = await find_unended(journal, schedule.name)
    is_missed = unended is not None or now - schedule.due_at > PUNCTUAL
    late = _describe_missed(schedule, now) if is_missed else None
    if is_missed and schedule.missed is MissedRuns.SKIP:
        return await _postpone(journal, schedule, following, f"skipped: {late}{_cause(unended)}")
    if unended is not None:
        return await _postpone(journal, schedule, schedule.due_at, f"waiting: {late}{_cause(unended)}")
    note = late and f"started late: {late}"
    record = run_of(schedule, at=now, due_at=following, note=note)
    options = NewOptions(account=schedule.account, record=record)
    try:
        rollout = await begin(Plan.from_json(schedule.plan), options)
    except ScheduleChanged as changed:
        return _changed(changed)
    except InvalidRequest as error:  # the same plan would be refused a minute later too
        return await _postpone(journal, schedule, following, f"not started: {error}")
    except KooPhoneError as error:
        return await _postpone(journal, schedule, schedule.due_at, f"not started yet: {error}")
    return DueRun(f"started rollout {rollout}" + (f"; {note}" if note else ""), is_in_time=not is_missed)


async def _postpone(journal: Journal, schedule: Schedule, due_at: datetime, note: str) -> DueRun:
    """Set the next time of a schedule, unless another process has started the run or postponed it, too."""
    try:
        await journal.schedules.postpone(schedule, due_at, note)
    except ScheduleChanged as changed:
        return _changed(changed)
    return DueRun(note)


def _changed(changed: ScheduleChanged) -> DueRun:
    return DueRun(str(changed), is_in_time=True)


def _describe_missed(schedule: Schedule, now: datetime) -> str:
    """Return how many runs were due until now, and when the first was."""
    due = takewhile(lambda time: time <= now, _cron(schedule).after(schedule.due_at))
    count = 1 + sum(1 for _ in due)
    return f"{count:,} {'run' if count == 1 else 'runs'} due since {schedule.due_at:%Y-%m-%d %H:%M} UTC"


def _cause(unended: RolloutRecord | None) -> str:
    return "" if unended is None else f", and rollout {unended.id} is {unended.state} and has not ended"


async def _schedule(journal: Journal, name: str) -> Schedule:
    for schedule in await journal.schedules.all():
        if schedule.name == name:
            return schedule
    raise InvalidRequest("", "name", f"no schedule has the name {name!r}", Rule.NOT_A_CHOICE)


def _cron(schedule: Schedule) -> Cron:
    return Cron(schedule.cron, schedule.zone)
