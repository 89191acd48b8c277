"""A fake server on loopback: it records requests, and replies or breaks off as a test scripts it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec
from attrs import define, evolve, field, frozen
from yarl import URL

from koophone_async import AccessKey, Endpoints, Session

if TYPE_CHECKING:
    import ssl

Behaviour = Callable[["Connection"], Awaitable[bool]]
"""What the server does with one request on one connection; False ends the connection."""

ACCEPTED: Final = {"error_code": "0", "error_msg": "OK", "data": {"text": "done"}}


@frozen
class ReceivedRequest:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    """By lowercase name."""

    body: bytes = b""

    @property
    def line(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"

    @property
    def path(self) -> str:
        return URL(self.target, encoded=True).path

    @property
    def query(self) -> dict[str, str]:
        """The first value of each name."""
        return {name: values[0] for name, values in self.queries.items()}

    @property
    def queries(self) -> dict[str, list[str]]:
        """All values of each name."""
        query = URL(self.target, encoded=True).query
        return {name: query.getall(name) for name in query}

    @property
    def json(self) -> Any:  # noqa: ANN401 - what JSON holds
        """The body, or None where there is none."""
        return msgspec.json.decode(self.body) if self.body else None


@frozen
class Reply:
    """What a handler replies: a body, which is sent as JSON unless it is bytes."""

    body: object = b""
    status: int = 200
    headers: Mapping[str, str] = field(factory=dict[str, str])


Handler = Callable[[ReceivedRequest], Reply | Awaitable[Reply]]


@define(eq=False)
class Connection:
    """One connection of a client."""

    server: FakeServer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> ReceivedRequest:
        """Read the head of a request, and record it."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        head = ReceivedRequest(method, target, {name.lower(): value for name, value in headers.items()})
        self.server.received.append(head)
        self.server.reached.set()
        return head

    async def request(self, *, executed: bool) -> ReceivedRequest:
        """Read a request to its end, and count it as executed or not."""
        head = await self.head()
        place = len(self.server.received) - 1
        body = await self.reader.readexactly(int(head.headers.get("content-length", 0)))
        received = self.server.received[place] = evolve(head, body=body)
        self.server.executions += executed
        return received

    async def reply(self, status: int, body: bytes, **headers: str) -> None:
        """Write an answer."""
        lines = [f"HTTP/1.1 {status} Reply", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await self.writer.drain()

    def reset(self) -> bool:
        """Send a reset instead of an end."""
        plain: socket.socket = self.writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        return False


def _queue(behaviours: Iterable[Behaviour]) -> deque[Behaviour]:
    return deque(behaviours)


@define(eq=False)
class FakeServer:
    """Answers each request by the next behaviour, and by the default once all are used up."""

    behaviours: deque[Behaviour] = field(converter=_queue, factory=deque[Behaviour])
    tls: ssl.SSLContext | None = None
    default: Behaviour = field(factory=lambda: accept)

    received: list[ReceivedRequest] = field(factory=list[ReceivedRequest], init=False)
    executions: int = field(default=0, init=False)
    reached: asyncio.Event = field(factory=asyncio.Event, init=False)
    connections: list[asyncio.StreamWriter] = field(factory=list[asyncio.StreamWriter], init=False)
    port: int = field(default=0, init=False)
    _server: asyncio.Server | None = field(default=None, init=False)
    _tasks: set[asyncio.Task[None]] = field(factory=set["asyncio.Task[None]"], init=False)

    @classmethod
    def handling(cls, handler: Handler) -> Self:
        """Make a server whose replies a handler gives."""
        return cls(default=handled_by(handler))

    def queue(self, *bodies: object) -> None:
        """Reply to the next requests with these bodies, one each."""
        self.behaviours += (replies_with(Reply(body)) for body in bodies)

    def session(self, **options: Any) -> Session:  # noqa: ANN401 - those of Session
        """Return a session whose services are all here."""
        endpoints = Endpoints(self.url, self.url, self.url)
        defaults: dict[str, Any] = {"credentials": AccessKey("access", "secret"), "environ": {}}
        return Session(**defaults | options, endpoints=endpoints)

    @property
    def request_count(self) -> int:
        return len(self.received)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024, limit=2**20)
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
            if self.tls and not (self.behaviours and self.behaviours[0] is reset_in_handshake):
                await writer.start_tls(self.tls)
            while await (self.behaviours.popleft() if self.behaviours else self.default)(connection):
                pass
        writer.transport.abort()


async def accept(connection: Connection) -> bool:
    await connection.request(executed=True)
    await connection.reply(200, msgspec.json.encode(ACCEPTED))
    return True


def handled_by(handler: Handler) -> Behaviour:
    """Reply what a handler makes of each request."""

    async def behaviour(connection: Connection) -> bool:
        received = await connection.request(executed=True)
        reply = handler(received)
        if isinstance(reply, Awaitable):
            reply = await reply
        is_raw = isinstance(reply.body, bytes)
        body = reply.body if isinstance(reply.body, bytes) else msgspec.json.encode(reply.body)
        kind = {"Content-Type": f"application/{'octet-stream' if is_raw else 'json'}"} if body else {}
        await connection.reply(reply.status, body, **kind | dict(reply.headers))
        return True

    return behaviour


def replies_with(reply: Reply) -> Behaviour:
    """Reply the same to any request."""
    return handled_by(lambda _: reply)


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


def cut(
    status: int, body: bytes = b'{"error_code":"0","da', *, then: Callable[[Connection], object]
) -> Behaviour:
    """Send the head of an answer and a part of its body."""

    async def behaviour(connection: Connection) -> bool:
        await connection.request(executed=status < 300)
        connection.writer.write(b"HTTP/1.1 %d Reply\r\nContent-Length: 1000\r\n\r\n%b" % (status, body))
        await connection.writer.drain()
        then(connection)
        await asyncio.Event().wait()
        return False

    return behaviour


def close(connection: Connection) -> None:
    connection.writer.close()


def stay_silent(_: Connection) -> None:
    """Send nothing more, and leave the connection open."""


def replies(
    status: int, code: str | None = None, message: str = "", *, executed: bool = False, **headers: str
) -> Behaviour:
    """Reply with a status and a code, and count the request as executed or not."""

    async def behaviour(connection: Connection) -> bool:
        await connection.request(executed=executed)
        body: dict[str, Any] = {} if code is None else {"error_code": code, "error_msg": message}
        await connection.reply(status, msgspec.json.encode(body) if body else message.encode(), **headers)
        return True

    return behaviour
