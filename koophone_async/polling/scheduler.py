"""The poll scheduler: one for each session, serving all of its waits."""

from __future__ import annotations

import asyncio
from functools import partial
from math import inf
from random import Random
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import define, field, frozen

from koophone_async.errors import (
    Busy,
    NoAnswer,
    NotSent,
    QuotaTooSlow,
    Refused,
    Throttled,
    Unavailable,
    UnreadableAnswer,
)
from koophone_async.polling.job_handle import JobGroup, JobHandle
from koophone_async.polling.pending_jobs import JobStream, PendingJobs
from koophone_async.polling.policy import PollLoad, PollPolicy
from koophone_async.polling.poll_queue import PollQueue
from koophone_async.protocol.codes import normalise
from koophone_async.timers import Timer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Self

    from koophone_async.polling.duration_model import Lognormal
    from koophone_async.polling.poller import LostJob, Poller, PollResult

J = TypeVar("J")

_UNKNOWN_HANDLE: Final = frozenset({"CPS.0050", "KOOPHONE.API.1323"})
"""Error codes for an unknown handle (004 8.2, 2025-02-08; 002 4.1.3, 2025-12-31)."""

_REPLAN_INTERVAL: Final = 0.0002
"""Seconds between plans of all polls, for each handle: ten times what planning one takes."""


@frozen
class _Poll:
    """A poll in flight."""

    queue: PollQueue
    handles: list[JobHandle]
    sent: float


