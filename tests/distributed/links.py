"""Network links that can be cut: between a worker and its database, or between a worker and the cloud."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

Address = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_SIZE: Final = 65536


@define(eq=False)
class Link:
    """Forwards connections from a port of loopback, as long as it is not cut."""

    _connect: Callable[[], Awaitable[Address]]
    port: int = field(default=0, init=False)
    is_cut: bool = field(default=False, init=False)
    _open: set[asyncio.StreamWriter] = field(factory=set[asyncio.StreamWriter], init=False)

    @classmethod
    @asynccontextmanager
    async def to(cls, connect: Callable[[], Awaitable[Address]]) -> AsyncGenerator[Link]:
        """Open a link to wherever `connect` connects, until the context ends."""
        link = cls(connect)
        server = await asyncio.start_server(link._serve, "127.0.0.1", 0)
        async with server:
            link.port = server.sockets[0].getsockname()[1]
            try:
                yield link
            finally:
                link.cut()

    def cut(self) -> None:
        """Reset all connections, and those that come until `restore`."""
        self.is_cut = True
        for writer in self._open:
            writer.transport.abort()

    def restore(self) -> None:
        """Forward connections again."""
        self.is_cut = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self.is_cut:
                return
            there_reader, there_writer = await self._connect()
            self._open.add(there_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(_forward(reader, there_writer))
                group.create_task(_forward(there_reader, writer))
            self._open.discard(there_writer)
        except OSError:
            pass  # the database is being restarted
        finally:
            self._open.discard(writer)
            writer.transport.abort()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_SIZE):
            writer.write(data)
            await writer.drain()
    writer.close()
