"""Quotas: the cost of a permit, and how exact the limit is, in virtual time and at a real server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from bisect import bisect_left
from collections import deque
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from benchmarks.measure import FLOOR, OURS, Result, measure_tasks, report, scaled
from koophone_async import AccessKey, Endpoints, Quota, Session
from koophone_async.limits import Limits
from koophone_async.services.koophone.instances import STATUS, InstancesRequest
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


SERVER: Final = Path(__file__).parents[1] / "tests/limits/counting_server.py"
"""Counts arrivals in a process of its own, by the kernel's times."""

RATES: Final = {10: 0.97, 100: 0.97, 400: 0.92}
"""Quotas a second, and the share of each that is to be used."""


def _fullest(times: Sequence[float]) -> int:
    return max(bisect_left(times, started_at + 1) - number for number, started_at in enumerate(times))


async def _call(address: str, permits: int, calls: int) -> None:
    async with Session(
        AccessKey("access", "secret"),
        endpoints=Endpoints(koophone=address),
        quotas={STATUS.name: (Quota(permits, 1),)},
        environ={},
    ) as session:
        await asyncio.gather(*(session.send(STATUS, InstancesRequest(["a"])) for _ in range(calls)))


def _arrivals(permits: int) -> list[float]:
    """Send the calls of five seconds at once; return when each arrived at the server."""
    command = [sys.executable, str(SERVER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own script
        assert server.stdout is not None  # noqa: S101 - for type checkers
        asyncio.run(_call(f"http://127.0.0.1:{server.stdout.readline().strip()}", permits, 5 * permits + 1))
        return sorted(json.loads(server.communicate()[0]))


def _at_a_server(permits: int) -> list[Result]:
    times, case = _arrivals(permits), f"{permits} per second, at a server"
    # The first call after five windows, all of whose permits were used.
    used = {OURS: [times[5 * permits] - times[0]], FLOOR: [5.0]}
    return [
        Result(
            "quotas",
            f"{case}: the fullest second",
            "calls",
            {OURS: [_fullest(times)], FLOOR: [permits]},
            max_ratio=1.0,
        ),
        Result("quotas", f"{case}: five windows", "s", used, max_ratio=1 / RATES[permits]),
    ]


def _accuracy() -> list[Result]:
    """Check every window of a second, in virtual time."""
    times = run_virtually(_granted())
    fullest = _fullest(times)
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
    """Measure cost in real time, and accuracy in virtual time and at a real server."""
    at_servers = [result for permits in RATES for result in _at_a_server(permits)]
    return [asyncio.run(_cost()), *_accuracy(), *at_servers]


if __name__ == "__main__":
    report(results())
