"""The emulator: signed requests per second, and the start of a fleet of 100,000 phones."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web

from benchmarks.clients import bare, drive
from benchmarks.measure import FLOOR, OURS, Result, measure_tasks, report
from benchmarks.server import run_server
from koophone_async import wire
from koophone_async.emulator import Emulator
from koophone_async.protocol.signing import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import aiohttp

PHONES: Final = 1000
BIG: Final = 100_000
REQUESTS: Final = 500
CONCURRENCY: Final = 32
PATH: Final = "/v1/instances/batch-query-status"
BODY: Final = wire.encode({"instance_ids": [f"phone{n:04}" for n in range(1, 101)]})
RUNS: Final = 3


def _signed(http: aiohttp.ClientSession, address: str) -> Callable[[], Awaitable[object]]:
    """Return a function that sends a request signed in advance, to keep the client cheap."""
    # The emulator in the other process has the same seed and so the same key.
    signer, host = Emulator(phones=1).access_key.signer, address.removeprefix("http://")
    headers = {"Content-Type": "application/json", "x-request-id": "0" * 32}
    headers |= signer.sign(Request("POST", PATH, (), headers, BODY), host, datetime.now(UTC))

    async def send() -> None:
        async with http.post(address + PATH, data=BODY, headers=headers) as response:
            answer = await response.read()
            if response.status != 200 or b'"error_code":"0"' not in answer:
                raise RuntimeError(f"{response.status} {answer[:200]!r}")

    return send


async def _rates(emulator: str, floor: str) -> Result:
    async with bare() as http:
        requests = {FLOOR: _signed(http, floor), OURS: _signed(http, emulator)}
        ways = {who: partial(drive, [send] * REQUESTS, CONCURRENCY) for who, send in requests.items()}
        _, wall = await measure_tasks(ways, runs=5)
    rates = {who: [REQUESTS / seconds for seconds in runs] for who, runs in wall.items()}
    return Result("emulator", "state of 100 phones, signed", "per second", rates, higher_is_better=True)


def _started() -> list[float]:
    """Start a big fleet in another process; return CPU seconds and MB, then with all phones used."""
    command = [sys.executable, "-m", "benchmarks.emulator", "start"]
    output = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()  # noqa: S603 - our own module
    return [float(figure) for figure in output]


async def _start() -> None:
    started_at = time.process_time()
    async with Emulator(phones=BIG) as emulator:
        print(time.process_time() - started_at, _peak())
        if len({phone.id for phone in emulator.phones}) != BIG:
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
        rates = asyncio.run(_rates(emulator.address, floor.address))
    figures = zip(*(_started() for _ in range(RUNS)), strict=True)
    seconds, size, touched_seconds, touched_size = ({OURS: list(runs)} for runs in figures)
    started, touched = f"start of {BIG:,} phones", f"{BIG:,} phones, each used once"
    return [
        rates,
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
