"""How the end of a call is found: by its task, and by the instances' state where it has none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from enum import Enum
from typing import Final, TypeAlias

from attrs import define, field, frozen

from koophone_async.batches import Wait
from koophone_async.errors import NotFound, Refused
from koophone_async.operation import Sender
from koophone_async.polling import PollResult
from koophone_async.services.koophone import jobs
from koophone_async.services.koophone.instances import (
    LIST,
    STATUS,
    Chosen,
    ContentState,
    CopyState,
    Instance,
    InstanceQuery,
    InstanceStatuses,
    RunningState,
)
from koophone_async.services.koophone.jobs import Job, StartedTask, TaskQuery
from koophone_async.services.koophone.paging import items

SETTLED: Final = 10.0
"""Seconds after which a state that never changed is taken for the end: a call may end between two
looks, and a state seen sooner may be the one from before the call."""

_FEW: Final = 10
"""Up to so many instances are asked for one by one, more by listing all."""

Verdict: TypeAlias = bool | None
"""Whether a state is a good end, a bad one, or none yet."""


@frozen
class Reached:
    """An instance in the state that a call was to bring it to, or in one that it ends badly in."""

    succeeded: bool
    error_code: str | None = None
    error_message: str | None = None
    output: str | None = None


@frozen(eq=False)
class Tasks:
    """Looks at tasks, one a request."""

    _session: Sender
    max_handles: int = 1
    max_jobs: int | None = None

    async def poll(self, handles: Sequence[str]) -> PollResult[Job]:
        """See all jobs of a task."""
        (handle,) = handles
        task = await self._session.send(jobs.LIST, TaskQuery(handle))
        return {handle: {job.id: job if job.ended else None for job in task.jobs}}


@define(eq=False)
class States:
    """Looks at the state of the instances of a call until each has got where it was to go."""

    _read: Callable[[Sequence[str]], AsyncIterable[tuple[str, Verdict, str]]]
    """Answers id, verdict and the state's name for those of the ids that the service tells of."""

    max_handles: int = 1
    max_jobs: int | None = None
    _open: dict[str, set[str]] = field(factory=dict[str, set[str]], init=False)
    _moving: set[str] = field(factory=set[str], init=False)
    _began: dict[str, float] = field(factory=dict[str, float], init=False)

    def watch(self, ids: Iterable[str]) -> Wait:
        """Wait for these instances together. Their ids stand for the jobs that there are not."""
        open_ids = set(ids)
        handle = min(open_ids)
        self._open[handle] = open_ids
        self._began[handle] = asyncio.get_running_loop().time()
        return Wait(self, handle, {id: id for id in open_ids}, resume_tokens=False)

    async def poll(self, handles: Sequence[str]) -> PollResult[Reached]:
        """See where the instances of these calls are now."""
        of = {id: handle for handle in handles for id in self._open.get(handle, ())}
        seen: dict[str, dict[str, Reached | None]] = {handle: {} for handle in handles}
        async for id, verdict, name in self._read(tuple(of)):
            if handle := of.pop(id, None):
                seen[handle][id] = self._reached(id, handle, verdict, name)
        return seen

    def settle(self, handle: str, ids: Collection[str]) -> bool:
        """Hold no more of instances whose end is known; answers whether all of the call have ended."""
        self._moving.difference_update(ids)
        still = self._open.get(handle, set()) - set(ids)
        if still:
            self._open[handle] = still
        else:
            self._open.pop(handle, None)
            self._began.pop(handle, None)
        return not still

    def _reached(self, id: str, handle: str, verdict: Verdict, name: str) -> Reached | None:
        if verdict is None:
            self._moving.add(id)
        waited = asyncio.get_running_loop().time() - self._began[handle]
        if verdict is None or (id not in self._moving and waited < SETTLED):
            return None
        self.settle(handle, [id])
        return Reached(verdict, None, None if verdict else name)


