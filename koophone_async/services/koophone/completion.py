"""Detect the completion of calls by polling their tasks or, where there are none, their instances.

Where there is no task, the end of a call is a state of its instances. Every awaited state has failed ends
beside its good one, such as a backup that failed. Some states are failed ends only if they last: an instance
that is restarted is shut down for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, TypeAlias

import anyio
from attrs import define, field, frozen

from koophone_async.batches import UnreadableJob, Wait, open_job, unreadable_jobs
from koophone_async.errors import Busy, KooPhoneError, Refused, Throttled, Unavailable
from koophone_async.operation import Sender
from koophone_async.polling import OpenJob, PollResult
from koophone_async.rows import dropped_rows
from koophone_async.services.koophone import jobs
from koophone_async.services.koophone.instances import (
    LIST,
    STATUS,
    ContentState,
    CopyState,
    Instance,
    InstanceQuery,
    InstancesRequest,
    InstanceStatuses,
    RunningState,
)
from koophone_async.services.koophone.jobs import Job, TaskQuery
from koophone_async.services.koophone.paging import items
from koophone_async.services.koophone.streaming import PROGRESS, ProgressQuery, ProgressState
from koophone_async.wire import Edition

SETTLE_SECONDS: Final = 10.0
"""Seconds from the call after which a state counts even if it was never seen to change.

