"""Workers that share a rollout of 10,000 single-phone calls to a service with a response time of 50 ms.

The journal is in a PostgreSQL server on the same machine, which has the same cores.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from benchmarks.clients import POOL, session
from benchmarks.measure import FLOOR, OURS, Result, report
from benchmarks.server import PROJECT, run_server
from benchmarks.vendor import KEY
from koophone_async.rollouts import Plan, Rollout, RolloutState, Selection, Step, requests
from koophone_async.rollouts.journal import Journal
from tests.postgresql_server import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from benchmarks.server import Server
    from koophone_async.rollouts import RolloutRecord

CALLS: Final = 10_000
DELAY: Final = 0.050
SHARDS: Final = 4
"""Shards that a worker runs at the same time."""

WORKERS: Final = (1, 2, 4)
RUNS: Final = 3


@contextmanager
def _workers(count: int, address: str, journal: str) -> Generator[None]:
    names = ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_PROJECT_ID")
    settings = {
        "KOOPHONE_ENDPOINT": address,
        "KOOPHONE_JOURNAL": journal,
        "KOOPHONE_EDITION": "international",
    }
    environ = {**os.environ, **dict(zip(names, (*KEY, PROJECT), strict=True)), **settings}
    command = [sys.executable, "-m", "koophone_async.cli", "rollout", "worker", "--concurrency", str(SHARDS)]
    processes = [subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) for _ in range(count)]  # noqa: S603 - our own module
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(60)


async def _wait(journal: Journal, is_so: Callable[[RolloutRecord], bool]) -> None:
    while True:
        if is_so(await journal.find("last")):
            return
        await asyncio.sleep(0.02)


async def _wait_for_workers(journal: Journal, count: int) -> None:
    while True:
        if len(await journal.workers.all()) == count:
            return
        await asyncio.sleep(0.02)


async def _seconds(server: Server, url: str, count: int) -> float:
    """Return the seconds from when workers that stand ready may send to when the rollout has ended."""
    plan = Plan(
        targets=Selection(ids=[f"i{number:07}" for number in range(CALLS)]),
        steps=[Step("stop_streaming", None)],
        concurrency=POOL,
    )
    async with session(server.address) as ours, await Journal.open(url) as journal:
        async with Rollout(plan, journal, ours) as rollout:
            await rollout.hand_over()
            await rollout.pause()
        with _workers(count, server.address, url):
            await _wait(
                journal, lambda record: record.state is RolloutState.PAUSED and record.driver is not None
            )
            await _wait_for_workers(journal, count)
            loop = asyncio.get_running_loop()
            started_at = loop.time()
            await requests.go_on(journal, "last")
            await _wait(journal, lambda record: record.has_ended)
            seconds = loop.time() - started_at
        counts = (await journal.find("last")).counts
        if counts != {"accepted": CALLS}:
            raise RuntimeError(f"the phones ended as {counts}")
        return seconds


def results() -> Sequence[Result]:
    """Measure the numbers of workers in turn; the floor is one worker."""
    samples: dict[int, list[float]] = {count: [] for count in WORKERS}
    with run_server() as server, PostgresServer.run() as postgresql:
        server.set(delay=DELAY)
        for _ in range(RUNS):
            for count in WORKERS:
                with postgresql.new_database() as database:
                    samples[count].append(asyncio.run(_seconds(server, postgresql.url(database), count)))
    case = f"{CALLS:,} calls of one phone at {DELAY * 1e3:.0f} ms"
    return [
        Result(
            "workers",
            f"{count} worker{'s' * (count > 1)}, {case}",
            "s",
            {OURS: samples[count], FLOOR: samples[1]},
            max_ratio=1 / 1.7 if count == 2 else None,
        )
        for count in WORKERS
    ]


if __name__ == "__main__":
    report(results())