@define(eq=False)
class TasksOrStates:
    """Looks at tasks that the service may not know, and at their instances where it does not.

    No document says that the RM_ tasks of reset, unassign and backup can be asked for.
    """

    _tasks: Tasks
    _states: States
    max_handles: int = 1
    max_jobs: int | None = None
    _open: dict[str, tuple[str, Mapping[str, str]]] = field(
        factory=dict[str, tuple[str, Mapping[str, str]]], init=False
    )
    """By task: the handle of its instances' states, and instance by job."""

    def watch(self, started: StartedTask) -> Wait:
        """Wait for a task, ready to go by its instances' state."""
        handle, jobs = started.id or "", {job.id: job.instance for job in started.jobs}
        self._open[handle] = self._states.watch(jobs.values()).handle, jobs
        return Wait(self, handle, jobs)

    async def poll(self, handles: Sequence[str]) -> PollResult[Job | Reached]:
        """See all jobs of a task, or where its instances are."""
        (handle,) = handles
        together, jobs = self._open[handle]
        seen: Mapping[str, Job | Reached | None]
        try:
            seen = (await self._tasks.poll(handles))[handle]
        except NotFound:
            job_of = {id: job for job, id in jobs.items()}
            states = (await self._states.poll([together]))[together]
            seen = {job_of[id]: reached for id, reached in states.items()}
        ended = [jobs[job] for job, end in seen.items() if end is not None and job in jobs]
        if self._states.settle(together, ended):
            del self._open[handle]
        return {handle: seen}


def ready(state: object) -> Verdict:
    """Judge a state, in the words of either edition: the instance must be up, or its data on it."""
    if state is RunningState.RUNNING:
        return True
    # Members of two enums are equal where their numbers are.
    return _CONTENT.get(state) if isinstance(state, ContentState) else None


_CONTENT: Final = {
    ContentState.LOADED: True,
    ContentState.LOADED_AS_WELL: True,
    ContentState.STREAMING: True,
    ContentState.RESTORE_FAILED: False,
    ContentState.BACKUP_FAILED: False,
}


def running(instance: Instance) -> Verdict:
    """Judge an instance of the list after a restart, with its data back where they were away."""
    if CopyState.EXECUTING in (instance.backup, instance.restore):
        return None
    return True if instance.running is RunningState.RUNNING else None


def prepared(instance: Instance) -> Verdict:
    """Judge an instance of the list before streaming: it must run, and be somebody's."""
    return None if instance.is_assigned is False else running(instance)


def backed_up(instance: Instance) -> Verdict:
    """Judge an instance of the list after a backup."""
    if instance.backup is CopyState.SUCCEEDED:
        return True
    return False if instance.backup is CopyState.FAILED else None


def unassigned(instance: Instance) -> Verdict:
    """Judge an instance of the list after it was taken from its user."""
    return True if instance.is_assigned is False else None


def _words(state: object) -> str:
    return f"its state is {state.name if isinstance(state, Enum) else state}"


def by_status(session: Sender, judge: Callable[[object], Verdict]) -> States:
    """Look by the state of a hundred instances at once; those that are gone meanwhile are not listed."""
    gone: set[str] = set()

    async def read(ids: Sequence[str]) -> AsyncIterator[tuple[str, Verdict, str]]:
        ids = [id for id in ids if id not in gone]
        try:
            answer = await session.send(STATUS, Chosen(ids)) if ids else InstanceStatuses()
        except Refused as refused:
            if not refused.blames_ids:
                raise
            if len(ids) == 1:
                gone.update(ids)
                return
            for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
                async for seen in read(half):
                    yield seen
            return
        for status in answer.statuses:
            yield status.instance, judge(status.state), _words(status.state)

    return States(read)


def by_list(session: Sender, judge: Callable[[Instance], Verdict]) -> States:
    """Look by the list of instances, which all waits of a run share."""

    async def read(ids: Sequence[str]) -> AsyncIterator[tuple[str, Verdict, str]]:
        queries = [InstanceQuery(id=id) for id in ids] if len(ids) <= _FEW else [InstanceQuery()]
        for query in queries:
            async for instance in items(session, LIST, query):
                what = f"backup {instance.backup!r}, assigned {instance.is_assigned}"
                yield instance.id, judge(instance), what

    return States(read, max_handles=10**6)