@define(eq=False)
class PollScheduler:
    """Polls handles when a poll is worth its cost, and notifies their waits of jobs that ended.

    It uses one timer, and one task for each poll in flight; waits have none. The durations that it learns, by
    operation, are kept for as long as it exists.
    """

    policy: PollPolicy = field(factory=PollPolicy)
    _rng: Random = field(factory=Random, repr=False, alias="rng")
    _queues: dict[Poller[Any], PollQueue] = field(
        factory=dict["Poller[Any]", PollQueue], init=False, repr=False
    )
    _groups: dict[str, JobGroup] = field(factory=dict[str, JobGroup], init=False, repr=False)
    _polls: dict[asyncio.Task[Any], _Poll] = field(
        factory=dict["asyncio.Task[Any]", _Poll], init=False, repr=False
    )
    _load: PollLoad = field(factory=PollLoad, init=False, repr=False)
    _timer: Timer = field(factory=Timer, init=False, repr=False)

    def subscribe(  # noqa: PLR0913 - most are named, and have defaults
        self,
        poller: Poller[J],
        handle: str,
        jobs: Sequence[str],
        *,
        operation: str,
        on_end: Callable[[Mapping[str, J | LostJob]], None],
        on_done: Callable[[PendingJobs[J]], None] | None = None,
        deadline: float | None = None,
        age: float = 0.0,
    ) -> PendingJobs[J]:
        """Wait for jobs of a handle, and call back as they end.

        Args:
            poller: The same object for all handles of its sort at one endpoint.
            handle: The id that the service looks the jobs up by. Waits may share one.
            jobs: The ids of the jobs to wait for.
            operation: The name of the operation that started them; their durations are assumed alike.
            on_end: Called with the jobs that a poll shows as ended, each once; with a `LostJob` if the result
                of a job will not be known.
            on_done: Called once when the wait is over, but not after `cancel`.
            deadline: By the loop's clock. The wait ends then, the jobs go on.
            age: Seconds since the jobs were started.
        """
        loop = asyncio.get_running_loop()
        job_handle = self._handle(poller, handle, operation, loop.time() - age)
        wait = PendingJobs[J](
            handle,
            operation,
            dict.fromkeys(jobs),
            on_end,
            on_done,
            partial(self._leave, job_handle),
            job_handle.notes,
        )
        job_handle.join(wait)
        ends_at = deadline if jobs else loop.time()
        if ends_at is not None:
            wait.timer = loop.call_at(ends_at, wait.finish)
        self._plan_joined(job_handle)
        return wait

    def stream(  # noqa: PLR0913 - as for subscribe
        self,
        poller: Poller[J],
        handle: str,
        jobs: Sequence[str],
        *,
        operation: str,
        deadline: float | None = None,
        age: float = 0.0,
    ) -> JobStream[J]:
        """Wait for jobs of a handle by iterating over them as they end; arguments as for `subscribe`."""
        return JobStream(
            lambda on_end, on_done: self.subscribe(
                poller,
                handle,
                jobs,
                operation=operation,
                on_end=on_end,
                on_done=on_done,
                deadline=deadline,
                age=age,
            )
        )

    def learned_durations(self, operation: str) -> Lognormal | None:
        """Return how long jobs of an operation take, as far as this scheduler has seen any end."""
        group = self._groups.get(operation)
        return None if group is None or group.model.shared_uncertainty == 1 else group.model.distribution

    def pending(self, poller: Poller[Any], handle: str) -> Collection[str]:
        """Return the jobs of a handle that are waited for and have not ended as far as is known."""
        queue = self._queues.get(poller)
        return queue.handles[handle].open_jobs.keys() if queue and handle in queue.handles else ()

    async def aclose(self) -> None:
        """End all waits, leaving open jobs unfinished, and cancel the polls in flight."""
        polls = list(self._polls)
        for group in self._groups.values():
            for handle in list(group.handles):
                _finish_waits(handle)
        await asyncio.gather(*polls, return_exceptions=True)

    async def __aenter__(self) -> Self:
        """Use the scheduler for the length of the block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.aclose()

    def _handle(self, poller: Poller[Any], id: str, operation: str, started: float) -> JobHandle:
        if (queue := self._queues.get(poller)) is None:
            queue = self._queues[poller] = PollQueue(poller, self.policy, self._load, self._rng)
        if (handle := queue.handles.get(id)) is None:
            group = self._groups.setdefault(operation, JobGroup())
            self._load.handles += 1
            handle = queue.handles[id] = JobHandle(queue, id, group, started, last_polled=started)
        return handle

    def _plan_joined(self, handle: JobHandle) -> None:
        """Plan polls of a handle that a wait has joined, and of the oldest, which may count for more now."""
        if handle.in_flight is None:
            handle.queue.plan(handle)
            self._wake_by(handle.due)
        self._plan_oldest(handle.group)

    def _plan_oldest(self, group: JobGroup) -> None:
        oldest = group.oldest
        if oldest is not None and oldest.in_flight is None and oldest.has_gained_weight:
            oldest.queue.plan(oldest)
            self._wake_by(oldest.due)

    def _leave(self, handle: JobHandle, wait: PendingJobs[Any]) -> None:
        """Remove a wait, and all that served only this wait."""
        handle.leave(wait)
        if handle.waits:
            return
        queue = handle.queue
        handle.entry = 0
        del queue.handles[handle.id]
        self._load.handles -= 1
        if not queue.handles:
            del self._queues[queue.poller]
        if handle.in_flight is not None and not any(
            other.waits for other in self._polls[handle.in_flight].handles
        ):
            handle.in_flight.cancel()
        self._plan_oldest(handle.group)
        if not self._queues:
            self._timer.cancel()

    def _wake_by(self, when: float) -> None:
        """Set the timer to this time, unless it is set to an earlier one."""
        if when < self._timer.due:
            self._timer.set(when, self._run)

    def _run(self) -> None:
        """Send every poll that is worth its cost now, and set the timer for the next."""
        now = asyncio.get_running_loop().time()
        cost_fell = self._load.has_fallen(now)
        replans = [self._replan(group, now, cost_fell=cost_fell) for group in self._groups.values()]
        sends = [self._send(queue, now) for queue in tuple(self._queues.values())]
        load_check = self._load.next_check(now) if self._queues else inf
        if (wake_at := min([load_check, *replans, *sends])) < inf:
            self._wake_by(wake_at)

    def _replan(self, group: JobGroup, now: float, *, cost_fell: bool) -> float:
        """Plan all polls of a group again if cost or model has changed; return when to try again."""
        if not group.handles or not (cost_fell or group.is_outdated()):
            return inf
        if now < group.replan_at and not cost_fell:
            return group.replan_at
        group.planned_with = group.model.distribution
        group.replan_at = now + _REPLAN_INTERVAL * len(group.handles)
        for handle in group.handles:
            if handle.in_flight is None:
                handle.queue.plan(handle)
        return inf

    def _send(self, queue: PollQueue, now: float) -> float:
        """Send the polls of a queue that are worth their cost; return when the next will be."""
        while len(self._polls) < self.policy.max_in_flight:
            handles, next_at = queue.next(now)
            if not handles:
                return next_at
            task = asyncio.create_task(_poll(queue.poller, [handle.id for handle in handles]))
            self._polls[task] = _Poll(queue, handles, now)
            self._load.add_poll(now)
            queue.sent(now)
            for handle in handles:
                handle.in_flight = task
            task.add_done_callback(self._finished)
        return inf

    def _finished(self, task: asyncio.Task[PollResult[Any]]) -> None:
        poll, now = self._polls.pop(task), asyncio.get_running_loop().time()
        for handle in poll.handles:
            handle.in_flight = None
        wanted = [handle for handle in poll.handles if handle.waits]
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        try:
            if error is None:
                self._process(poll, wanted, task.result(), now)
            elif wanted:
                self._failed(poll, wanted, error, now)
        finally:  # an error in processing one answer must not stop the other waits
            for handle in wanted:
                if handle.waits:
                    poll.queue.plan(handle)
            if self._queues:
                self._wake_by(now)

    def _process(self, poll: _Poll, wanted: list[JobHandle], result: PollResult[Any], now: float) -> None:
        poll.queue.succeeded()
        for handle in wanted:
            handle.alone = False
            handle.process(result.get(handle.id, {}), poll.sent, now, self.policy)

    def _failed(self, poll: _Poll, wanted: list[JobHandle], error: BaseException, now: float) -> None:
        """Poll again later, or end the waits if a later poll cannot succeed."""
        if isinstance(error, Refused) and normalise(error.code) in _UNKNOWN_HANDLE and len(poll.handles) == 1:
            self._process(poll, wanted, {}, now)
            for handle in wanted:
                handle.alone = True  # in a shared request it would have the others refused too
        elif _is_temporary(error):
            if isinstance(error, UnreadableAnswer):
                for handle in wanted:
                    handle.process_unreadable(str(error))
            retry_after = error.retry_after if isinstance(error, Refused | QuotaTooSlow) else None
            poll.queue.failed(now, retry_after)
        elif len(poll.handles) > 1:
            for handle in wanted:
                handle.alone = True  # polling each alone shows which of them was refused
        else:
            _finish_waits(wanted[0], error)


async def _poll(poller: Poller[J], handles: list[str]) -> PollResult[J]:
    return await poller.poll(handles)


def _finish_waits(handle: JobHandle, error: BaseException | None = None) -> None:
    for wait in tuple(handle.waits):
        wait.finish(error)


def _is_temporary(error: BaseException) -> bool:
    """Return whether the same poll may succeed later."""
    if isinstance(error, Refused):
        return error.repeatable or isinstance(error, Busy | Throttled | Unavailable)
    return isinstance(error, NotSent | NoAnswer | UnreadableAnswer | asyncio.CancelledError)
