"""The queue of one poller: which handles go into its next request, and when."""

from __future__ import annotations

import asyncio
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from koophone_async.polling.handle import Handle
from koophone_async.polling.poller import LimitedPoller

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from koophone_async.polling.handle import Load, PollPolicy
    from koophone_async.polling.poller import Poller, PollLimiter

_JITTER: Final = 0.1
_DOUBLED: Final = 6
"""How often the pause after a failed look is doubled: up to about a minute."""

_FULL: Final = 1 - _JITTER
"""What a request must be worth of the planned worth, when its handles were planned apart."""


Entry = tuple[float, int, Handle]


@define(eq=False)
class PollQueue:
    """The handles of one poller, in the order in which looks at them are worth it."""

    poller: Poller[Any]
    _policy: PollPolicy
    _load: Load
    _rng: Random
    targets: dict[str, Handle] = field(factory=dict[str, "Handle"], init=False)
    rests_until: float = field(default=0.0, init=False)
    _failures: int = field(default=0, init=False)
    _queue: list[Entry] = field(factory=list[Entry], init=False)
    """A heap by the time from which each is worth a look."""

    _overdue: list[Entry] = field(factory=list[Entry], init=False)
    """Those that are, by the waiting that a look ends, the most last."""

    _limiter: PollLimiter | None = field(init=False)
    _numbers: Iterator[int] = field(factory=lambda: count(1), init=False)

    def __attrs_post_init__(self) -> None:
        """Keep to what the poller allows itself."""
        self._limiter = self.poller.limiter if isinstance(self.poller, LimitedPoller) else None

    def plan(self, target: Handle) -> None:
        """Put a handle where it belongs in the queue."""
        jitter = self._rng.uniform(1 - _JITTER, 1 + _JITTER)
        # What has outlasted all that is believed may never end: it is not worth a cheap look.
        worth = self._policy.waiting if target.is_outlier else self._worth()
        target.plan(self._policy, worth * jitter * self._share(target))
        self._push(target)

    def _worth(self) -> float:
        """Tell what one request must be worth now, in seconds of phone-waiting."""
        return self._policy.waiting * self._load.price(asyncio.get_running_loop().time())

    def next(self, now: float) -> tuple[list[Handle], float]:
        """Take the handles of the next request, or none and the time at which there will be some."""
        rests_until = max(self.rests_until, self._limiter.free_at if self._limiter else 0.0)
        if now < rests_until:
            return [], rests_until
        pack = list(self._packed(now))
        at = self._worth_it(pack, now) if pack else inf
        if at <= now:
            return pack, now
        for target in pack:
            self._push(target)
        return [], at

    def sent(self, now: float) -> None:
        """Count a request."""
        if self._limiter is not None:
            self._limiter.take(now)

    def failed(self, now: float, seconds: float | None) -> None:
        """Rest after a look that failed: as long as the service said, or longer with each failure."""
        if now >= self.rests_until:
            self._failures += 1
            pause = 2.0 ** min(self._failures - 1, _DOUBLED) if seconds is None else seconds
            self.rests_until = now + pause * self._rng.uniform(1, 1 + _JITTER)

    def answered(self) -> None:
        """Forget the failures."""
        self._failures = 0

    def _share(self, target: Handle) -> float:
        """Tell how much of a request a handle takes up."""
        share = 1 / self.poller.max_handles
        return max(share, target.size / self.poller.max_jobs) if self.poller.max_jobs else share

    def _push(self, target: Handle) -> None:
        target.entry = next(self._numbers)
        heappush(self._queue, (target.due, target.entry, target))
        if len(self._queue) > 2 * len(self.targets) + 64:
            self._queue = [entry for entry in self._queue if entry[2].entry == entry[1]]
            heapify(self._queue)

    def _packed(self, now: float) -> Iterator[Handle]:
        """Take handles as long as one request has room for them and one answer for their jobs."""
        jobs, room = 0, self.poller.max_handles
        while room and (target := self._pop(now)):
            jobs += target.size
            full = self.poller.max_jobs is not None and jobs > self.poller.max_jobs
            if room < self.poller.max_handles and (full or target.alone):
                self._push(target)
                return
            room = 0 if target.alone else room - 1
            yield target

    def _pop(self, now: float) -> Handle | None:
        """Take the handle that is worth most, of those that are worth a look; else the one that is next."""
        if not self._overdue:
            while self._queue and self._queue[0][0] <= now:
                _, number, target = heappop(self._queue)
                if target.entry == number:
                    self._overdue.append((target.waiting(now)[0], number, target))
            self._overdue.sort()
        while self._overdue or self._queue:
            _, number, target = self._overdue.pop() if self._overdue else heappop(self._queue)
            if target.entry == number:
                target.entry = 0
                return target
        return None

    def _worth_it(self, pack: list[Handle], now: float) -> float:
        """Find from when on the request is worth its cost; not before a handle in it is worth its share."""
        if (first := min(target.due for target in pack)) > now:
            return first
        if self.poller.max_handles == 1:
            return now
        at, worth = min(target.late for target in pack), self._worth()
        while at > now:
            waiting = [target.waiting(at) for target in pack]
            excess = sum(seconds for seconds, _ in waiting) - _FULL * worth
            if excess <= 0.01 * worth:
                return at
            at -= excess / sum(growth for _, growth in waiting)
        return now
