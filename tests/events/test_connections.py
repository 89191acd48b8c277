"""Connections of strangers to `serve`: bounds, deadlines, and what is logged and answered."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import pytest
from attrs import define, field

from koophone_async.events import HEARTBEAT, VERIFY, Limits, Reason, Receiver, serialize, serve
from koophone_async.events.connections import connection_bounds, network_of
from koophone_async.virtual_time import VirtualTimeLoop
from tests.events.samples import Recorder, access, beat

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from datetime import datetime

CANARY: Final = "canary5417"
HEAD: Final = f"POST {HEARTBEAT.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()


@define(eq=False)
class Stranger:
    """A connection that sends what it likes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def status(self) -> int:
        """Return the status of the next answer, or 0 if the connection was closed."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await self.reader.readexactly(int(length.partition(b":")[2]))
            return int(head.split()[1])
        return 0

    async def everything(self) -> bytes:
        """Return what is sent until the connection is closed."""
        with suppress(ConnectionError):
            return await self.reader.read()
        return b""

    async def closes_after(self) -> float:
        """Return the seconds until the connection is closed."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        await self.everything()
        return loop.time() - start


def call() -> bytes:
    body = serialize(beat())
    return HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


@define
class Served:
    """A receiver that is served, and the connections to it."""

    port: int
    strangers: list[Stranger] = field(factory=list[Stranger])

    async def connect(self, host: str = "127.0.0.1", source: str | None = None) -> Stranger:
        local = (source, 0) if source else None
        stranger = Stranger(*await asyncio.open_connection(host, self.port, local_addr=local))
        self.strangers.append(stranger)
        return stranger


@asynccontextmanager
async def served(receiver: Receiver, host: str = "127.0.0.1") -> AsyncGenerator[Served]:
    async with serve(receiver, host) as address:
        server = Served(int(address.rpartition(":")[2]))
        try:
            yield server
        finally:
            for stranger in server.strangers:
                stranger.writer.transport.abort()
            await asyncio.sleep(0)


def receiver_with(**limits: Any) -> Receiver:  # noqa: ANN401 - passed on to Limits
    receiver = Receiver(limits=Limits(**limits), now=VirtualTimeLoop.running().now)
    Recorder().attach(receiver)
    return receiver


@pytest.mark.parametrize(
    "sent", [b"", b"P", HEAD, b"\r\n"], ids=["nothing", "a letter", "half", "empty line"]
)
async def test_a_connection_without_a_complete_head_is_closed(sent: bytes) -> None:
    async with served(receiver := receiver_with(head_timeout=10)) as server:
        stranger = await server.connect()
        stranger.send(sent)

        assert await stranger.closes_after() == pytest.approx(10, abs=0.1)
    assert receiver.counts.dropped_connections == 1


async def test_a_head_that_trickles_does_not_extend_its_deadline() -> None:
    async def trickle(stranger: Stranger) -> None:
        while True:
            stranger.send(b"X-More: 1\r\n")
            await asyncio.sleep(1)

    async with served(receiver_with(head_timeout=10)) as server:
        stranger = await server.connect()
        stranger.send(HEAD)
        trickling = asyncio.create_task(trickle(stranger))

        assert await stranger.closes_after() == pytest.approx(10, abs=0.1)
        trickling.cancel()


@pytest.mark.parametrize("sent", [b"", HEAD], ids=["nothing", "half a head"])
async def test_an_idle_connection_is_closed(sent: bytes) -> None:
    async with served(receiver_with(head_timeout=10, idle_timeout=75)) as server:
        stranger = await server.connect()
        stranger.send(call())
        assert await stranger.status() == 200
        stranger.send(sent)

        assert await stranger.closes_after() == pytest.approx(75, abs=0.1)


async def test_a_connection_that_is_used_stays_open() -> None:
    async with served(receiver_with(head_timeout=10, idle_timeout=75)) as server:
        stranger = await server.connect()
        for _ in range(5):
            stranger.send(call())
            assert await stranger.status() == 200
            await asyncio.sleep(60)


async def test_a_connection_that_reads_no_answers_is_closed() -> None:
    async with served(receiver := receiver_with(idle_timeout=75)) as server:
        stranger = await server.connect()
        stranger.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a socket's
        for _ in range(60):
            stranger.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2_000)
            await asyncio.sleep(0.1)
        await asyncio.sleep(200)

        assert receiver.counts.dropped_connections == 1
        stranger.writer.transport.abort()


