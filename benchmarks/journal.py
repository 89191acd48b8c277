"""The journal of rollouts: the cost of a chunk, of a run and of a command, and a million targets.

The floor is the same without a journal. The files are in the working directory, so that commits go to a disk.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from benchmarks.clients import session
from benchmarks.measure import FLOOR, OURS, Result, measure_tasks, report, scaled
from benchmarks.memory import peak
from benchmarks.server import PROJECT, Server, run_server
from benchmarks.vendor import KEY
from koophone_async import KooPhone
from koophone_async.batches import Outcome, Report, State
from koophone_async.rollouts.journal import Driver, Journal, NewRollout, Target
from koophone_async.rollouts.journal import Result as PhoneResult
from koophone_async.rollouts.plans.plan import Plan, Selection
from koophone_async.rollouts.rollout import Rollout
from koophone_async.virtual_time import EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TARGETS: Final = 1_000_000
CHUNKS: Final = 100
PHONES: Final = 100
"""Phones of a chunk."""

JOB_SECONDS: Final = 0.3
RUN_SECONDS: Final = 2.0
RUNS: Final = 3


class NoJournal:
    """Takes what a driver writes, and keeps nothing."""

    def plan_chunk(self, step: int, positions: Sequence[int]) -> int:
        """Return a number."""
        del step
        return positions[0]

    async def mark_sending(self, chunk: int) -> None:
        """Do nothing."""

    def mark_sent(self, chunk: int, handle: str, jobs: Mapping[str, int], **details: object) -> None:
        """Do nothing."""

    def settle(self, chunk: int, results: Sequence[PhoneResult], counts: Mapping[str, int]) -> None:
        """Do nothing."""

    async def flush(self) -> None:
        """Do nothing."""


async def send(driver: Driver | NoJournal, first: int, counts: dict[str, int]) -> None:
    """Send a chunk, and settle its phones one by one when its jobs end."""
    positions = range(first, first + PHONES)
    chunk = driver.plan_chunk(0, positions)
    await driver.mark_sending(chunk)
    jobs = {f"{position:032x}": position for position in positions}
    driver.mark_sent(chunk, f"{first:032x}", jobs, has_jobs=True, called_at=EPOCH)
    await asyncio.sleep(JOB_SECONDS)
    for job, position in jobs.items():
        counts["succeeded"] += 1
        outcome = Outcome(f"{position:032}", State.SUCCEEDED, job, output="14", seconds=2.0)
        driver.settle(chunk, [PhoneResult(position, 1, 0, outcome)], counts)


async def send_all(driver: Driver | NoJournal) -> None:
    """Send all chunks, 16 at once as a run does, and wait until everything is on disk."""
    slots, counts = asyncio.Semaphore(16), {"succeeded": 0}

    async def one(first: int) -> None:
        async with slots:
            await send(driver, first, counts)

    await asyncio.gather(*(one(number * PHONES) for number in range(CHUNKS)))
    await driver.flush()


async def measure_chunks(directory: Path) -> list[Result]:
    """Measure chunks of a run of 10,000 phones."""
    async with await Journal.open(directory / "chunks.db") as journal:
        driver = await journal.acquire((await journal.create(NewRollout("run", "cph"), targets(10_000))).id)
        functions = {FLOOR: lambda: send_all(NoJournal()), OURS: lambda: send_all(driver)}
        cpu, wall = await measure_tasks(functions, runs=5)
    return [
        Result("journal", f"{CHUNKS} chunks of {PHONES} phones", "ms CPU a chunk", scaled(cpu, 1e3 / CHUNKS)),
        Result("journal", f"{CHUNKS} chunks of {PHONES} phones", "s", wall),
    ]


def targets(count: int) -> Iterator[Target]:
    """Return targets as long as those of the service."""
    return (Target(position, f"{position:032x}", "cn-north-4") for position in range(count))


async def create(path: str) -> None:
    """Create a rollout of a million targets."""
    async with await Journal.open(path) as journal:
        await journal.create(NewRollout("big", "koophone"), targets(TARGETS))


async def read_status(path: str) -> None:
    """Read the status of that rollout."""
    async with await Journal.open(path) as journal:
        await journal.find("big")


ACTIONS: Final = {"create": create, "status": read_status}


def act(action: str, path: str) -> None:
    """Print the seconds of an action, and the peak memory of this process in MB."""
    started_at = time.perf_counter()
    asyncio.run(ACTIONS[action](path))
    print(time.perf_counter() - started_at, peak())


def in_new_process(action: str, path: Path) -> tuple[float, float]:
    """Return the seconds of an action, and the peak memory of its process in MB."""
    command = [sys.executable, "-m", "benchmarks.journal", action, str(path)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603 - our own module
    seconds, megabytes = map(float, done.stdout.split())
    return seconds, megabytes


def measure_million(directory: Path) -> list[Result]:
    """Measure a rollout of a million targets."""
    paths = [directory / f"big-{run}.db" for run in range(RUNS)]
    seconds, megabytes = zip(*(in_new_process("create", path) for path in paths), strict=True)
    status, _ = zip(*(in_new_process("status", path) for path in paths), strict=True)
    case = f"create a rollout of {TARGETS:,} targets"
    return [
        Result("journal", case, "s", {OURS: seconds}, max_value=30),
        Result("journal", case, "MB", {OURS: megabytes}, max_value=250),
        Result("journal", "open it and read its status", "s", {OURS: status}, max_value=0.5),
    ]


async def measure_run(server: Server, directory: Path) -> list[Result]:
    """Measure one command on 10,000 phones, as a rollout and as a run that writes nothing down."""
    ids = [f"i{number:07}" for number in range(CHUNKS * PHONES)]
    plan = Plan.single("run", "id", targets=Selection(ids=ids), service="koophone")
    async with session(server.address) as ours, await Journal.open(directory / "run.db") as journal:

        async def run() -> None:
            check(await KooPhone(ours).fleet(ids).run("id"))

        async def journalled() -> None:
            check(await Rollout(plan, journal, ours))

        cpu, wall = await measure_tasks({FLOOR: run, OURS: journalled}, runs=5)
    case = f"{len(ids):,} phones, jobs of {RUN_SECONDS:g} s"
    return [
        Result("journal", case, "s", wall, max_ratio=1.05),
        Result("journal", case, "s CPU", cpu, max_ratio=1.3),
    ]


def check(report: Report) -> None:
    """Raise if a phone has failed."""
    if not report.ok:
        raise RuntimeError(f"the phones ended as {report.counts}")


def measure_command(server: Server, directory: Path) -> list[Result]:
    """Measure the process of a command on one phone."""
    variables = {
        "HUAWEICLOUD_SDK_AK": KEY[0],
        "HUAWEICLOUD_SDK_SK": KEY[1],
        "HUAWEICLOUD_SDK_IAM_ENDPOINT": server.address,
        "HUAWEICLOUD_SDK_PROJECT_ID": PROJECT,
        "KOOPHONE_ALLOW_HTTP": "1",
        "KOOPHONE_ENDPOINT": server.address,
        "KOOPHONE_EDITION": "international",
        "KOOPHONE_JOURNAL": str(directory / "commands.db"),
        "KOOPHONE_REGION": "cn-north-4",
        "KOOPHONE_YES": "1",
    }
    samples: dict[str, list[float]] = {FLOOR: [], OURS: []}
    for run in range(-1, RUNS):
        for who, options in {FLOOR: ["--no-journal"], OURS: list[str]()}.items():
            command = [sys.executable, "-m", "koophone_async.cli", "exec", *options, "i0000001", "--", "id"]
            before = cpu_of_children()
            subprocess.run(command, capture_output=True, check=True, env=os.environ | variables)  # noqa: S603 - ours
            if run >= 0:
                samples[who].append(cpu_of_children() - before)
    return [Result("journal", "koophone exec on one phone", "s CPU", samples, max_ratio=1.2)]


def cpu_of_children() -> float:
    """Return the CPU seconds of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure everything, or do one action of a child process."""
    if sys.argv[1:]:
        act(*sys.argv[1:])
        return
    with TemporaryDirectory(dir=Path.cwd()) as name, run_server() as server:
        directory = Path(name)
        server.set(seconds=RUN_SECONDS)
        results = [
            *asyncio.run(measure_chunks(directory)),
            *asyncio.run(measure_run(server, directory)),
            *measure_command(server, directory),
            *measure_million(directory),
        ]
    report(results)


if __name__ == "__main__":
    main()
