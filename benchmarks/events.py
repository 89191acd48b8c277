"""Events in bursts, bad ones among them, a handler that fails, and a process that is killed in between.

A receiver with a journal runs in a process of its own, over real sockets. A fiftieth of the calls is bad in
one of several ways. The handler fails on one event in a hundred. Halfway the process is killed (SIGKILL) and
another one takes over its journal. What was not answered at all is sent again, as by a caller who wants it to
arrive. In the end every valid event must have reached the handler, and no other.

    python -m benchmarks.events [EVENTS]
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Final

import aiohttp
from attrs import define, field

from koophone_async.events import Heartbeat, Receiver, serialize, serve

if TYPE_CHECKING:
    from asyncio.subprocess import Process

EVENTS: Final = 50_000
BURST: Final = 2_500
CALLERS: Final = 128
BAD: Final = 0.02
FAILS: Final = 0.01
MOST_GROWTH: Final = 64.0
"""MiB that the receiver may grow by, whatever comes."""

JSON: Final = {"Content-Type": "application/json"}


async def receive(journal: str, heard: str) -> None:
    """Be the receiver: print the address, then write down every event whose handler returned."""
    logging.disable(logging.WARNING)  # a line for each failure is not what is measured
    receiver, rng = Receiver(journal=journal), random.Random(os.getpid())
    file = os.open(heard, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    @receiver.on_heartbeat
    async def write_down(event: Heartbeat) -> None:
        await asyncio.sleep(0)
        if rng.random() < FAILS:
            raise ConnectionError
        os.write(file, f"{event.session}\n".encode())

    async with serve(receiver) as address:
        sys.stdout.write(address + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


@define
class Child:
    """The receiver's process, seen from outside."""

    process: Process
    address: str
    at_start: float
    """MiB in memory when it was ready."""

    @classmethod
    async def start(cls, journal: Path, heard: Path) -> Child:
        """Start it and wait until it answers."""
        program = (sys.executable, "-m", "benchmarks.events", "--receive", journal, heard)
        process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
        address = await process.stdout.readline() if process.stdout else b""
        return cls(process, address.decode().strip(), memory(process.pid, "VmRSS"))

    async def kill(self) -> float:
        """Kill it, and tell by how many MiB it had grown at most."""
        growth = memory(self.process.pid, "VmHWM") - self.at_start
        self.process.kill()
        await self.process.wait()
        return growth


