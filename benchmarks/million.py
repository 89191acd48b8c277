"""A million phones through one process: list them, select some, run a command, stream the outcomes.

As in `scaling` there is no network and time is virtual. Every 20,000 outcomes the memory of the process is
read; `make bench-plots` draws the curve. The floor is the memory before the first request.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from attrs import define

from benchmarks.measure import FLOOR, OURS, Result, report
from benchmarks.scaling import Service
from benchmarks.server import instance
from koophone_async import KooPhone
from koophone_async.selection import parse
from koophone_async.virtual_time import run_virtually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from koophone_async import wire
    from koophone_async.koophone import Instance

PHONES: Final = 1_000_000
STEP: Final = 20_000
"""Outcomes between two readings of the memory."""

SELECTION: Final = parse('running == running and name ~ "shop-*"')
"""It selects every phone; each is compared."""


@define(eq=False)
class _ListingService(Service):
    """Lists a million instances too, and runs commands on them."""

    def answer(self, request: wire.EncodedRequest) -> bytes:
        """Answer a page of the list; other requests as its base does."""
        if not request.path.endswith("/batch-query"):
            return super().answer(request)
        query = dict(request.query)
        number, size = int(query["page_no"]), int(query["page_size"])
        rows = [instance(n) for n in range((number - 1) * size, min(number * size, PHONES))]
        paging = {"page_no": number, "page_size": size, "total_count": PHONES}
        data = {"data": {"result": rows}, "error_code": "0", "error_msg": "OK"}
        return msgspec.json.encode(data | paging)


def _resident() -> float:
    """Return the memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def _selected(koophone: KooPhone) -> AsyncIterator[Instance]:
    async for phone in koophone.instances.list():
        if SELECTION(phone):
            yield phone


async def _curve() -> dict[int, float]:
    """Run a command on all selected phones; return the memory in MB by the number of outcomes."""
    service = _ListingService()
    koophone = KooPhone(service)
    memory = {0: _resident()}
    ended = 0
    async for outcome in koophone.fleet(_selected(koophone), assume_unique=True).run("id"):
        ended += outcome.ok
        if ended % STEP == 0:
            memory[ended] = _resident()
    if ended != PHONES:
        raise RuntimeError(f"{ended} of {PHONES} phones ended")
    await service.poll_scheduler.aclose()
    return memory


def _measured() -> Mapping[int, float]:
    """Return the curve of a process of its own."""
    command = [sys.executable, "-m", "benchmarks.million", "child"]
    done = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - our own module
    return msgspec.json.decode(done.stdout, type=dict[int, float])


def results() -> Sequence[Result]:
    """Measure once: the sizes on the way are many samples of one run."""
    memory = _measured()
    start, final = memory[0], memory[PHONES]
    reached = [
        Result("million", f"{ended:,} outcomes", "MB", {OURS: [megabytes], FLOOR: [start]})
        for ended, megabytes in memory.items()
        if 0 < ended < PHONES and ended % (5 * STEP) == 0
    ]
    peak = max(memory.values())
    return [
        *reached,
        Result("million", f"{PHONES:,} outcomes", "MB", {OURS: [final], FLOOR: [start]}, max_value=250),
        Result("million", "peak of the run", "MB", {OURS: [peak], FLOOR: [start]}, max_value=250),
    ]


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.stdout.buffer.write(msgspec.json.encode(run_virtually(_curve())))
    else:
        report(results())
