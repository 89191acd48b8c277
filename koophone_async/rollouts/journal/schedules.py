"""Schedules: plans that are started at the times of a cron expression, as the journal has them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

from koophone_async.errors import InvalidRequest, KooPhoneError, Rule
from koophone_async.rollouts.journal.encoding import from_micros, to_micros
from koophone_async.rollouts.journal.queries import ACTOR

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from koophone_async.rollouts.journal.database import Database, Value
    from koophone_async.rollouts.journal.records import Actor
    from koophone_async.rollouts.journal.writer import GroupWriter

_COLUMNS: Final = (
    "name, plan, cron, zone, missed, account, created_at, created_by, due_at, is_enabled, last_run_at,"
    " last_rollout, note"
)
_ALL: Final = f"SELECT {_COLUMNS} FROM schedules ORDER BY name"  # noqa: S608 - columns of ours
_INSERT: Final = f"INSERT INTO schedules ({_COLUMNS}) VALUES ({', '.join('?' * 13)}) ON CONFLICT DO NOTHING"  # noqa: S608 - as above
_DELETE: Final = "DELETE FROM schedules WHERE name = ?"
_ENABLE: Final = "UPDATE schedules SET is_enabled = ?, due_at = ?, note = NULL WHERE name = ?"
_RUN: Final = (
    "UPDATE schedules SET due_at = ?, last_run_at = ?, last_rollout = ?, note = ?"
    " WHERE name = ? AND due_at = ? AND is_enabled = 1"
)
_POSTPONE: Final = "UPDATE schedules SET due_at = ?, note = ? WHERE name = ? AND due_at = ?"


class MissedRuns(StrEnum):
    """What becomes of a run that was missed, because no worker was there or the last run had not ended."""

    ONCE = "once"
    """It is started late; several that were missed are started once."""

    SKIP = "skip"


@frozen
class Schedule:
    """A plan and the times at which it is started."""

    name: str
    """Of the plan, and of its rollouts."""

    plan: str = field(repr=False)
    """JSON, with its secrets."""

    cron: str
    zone: str
    missed: MissedRuns
    account: str | None
    """Account of the credentials that it was scheduled with; those of another cannot start it."""

    created_at: datetime
    created_by: Actor
    due_at: datetime
    """The time of the next run, or of the one that is being started."""

    is_enabled: bool = True
    last_run_at: datetime | None = None
    last_rollout: str | None = None
    """Id of the rollout that was started last."""

    note: str | None = None
    """Why the last run was late, was skipped, or could not be started yet."""


@define(eq=False, slots=False)
class ScheduleChanged(KooPhoneError):
    """Another process has started this run, or the schedule was changed or disabled meanwhile."""

    name: str

    def __str__(self) -> str:
        """Return the schedule."""
        return f"schedule {self.name}: this run was started, or the schedule was changed, by another process"


@define(eq=False)
class ScheduleStore:
    """The schedules of a journal."""

    _writer: GroupWriter

    async def all(self) -> list[Schedule]:
        """Return all schedules by name."""
        return await self._writer.read(_all)

    async def add(self, schedule: Schedule, *, replace: bool = False) -> None:
        """Write a schedule.

        Raises:
            InvalidRequest: There is one of this name, and it may not be replaced.
        """
        await self._writer.write(_add, schedule, replace)

    async def set_enabled(self, name: str, due_at: datetime, *, is_enabled: bool) -> None:
        """Enable a schedule from a time on, or disable it until it is enabled.

        Raises:
            InvalidRequest: There is none of this name.
        """
        await self._writer.write(_enable, name, int(is_enabled), due_at)

    async def postpone(self, schedule: Schedule, due_at: datetime, note: str) -> None:
        """Set the next time of a schedule, and note why.

        Raises:
            ScheduleChanged: Another process has done so, or has started the run.
        """
        values = (to_micros(due_at), note, schedule.name, to_micros(schedule.due_at))
        await self._writer.write(_postpone, schedule.name, values)


def run_of(
    schedule: Schedule, *, at: datetime, due_at: datetime, note: str | None
) -> Callable[[Database, str], None]:
    """Return what records a run of a schedule in the transaction that makes its rollout visible.

    So a run has one rollout, however many processes try to start it, and whenever one of them ends.

    Args:
        schedule: The schedule, as it was when it was due.
        at: The present time.
        due_at: The time of the next run.
        note: Why it is late.
    """

    def record(database: Database, rollout: str) -> None:
        values: tuple[Value, ...] = (to_micros(due_at), to_micros(at), rollout, note)
        if not database.execute(_RUN, (*values, schedule.name, to_micros(schedule.due_at))):
            raise ScheduleChanged("", schedule.name)

    return record


def _all(database: Database) -> list[Schedule]:
    return [_to_schedule(row) for row in database.query(_ALL)]


def _to_schedule(row: tuple[Any, ...]) -> Schedule:
    name, plan, cron, zone, missed, account, created_at, created_by, due_at, *rest = row
    is_enabled, last_run_at, last_rollout, note = rest
    return Schedule(
        name,
        plan,
        cron,
        zone,
        MissedRuns(missed),
        account,
        from_micros(created_at),
        ACTOR.decode(created_by),
        from_micros(due_at),
        bool(is_enabled),
        None if last_run_at is None else from_micros(last_run_at),
        last_rollout,
        note,
    )


def _add(database: Database, schedule: Schedule, replace: bool) -> None:  # noqa: FBT001 - of a transaction
    if replace:
        database.execute(_DELETE, (schedule.name,))
    is_added = database.execute(
        _INSERT,
        (
            schedule.name,
            schedule.plan,
            schedule.cron,
            schedule.zone,
            schedule.missed.value,
            schedule.account,
            to_micros(schedule.created_at),
            ACTOR.encode(schedule.created_by),
            to_micros(schedule.due_at),
            int(schedule.is_enabled),
            None,
            None,
            None,
        ),
    )
    if not is_added:  # also if another process adds one at the same time
        raise InvalidRequest(
            "", "name", f"{schedule.name!r} has a schedule already; --replace replaces it", Rule.NOT_UNIQUE
        )


def _postpone(database: Database, name: str, values: tuple[Value, ...]) -> None:
    if not database.execute(_POSTPONE, values):
        raise ScheduleChanged("", name)


def _enable(database: Database, name: str, is_enabled: int, due_at: datetime) -> None:
    if not database.execute(_ENABLE, (is_enabled, to_micros(due_at), name)):
        raise InvalidRequest("", "name", f"no schedule has the name {name!r}", Rule.NOT_A_CHOICE)
