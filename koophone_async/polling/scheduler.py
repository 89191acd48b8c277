"""One scheduler serves all the waits of a session and endpoint."""

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
from koophone_async.polling.handle import Handle, Kind, Load, PollPolicy
from koophone_async.polling.poll_queue import PollQueue
from koophone_async.polling.wait import JobStream, PendingJobs
from koophone_async.protocol.codes import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Self

    from koophone_async.polling.poller import Poller, PollResult

J = TypeVar("J")

_UNLISTED: Final = frozenset({"CPS.0050", "KOOPHONE.API.1323"})
"""Codes of a service that does not know a handle (004 8.2, 2025-02-08; 002 4.1.3, 2025-12-31)."""

_PLANNING: Final = 0.0002
"""Seconds between plans for each handle, ten times what planning it takes."""


@frozen
class _Look:
    queue: PollQueue
    pack: list[Handle]
    sent: float


@define(eq=False)
class PollScheduler:
    """Looks at handles when a look is worth it, and tells their waits what ended.

    It runs on one timer and on as many tasks as looks are in flight; no wait has its own. What it
    learns of durations stays for as long as it lives, by kind of operation.
    """

    policy: PollPolicy = field(factory=PollPolicy)
    _rng: Random = field(factory=Random, repr=False, alias="rng")
    _queues: dict[Poller[Any], PollQueue] = field(
        factory=dict["Poller[Any]", PollQueue], init=False, repr=False
    )
    _kinds: dict[str, Kind] = field(factory=dict[str, Kind], init=False, repr=False)
    _looks: dict[asyncio.Task[Any], _Look] = field(
        factory=dict["asyncio.Task[Any]", _Look], init=False, repr=False
    )
    _load: Load = field(factory=Load, init=False, repr=False)
    _timer: asyncio.TimerHandle | None = field(default=None, init=False, repr=False)

    def subscribe(  # noqa: PLR0913 - most are named, and have defaults
        self,
        poller: Poller[J],
        handle: str,
        jobs: Sequence[str],
        *,
        operation: str,
        on_end: Callable[[str, J | None], None],
        on_done: Callable[[PendingJobs[J]], None] | None = None,
        deadline: float | None = None,
        age: float = 0.0,
    ) -> PendingJobs[J]:
        """JobStream for jobs of a handle, and be called as each ends.

        Args:
            poller: The same one for all handles of this kind at this endpoint.
            handle: What the service looks the jobs up by. Several waits may share one.
            jobs: The ids to wait for.
            operation: Whose durations are alike: the name of the operation that started them.
            on_end: Called once for each job, with None for one that the service has lost.
            on_done: Called once when nothing more will be told; not after `cancel`.
            deadline: By the loop's clock. The wait ends then, the jobs go on.
            age: Seconds since the jobs were started.
        """
        loop = asyncio.get_running_loop()
        target = self._target(poller, handle, operation, loop.time() - age)
        watch = PendingJobs[J](
            handle, operation, dict.fromkeys(jobs), on_end, on_done, partial(self._left, target)
        )
        target.join(watch)
        over_at = deadline if jobs else loop.time()
        if over_at is not None:
            watch.timer = loop.call_at(over_at, watch.finish)
        self._plan_joined(target)
        return watch

    def stream(  # noqa: PLR0913 - as for watch
        self,
        poller: Poller[J],
        handle: str,
        jobs: Sequence[str],
        *,
        operation: str,
        deadline: float | None = None,
        age: float = 0.0,
    ) -> JobStream[J]:
        """JobStream for jobs of a handle by iterating over them as they end; arguments as for `watch`."""
        return JobStream(
            lambda tell, over: self.subscribe(
                poller,
                handle,
                jobs,
                operation=operation,
                on_end=tell,
                on_done=over,
                deadline=deadline,
                age=age,
            )
        )

    def pending(self, poller: Poller[Any], handle: str) -> Collection[str]:
        """Tell which jobs of a handle are waited for and not known to have ended."""
        queue = self._queues.get(poller)
        return queue.targets[handle].open.keys() if queue and handle in queue.targets else ()

    async def aclose(self) -> None:
        """End all waits, with what is open unfinished, and cancel the looks in flight."""
        looks = list(self._looks)
        for kind in self._kinds.values():
            for target in list(kind.targets):
                _end_all(target)
        await asyncio.gather(*looks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        """Use the scheduler for as long as the block lasts."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.aclose()

    def _target(self, poller: Poller[Any], handle: str, operation: str, started: float) -> Handle:
        if (queue := self._queues.get(poller)) is None:
            queue = self._queues[poller] = PollQueue(poller, self.policy, self._load, self._rng)
        if (target := queue.targets.get(handle)) is None:
            whole = self._kinds.setdefault(operation, Kind())
            self._load.handles += 1
            target = queue.targets[handle] = Handle(queue, handle, whole, started, looked=started)
        return target

    def _plan_joined(self, target: Handle) -> None:
        """Plan looks at a handle that a wait has joined, and at the scout, which now counts for more."""
        if target.look is None:
            target.queue.plan(target)
            self._turn_by(target.due)
        self._plan_scout(target.kind)

    def _plan_scout(self, kind: Kind) -> None:
        scout = kind.scout
        if scout is not None and scout.look is None and scout.outgrown:
            scout.queue.plan(scout)
            self._turn_by(scout.due)

    def _left(self, target: Handle, watch: PendingJobs[Any]) -> None:
        """Leave nothing behind that served only this wait."""
        target.leave(watch)
        if target.watches:
            return
        queue = target.queue
        target.entry = 0
        del queue.targets[target.handle]
        self._load.handles -= 1
        if not queue.targets:
            del self._queues[queue.poller]
        if target.look is not None and not any(other.watches for other in self._looks[target.look].pack):
            target.look.cancel()
        self._plan_scout(target.kind)
        if not self._queues and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _turn_by(self, when: float) -> None:
        """Be awake at a time, or earlier."""
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(when, self._turn)

    def _turn(self) -> None:
        """Send what is worth it, and sleep until something else is."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        cheaper = self._load.has_fallen(now)
        plans = [self._replan(kind, now, cheaper=cheaper) for kind in self._kinds.values()]
        sends = [self._send(queue, now) for queue in tuple(self._queues.values())]
        falls = self._load.falls_by(now) if self._queues else inf
        if (wake := min([falls, *plans, *sends])) < inf:
            self._turn_by(wake)

    def _replan(self, kind: Kind, now: float, *, cheaper: bool) -> float:
        """Plan all looks of a kind anew if much changed, and not so often that planning costs much."""
        if not kind.targets or not (cheaper or kind.surprised()):
            return inf
        if now < kind.plan_at and not cheaper:
            return kind.plan_at
        kind.planned, kind.plan_at = kind.belief.shape, now + _PLANNING * len(kind.targets)
        for target in kind.targets:
            if target.look is None:
                target.queue.plan(target)
        return inf

    def _send(self, queue: PollQueue, now: float) -> float:
        """Send the looks of a queue that are worth it; answers when there will be more."""
        while len(self._looks) < self.policy.at_once:
            pack, at = queue.next(now)
            if not pack:
                return at
            task = asyncio.create_task(_looked(queue.poller, [target.handle for target in pack]))
            self._looks[task] = _Look(queue, pack, now)
            self._load.looked(now)
            queue.sent(now)
            for target in pack:
                target.look = task
            task.add_done_callback(self._answered)
        return inf

    def _answered(self, task: asyncio.Task[PollResult[Any]]) -> None:
        look, now = self._looks.pop(task), asyncio.get_running_loop().time()
        for target in look.pack:
            target.look = None
        live = [target for target in look.pack if target.watches]
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        try:
            if error is None:
                self._take_in(look, live, task.result(), now)
            elif live:
                self._failed(look, live, error, now)
        finally:  # whatever one answer does to us, the other waits go on
            for target in live:
                if target.watches:
                    look.queue.plan(target)
            if self._queues:
                self._turn_by(now)

    def _take_in(self, look: _Look, live: list[Handle], seen: PollResult[Any], now: float) -> None:
        look.queue.answered()
        for target in live:
            target.alone = False
            target.see(seen.get(target.handle, {}), look.sent, now, self.policy)

    def _failed(self, look: _Look, live: list[Handle], error: BaseException, now: float) -> None:
        """Look again later, or end the waits if there is no hope of an answer."""
        if isinstance(error, Refused) and normalise(error.code) in _UNLISTED and len(look.pack) == 1:
            self._take_in(look, live, {}, now)
            for target in live:
                target.alone = True  # with others it would have them refused too
        elif _passing(error):
            seconds = error.retry_after if isinstance(error, Refused | QuotaTooSlow) else None
            look.queue.failed(now, seconds)
        elif len(look.pack) > 1:  # which of them it was refused for is found by asking for each alone
            for target in live:
                target.alone = True
        else:
            _end_all(live[0], error)


async def _looked(poller: Poller[J], handles: list[str]) -> PollResult[J]:
    return await poller.poll(handles)


def _end_all(target: Handle, error: BaseException | None = None) -> None:
    for watch in tuple(target.watches):
        watch.finish(error)


def _passing(error: BaseException) -> bool:
    """Tell whether the same look may be answered later."""
    if isinstance(error, Refused):
        return error.repeatable or isinstance(error, Busy | Throttled | Unavailable)
    return isinstance(error, NotSent | NoAnswer | UnreadableAnswer | asyncio.CancelledError)
