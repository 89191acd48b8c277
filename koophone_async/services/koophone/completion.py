"""Detect the completion of calls by polling their tasks or, where there are none, their instances."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from enum import Enum
from typing import Final, TypeAlias

from attrs import define, field, frozen

from koophone_async.batches import UnreadableJob, Wait, unreadable_jobs
from koophone_async.errors import NotFound, Refused
from koophone_async.operation import Sender
from koophone_async.polling import PollResult
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
from koophone_async.services.koophone.jobs import Job, StartedTask, TaskQuery
from koophone_async.services.koophone.paging import items

SETTLE_SECONDS: Final = 10.0
"""Seconds from the call after which a state counts even if it was never seen to change.

Before that, the state may still be the one from before the call. It may also have changed and changed back
between two polls, so waiting for a change would not end.
"""

_MAX_SINGLE_QUERIES: Final = 10
"""Up to this many instances are queried one by one, more by listing all instances."""

Verdict: TypeAlias = bool | None
"""Whether a state is the expected one (True), a failure (False), or neither yet (None)."""


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

    async def jobs(self, handle: str, awaited: Collection[str]) -> Mapping[str, Job | UnreadableJob | None]:
        """Return all jobs of a task; a job that is still running maps to None."""
        rows = (await self._session.send(jobs.LIST, TaskQuery(handle))).jobs
        listed = {job.id: job if job.ended else None for job in rows}
        return {**listed, **unreadable_jobs(dropped_rows(rows), awaited, listed)}


@define(eq=False)
class StatePoller:
    """Polls the state of the instances of a call until each has reached the expected one, or failed.

    There are no jobs, so instance ids serve as job ids, and one of them as the handle of the call.
    """

    _read: Callable[[Sequence[str]], AsyncIterable[tuple[str, Verdict, str]]]
    """Yields id, verdict and description of the state, for those of the ids that the service lists."""

    max_handles: int = 1
    max_jobs: int | None = None
    _pending: dict[str, set[str]] = field(factory=dict[str, set[str]], init=False)
    """By handle: the instances that have not reached their state."""

    _changing: set[str] = field(factory=set[str], init=False)
    """Instances that were seen in neither the expected state nor a failed one since the call."""

    _started_at: dict[str, float] = field(factory=dict[str, float], init=False)

    def wait(self, ids: Iterable[str]) -> Wait:
        """Return a wait for these instances together."""
        pending = set(ids)
        handle = min(pending)
        self._pending[handle] = pending
        self._started_at[handle] = asyncio.get_running_loop().time()
        return Wait(self, handle, {id: id for id in pending}, resume_tokens=False)

    async def poll(self, handles: Sequence[str]) -> PollResult[ReachedState]:
        """Return the instances of these calls that the service lists, with their results."""
        handle_of = {id: handle for handle in handles for id in self._pending.get(handle, ())}
        results: dict[str, dict[str, ReachedState | None]] = {handle: {} for handle in handles}
        async for id, verdict, description in self._read(tuple(handle_of)):
            if handle := handle_of.pop(id, None):
                results[handle][id] = self._result(id, handle, verdict, description)
        return results

    def forget(self, handle: str, ids: Collection[str]) -> bool:
        """Stop polling instances whose result is known; return whether none of the call is left."""
        self._changing.difference_update(ids)
        left = self._pending.get(handle, set()) - set(ids)
        if left:
            self._pending[handle] = left
        else:
            self._pending.pop(handle, None)
            self._started_at.pop(handle, None)
        return not left

    def _result(self, id: str, handle: str, verdict: Verdict, description: str) -> ReachedState | None:
        if verdict is None:
            self._changing.add(id)
            return None
        elapsed = asyncio.get_running_loop().time() - self._started_at[handle]
        if id not in self._changing and elapsed < SETTLE_SECONDS:
            return None
        self.forget(handle, [id])
        return ReachedState(verdict, None, None if verdict else description)


@define(eq=False)
class TaskOrStatePoller:
    """Polls tasks, or the state of their instances if the service does not know the task.

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

    def wait(self, started: StartedTask) -> Wait:
        """Return a wait for a task."""
        handle, instance_of = started.id or "", {job.id: job.instance for job in started.jobs}
        self._pending[handle] = self._states.wait(instance_of.values()).handle, instance_of
        return Wait(self, handle, instance_of)

    async def poll(self, handles: Sequence[str]) -> PollResult[Job | UnreadableJob | ReachedState]:
        """Return all jobs of a task, or the results of its instances under the ids of their jobs."""
        (handle,) = handles
        state_handle, instance_of = self._pending[handle]
        results: Mapping[str, Job | UnreadableJob | ReachedState | None]
        try:
            results = await self._tasks.jobs(handle, instance_of)
        except NotFound:
            job_of = {instance: job for job, instance in instance_of.items()}
            states = (await self._states.poll([state_handle]))[state_handle]
            results = {job_of[instance]: reached for instance, reached in states.items()}
        ended = [instance_of[job] for job, end in results.items() if end is not None and job in instance_of]
        if self._states.forget(state_handle, ended):
            del self._pending[handle]
        return {handle: results}


def ready(state: object) -> Verdict:
    """Judge a state of either edition: an instance must be running, or its data loaded."""
    if state is RunningState.RUNNING:
        return True
    # The type matters: members of two IntEnums with the same number are equal.
    return _CONTENT_VERDICTS.get(state) if isinstance(state, ContentState) else None


_CONTENT_VERDICTS: Final = {
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
    return True if instance.running is RunningState.RUNNING else None


def prepared(instance: Instance) -> Verdict:
    """Judge a listed instance before streaming: it must run, and be assigned."""
    return None if instance.is_assigned is False else running(instance)


def backed_up(instance: Instance) -> Verdict:
    """Judge a listed instance after a backup."""
    if instance.backup is CopyState.SUCCEEDED:
        return True
    return False if instance.backup is CopyState.FAILED else None


def unassigned(instance: Instance) -> Verdict:
    """Judge a listed instance after it was unassigned."""
    return True if instance.is_assigned is False else None


def _describe(state: object) -> str:
    return f"its state is {state.name if isinstance(state, Enum) else state}"


def status_poller(session: Sender, judge: Callable[[object], Verdict]) -> StatePoller:
    """Return a poller that reads the state of a hundred instances per request.

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

    return StatePoller(read)


def list_poller(session: Sender, judge: Callable[[Instance], Verdict]) -> StatePoller:
    """Return a poller that reads the list of instances; all waits of a run share one request."""

    async def read(ids: Sequence[str]) -> AsyncIterator[tuple[str, Verdict, str]]:
        is_few = len(ids) <= _MAX_SINGLE_QUERIES
        for query in [InstanceQuery(id=id) for id in ids] if is_few else [InstanceQuery()]:
            async for instance in items(session, LIST, query):
                description = f"backup {instance.backup!r}, assigned {instance.is_assigned}"
                yield instance.id, judge(instance), description

    return StatePoller(read, max_handles=10**6)
