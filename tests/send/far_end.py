"""A service on loopback that breaks at one exact point, counts what arrives and counts what it does."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec
from attrs import define, field, frozen

if TYPE_CHECKING:
    import ssl

Turn = Callable[["Connection"], Awaitable[bool]]
"""What the service does with one request on one connection; tells whether the connection goes on."""

TAKEN: Final = {"error_code": "0", "error_msg": "OK", "data": {"said": "done"}}


@frozen
class Arrival:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@define(eq=False)
class Connection:
    """One connection, seen from the service."""

    far: FarEnd
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> Arrival:
        """Read the head of a request and count it."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        arrival = Arrival(method, target, {name.lower(): value for name, value in headers.items()}, b"")
        self.far.arrivals.append(arrival)
        self.far.arrived.set()
        return arrival

    async def request(self, *, executed: bool) -> None:
        """Read a whole request, and do what it says or not."""
        head = await self.head()
        body = await self.reader.readexactly(int(head.headers.get("content-length", 0)))
        self.far.arrivals[-1] = Arrival(head.method, head.target, head.headers, body)
        self.far.executions += executed

    async def answer(self, status: int, body: bytes, **headers: str) -> None:
        """Write an answer."""
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await self.writer.drain()

    def reset(self) -> bool:
        """Send a reset instead of an end."""
        plain: socket.socket = self.writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        return False


def _queue(turns: Iterable[Turn]) -> deque[Turn]:
    return deque(turns)


@define(eq=False)
class FarEnd:
    """Serves one turn after the other, and when all are used up does the usual: answer that all is well."""

    turns: deque[Turn] = field(converter=_queue, factory=deque[Turn])
    tls: ssl.SSLContext | None = None
    usual: Turn = field(factory=lambda: well)
    """What it does once the turns are used up."""

    arrivals: list[Arrival] = field(factory=list[Arrival], init=False)
    executions: int = field(default=0, init=False)
    arrived: asyncio.Event = field(factory=asyncio.Event, init=False)
    connections: list[asyncio.StreamWriter] = field(factory=list[asyncio.StreamWriter], init=False)
    port: int = field(default=0, init=False)
    _server: asyncio.Server | None = field(default=None, init=False)
    _tasks: set[asyncio.Task[None]] = field(factory=set["asyncio.Task[None]"], init=False)

    @property
    def requests(self) -> int:
        return len(self.arrivals)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self.connections:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections.append(writer)
        connection = Connection(self, reader, writer)
        with suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            if self.tls and not (self.turns and self.turns[0] is reset_in_handshake):
                await writer.start_tls(self.tls)
            while await (self.turns.popleft() if self.turns else self.usual)(connection):
                pass
        writer.transport.abort()


async def well(connection: Connection) -> bool:
    await connection.request(executed=True)
    await connection.answer(200, msgspec.json.encode(TAKEN))
    return True


async def reset_in_handshake(connection: Connection) -> bool:
    await connection.reader.read(1)
    return connection.reset()


async def reset_unread(connection: Connection) -> bool:
    await connection.reader.read(1)
    return connection.reset()


async def reset_after_head(connection: Connection) -> bool:
    await connection.head()
    return connection.reset()


async def reset_after_request(connection: Connection) -> bool:
    await connection.request(executed=True)
    return connection.reset()


async def close_after_request(connection: Connection) -> bool:
    await connection.request(executed=True)
    connection.writer.close()
    return False


async def garbage(connection: Connection) -> bool:
    await connection.request(executed=True)
    connection.writer.write(b"device_token=dee5081f40c83ddea3ded91c387351e9\r\n\r\n")
    await connection.writer.drain()
    connection.writer.close()
    await connection.writer.wait_closed()
    return False


async def stall(connection: Connection) -> bool:
    await connection.request(executed=True)
    await asyncio.Event().wait()
    return False


def cut(status: int, body: bytes = b'{"error_code":"0","da', *, then: Callable[[Connection], object]) -> Turn:
    """Give the head of an answer and a part of its body."""

    async def turn(connection: Connection) -> bool:
        await connection.request(executed=status < 300)
        connection.writer.write(b"HTTP/1.1 %d Said\r\nContent-Length: 1000\r\n\r\n%b" % (status, body))
        await connection.writer.drain()
        then(connection)
        await asyncio.Event().wait()
        return False

    return turn


def end(connection: Connection) -> None:
    connection.writer.close()


def silence(_: Connection) -> None:
    """Say nothing more."""


def says(
    status: int, code: str | None = None, message: str = "", *, executed: bool = False, **headers: str
) -> Turn:
    """Answer with a status and a code, having done the request or not."""

    async def turn(connection: Connection) -> bool:
        await connection.request(executed=executed)
        body: dict[str, Any] = {} if code is None else {"error_code": code, "error_msg": message}
        await connection.answer(status, msgspec.json.encode(body) if body else message.encode(), **headers)
        return True

    return turn
