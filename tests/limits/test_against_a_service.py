from __future__ import annotations

import asyncio
import random
from asyncio import create_task, gather, get_running_loop, sleep
from collections import deque

import pytest
from attrs import define, field

from koophone_async import Quota
from koophone_async.limits import MARGIN, Limits


@define
class Service:
    """Counts calls in an exact window of its own, and refuses those above the quota."""

    permits: int
    seconds: float
    accepted: list[float] = field(factory=list[float])
    refused: int = 0
    _window: deque[float] = field(factory=deque[float])

    def takes(self, now: float) -> bool:
        while self._window and self._window[0] <= now - self.seconds:
            self._window.popleft()
        if len(self._window) >= self.permits:
            self.refused += 1
            return False
        self._window.append(now)
        self.accepted.append(now)
        return True

    def used(self, begin: float, end: float) -> float:
        """Return the share of the quota that was used between two times."""
        taken = sum(begin <= time < end for time in self.accepted)
        return taken / (self.permits / self.seconds * (end - begin))


@define
class Client:
    """Calls a service over a network whose one-way delays vary from call to call."""

    service: Service
    stated: tuple[Quota, ...]
    delays: tuple[float, float]
    rng: random.Random = field(factory=lambda: random.Random(7))
    limits: Limits = field(factory=lambda: Limits(rng=random.Random(7)))
    throttled: str = "Too many requests"

    async def call(self) -> None:
        with await self.limits.acquire("a.b", self.stated) as permit:
            await sleep(self.rng.uniform(0, 0.001))
            permit.mark_sent()
            await sleep(self.rng.uniform(*self.delays))
            taken = self.service.takes(get_running_loop().time())
            await sleep(self.rng.uniform(*self.delays))
            permit.mark_answered() if taken else permit.mark_throttled(self.throttled)

    async def worker(self, until: float) -> None:
        while get_running_loop().time() < until:
            await self.call()

    async def work(self, workers: int, until: float) -> None:
        tasks = [create_task(self.worker(until)) for _ in range(workers)]
        async with asyncio.timeout_at(until):
            await gather(*tasks, return_exceptions=True)


async def test_a_thousand_tasks_use_the_quota_and_never_exceed_it() -> None:
    service = Service(100, 1)
    client = Client(service, (Quota(100, 1),), (0.020, 0.020 + MARGIN))

    await gather(*(client.call() for _ in range(1000)))

    assert (len(service.accepted), service.refused) == (1000, 0)
    took = service.accepted[-1] - service.accepted[0]
    # The first hundred need no time: a thousand need at least nine windows.
    assert took >= 9
    assert 9 / took >= 0.97


async def test_a_quota_per_minute_holds_however_late_requests_arrive() -> None:
    service = Service(6, 60)
    client = Client(service, (Quota(6, 60),), (0.020, 0.200))

    await gather(*(client.call() for _ in range(60)))

    assert (len(service.accepted), service.refused) == (60, 0)
    assert 9 * 60 / (service.accepted[-1] - service.accepted[0]) >= 0.99


async def test_a_slow_connect_does_not_overfill_the_next_window() -> None:
    service, limits, loop = Service(100, 1), Limits(rng=random.Random(7)), get_running_loop()

    async def call(number: int) -> None:
        with await limits.acquire("a.b", (Quota(100, 1),)) as permit:
            await sleep(0.3 if number < 100 else 0)
            permit.mark_sent()
            await sleep(0.02)
            service.takes(loop.time())
            permit.mark_answered()

    await gather(*(call(number) for number in range(300)))

    assert service.refused == 0


async def test_a_stated_quota_is_kept_from_then_on() -> None:
    service = Service(100, 60)
    client = Client(service, (), (0.020, 0.200), throttled="over ratelimit,limit:100,time:1 minute")

    with pytest.raises(TimeoutError):
        await client.work(150, until=1)
    found = service.refused

    with pytest.raises(TimeoutError):
        await client.work(150, until=1200)

    assert service.refused == found > 0
    assert service.used(0, 1200) >= 0.97


@pytest.mark.parametrize(
    "permits, seconds, used, refused",
    [
        (10, 1, 0.82, 0.05),
        (100, 1, 0.86, 0.006),
        pytest.param(1000, 1, 0.86, 0.003, marks=pytest.mark.nightly),
        (60, 60, 0.88, 0.04),
        (6, 60, 0.85, 0.08),
    ],
)
async def test_an_unstated_quota_is_found_and_used(
    permits: int, seconds: float, used: float, refused: float
) -> None:
    service, hour = Service(permits, seconds), 60 * seconds
    client = Client(service, (), (0.020, 0.080))
    with pytest.raises(TimeoutError):
        await client.work(max(10, permits), until=hour / 4)
    found, known = service.refused, len(service.accepted)

    with pytest.raises(TimeoutError):
        await client.work(max(10, permits), until=hour)

    share = (service.refused - found) / (len(service.accepted) - known + service.refused - found)
    assert service.used(hour / 4, hour) >= used
    assert share <= refused


async def test_a_raised_quota_is_found_again() -> None:
    service = Service(10, 1)
    client = Client(service, (), (0.020, 0.080))
    with pytest.raises(TimeoutError):
        await client.work(100, until=60)
    service.permits = 60

    with pytest.raises(TimeoutError):
        await client.work(100, until=120)

    assert service.used(80, 120) >= 0.85
