"""Memory of a process with 100,000 phones in flight, whose outcomes are streamed."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

from benchmarks.measure import FLOOR, OURS, Result, report
from benchmarks.server import run_server

if TYPE_CHECKING:
    from collections.abc import Sequence

PHONES: Final = 100_000
SECONDS: Final = 15.0
"""Duration of jobs: longer than it takes to start them all."""

RUNS: Final = 2


def peak() -> float:
    """Return the peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def _run_fleet(address: str) -> None:
    from benchmarks.clients import session  # noqa: PLC0415 - not part of the floor
    from koophone_async import KooPhone  # noqa: PLC0415 - not part of the floor

    async with session(address) as ours:
        ids = (f"i{n:07}" for n in range(PHONES))
        run = KooPhone(ours).fleet(ids, assume_unique=True).run("id")
        ended = 0
        async for outcome in run:
            ended += outcome.ok
    if ended != PHONES:
        raise RuntimeError(f"{ended} of {PHONES} phones ended")


def _run_floor() -> None:
    """Keep the minimum in memory: aiohttp, and the phone of each job in flight."""
    import_module("aiohttp")
    jobs = {f"{n:032x}": f"i{n:07}" for n in range(PHONES)}
    if len(jobs) != PHONES:
        raise RuntimeError("duplicate job ids")


def _child(*arguments: str) -> float:
    """Measure in a separate process."""
    command = [sys.executable, "-m", "benchmarks.memory", *arguments]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)  # noqa: S603 - our own module


def results() -> Sequence[Result]:
    """Measure the peak of separate processes."""
    with run_server() as server:
        server.set(seconds=SECONDS)
        samples = {
            FLOOR: [_child(FLOOR) for _ in range(RUNS)],
            OURS: [_child(server.address) for _ in range(RUNS)],
        }
    return [Result("memory", f"{PHONES:,} phones in flight", "MB", samples, max_value=100)]


if __name__ == "__main__":
    if sys.argv[1:] == [FLOOR]:
        _run_floor()
        print(peak())
    elif sys.argv[1:]:
        asyncio.run(_run_fleet(sys.argv[1]))
        print(peak())
    else:
        report(results())
