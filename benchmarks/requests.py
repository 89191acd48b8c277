"""Single requests: CPU of the client per request, and requests per second."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import frozen

from benchmarks import vendor
from benchmarks.clients import bare, drive, request_with, session
from benchmarks.measure import FLOOR, OURS, VENDOR, Result, Samples, measure_tasks, report, scaled
from benchmarks.server import PROJECT, Server, phone, run_server
from koophone_async import wire
from koophone_async.services.cph import commands, jobs, phones

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import aiohttp

    from koophone_async import Session
    from koophone_async.operation import AnyOperation

Ways: TypeAlias = "dict[str, Callable[[], Awaitable[object]]]"

IDS: Final = [str(phone(number)["phone_id"]) for number in range(100)]
CONCURRENCIES: Final = (1, 4, 16, 64, 256)
DELAY: Final = 0.050
"""Response time of the server in the second half, in seconds."""


@frozen
class _Kind:
    """One kind of request, for each client, and its limits."""

    name: str
    method: str
    path: str
    body: bytes | None
    operation: AnyOperation
    request: Callable[[], object]
    by_vendor: Callable[[Any], object]
    max_ratio: float
    max_value: float

    def ours(self, session: Session) -> Callable[[], Awaitable[object]]:
        """Create the request each time, as a caller would, and send it."""
        return lambda: session.send(self.operation, self.request(), project_id=PROJECT)

    def bare(self, http: aiohttp.ClientSession, address: str) -> Callable[[], Awaitable[object]]:
        """Send it with bare aiohttp."""
        return request_with(http, self.method, f"{address}/v1/{PROJECT}/cloud-phone/{self.path}", self.body)


def _kinds(task: str) -> Sequence[_Kind]:
    run = partial(commands.RunCommand.on, IDS, "getprop")
    return (
        _Kind(
            "list of 100 phones", "GET", "phones?limit=100", None,
            phones.LIST, lambda: phones.PhoneQuery(limit=100), lambda sdk: vendor.listing(sdk)(),
            3.0, 0.50,
        ),
        _Kind(
            "shell on 100", "POST", "phones/commands", wire.encode(wire.to_wire(run())),
            commands.RUN, run, lambda sdk: vendor.shell(sdk, IDS), 2.2, 0.25,
        ),
        _Kind(
            "100 jobs", "GET", f"jobs?request_ids={task}&limit=100", None,
            jobs.LIST, lambda: jobs.JobQuery([task]), lambda sdk: vendor.poll(sdk, task),
            2.8, 0.30,
        ),
    )  # fmt: skip


async def _measured(server: Server) -> list[Result]:
    measured: list[Result] = []
    async with session(server.address) as ours, bare() as http:
        for kind in _kinds(_task(server)):
            ways = {FLOOR: kind.bare(http, server.address), OURS: kind.ours(ours)}
            cpu = dict(await _cpu_a_request(ways, 300))
            cpu[VENDOR] = await _cpu_of_the_vendor(server, kind)
            limits: Any = {"max_ratio": kind.max_ratio, "max_value": kind.max_value}
            measured.append(Result("requests", kind.name, "ms CPU", cpu, **limits, guarded=True))
        for kind in _kinds(_task(server)):
            ways = {FLOOR: kind.bare(http, server.address), OURS: kind.ours(ours)}
            measured += await _throughput(server, kind.name, ways)
    return measured


def _driven(ways: Ways, times: int, concurrency: int) -> Ways:
    """Return functions that make `times` calls with each client."""
    return {who: partial(_drive, way, times, concurrency) for who, way in ways.items()}


async def _drive(way: Callable[[], Awaitable[object]], times: int, concurrency: int) -> None:
    await drive(repeat(way, times), concurrency)


def _task(server: Server) -> str:
    """Start jobs that end at once, and return their request id."""
    server.set()
    return str(vendor.shell(vendor.client(server.address, 1), IDS).request_id)


async def _cpu_a_request(ways: Ways, times: int) -> Samples:
    """Measure each client with 16 workers."""
    works = _driven(ways, times, 16)
    cpu, _ = await measure_tasks(works, runs=9)
    return scaled(cpu, 1e3 / times)


async def _cpu_of_the_vendor(server: Server, kind: _Kind) -> Sequence[float]:
    sdk, times = vendor.client(server.address, 16), 100
    call = partial(kind.by_vendor, sdk)
    work = {VENDOR: lambda: asyncio.to_thread(vendor.in_threads, call, times, 16)}
    cpu, _ = await measure_tasks(work, runs=5)
    return scaled(cpu, 1e3 / times)[VENDOR]


async def _throughput(server: Server, name: str, ways: Ways) -> list[Result]:
    measured: list[Result] = []
    for delay in (0.0, DELAY):
        server.set(delay=delay)
        for concurrency in CONCURRENCIES:
            times = min(600, 20 * concurrency) if delay else 400
            cpu, wall = await measure_tasks(_driven(ways, times, concurrency), runs=3)
            case = f"{name}, {concurrency} concurrent, {delay * 1e3:.0f} ms"
            rates = {who: [times / seconds for seconds in runs] for who, runs in wall.items()}
            measured.append(Result("requests", case, "ms CPU", scaled(cpu, 1e3 / times)))
            measured.append(Result("requests", case, "per second", rates, higher_is_better=True))
    return measured


def results() -> Sequence[Result]:
    """Measure against a server in a separate process."""
    with run_server() as server:
        return asyncio.run(_measured(server))


if __name__ == "__main__":
    report(results())
