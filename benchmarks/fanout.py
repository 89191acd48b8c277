"""Fan-out: one command on 10,000 phones with jobs of 2 s, until the end of every job."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from attrs import define, field

from benchmarks import vendor
from benchmarks.clients import bare, drive, request_with, session
from benchmarks.measure import FLOOR, OURS, VENDOR, Result, measure_tasks, report
from benchmarks.server import Server, run_server
from koophone_async import KooPhone, wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import aiohttp

PHONES: Final = 10_000
SECONDS: Final = 2.0
THREADS: Final = 64
IDS: Final = [f"i{n:07}" for n in range(PHONES)]


@define
class _Counted:
    """A task, and the number of requests of each run."""

    server: Server
    work: Callable[[], Awaitable[int]]
    requests: list[float] = field(factory=list[float])

    async def __call__(self) -> None:
        """Run the task once."""
        self.server.set(seconds=SECONDS)
        ended = await self.work()
        self.requests.append(self.server.set())
        if ended != PHONES:
            raise RuntimeError(f"{ended} of {PHONES} phones ended")


async def _floor(http: aiohttp.ClientSession, address: str) -> int:
    """Post every chunk, sleep for the duration of the jobs, and poll each task once: the minimum of work."""
    bodies = [
        wire.encode({"instance_ids": IDS[at : at + 100], "command": "id"}) for at in range(0, PHONES, 100)
    ]
    tasks: list[str] = []

    async def start(body: bytes) -> None:
        answer = await request_with(http, "POST", f"{address}/v1/instances/async-command", body)()
        tasks.append(wire.decode(answer)["data"]["task_id"])

    await drive([partial(start, body) for body in bodies], 32)
    await asyncio.sleep(SECONDS)
    polls = [request_with(http, "GET", f"{address}/v1/instances/tasks/{task}") for task in tasks]
    await drive(polls, 32)
    return PHONES


async def _measured(server: Server) -> list[Result]:
    sdk = vendor.client(server.address, THREADS)
    async with session(server.address) as ours, bare() as http:
        koophone = KooPhone(ours)

        async def run() -> int:
            report = await koophone.fleet(IDS).run("id")
            return sum(outcome.ok for outcome in report)

        clients = {
            FLOOR: _Counted(server, lambda: _floor(http, server.address)),
            OURS: _Counted(server, run),
            VENDOR: _Counted(server, lambda: asyncio.to_thread(vendor.fan_out, sdk, IDS, THREADS)),
        }
        cpu, wall = await measure_tasks(clients, runs=5)
    case = f"{PHONES:,} phones, jobs of {SECONDS:g} s"
    requests = {who: client.requests[1:] for who, client in clients.items()}
    return [
        Result("fan-out", case, "s", wall, max_ratio=1.1, max_value=2.3),
        Result("fan-out", case, "s CPU", cpu, max_ratio=3.5, max_value=0.15, guarded=True),
        Result("fan-out", case, "requests", requests, max_ratio=1.1, max_value=220),
    ]


def results() -> Sequence[Result]:
    """Measure against a server in a separate process."""
    with run_server() as server:
        return asyncio.run(_measured(server))


if __name__ == "__main__":
    report(results())
