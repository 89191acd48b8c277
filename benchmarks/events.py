"""Load test of the event receiver: bursts with malformed calls, a failing handler, and a killed process.

A receiver with a journal runs in a separate process, over real sockets. One call in fifty is malformed in one
of several ways. The handler fails for one event in a hundred. Halfway the process is killed (SIGKILL), and
another one takes over its journal. Calls without an answer are sent again. In the end every valid event must
have reached the handler, and no other.

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
MAX_GROWTH: Final = 64.0
"""Maximum memory growth of the receiver in MiB."""

JSON: Final = {"Content-Type": "application/json"}


async def receive(journal: str, handled: str) -> None:
    """Run the receiver: print its address, then append every handled event to a file."""
    logging.disable(logging.WARNING)  # logging each failure would distort the figures
    receiver, rng = Receiver(journal=journal), random.Random(os.getpid())
    file = os.open(handled, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    @receiver.on_heartbeat
    async def append(event: Heartbeat) -> None:
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
    """The process of the receiver."""

    process: Process
    address: str
    initial_memory: float
    """MiB when it was ready."""

    @classmethod
    async def start(cls, journal: Path, handled: Path) -> Child:
        """Start the process and wait until it listens."""
        program = (sys.executable, "-m", "benchmarks.events", "--receive", journal, handled)
        process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
        address = await process.stdout.readline() if process.stdout else b""
        return cls(process, address.decode().strip(), memory(process.pid, "VmRSS"))

    async def kill(self) -> float:
        """Kill the process; return its peak memory growth in MiB."""
        growth = memory(self.process.pid, "VmHWM") - self.initial_memory
        self.process.kill()
        await self.process.wait()
        return growth


def memory(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


@define
class Load:
    """Generates calls and records the answers."""

    rng: random.Random = field(factory=lambda: random.Random(1))
    valid: set[str] = field(factory=set[str])
    answered: set[str] = field(factory=set[str])
    bad: int = 0
    refused: Counter[int] = field(factory=Counter[int])
    retried: Counter[str] = field(factory=Counter[str])
    seconds: list[float] = field(factory=list[float])

    def body(self, number: int) -> tuple[str, bytes]:
        """Generate one call; a malformed one has no session."""
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
        """Send one call; return False if it must be sent again."""
        started_at = time.perf_counter()
        try:
            async with client.post(f"{address}/heartbeats", data=body, headers=JSON) as answer:
                status = answer.status
        except aiohttp.ClientError:
            self.retried["no answer"] += 1
            return False
        self.seconds.append(time.perf_counter() - started_at)
        if status == 503:
            self.retried["503"] += 1
            return False
        if session and status == 200:
            self.answered.add(session)
        else:
            self.refused[status] += 1
        return True


async def burst(load: Load, child: Child, calls: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Send calls concurrently; return those that must be sent again."""
    waiting, unanswered = list(calls), list[tuple[str, bytes]]()

    async def caller(client: aiohttp.ClientSession) -> None:
        while waiting:
            session, body = waiting.pop()
            if not await load.call(client, child.address, session, body):
                unanswered.append((session, body))

    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CALLERS)) as client,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(CALLERS):
            group.create_task(caller(client))
    return unanswered


def wait_until_handled(handled: Path, valid: set[str]) -> None:
    """Wait until every valid event was handled, at most one minute."""
    end = time.monotonic() + 60
    while not valid <= set(handled.read_text().split()) and time.monotonic() < end:
        time.sleep(0.2)


@define
class Timings:
    """Timings and memory of the whole test."""

    growths: list[float] = field(factory=list[float])
    """Memory growth of each process in MiB."""

    recovery: float = 0.0
    """Seconds from the kill until the next process listens."""

    sending: float = 0.0
    total: float = 0.0


async def run(load: Load, events: int, directory: Path) -> Timings:
    """Send all events, and kill the process halfway."""
    timings, started_at = Timings(), time.perf_counter()
    journal, handled = directory / "events.db", directory / "handled"
    child, unanswered = await Child.start(journal, handled), list[tuple[str, bytes]]()
    for first in range(0, events, BURST):
        calls = unanswered + [load.body(number) for number in range(first, min(first + BURST, events))]
        sending = asyncio.create_task(burst(load, child, calls))
        if first == events // BURST // 2 * BURST:
            await asyncio.sleep(0.3)
            timings.growths.append(await child.kill())
            killed = time.perf_counter()
            child = await Child.start(journal, handled)
            timings.recovery = time.perf_counter() - killed
        unanswered = await sending
    while unanswered:
        unanswered = await burst(load, child, unanswered)
    timings.sending = time.perf_counter() - started_at
    await asyncio.to_thread(wait_until_handled, handled, load.valid)
    timings.total = time.perf_counter() - started_at
    timings.growths.append(await child.kill())
    return timings


def report(load: Load, timings: Timings, counts: Counter[str], journal: Path) -> bool:
    """Print the figures; return whether the test passed."""
    handled = set(counts)
    lost, invented = len(load.valid - handled), len(handled - load.valid)
    twice = sum(times - 1 for times in counts.values())
    cuts, growth = quantiles(load.seconds, n=100), max(timings.growths)
    rate = len(load.seconds) / timings.sending
    journal_size = journal.stat().st_size / 2**20
    print(f"valid events           {len(load.valid):>8,}   answered with 200: {len(load.answered):,}")
    print(f"bad calls              {load.bad:>8,}   refused: {dict(sorted(load.refused.items()))}")
    print(f"sent again             {load.retried.total():>8,}   {dict(load.retried)}")
    print(f"handled                {len(counts):>8,}   lost {lost}, invented {invented}, twice {twice}")
    print(f"calls a second         {rate:>8,.0f}   all handled after {timings.total:.1f} s")
    print(f"answer, median and p99 {cuts[49] * 1000:>8.1f}   {cuts[98] * 1000:.1f} ms, on disk before it")
    print(f"recovery after SIGKILL {timings.recovery:>8.2f}   s")
    print(f"memory grew by at most {growth:>8.1f}   MiB; the journal has {journal_size:.1f}")
    passed = not lost and not invented and load.refused.total() == load.bad and growth < MAX_GROWTH
    print("passed" if passed else "FAILED")
    return passed


def main() -> int:
    if sys.argv[1:2] == ["--receive"]:
        asyncio.run(receive(*sys.argv[2:]))
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with tempfile.TemporaryDirectory() as name:
        directory, load = Path(name), Load()
        timings = asyncio.run(run(load, events, directory))
        counts = Counter((directory / "handled").read_text().split())
        return 0 if report(load, timings, counts, directory / "events.db") else 1


if __name__ == "__main__":
    sys.exit(main())
