"""Detect the completion of calls by polling their tasks or, where there are none, their instances.

Where there is no task, the end of a call is a state of its instances; see `verdicts`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from attrs import define, field, frozen

from koophone_async.batches import UnreadableJob, Wait, open_job, unreadable_jobs
from koophone_async.errors import Busy, Refused, Throttled, Unavailable
from koophone_async.operation import Sender
from koophone_async.polling import OpenJob, PollResult
from koophone_async.rows import dropped_rows
from koophone_async.services.koophone import jobs
from koophone_async.services.koophone.instances import Instance
from koophone_async.services.koophone.jobs import Job, TaskQuery
from koophone_async.services.koophone.state_readers import ProgressReader, StateReader, read_list, read_status
from koophone_async.services.koophone.verdicts import SETTLE_SECONDS, Doubt, Verdict, prepared, ready, running
from koophone_async.wire import Edition

STALL_SECONDS: Final = 120.0
"""Seconds for which a doubt about the state of an instance must last to end its wait."""


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
        listed: dict[str, Job | UnreadableJob | OpenJob | None] = {
            job.id: job if job.ended else open_job(job.state, job.error_code, job.error_message)
            for job in rows
        }
        listed.update(unreadable_jobs(dropped_rows(rows), awaited, listed))
        return listed


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

    _doubted: dict[str, float] = field(factory=dict[str, float], init=False)
    """Since when the states of instances are in doubt."""

    _started_at: dict[str, float] = field(factory=dict[str, float], init=False)

    def wait(self, ids: Iterable[str], age: float = 0.0) -> Wait:
        """Return a wait for these instances together, whose call was `age` seconds ago."""
        pending = set(ids)
        handle = min(pending)
        self._pending[handle] = pending
        self._started_at[handle] = asyncio.get_running_loop().time() - age
        return Wait(self, handle, {id: id for id in pending}, has_jobs=False)

    async def poll(self, handles: Sequence[str]) -> PollResult[ReachedState | UnreadableJob]:
        """Return the instances of these calls that the service lists, with their results."""
        handle_of = {id: handle for handle in handles for id in self._pending.get(handle, ())}
        results: dict[str, dict[str, ReachedState | UnreadableJob | OpenJob]] = {
            handle: {} for handle in handles
        }
        async for id, verdict, description in self._read(tuple(handle_of)):
            if handle := handle_of.pop(id, None):
                results[handle][id] = self._result(id, handle, verdict, description)
        return results

    def forget(self, handle: str, ids: Collection[str]) -> bool:
        """Stop polling instances whose result is known; return whether none of the call is left."""
        self._changing.difference_update(ids)
        for id in ids:
            self._doubted.pop(id, None)
        left = self._pending.get(handle, set()) - set(ids)
        if left:
            self._pending[handle] = left
        else:
            self._pending.pop(handle, None)
            self._started_at.pop(handle, None)
        return not left

    def _result(
        self, id: str, handle: str, verdict: Verdict, description: str
    ) -> ReachedState | UnreadableJob | OpenJob:
        now = asyncio.get_running_loop().time()
        if isinstance(verdict, Doubt):
            if now - self._doubted.setdefault(id, now) < STALL_SECONDS:
                self._changing.add(id)
                return OpenJob(description)
            self.forget(handle, [id])
            if verdict is Doubt.UNCLEAR:
                return UnreadableJob(description)
            return ReachedState(succeeded=False, error_message=description)
        self._doubted.pop(id, None)
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

    def wait(self, handle: str, instance_of: Mapping[str, str], age: float = 0.0) -> Wait:
        """Return a wait for the jobs of a task, which was started `age` seconds ago.

        `instance_of` maps each job to its instance.
        """
        self._pending[handle] = self._states.wait(instance_of.values(), age).handle, instance_of
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
            if not is_final(error):
                raise
            return {}


def is_final(error: Refused) -> bool:
    """Return whether the service will not show the jobs later either."""
    return not error.repeatable and not isinstance(error, Busy | Throttled | Unavailable)


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