async def test_the_connection_that_waits_longest_makes_room(caplog: pytest.LogCaptureFixture) -> None:
    receiver = receiver_with(connections=10, connections_per_address=3, head_timeout=60)
    async with served(receiver) as server:
        silent = [await server.connect() for _ in range(6)]
        closed = [await stranger.everything() for stranger in silent[:3]]
        honest = await server.connect()
        honest.send(call())

        assert closed == [b""] * 3
        assert await honest.status() == 200
        assert asyncio.get_running_loop().time() < 1
        assert receiver.counts.dropped_connections == 4
    assert caplog.messages == ["too many connections: of 3 some are closed"]


async def test_the_largest_sender_makes_room_for_another() -> None:
    receiver = receiver_with(connections=5, connections_per_address=5, head_timeout=60)
    async with served(receiver) as server:
        few = [await server.connect(source="127.0.0.2") for _ in range(1)]
        many = [await server.connect(source=f"127.0.0.{3 + number // 2}") for number in range(4)]
        other = await server.connect(source="127.0.0.9")
        other.send(call())
        few[0].send(call())

        assert await many[0].everything() == b""
        assert [await other.status(), await few[0].status()] == [200, 200]
        assert receiver.counts.dropped_connections == 1


async def test_a_call_that_is_being_answered_is_not_dropped() -> None:
    receiver = receiver_with(connections_per_address=2)
    async with served(receiver) as server:
        busy = [await server.connect() for _ in range(2)]
        for stranger in busy:
            stranger.send(call()[:-1])
        await asyncio.sleep(0.1)
        refused = await server.connect()
        assert await refused.everything() == b""
        for stranger in busy:
            stranger.send(call()[-1:])

        assert [await stranger.status() for stranger in busy] == [200, 200]
        assert receiver.counts.dropped_connections == 1


async def test_a_closed_connection_makes_room(caplog: pytest.LogCaptureFixture) -> None:
    receiver = receiver_with(connections=4, head_timeout=10)
    async with served(receiver) as server:
        silent = [await server.connect() for _ in range(2)]
        silent[1].writer.close()
        await asyncio.sleep(0.1)
        honest = await server.connect()
        honest.send(call())

        assert await honest.status() == 200
        assert receiver.counts.dropped_connections == 0
    assert caplog.messages == []


async def test_a_flood_of_connections_is_logged_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    receiver = receiver_with(connections=4, head_timeout=60)
    async with served(receiver) as server:
        for _ in range(5):
            for _ in range(50):
                await server.connect()
            await asyncio.sleep(0.5)
        assert receiver.counts.dropped_connections == 248

    assert 2 <= len(caplog.messages) <= 3


