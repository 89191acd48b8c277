"""The emulator: signed requests to 100,000 phones, the start of such a fleet, and that of a small one.

The emulator remembers which phones are named together, as a client polls the same batches again. What a
request costs whose phones were never named together is measured too.
"""

from __future__ import annotations

import asyncio
import random
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from functools import partial
from statistics import quantiles
from typing import TYPE_CHECKING, Final

from aiohttp import web

from benchmarks.clients import bare, drive
from benchmarks.measure import FLOOR, OURS, Result, measure_tasks, report, scaled
from benchmarks.server import Server, run_server
from koophone_async import wire
from koophone_async.emulator import Emulator
from koophone_async.protocol.signing import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import aiohttp

PHONES: Final = 100_000
REQUESTS: Final = 1000
"""Each names another hundred of the phones."""

CONNECTIONS: Final = 50
PATH: Final = "/v1/instances/batch-query-status"
RUNS: Final = 3
PAIRS: Final = 7
TESTS: Final = 50


def _consecutive() -> Iterator[Sequence[int]]:
    """Return the numbers of the phones of each request: another hundred, and the same in the next run."""
    return (range(first + 1, first + 101) for first in range(0, PHONES, 100))


def _scattered() -> Iterator[Sequence[int]]:
    """Return the numbers of the phones of each request: a hundred that are never named together again."""
    return (random.sample(range(1, PHONES + 1), 100) for _ in range(REQUESTS))


def _requests(address: str, phones: Iterator[Sequence[int]]) -> list[tuple[bytes, dict[str, str]]]:
    """Return bodies and headers that are signed in advance, to keep the client cheap."""
    # The emulator in the other process has the same seed and so the same key.
    signer, host = Emulator(phones=1).access_key.signer, address.removeprefix("http://")
    requests: list[tuple[bytes, dict[str, str]]] = []
    for numbers in phones:
        ids = [f"phone{number:06}" for number in numbers]
        body = wire.encode({"instance_ids": ids})
        headers = {"Content-Type": "application/json", "x-request-id": "0" * 32}
        headers |= signer.sign(Request("POST", PATH, (), headers, body), host, datetime.now(UTC))
        requests.append((body, headers))
    return requests


async def _drive(http: aiohttp.ClientSession, address: str, phones: Iterator[Sequence[int]]) -> list[float]:
    """Send a request for each group of phones; return how long each took, in ms."""
    latencies: list[float] = []

    async def send(body: bytes, headers: dict[str, str]) -> None:
        began = time.perf_counter()
        async with http.post(address + PATH, data=body, headers=headers) as response:
            answer = await response.read()
        latencies.append((time.perf_counter() - began) * 1e3)
        if response.status != 200 or b'"error_code":"0"' not in answer:
            raise RuntimeError(f"{response.status} {answer[:200]!r}")

    await drive([partial(send, *request) for request in _requests(address, phones)], CONNECTIONS)
    return latencies


async def _calls(
    servers: Mapping[str, Server],
    case: str,
    choose: Callable[[], Iterator[Sequence[int]]],
    max_ratio: float | None,
) -> list[Result]:
    """Drive each server in turn, which its process alone is charged for."""
    cpu: dict[str, list[float]] = {who: [] for who in servers}
    slowest: dict[str, list[float]] = {who: [] for who in servers}
    async with bare() as http:
        for run in range(-1, PAIRS):
            for who, server in servers.items():
                before = server.cpu()
                latencies = await _drive(http, server.address, choose())
                if run >= 0:  # the first warms up
                    cpu[who].append((server.cpu() - before) / REQUESTS * 1e6)
                    slowest[who].append(quantiles(latencies, n=100)[-1])
    return [
        Result("emulator", case, "µs CPU", cpu, max_ratio=max_ratio),
        Result("emulator", f"{case}, {CONNECTIONS} connections: p99", "ms", slowest),
    ]


def _started() -> list[float]:
    """Start a big fleet in another process; return CPU seconds and MB, then with all phones used."""
    command = [sys.executable, "-m", "benchmarks.emulator", "start"]
    output = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()  # noqa: S603 - our own module
    return [float(figure) for figure in output]


async def _start_and_stop() -> Result:
    """Start and stop an emulator of a hundred phones, as a test does."""

    async def start_and_stop() -> None:
        for _ in range(TESTS):
            async with Emulator():
                pass

    cpu, _ = await measure_tasks({OURS: start_and_stop}, runs=5)
    return Result("emulator", "start and stop", "ms CPU", scaled(cpu, 1e3 / TESTS), max_value=3.0)


async def _start() -> None:
    started_at = time.process_time()
    async with Emulator(phones=PHONES) as emulator:
        print(time.process_time() - started_at, _peak())
        if len({phone.id for phone in emulator.phones}) != PHONES:
            raise RuntimeError("phones are missing")
        print(time.process_time() - started_at, _peak())


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def _serve_emulator() -> None:
    async with Emulator(phones=PHONES) as emulator:
        print(emulator.endpoint.rpartition(":")[2], flush=True)
        await asyncio.Event().wait()


async def _serve_floor() -> None:
    """Serve with bare aiohttp: read the body and answer with constant bytes."""

    async def answer(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response(body=b'{"error_code":"0"}' + b" " * 5000, content_type="application/json")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


def results() -> Sequence[Result]:
    """Measure against the emulator and the floor in separate processes."""
    with (
        run_server("benchmarks.emulator", "serve") as emulator,
        run_server("benchmarks.emulator", "floor") as floor,
    ):
        servers, case = {FLOOR: floor, OURS: emulator}, f"state of 100 of {PHONES:,} phones, signed"
        calls = [
            *asyncio.run(_calls(servers, case, _consecutive, 3.0)),
            *asyncio.run(_calls(servers, f"{case}, any hundred", _scattered, None)),
        ]
    figures = zip(*(_started() for _ in range(RUNS)), strict=True)
    seconds, size, touched_seconds, touched_size = ({OURS: list(runs)} for runs in figures)
    started, touched = f"start of {PHONES:,} phones", f"{PHONES:,} phones, each used once"
    return [
        *calls,
        asyncio.run(_start_and_stop()),
        Result("emulator", started, "s CPU", seconds, max_value=2.0),
        Result("emulator", started, "MB", size, max_value=300),
        Result("emulator", touched, "s CPU", touched_seconds, max_value=2.0),
        Result("emulator", touched, "MB", touched_size, max_value=300),
    ]


if __name__ == "__main__":
    modes = {"serve": _serve_emulator, "floor": _serve_floor, "start": _start}
    if sys.argv[1:]:
        asyncio.run(modes[sys.argv[1]]())
    else:
        report(results())
