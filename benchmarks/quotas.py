"""Quotas: cost of a permit, and accuracy of the limit in every window."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections import deque
from random import Random
from typing import TYPE_CHECKING, Final

from benchmarks.measure import FLOOR, OURS, Result, measure_tasks, report, scaled
from koophone_async import Quota
from koophone_async.limits import Limits
from koophone_async.virtual_time import run_virtually

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOPS: Final = 20_000
OPEN: Final = (Quota(10**9, 1),)
"""A quota that is never exhausted."""

TIGHT: Final = (Quota(100, 1),)
WAITERS: Final = 1000


async def _ours() -> None:
    limits = Limits({}, rng=Random(1))
    for _ in range(LOOPS):
        with await limits.acquire("some.operation", OPEN) as permit:
            permit.mark_sent()
            permit.mark_answered()


async def _floor() -> None:
    """Keep an exact sliding-window log, and nothing else."""
    log: deque[float] = deque()
    for _ in range(LOOPS):
        now = time.monotonic()
        while log and log[0] <= now - 1:
            log.popleft()
        log.append(now)


async def _cost() -> Result:
    cpu, _ = await measure_tasks({FLOOR: _floor, OURS: _ours}, runs=9)
    return Result("quotas", "a free permit", "µs CPU", scaled(cpu, 1e6 / LOOPS), guarded=True)


async def _granted() -> list[float]:
    """Send 1,000 calls through a quota of 100 per second; return the time of each."""
    limits, clock = Limits({}, rng=Random(1)), asyncio.get_running_loop().time
    times: list[float] = []

    async def call() -> None:
        with await limits.acquire("some.operation", TIGHT) as permit:
            permit.mark_sent()
            times.append(clock())
            await asyncio.sleep(0.05)
            permit.mark_answered()

    await asyncio.gather(*(call() for _ in range(WAITERS)))
    return times


def _accuracy() -> list[Result]:
    """Check every window of a second, in virtual time."""
    times = run_virtually(_granted())
    fullest = max(bisect_left(times, started_at + 1) - number for number, started_at in enumerate(times))
    ideal = (WAITERS / TIGHT[0].permits - 1) * TIGHT[0].seconds
    case = f"{WAITERS:,} calls, {TIGHT[0].permits} per second"
    return [
        Result(
            "quotas",
            f"{case}: the fullest second",
            "calls",
            {OURS: [fullest], FLOOR: [TIGHT[0].permits]},
            max_ratio=1.0,
        ),
        Result("quotas", f"{case}: the last call", "s", {OURS: [times[-1]], FLOOR: [ideal]}, max_ratio=1.03),
    ]


def results() -> Sequence[Result]:
    """Measure cost in real time and accuracy in virtual time."""
    return [asyncio.run(_cost()), *_accuracy()]


if __name__ == "__main__":
    report(results())
