"""The same requests on asyncio's loop (the floor) and on uvloop (ours)."""

from __future__ import annotations

import asyncio
import time
from itertools import product, repeat
from typing import TYPE_CHECKING, Final

import uvloop

from benchmarks.clients import drive, session
from benchmarks.measure import FLOOR, OURS, Result, report
from benchmarks.server import PROJECT, phone, run_server
from koophone_async.services.cph import commands

if TYPE_CHECKING:
    from collections.abc import Sequence

IDS: Final = [str(phone(number)["phone_id"]) for number in range(100)]
LOOPS: Final = {FLOOR: asyncio.new_event_loop, OURS: uvloop.new_event_loop}
REQUESTS: Final = 2000
RUNS: Final = 5


async def _rate(address: str, phones: int, concurrency: int) -> tuple[float, float]:
    """Return the CPU of a shell command on some phones in ms, and how many of them a second are answered."""
    async with session(address) as ours:

        async def run() -> None:
            await ours.send(commands.RUN, commands.RunCommand.on(IDS[:phones], "getprop"), project_id=PROJECT)

        await drive(repeat(run, concurrency), concurrency)  # opens the connections
        cpu, began = time.process_time(), time.perf_counter()
        await drive(repeat(run, REQUESTS), concurrency)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - began
    return cpu / REQUESTS * 1e3, REQUESTS / wall


def results() -> Sequence[Result]:
    """Measure against a server in a separate process: large and small requests, few and many at once."""
    measured: list[Result] = []
    with run_server() as server:
        for phones, concurrency in product((1, 100), (16, 256)):
            pairs: dict[str, list[tuple[float, float]]] = {who: [] for who in LOOPS}
            for _ in range(RUNS):
                for who, new_loop in LOOPS.items():
                    with asyncio.Runner(loop_factory=new_loop) as runner:
                        pairs[who].append(runner.run(_rate(server.address, phones, concurrency)))
            case = f"uvloop: shell on {phones}, {concurrency} concurrent"
            cpu, rates = ({who: [pair[at] for pair in runs] for who, runs in pairs.items()} for at in (0, 1))
            measured.append(Result("loops", case, "ms CPU", cpu))
            measured.append(Result("loops", case, "per second", rates, higher_is_better=True))
    return measured


if __name__ == "__main__":
    report(results())
