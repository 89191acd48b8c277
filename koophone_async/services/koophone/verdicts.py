"""Verdicts on the states of instances: which of them end a wait, and whether well.

Every awaited state has failed ends beside its good one, such as a backup that failed. Some states are failed
ends only if they last: an instance that is restarted is shut down for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, TypeAlias

from attrs import define, field

from koophone_async.services.koophone.instances import ContentState, CopyState, Instance, RunningState

SETTLE_SECONDS: Final = 10.0
"""Seconds from the call after which a state counts even if it was never seen to change.

Before that, the state may still be the one from before the call. It may also have changed and changed back
between two polls, so waiting for a change would not end.
"""

CLOCK_TOLERANCE: Final = timedelta(seconds=60)
"""How much the clocks of the service and of this machine may differ, when times are compared."""

_MAX_ZONE: Final = timedelta(hours=14)
"""How far the local time of any place is ahead of UTC."""


class Doubt(Enum):
    """Verdicts that end a wait only if they last."""

    STALLED = "stalled"
    """The state is a failure unless something changes it."""

    UNCLEAR = "unclear"
    """Nothing shows whether the instance has reached the expected state."""


Verdict: TypeAlias = bool | Doubt | None
"""Whether a state is the expected one (True), a failure (False), in doubt, or neither yet (None)."""


def ready(state: object) -> Verdict:
    """Judge a state of either edition: an instance must be running, or its data loaded."""
    # The type matters: members of two IntEnums with the same number are equal.
    if isinstance(state, RunningState):
        return _RUNNING_VERDICTS.get(state)
    return _CONTENT_VERDICTS.get(state) if isinstance(state, ContentState) else None


_RUNNING_VERDICTS: Final[Mapping[RunningState, Verdict]] = {
    RunningState.RUNNING: True,
    RunningState.SHUT_DOWN: Doubt.STALLED,
    RunningState.UNKNOWN: Doubt.STALLED,
}

_CONTENT_VERDICTS: Final[Mapping[ContentState, Verdict]] = {
    ContentState.LOADED: True,
    ContentState.LOADED_ALTERNATIVE: True,
    ContentState.STREAMING: True,
    ContentState.RESTORE_FAILED: False,
    ContentState.BACKUP_FAILED: False,
}


def running(instance: Instance) -> Verdict:
    """Judge a listed instance after a restart: it must run, with no backup or restore in progress."""
    if CopyState.EXECUTING in (instance.backup, instance.restore):
        return None
    return ready(instance.running)


_RELEASED: Final = (RunningState.STOPPED, RunningState.SHUT_DOWN)


def prepared(instance: Instance) -> Verdict:
    """Judge a listed instance before streaming: it must run, be assigned, and have its data.

    An instance that was still being backed up when it was to be prepared is not prepared afterwards.
    """
    if CopyState.EXECUTING in (instance.backup, instance.restore):
        return None
    if instance.restore is CopyState.FAILED:
        return False
    if instance.backup is CopyState.SUCCEEDED and instance.running in _RELEASED:
        return Doubt.STALLED
    return None if instance.is_assigned is False else running(instance)


@define
class NewBackup:
    """Judges listed instances after a backup: only one that is newer than the call counts.

    A backup is newer if its time is after that of the call. Clocks may differ, and no document states a time
    zone. So a time later than one seen earlier in the wait counts too, and a time in the future counts only
    then, if a time zone may explain it.
    """

    _now: Callable[[], datetime]
    _created_at: datetime = field(init=False)
    _started_at: dict[str, datetime] = field(factory=dict[str, datetime], init=False)
    """When the backups of instances were started, where that was before this object was created."""

    _earlier: dict[str, datetime] = field(factory=dict[str, datetime], init=False)
    """Time of the backup that each instance was first seen with."""

    def __attrs_post_init__(self) -> None:
        self._created_at = self._now()

    def resume(self, ids: Iterable[str], started_at: datetime) -> None:
        """Judge the backups of these instances, which were started at some earlier time."""
        self._started_at |= dict.fromkeys(ids, started_at)

    def __call__(self, instance: Instance) -> Verdict:
        """Judge an instance."""
        if instance.backup is CopyState.FAILED:
            return False
        if instance.backup is not CopyState.SUCCEEDED or instance.backup_at is None:
            return None
        earlier = self._earlier.setdefault(instance.id, instance.backup_at)
        ahead = instance.backup_at - self._now()
        is_local_time = CLOCK_TOLERANCE < ahead <= _MAX_ZONE + CLOCK_TOLERANCE
        started_at = self._started_at.get(instance.id, self._created_at)
        is_after_call = instance.backup_at >= started_at - CLOCK_TOLERANCE and not is_local_time
        return True if is_after_call or instance.backup_at > earlier else None


def unassigned(instance: Instance) -> Verdict:
    """Judge a listed instance after it was unassigned."""
    return True if instance.is_assigned is False else None


@define
class TaskEnd:
    """Judges listed instances after a task that may have reset, backed up or unassigned them.

    Only a change shows that the task has ended: a new backup, an instance that is no longer assigned, or one
    that runs again. Without a change, nothing tells the end of the task from its beginning.
    """

    _is_backed_up: NewBackup
    _first: dict[str, Instance] = field(factory=dict[str, Instance], init=False)
    """Each instance as it was first seen."""

    _changing: set[str] = field(factory=set[str], init=False)
    """Instances that were seen while something was done to them."""

    def __call__(self, instance: Instance) -> Verdict:
        """Judge an instance."""
        first = self._first.setdefault(instance.id, instance)
        if CopyState.EXECUTING in (instance.backup, instance.restore) or instance.running in _CHANGING:
            self._changing.add(instance.id)
            return None
        was_changing = instance.id in self._changing
        if instance.backup is CopyState.FAILED:
            return False if was_changing or first.backup is not CopyState.FAILED else Doubt.UNCLEAR
        is_unassigned = first.is_assigned is True and instance.is_assigned is False
        runs_again = was_changing and running(instance) is True
        return True if self._is_backed_up(instance) or is_unassigned or runs_again else Doubt.UNCLEAR


_CHANGING: Final = (RunningState.GOING_OFFLINE, RunningState.STARTING)


def name_of(state: object) -> object:
    """Return the name of a state, or the state itself if it has none."""
    return state.name if isinstance(state, Enum) else state


def describe(state: object) -> str:
    """Return the description of a state."""
    return f"its state is {name_of(state)}"


def describe_instance(instance: Instance) -> str:
    """Return the description of all states of a listed instance."""
    states = {
        "running": name_of(instance.running),
        "backup": name_of(instance.backup),
        "backup time": instance.backup_at,
        "restore": name_of(instance.restore),
        "assigned": instance.is_assigned,
    }
    shown = ", ".join(f"{name} {state}" for name, state in states.items() if state is not None)
    return f"its state is: {shown}"
