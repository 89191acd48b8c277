"""The queue of one poller: which handles its next request polls, and when."""

from __future__ import annotations

import asyncio
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from koophone_async.polling.job_handle import JobHandle
from koophone_async.polling.poller import LimitedPoller

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from koophone_async.polling.policy import PollLoad, PollPolicy
    from koophone_async.polling.poller import Poller, PollLimiter

_JITTER: Final = 0.1
_MAX_DOUBLINGS: Final = 6
"""How often the delay after failed polls is doubled: up to about a minute."""

_TOLERANCE: Final = 1 - _JITTER
"""The share of the cost that a request must be worth, since its handles were planned with jitter."""


Entry = tuple[float, int, JobHandle]


@define(eq=False)
class PollQueue:
    """The handles of one poller, ordered by when polling them is worth it."""

    poller: Poller[Any]
    _policy: PollPolicy
    _load: PollLoad
    _rng: Random
    handles: dict[str, JobHandle] = field(factory=dict[str, "JobHandle"], init=False)
    paused_until: float = field(default=0.0, init=False)
    _failures: int = field(default=0, init=False)
    _waiting: list[Entry] = field(factory=list[Entry], init=False)
    """A heap by due time."""

    _overdue: list[Entry] = field(factory=list[Entry], init=False)
    """The entries that are due, by the unseen wait that polling them ends, the largest last."""

    _limiter: PollLimiter | None = field(init=False)
    _numbers: Iterator[int] = field(factory=lambda: count(1), init=False)

    def __attrs_post_init__(self) -> None:
        """Use the limiter of the poller, if it has one."""
        self._limiter = self.poller.limiter if isinstance(self.poller, LimitedPoller) else None

    def plan(self, handle: JobHandle) -> None:
        """Plan the next poll of a handle, and queue it."""
        jitter = self._rng.uniform(1 - _JITTER, 1 + _JITTER)
        # An outlier may never end: it is not worth a poll at reduced cost.
        cost = self._policy.poll_cost if handle.is_outlier else self._cost()
        handle.plan(self._policy, cost * jitter * self._share(handle))
        self._push(handle)

    def _cost(self) -> float:
        """Return the cost of a request under the present load, in seconds of unseen wait."""
        return self._policy.poll_cost * self._load.cost_share(asyncio.get_running_loop().time())

    def next(self, now: float) -> tuple[list[JobHandle], float]:
        """Remove and return the handles of the next request; or none, and the time to ask again."""
        paused_until = max(self.paused_until, self._limiter.free_at if self._limiter else 0.0)
        if now < paused_until:
            return [], paused_until
        batch = list(self._pack(now))
        at = self._worth_it_at(batch, now) if batch else inf
        if at <= now:
            return batch, now
        for handle in batch:
            self._push(handle)
        return [], at

    def sent(self, now: float) -> None:
        """Count a request."""
        if self._limiter is not None:
            self._limiter.record(now)

    def failed(self, now: float, retry_after: float | None) -> None:
        """Pause after a failed poll: as long as the service asked for, else twice as long each time."""
        if now >= self.paused_until:
            self._failures += 1
            backoff = 2.0 ** min(self._failures - 1, _MAX_DOUBLINGS)
            pause = backoff if retry_after is None else retry_after
            self.paused_until = now + pause * self._rng.uniform(1, 1 + _JITTER)

    def succeeded(self) -> None:
        """Reset the back-off after a successful poll."""
        self._failures = 0

    def _share(self, handle: JobHandle) -> float:
        """Return the share of a request that a handle takes up: one of its handles, or part of its jobs."""
        share = 1 / self.poller.max_handles
        return max(share, handle.listed_jobs / self.poller.max_jobs) if self.poller.max_jobs else share

    def _push(self, handle: JobHandle) -> None:
        handle.entry = next(self._numbers)
        heappush(self._waiting, (handle.due, handle.entry, handle))
        # Removing from the middle of a heap is slow, so stale entries stay until they are the majority.
        if len(self._waiting) > 2 * len(self.handles) + 64:
            self._waiting = [entry for entry in self._waiting if entry[2].entry == entry[1]]
            heapify(self._waiting)

    def _pack(self, now: float) -> Iterator[JobHandle]:
        """Pop handles until the request is full, or its answer would be."""
        jobs, room = 0, self.poller.max_handles
        while room and (handle := self._pop(now)):
            jobs += handle.listed_jobs
            full = self.poller.max_jobs is not None and jobs > self.poller.max_jobs
            if room < self.poller.max_handles and (full or handle.alone):
                self._push(handle)
                return
            room = 0 if handle.alone else room - 1
            yield handle

    def _pop(self, now: float) -> JobHandle | None:
        """Pop the due handle with the largest unseen wait; if none is due, the next that will be."""
        if not self._overdue:
            while self._waiting and self._waiting[0][0] <= now:
                _, number, handle = heappop(self._waiting)
                if handle.entry == number:
                    self._overdue.append((handle.unseen_wait(now)[0], number, handle))
            self._overdue.sort()
        while self._overdue or self._waiting:
            _, number, handle = self._overdue.pop() if self._overdue else heappop(self._waiting)
            if handle.entry == number:
                handle.entry = 0
                return handle
        return None

    def _worth_it_at(self, batch: list[JobHandle], now: float) -> float:
        """Return when a request for these handles is worth its cost, but not before one of them is due."""
        if (first := min(handle.due for handle in batch)) > now:
            return first
        if self.poller.max_handles == 1:
            return now
        # Newton's method from the right, as in `Lognormal.poll_age`, for the sum over the handles.
        at, cost = min(handle.latest for handle in batch), self._cost()
        while at > now:
            unseen = [handle.unseen_wait(at) for handle in batch]
            excess = sum(wait for wait, _ in unseen) - _TOLERANCE * cost
            if excess <= 0.01 * cost:
                return at
            at -= excess / sum(growth for _, growth in unseen)
        return now
