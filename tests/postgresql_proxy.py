"""A proxy before a PostgreSQL server that cuts connections at a COMMIT, as a network may."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

_COMMIT: Final = b"COMMIT\0"
_SIZE: Final = 65536


class Cut(Enum):
    """What becomes of the next COMMIT."""

    BEFORE = auto()
    """The server never gets it."""

    AFTER = auto()
    """The server commits; its answer is lost."""

    LATE = auto()
    """The client's connection is cut, and the server gets it when it is asked for the transaction."""

    HELD = auto()
    """The client's connection is cut, and the server gets it when the proxy is released."""

    TWICE = auto()
    """As AFTER, and the connection that asks for the transaction is cut too."""


@define(eq=False)
class Proxy:
    """Forwards connections to the socket of a server."""

    _socket: Path
    port: int = field(default=0, init=False)
    cut: Cut | None = field(default=None, init=False)
    cuts: int = field(default=0, init=False)
    """Number of connections that were cut."""

    at_cut: Callable[[], object] = field(default=lambda: None, init=False)
    """Called in a thread when the server's connection is closed, and the client's is not yet."""

    released: asyncio.Event = field(factory=asyncio.Event, init=False)
    """To be set for what is held."""

    _frozen: asyncio.Event = field(factory=asyncio.Event, init=False)
    _cuts_questions: bool = field(default=False, init=False)
    _late: asyncio.Event = field(factory=asyncio.Event, init=False)

    @classmethod
    @asynccontextmanager
    async def run(cls, socket: Path) -> AsyncGenerator[Proxy]:
        """Run a proxy on a port of loopback until the context ends."""
        proxy = cls(socket)
        server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
        async with server:
            proxy.port = server.sockets[0].getsockname()[1]
            yield proxy

    def url(self, database: str) -> str:
        """Return the URL of a database behind the proxy."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def freeze(self) -> None:
        """Forward nothing more on the connections that are open now, and keep them open."""
        self._frozen.set()
        self._frozen = asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self._socket)
        answers = asyncio.create_task(self._forward_answers(server_reader, writer))
        frozen = self._frozen
        try:
            while data := await reader.read(_SIZE):
                if frozen.is_set():
                    continue
                if b"pg_xact_status" in data:
                    self._late.set()
                    if self._cuts_questions:
                        self._cuts_questions = False
                        return
                if self.cut is not None and _COMMIT in data:
                    answers.cancel()
                    await self._commit(data, writer, server_reader, server_writer)
                    return
                server_writer.write(data)
        except ConnectionError:
            pass
        finally:
            answers.cancel()
            writer.close()
            server_writer.close()

    async def _forward_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(_SIZE):
                writer.write(data)
        writer.close()

    async def _commit(
        self,
        data: bytes,
        client: asyncio.StreamWriter,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        cut, self.cut = self.cut, None
        self.cuts += 1
        if cut is Cut.BEFORE:
            writer.close()
            await writer.wait_closed()
            await asyncio.to_thread(self.at_cut)
            return
        if cut in (Cut.LATE, Cut.HELD):
            client.close()
            await (self._late if cut is Cut.LATE else self.released).wait()
        self._cuts_questions = cut is Cut.TWICE
        writer.write(data)
        while _COMMIT not in await reader.read(_SIZE):
            pass
