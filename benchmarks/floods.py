"""Floods of the event receiver by a stranger: what an honest caller notices, and what the flood costs.

The receiver runs in a separate process that may have 200 descriptors. For some seconds a stranger sends what
it likes, from one address or many, while a phone sends an access and a heartbeat ten times a second.
Memory and descriptors of the receiver are sampled meanwhile, and its stderr is counted.

    python -m benchmarks.floods [SECONDS]
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import aiohttp
from attrs import define, evolve, field

from benchmarks.events import JSON, memory
from koophone_async.events import (
    Access,
    Cipher,
    Event,
    GameEntered,
    Grant,
    Heartbeat,
    Receiver,
    serialize,
    serve,
)

if TYPE_CHECKING:
    from asyncio.subprocess import Process

SECONDS: Final = 12.0
DESCRIPTORS: Final = 200
STRANGER: Final = "127.0.0.2"
PHONE: Final = "127.0.0.3"
KEY: Final = bytes(32)
TICKET: Final = "the ticket of "
MAX_GROWTH: Final = 128.0
"""Maximum memory growth of the receiver in MiB: a queue of 64 MiB, and heads of 128 connections."""

Flood: TypeAlias = Callable[[int], Awaitable[None]]


def access(session: str, ticket: str, ahead: timedelta = timedelta(minutes=1)) -> Access:
    iv, data = Cipher().encrypt(KEY, os.urandom(12), b"content")
    return Access(session, ticket, int((datetime.now(UTC) + ahead).timestamp() * 1000), data, iv)


async def receive(journal: str) -> None:
    """Run the receiver: its handlers never return, so that every event stays in the queue."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    receiver = Receiver(journal=journal or None)

    async def stuck(_: Event) -> None:
        await asyncio.Event().wait()

    receiver.on_enter(stuck)

    @receiver.on_verify
    async def lookup(request: Access) -> Grant:
        return Grant(KEY, TICKET + request.session)

    async with serve(receiver) as address:
        sys.stdout.write(address + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


async def connect(port: int, address: str = STRANGER) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))


async def silent(port: int) -> None:
    """Open 195 connections, and open a new one for each that is closed."""

    async def one() -> None:
        while True:
            with suppress(OSError):
                reader, writer = await connect(port)
                await reader.read()
                writer.close()
            await asyncio.sleep(0.01)

    await asyncio.gather(*(one() for _ in range(195)))


async def many_addresses(port: int) -> None:
    """Do the same, each time from another one of 65,000 addresses."""
    numbers = count()

    async def one() -> None:
        while True:
            number = next(numbers) % 65_000
            with suppress(OSError):
                reader, writer = await connect(port, f"127.1.{number // 250}.{number % 250 + 1}")
                await reader.read()
                writer.close()
            await asyncio.sleep(0.01)

    await asyncio.gather(*(one() for _ in range(195)))