Before that, the state may still be the one from before the call. It may also have changed and changed back
between two polls, so waiting for a change would not end.
"""

STALL_SECONDS: Final = 120.0
"""Seconds for which a state must last that is a failure only if nothing changes it."""

CLOCK_TOLERANCE: Final = timedelta(seconds=60)
"""How much the clocks of the service and of this machine may differ, when times are compared."""

_MAX_ZONE: Final = timedelta(hours=14)
"""How far the local time of any place is ahead of UTC."""

_CONFIRM_INTERVAL: Final = 5.0
"""Seconds from the first query of the progress of an instance in a good state to the next; then doubled."""

_CHECK_INTERVAL: Final = 20.0
"""The same for an instance whose state is not good."""

_MAX_PROGRESS_INTERVAL: Final = 60.0

_CONCURRENT_QUERIES: Final = 8
"""Maximum of concurrent queries of progress in one poll."""

_MAX_SINGLE_QUERIES: Final = 10
"""Up to this many instances are queried one by one, more by listing all instances."""


class Stalled(Enum):
    """Verdict on a state that is a failure if it lasts."""

    STALLED = "stalled"


Verdict: TypeAlias = bool | Stalled | None
"""Whether a state is the expected one (True), a failure (False), one if it lasts, or neither yet (None)."""

StateReader: TypeAlias = Callable[[Sequence[str]], AsyncIterable[tuple[str, Verdict, str]]]
"""Yields id, verdict and description of the state, for those of the ids that the service lists."""


@frozen
class ReachedState:
    """Result of waiting for the state of an instance: it has reached the expected state, or a failed one."""

    succeeded: bool
    error_code: str | None = None
    error_message: str | None = None
    output: str | None = None


@frozen(eq=False)
class TaskPoller:
    """Polls tasks, one per request."""

    _session: Sender
    max_handles: int = 1
    max_jobs: int | None = None

    async def poll(self, handles: Sequence[str]) -> PollResult[Job | UnreadableJob]:
        """Return all jobs of a task."""
        (handle,) = handles
        return {handle: await self.jobs(handle, self._session.poll_scheduler.pending(self, handle))}

    async def jobs(
        self, handle: str, awaited: Collection[str]
    ) -> Mapping[str, Job | UnreadableJob | OpenJob | None]:
        """Return all jobs of a task; a job that is still running maps to an `OpenJob` or None."""
        rows = (await self._session.send(jobs.LIST, TaskQuery(handle))).jobs
        listed = {job.id: _ended_or_open(job) for job in rows}
        return {**listed, **unreadable_jobs(dropped_rows(rows), awaited, listed)}


def _ended_or_open(job: Job) -> Job | OpenJob | None:
    return job if job.ended else open_job(job.state, job.error_code, job.error_message)


@define(eq=False)
class StatePoller:
    """Polls the state of the instances of a call until each has reached the expected one, or failed.

    There are no jobs, so instance ids serve as job ids, and one of them as the handle of the call.
    """

    _read: StateReader
    max_handles: int = 1
    max_jobs: int | None = None
    _pending: dict[str, set[str]] = field(factory=dict[str, set[str]], init=False)
    """By handle: the instances that have not reached their state."""

    _changing: set[str] = field(factory=set[str], init=False)
    """Instances that were seen in neither the expected state nor a failed one since the call."""

    _stalled: dict[str, float] = field(factory=dict[str, float], init=False)
    """Since when instances are in a state that is a failure if it lasts."""

    _started_at: dict[str, float] = field(factory=dict[str, float], init=False)

    def wait(self, ids: Iterable[str]) -> Wait:
        """Return a wait for these instances together."""
        pending = set(ids)
        handle = min(pending)
        self._pending[handle] = pending
        self._started_at[handle] = asyncio.get_running_loop().time()
        return Wait(self, handle, {id: id for id in pending}, has_jobs=False)

    async def poll(self, handles: Sequence[str]) -> PollResult[ReachedState]:
        """Return the instances of these calls that the service lists, with their results."""
        handle_of = {id: handle for handle in handles for id in self._pending.get(handle, ())}
        results: dict[str, dict[str, ReachedState | OpenJob]] = {handle: {} for handle in handles}
        async for id, verdict, description in self._read(tuple(handle_of)):
            if handle := handle_of.pop(id, None):
                results[handle][id] = self._result(id, handle, verdict, description)
        return results

    def forget(self, handle: str, ids: Collection[str]) -> bool:
        """Stop polling instances whose result is known; return whether none of the call is left."""
        self._changing.difference_update(ids)
        for id in ids:
            self._stalled.pop(id, None)
        left = self._pending.get(handle, set()) - set(ids)
        if left:
            self._pending[handle] = left
        else:
            self._pending.pop(handle, None)
            self._started_at.pop(handle, None)
        return not left

    def _result(self, id: str, handle: str, verdict: Verdict, description: str) -> ReachedState | OpenJob:
        now = asyncio.get_running_loop().time()
        if verdict is Stalled.STALLED:
            verdict = False if now - self._stalled.setdefault(id, now) >= STALL_SECONDS else None
        else:
            self._stalled.pop(id, None)
        if verdict is None:
            self._changing.add(id)
            return OpenJob(description)
        if id not in self._changing and now - self._started_at[handle] < SETTLE_SECONDS:
            return OpenJob(description)
        self.forget(handle, [id])
        return ReachedState(verdict, None, None if verdict else description)


@define(eq=False)
class TaskOrStatePoller:
    """Polls tasks, or the state of their instances if the service does not show their jobs.

    No document says that the RM_ tasks of reset, unassign and backup can be polled.
    """

    _tasks: TaskPoller
    _states: StatePoller
    max_handles: int = 1
    max_jobs: int | None = None
    _pending: dict[str, tuple[str, Mapping[str, str]]] = field(
        factory=dict[str, tuple[str, Mapping[str, str]]], init=False
    )
    """By task: the handle of its instances at the state poller, and instance ids by job id."""

    def wait(self, handle: str, instance_of: Mapping[str, str]) -> Wait:
        """Return a wait for the jobs of a task; `instance_of` maps each job to its instance."""
        self._pending[handle] = self._states.wait(instance_of.values()).handle, instance_of
        return Wait(self, handle, instance_of)

    async def poll(self, handles: Sequence[str]) -> PollResult[Job | UnreadableJob | ReachedState]:
        """Return all jobs of a task, or the results of its instances under the ids of their jobs."""
        (handle,) = handles
        state_handle, instance_of = self._pending[handle]
        results: Mapping[str, Job | UnreadableJob | ReachedState | OpenJob | None]
        results = await self._jobs(handle, instance_of)
        if not results:
            states = (await self._states.poll([state_handle]))[state_handle]
            results = {job: states[id] for job, id in instance_of.items() if id in states}
        ended = [
            instance_of[job]
            for job, end in results.items()
            if job in instance_of and not isinstance(end, OpenJob | None)
        ]
        if self._states.forget(state_handle, ended):
            del self._pending[handle]
        return {handle: results}

    async def _jobs(
        self, handle: str, awaited: Collection[str]
    ) -> Mapping[str, Job | UnreadableJob | OpenJob | None]:
        """Return the jobs of a task; none if the service refuses to show them."""
        try:
            return await self._tasks.jobs(handle, awaited)
        except Refused as error:
            if error.repeatable or isinstance(error, Busy | Throttled | Unavailable):
                raise
            return {}


def ready(state: object) -> Verdict:
    """Judge a state of either edition: an instance must be running, or its data loaded."""
    # The type matters: members of two IntEnums with the same number are equal.
    if isinstance(state, RunningState):
        return _RUNNING_VERDICTS.get(state)
    return _CONTENT_VERDICTS.get(state) if isinstance(state, ContentState) else None


_RUNNING_VERDICTS: Final[Mapping[RunningState, Verdict]] = {
    RunningState.RUNNING: True,
    RunningState.SHUT_DOWN: Stalled.STALLED,
    RunningState.UNKNOWN: Stalled.STALLED,
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
        return Stalled.STALLED
    return None if instance.is_assigned is False else running(instance)


@define
class NewBackup:
    """Judges listed instances after a backup: only one that is newer than the call counts.

    A backup is newer if its time is after that of the call. Clocks may differ, and no document states a time
    zone. So a time later than one seen earlier in the wait counts too, and a time in the future counts only
    then, if a time zone may explain it.
    """

    _now: Callable[[], datetime]
    _started_at: datetime | None = None
    """When the backup was started, if that was before this object was created."""

    _called_at: datetime = field(init=False)
    _earlier: dict[str, datetime] = field(factory=dict[str, datetime], init=False)
    """Time of the backup that each instance was first seen with."""

    def __attrs_post_init__(self) -> None:
        self._called_at = self._started_at or self._now()

    def __call__(self, instance: Instance) -> Verdict:
        """Judge an instance."""
        if instance.backup is CopyState.FAILED:
            return False
        if instance.backup is not CopyState.SUCCEEDED or instance.backup_at is None:
            return None
        earlier = self._earlier.setdefault(instance.id, instance.backup_at)
        ahead = instance.backup_at - self._now()
        is_local_time = CLOCK_TOLERANCE < ahead <= _MAX_ZONE + CLOCK_TOLERANCE
        is_after_call = instance.backup_at >= self._called_at - CLOCK_TOLERANCE and not is_local_time
        return True if is_after_call or instance.backup_at > earlier else None


def unassigned(instance: Instance) -> Verdict:
    """Judge a listed instance after it was unassigned."""
    return True if instance.is_assigned is False else None


def _name(state: object) -> object:
    return state.name if isinstance(state, Enum) else state


def _describe(state: object) -> str:
    return f"its state is {_name(state)}"


def _describe_instance(instance: Instance) -> str:
    states = {
        "running": _name(instance.running),
        "backup": _name(instance.backup),
        "backup time": instance.backup_at,
        "restore": _name(instance.restore),
        "assigned": instance.is_assigned,
    }
    shown = ", ".join(f"{name} {state}" for name, state in states.items() if state is not None)
    return f"its state is: {shown}"


def read_status(session: Sender, judge: Callable[[object], Verdict]) -> StateReader:
    """Return a function that reads the state of a hundred instances per request.

    A request that is refused because of some ids is halved to find them. They are not queried again, and so
    count as lost.
    """
    refused: set[str] = set()

    async def read(ids: Sequence[str]) -> AsyncIterator[tuple[str, Verdict, str]]:
        ids = [id for id in ids if id not in refused]
        try:
            answer = await session.send(STATUS, InstancesRequest(ids)) if ids else InstanceStatuses()
        except Refused as error:
            if not error.blames_ids:
                raise
            if len(ids) == 1:
                refused.update(ids)
                return
            for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
                async for row in read(half):
                    yield row
            return
        for status in answer.statuses:
            yield status.instance, judge(status.state), _describe(status.state)

    return read


def read_list(session: Sender, judge: Callable[[Instance], Verdict]) -> StateReader:
    """Return a function that reads the list of instances."""

    async def read(ids: Sequence[str]) -> AsyncIterator[tuple[str, Verdict, str]]:
        is_few = len(ids) <= _MAX_SINGLE_QUERIES
        for query in [InstanceQuery(id=id) for id in ids] if is_few else [InstanceQuery()]:
            async for instance in items(session, LIST, query):
                yield instance.id, judge(instance), _describe_instance(instance)

    return read


def status_poller(session: Sender, judge: Callable[[object], Verdict]) -> StatePoller:
    """Return a poller that reads the state of a hundred instances per request."""
    return StatePoller(read_status(session, judge))


def until_running(session: Sender) -> StatePoller:
    """Return a poller for running instances; the international edition shows these only in the list."""
    if session.edition is Edition.CHINA:
        return status_poller(session, ready)
    return list_poller(session, running)


def list_poller(session: Sender, judge: Callable[[Instance], Verdict]) -> StatePoller:
    """Return a poller that reads the list of instances; all waits of a run share one request."""
    return StatePoller(read_list(session, judge), max_handles=_ALL_HANDLES)


def prepare_poller(session: Sender, user: str, *, by_list: bool) -> StatePoller:
    """Return a poller that reads states, and confirms them by the progress of each preparation.

    Args:
        session: Sends the queries.
        user: The user that instances are prepared for.
        by_list: Whether states are read from the list of instances, which has more of them.
    """
    states = read_list(session, prepared) if by_list else read_status(session, ready)
    confirms = by_list or session.edition is Edition.CHINA
    reader = ProgressReader(session, user, states, confirms)
    return StatePoller(reader.read, max_handles=_ALL_HANDLES if by_list else 1)


_ALL_HANDLES: Final = 10**6


@define
class ProgressReader:
    """Reads states, and confirms the end of preparations by their progress, which takes a call per instance.

    States cost a call per hundred instances, so they are read first. In the international edition they show
    whether the data is loaded, and only instances that do not get there are asked for their progress. In the
    China edition an instance may run while its data is still being restored.
    """

    _session: Sender
    _user: str
    _states: StateReader
    _confirms: bool
    """Whether a good state must be confirmed by the progress."""

    _queries: dict[tuple[str, Verdict], _ProgressQueries] = field(
        factory=dict[tuple[str, Verdict], "_ProgressQueries"], init=False
    )
    """By instance and verdict on its state."""

    async def read(self, ids: Sequence[str]) -> AsyncIterator[tuple[str, Verdict, str]]:
        """Yield id, verdict and description of each listed instance."""
        wanted = set(ids)
        rows = [row async for row in self._states(ids) if row[0] in wanted]
        now = asyncio.get_running_loop().time()
        due = [id for id, verdict, _ in rows if self._is_due(id, verdict, now)]
        progress = await query_progress(self._session, self._user, due)
        for id, verdict, description in rows:
            queries = self._queries.get((id, verdict))
            if queries is None:
                yield id, verdict, description
            elif id not in progress:
                yield id, None if verdict is True else verdict, description + queries.last
            else:
                confirmed = _confirm(verdict, progress[id])
                queries.last = f", its progress is {_name(progress[id])}"
                if confirmed not in (True, False):
                    queries.next_at = now + queries.interval
                    queries.interval = min(2 * queries.interval, _MAX_PROGRESS_INTERVAL)
                yield id, confirmed, description + queries.last

    def _is_due(self, id: str, verdict: Verdict, now: float) -> bool:
        if verdict is False or (verdict is True and not self._confirms):
            for other in (True, None, Stalled.STALLED):
                self._queries.pop((id, other), None)
            return False
        if (queries := self._queries.get((id, verdict))) is None:
            is_good = verdict is True
            first, interval = (now, _CONFIRM_INTERVAL) if is_good else (now + SETTLE_SECONDS, _CHECK_INTERVAL)
            queries = self._queries[id, verdict] = _ProgressQueries(first, interval)
        return now >= queries.next_at


@define
class _ProgressQueries:
    """When the progress of an instance is queried."""

    next_at: float
    interval: float
    last: str = ""
    """Description of the progress at the last query."""


def _confirm(verdict: Verdict, progress: object) -> Verdict:
    """Return the verdict on a state and the progress together."""
    if progress is ProgressState.FAILED:
        return False
    if verdict is True:
        return True if progress is ProgressState.READY else None
    # While a machine is being waited for, the instance has none that could run.
    return None if progress is ProgressState.QUEUING else verdict


async def query_progress(
    session: Sender, user: str, ids: Iterable[str]
) -> Mapping[str, ProgressState | int | str]:
    """Return the progress of the preparation of each instance; the error as text where there is none."""
    progress: dict[str, ProgressState | int | str] = {}
    queue = iter(ids)

    async def work() -> None:
        for id in queue:
            try:
                progress[id] = (await session.send(PROGRESS, ProgressQuery(user, id))).state
            except KooPhoneError as error:
                progress[id] = f"unknown: {error}"

    async with anyio.create_task_group() as group:
        for _ in range(_CONCURRENT_QUERIES):
            group.start_soon(work)
    return progress
