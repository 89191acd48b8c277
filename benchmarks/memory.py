"""The memory of a process that has 100,000 phones in flight, outcomes streamed and not kept."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

from benchmarks.measure import FLOOR, OURS, Result, report
from benchmarks.server import serving

if TYPE_CHECKING:
    from collections.abc import Sequence

PHONES: Final = 100_000
SECONDS: Final = 15.0
"""How long jobs take: longer than it takes to start them all."""

RUNS: Final = 2


def peak() -> float:
    """Tell the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def _fly(address: str) -> None:
    from benchmarks.clients import session  # noqa: PLC0415 - the floor does without
    from koophone_async import KooPhone  # noqa: PLC0415 - the same

    async with session(address) as ours:
        ids = (f"i{n:07}" for n in range(PHONES))
        run = KooPhone(ours).fleet(ids, assume_unique=True).run("id")
        ended = 0
        async for outcome in run:
            ended += outcome.ok
    if ended != PHONES:
        raise RuntimeError(f"{ended} of {PHONES} phones ended")


def _remember() -> None:
    """Hold what nobody can do without: aiohttp, and for each job in flight its phone."""
    import_module("aiohttp")
    jobs = {f"{n:032x}": f"i{n:07}" for n in range(PHONES)}
    if len(jobs) != PHONES:
        raise RuntimeError("two jobs of one id")


def _child(*arguments: str) -> float:
    """Do it in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory", *arguments]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)  # noqa: S603 - ourselves


def results() -> Sequence[Result]:
    """Measure the peak of a process of its own, with the server in another."""
    with serving() as server:
        server.set(seconds=SECONDS)
        samples = {
            FLOOR: [_child(FLOOR) for _ in range(RUNS)],
            OURS: [_child(server.address) for _ in range(RUNS)],
        }
    return [Result("memory", f"{PHONES:,} phones in flight", "MB", samples, absolute=250)]


if __name__ == "__main__":
    if sys.argv[1:] == [FLOOR]:
        _remember()
        print(peak())
    elif sys.argv[1:]:
        asyncio.run(_fly(sys.argv[1]))
        print(peak())
    else:
        report(results())