async def kept_alive(port: int) -> None:
    """Send a request a second on each of 195 connections, so that none of them is idle."""

    async def one() -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await connect(port)
                while True:
                    writer.write(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
                    await reader.readuntil(b"\r\n\r\n")
                    await asyncio.sleep(1)
            await asyncio.sleep(0.01)

    await asyncio.gather(*(one() for _ in range(195)))


async def half_heads(port: int) -> None:
    """Send the beginning of a head as long as it may be, and a byte a second more."""

    async def one() -> None:
        while True:
            with suppress(OSError):
                _, writer = await connect(port)
                writer.write(b"POST /events HTTP/1.1\r\n" + b"".join(
                    b"X-%d: %s\r\n" % (number, b"x" * 4_000) for number in range(60)
                ))  # fmt: skip
                for _ in range(15):
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(1)

    await asyncio.gather(*(one() for _ in range(195)))


async def churn(port: int) -> None:
    """Open and close connections as fast as possible."""

    async def one() -> None:
        while True:
            with suppress(OSError):
                _, writer = await connect(port)
                writer.transport.abort()

    await asyncio.gather(*(one() for _ in range(50)))


async def unread(port: int) -> None:
    """Send requests without reading their answers."""

    async def one() -> None:
        with suppress(OSError):
            _, writer = await connect(port)
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a socket's
            while True:
                writer.write(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
                await writer.drain()

    await asyncio.gather(*(one() for _ in range(30)))


async def slow_bodies(port: int) -> None:
    """Send bodies at one byte a second."""

    async def one() -> None:
        while True:
            with suppress(OSError):
                _, writer = await connect(port)
                writer.write(b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n")
                for _ in range(60):
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(1)

    await asyncio.gather(*(one() for _ in range(195)))


def posting(path: str, body: Callable[[int], bytes]) -> Flood:
    """Return a flood of well-formed requests."""

    async def flood(port: int) -> None:
        numbers = count()
        connector = aiohttp.TCPConnector(local_addr=(STRANGER, 0), limit=50)

        async def one(client: aiohttp.ClientSession) -> None:
            while True:
                with suppress(aiohttp.ClientError):
                    url = f"http://127.0.0.1:{port}{path}"
                    async with client.post(url, data=body(next(numbers)), headers=JSON) as answer:
                        await answer.read()

        async with aiohttp.ClientSession(connector=connector) as client:
            await asyncio.gather(*(one(client) for _ in range(50)))

    return flood


def large_event(number: int) -> bytes:
    entered = GameEntered(
        "phone", "game", f"s{number}", datetime.now(UTC), error="x" * 30_000, ticket="t" * 4_000
    )
    return serialize(entered)


def forged_access(number: int) -> bytes:
    return serialize(access("s", f"forged {number}", timedelta(hours=23)))


def captured(number: int) -> bytes:
    return serialize(evolve(CAPTURED, ticket=f"another {number}"))


CAPTURED: Final = access("s", TICKET + "s")
FLOODS: Final[dict[str, tuple[Flood, bool]]] = {
    "nothing": (lambda _: asyncio.sleep(0), False),
    "silent connections": (silent, False),
    "from 65,000 addresses": (many_addresses, False),
    "kept alive": (kept_alive, False),
    "half heads of 240 kB": (half_heads, False),
    "connections at once": (churn, False),
    "unread answers": (unread, False),
    "slow bodies": (slow_bodies, False),
    "events of 34 kB, memory": (posting("/events", large_event), False),
    "events of 34 kB, journal": (posting("/events", large_event), True),
    "forged tickets": (posting("/verify", forged_access), False),
    "a captured access": (posting("/verify", captured), False),
}
"""Floods by what they send, and whether the receiver has a journal."""


@define
class Figures:
    """What a flood costs, and what the phone notices of it."""

    base: float
    memory: float = 0.0
    descriptors: int = 0
    statuses: Counter[int] = field(factory=Counter[int])
    seconds: list[float] = field(factory=list[float])

    async def sample(self, process: Process) -> None:
        """Sample memory and descriptors until cancelled."""
        while True:
            self.memory = max(self.memory, memory(process.pid, "VmRSS") - self.base)
            self.descriptors = max(self.descriptors, len(os.listdir(f"/proc/{process.pid}/fd")))  # noqa: PTH208
            await asyncio.sleep(0.05)

    async def probe(self, port: int) -> None:
        """Send an access and a heartbeat ten times a second until cancelled, each on a new connection."""
        for session in map("own {}".format, count()):
            beat = Heartbeat("phone1", at=datetime.now(UTC), app="game", session=session)
            for path, call in (("/verify", access(session, TICKET + session)), ("/heartbeats", beat)):
                began = time.perf_counter()
                self.statuses[await status_of(port, path, serialize(call))] += 1
                self.seconds.append(time.perf_counter() - began)
            await asyncio.sleep(0.1)


async def status_of(port: int, path: str, body: bytes) -> int:
    connector = aiohttp.TCPConnector(local_addr=(PHONE, 0), force_close=True)
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as client,
            client.post(f"http://127.0.0.1:{port}{path}", data=body, headers=JSON) as answer,
        ):
            return answer.status
    except (aiohttp.ClientError, TimeoutError):
        return 0


async def measure(name: str, seconds: float, directory: Path) -> tuple[Figures, int]:
    """Run a flood; return its figures and the size of what the receiver printed to stderr."""
    flood, has_journal = FLOODS[name]
    journal = str(directory / f"{name}.db") if has_journal else ""
    with (directory / "stderr").open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.floods", "--receive", journal),
            stdout=asyncio.subprocess.PIPE, stderr=stderr,
        )  # fmt: skip
    line = await process.stdout.readline() if process.stdout else b""
    port = int(line.rpartition(b":")[2])
    figures = Figures(memory(process.pid, "VmRSS"))
    work = [figures.sample(process), figures.probe(port), flood(port)]
    tasks = [asyncio.ensure_future(each) for each in work]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    process.kill()
    await process.wait()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return figures, (directory / "stderr").stat().st_size


async def run(seconds: float) -> bool:
    """Print the figures of all floods; return whether all of them passed."""
    print(f"{'flood':26}{'honest 200':>12}{'others':>22}{'p99 ms':>9}{'MiB':>7}{'fds':>5}{'stderr B':>10}")
    passed = True
    with tempfile.TemporaryDirectory() as directory:
        for name in FLOODS:
            figures, printed = await measure(name, seconds, Path(directory))
            good, total = figures.statuses[200], figures.statuses.total()
            others = {status: count for status, count in figures.statuses.items() if status != 200}
            p99 = sorted(figures.seconds)[int(len(figures.seconds) * 0.99)] * 1000
            share = f"{good}/{total}"
            print(
                f"{name:26}{share:>12}{others or ''!s:>22}{p99:>9.0f}{figures.memory:>7.1f}"
                f"{figures.descriptors:>5}{printed:>10}"
            )
            passed &= good > 0.9 * total and figures.memory < MAX_GROWTH and figures.descriptors < DESCRIPTORS
    print("passed" if passed else "FAILED")
    return passed


def main() -> int:
    if sys.argv[1:2] == ["--receive"]:
        asyncio.run(receive(sys.argv[2]))
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    return 0 if asyncio.run(run(seconds)) else 1


if __name__ == "__main__":
    sys.exit(main())
