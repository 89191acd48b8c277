"""Single-phone calls: 10,000 of them, to a service with a response time of 50 ms."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Final

from benchmarks import vendor
from benchmarks.clients import POOL, bare, drive, request_with, session
from benchmarks.measure import FLOOR, OURS, VENDOR, Result, measure_tasks, report
from benchmarks.server import Server, run_server
from koophone_async import KooPhone

if TYPE_CHECKING:
    from collections.abc import Sequence

CALLS: Final = 10_000
DELAY: Final = 0.050
THREADS: Final = 64
IDS: Final = [f"i{n:07}" for n in range(CALLS)]


async def _measured(server: Server) -> list[Result]:
    server.set(delay=DELAY)
    sdk = vendor.client(server.address, THREADS)
    async with session(server.address) as ours, bare() as http:
        koophone = KooPhone(ours)
        ask = request_with(
            http, "POST", f"{server.address}/v1/instances/streaming/stop", b'{"instance_id":"i0000000"}'
        )

        async def stop() -> None:
            report = await koophone.fleet(IDS, concurrency=POOL).stop_streaming()
            report.raise_for_failures()

        ways = {FLOOR: lambda: drive(repeat(ask, CALLS), POOL), OURS: stop}
        cpu, wall = await measure_tasks(ways, runs=3)
        call = partial(vendor.shell, sdk, IDS[:1])
        work = {VENDOR: lambda: asyncio.to_thread(vendor.in_threads, call, CALLS, THREADS)}
        vendor_cpu, vendor_wall = await measure_tasks(work, runs=1, warm_up=0)
    case = f"{CALLS:,} calls of one phone at {DELAY * 1e3:.0f} ms"
    return [
        Result("singles", case, "s", {**wall, **vendor_wall}, max_ratio=1.1),
        Result("singles", case, "s CPU", {**cpu, **vendor_cpu}, max_ratio=2.0, guarded=True),
    ]


def results() -> Sequence[Result]:
    """Measure against a server in a separate process."""
    with run_server() as server:
        return asyncio.run(_measured(server))


if __name__ == "__main__":
    report(results())