@contextmanager
def no_descriptors() -> Generator[None]:
    """Use up the descriptors of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        with suppress(OSError):
            while True:
                used.append(os.dup(0))
        yield
    finally:
        for descriptor in used:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_accept_errors_are_logged_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)  # noqa: FBT003 - the standard library's
        async with served(receiver_with(head_timeout=60)) as server:
            with no_descriptors():
                await loop.sock_connect(client, ("127.0.0.1", server.port))
                await asyncio.sleep(10)
            assert 9 <= len(caplog.messages) <= 11
            assert set(caplog.messages) == {"connections cannot be accepted: Too many open files"}

            await loop.sock_sendall(client, call())
            assert (await loop.sock_recv(client, 1000)).startswith(b"HTTP/1.1 200 OK\r\n")


def test_connections_leave_descriptors_to_the_process() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limits = Limits(connections=1_000, connections_per_address=600)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        few = connection_bounds(limits)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert few == (136, 68)
    assert connection_bounds(Limits(connections=10, connections_per_address=10)) == (10, 5)


def test_connections_need_no_limit_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    def unlimited(_: int) -> tuple[int, int]:
        return resource.RLIM_INFINITY, resource.RLIM_INFINITY

    monkeypatch.setattr(resource, "getrlimit", unlimited)

    assert connection_bounds(Limits(connections=10_000, connections_per_address=6_000)) == (10_000, 5_000)


async def test_a_connection_that_is_gone_before_it_is_accepted_delays_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accept, gone = socket.socket.accept, [ConnectionAbortedError()] * 3

    def flaky(listening: socket.socket) -> tuple[socket.socket, Any]:
        if gone:
            raise gone.pop()
        return accept(listening)

    monkeypatch.setattr(socket.socket, "accept", flaky)
    async with served(receiver_with()) as server:
        honest = await server.connect()
        honest.send(call())
        assert await honest.status() == 200
        assert asyncio.get_running_loop().time() < 1

    assert (gone, caplog.messages) == ([], [])


@pytest.mark.parametrize(
    "one, other, same",
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_addresses_of_one_network_are_counted_together(one: str, other: str, same: bool) -> None:  # noqa: FBT001
    assert (network_of(one) == network_of(other)) is same


REQUESTS: Final = (
    f"{CANARY} / HTTP/1.1\r\nHost: x\r\n\r\n",
    f"GET /{CANARY} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    f"GET http://{CANARY}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: {CANARY}\r\nConnection: close\r\nUser-Agent: {CANARY}\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: x\r\n{CANARY}\r\n\r\n",
    f"GET / HTTP/{CANARY}\r\nHost: x\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: x\r\nX-{CANARY}: {'x' * 100_000}\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\n" + f"X: {CANARY}\r\n" * 1_000 + "\r\n",
    f"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: {CANARY}\r\n\r\n",
    f"POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {CANARY}\r\n\r\n",
    f"POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{CANARY}\r\n",
    f"POST /events HTTP/1.1\r\nHost: x\r\nExpect: {CANARY}\r\nConnection: close\r\n\r\n",
    f"POST /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\n{CANARY}",
    f"\x16\x03\x01{CANARY}",
)


@pytest.mark.parametrize("request_text", REQUESTS, ids=range(len(REQUESTS)))
async def test_nothing_of_a_stranger_is_logged_and_no_version_told(
    request_text: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with served(receiver_with()) as server:
        stranger = await server.connect()
        stranger.send(request_text.encode())
        answer = await stranger.everything()

    assert CANARY not in caplog.text
    assert b"python" not in answer.lower()
    assert b"aiohttp" not in answer.lower()
    assert CANARY.encode() not in answer or b"417" in answer.split(b"\r\n")[0]


async def test_an_unexpected_error_is_logged_by_type_and_place(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> datetime:
        raise ValueError(CANARY)

    receiver = Receiver(now=broken, presence=receiver_with().presence)
    body = serialize(access(receiver.cipher))
    head = f"POST {VERIFY.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with served(receiver) as server:
        stranger = await server.connect()
        stranger.send(head + body)
        answer = await stranger.everything()

    assert answer.startswith(b"HTTP/1.1 500 ")
    assert receiver.counts.refused == {Reason.FAILED: 1}
    assert caplog.messages[0].startswith("a call could not be answered: ValueError at test_connections.py:")
    assert CANARY not in caplog.text


async def test_an_error_within_the_server_is_logged_by_type_and_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> str:
        raise ValueError(CANARY)

    receiver = receiver_with()
    receiver.request_id = broken
    async with served(receiver) as server:
        stranger = await server.connect()
        stranger.send(call())

        assert await stranger.everything() == b""
    assert "a connection failed: ValueError at test_connections.py:" in caplog.text
    assert CANARY not in caplog.text


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - what is warned of
async def test_serving_others_warns_what_is_needed(host: str, caplog: pytest.LogCaptureFixture) -> None:
    async with served(receiver_with(), host):
        (warning,) = caplog.messages

    assert warning == (
        f"listening at {host} by plain HTTP: put a proxy in front that terminates TLS and admits only phones"
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_serving_loopback_warns_of_nothing(host: str, caplog: pytest.LogCaptureFixture) -> None:
    async with served(receiver_with(), host):
        assert caplog.messages == []


async def test_a_host_with_two_addresses_has_one_port() -> None:
    async with served(receiver_with(), "localhost") as server:
        stranger = await server.connect("localhost")
        stranger.send(call())

        assert await stranger.status() == 200


async def test_an_address_in_use_leaves_no_socket_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied, pytest.raises(OSError, match="in use"):
        async with serve(Receiver(), port=occupied.getsockname()[1]):
            raise AssertionError