def memory(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


@define
class Load:
    """What is sent and what came back."""

    rng: random.Random = field(factory=lambda: random.Random(1))
    valid: set[str] = field(factory=set[str])
    taken: set[str] = field(factory=set[str])
    bad: int = 0
    refused: Counter[int] = field(factory=Counter[int])
    again: Counter[str] = field(factory=Counter[str])
    seconds: list[float] = field(factory=list[float])

    def body(self, number: int) -> tuple[str, bytes]:
        """Make one call; a bad one has no session."""
        session = f"s{number}"
        at = datetime.now(UTC).replace(microsecond=0)
        body = serialize(Heartbeat(phone=f"p{number % 1000}", at=at, app="chess", session=session))
        if self.rng.random() >= BAD:
            self.valid.add(session)
            return session, body
        self.bad += 1
        return "", self.rng.choice([
            body[:-9], b"", b"\xff" * 50, b"[" * 9_000, body.replace(b'"time"', b'"when"'),
            body.replace(b"heartbeat", b"unheard-of"), b" " * 70_000, body.replace(b'"chess"', b"[]"),
        ])  # fmt: skip

    async def call(self, client: aiohttp.ClientSession, address: str, session: str, body: bytes) -> bool:
        """Send one call, and tell whether it is over: taken, or refused because it is bad."""
        begun = time.perf_counter()
        try:
            async with client.post(f"{address}/heartbeats", data=body, headers=JSON) as answer:
                status = answer.status
        except aiohttp.ClientError:
            self.again["no answer"] += 1
            return False
        self.seconds.append(time.perf_counter() - begun)
        if status == 503:
            self.again["503"] += 1
            return False
        if session and status == 200:
            self.taken.add(session)
        else:
            self.refused[status] += 1
        return True


async def burst(load: Load, child: Child, calls: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Send calls as fast as some callers can, and give those that must be sent again."""
    waiting, left = list(calls), list[tuple[str, bytes]]()

    async def caller(client: aiohttp.ClientSession) -> None:
        while waiting:
            session, body = waiting.pop()
            if not await load.call(client, child.address, session, body):
                left.append((session, body))

    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CALLERS)) as client,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(CALLERS):
            group.create_task(caller(client))
    return left


def until_heard(heard: Path, valid: set[str]) -> None:
    """Wait until every valid event was heard, for a minute at most."""
    end = time.monotonic() + 60
    while not valid <= set(heard.read_text().split()) and time.monotonic() < end:
        time.sleep(0.2)


@define
class Course:
    """How it went beyond the calls themselves."""

    growths: list[float] = field(factory=list[float])
    """MiB, of each process."""

    recovery: float = 0.0
    """Seconds from the kill until the next process answers."""

    sending: float = 0.0
    total: float = 0.0


async def run(load: Load, events: int, directory: Path) -> Course:
    """Send everything, and kill the process halfway."""
    course, begun = Course(), time.perf_counter()
    journal, heard = directory / "events.db", directory / "heard"
    child, left = await Child.start(journal, heard), list[tuple[str, bytes]]()
    for first in range(0, events, BURST):
        calls = left + [load.body(number) for number in range(first, min(first + BURST, events))]
        sending = asyncio.create_task(burst(load, child, calls))
        if first == events // BURST // 2 * BURST:
            await asyncio.sleep(0.3)
            course.growths.append(await child.kill())
            killed = time.perf_counter()
            child = await Child.start(journal, heard)
            course.recovery = time.perf_counter() - killed
        left = await sending
    while left:
        left = await burst(load, child, left)
    course.sending = time.perf_counter() - begun
    await asyncio.to_thread(until_heard, heard, load.valid)
    course.total = time.perf_counter() - begun
    course.growths.append(await child.kill())
    return course


def report(load: Load, course: Course, told: Counter[str], journal: Path) -> bool:
    """Print the figures, and tell whether all is as it must be."""
    lost, invented = load.valid - set(told), set(told) - load.valid
    twice = sum(times - 1 for times in told.values())
    cuts, growth = quantiles(load.seconds, n=100), max(course.growths)
    rate = len(load.seconds) / course.sending
    print(f"valid events           {len(load.valid):>8,}   answered with 200: {len(load.taken):,}")
    print(f"bad calls              {load.bad:>8,}   refused: {dict(sorted(load.refused.items()))}")
    print(f"sent again             {load.again.total():>8,}   {dict(load.again)}")
    print(
        f"heard by the handler   {len(told):>8,}   lost {len(lost)}, invented {len(invented)}, twice {twice}"
    )
    print(f"calls a second         {rate:>8,.0f}   all heard after {course.total:.1f} s")
    print(f"answer, median and p99 {cuts[49] * 1000:>8.1f}   {cuts[98] * 1000:.1f} ms, on disk before it")
    print(f"back after SIGKILL in  {course.recovery:>8.2f}   s")
    print(
        f"memory grew by at most {growth:>8.1f}   MiB; the journal has {journal.stat().st_size / 2**20:.1f}"
    )
    fine = not lost and not invented and load.refused.total() == load.bad and growth < MOST_GROWTH
    print("as it must be" if fine else "NOT as it must be")
    return fine


def main() -> int:
    if sys.argv[1:2] == ["--receive"]:
        asyncio.run(receive(*sys.argv[2:]))
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with tempfile.TemporaryDirectory() as name:
        directory, load = Path(name), Load()
        course = asyncio.run(run(load, events, directory))
        told = Counter((directory / "heard").read_text().split())
        return 0 if report(load, course, told, directory / "events.db") else 1


if __name__ == "__main__":
    sys.exit(main())
