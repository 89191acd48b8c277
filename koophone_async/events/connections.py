"""The connections of `serve`: how many there may be, and how long each may keep the receiver waiting.

A connection costs a descriptor, whether or not anything comes over it. Where they run out, no other one can
be accepted: so there are bounds, in all and by address, and a deadline for every wait for the sender. At a
bound the connection that has waited longest for its sender makes room for the new one, so that silent ones
shut out nobody.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import Counter, defaultdict
from ipaddress import IPv6Address
from math import inf
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp import web
from attrs import define, field

from koophone_async.events.callbacks import describe
from koophone_async.events.errors import Reason
from koophone_async.events.web import response

if sys.platform == "win32":  # pragma: no cover - it has no such limit
    resource = None
else:
    import resource

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from koophone_async.events.limits import Limits
    from koophone_async.events.receiver import Receiver

LOG: Final = logging.getLogger(__name__)

_OTHER_DESCRIPTORS: Final = 64
"""Descriptors that are left to the rest of the process: files, the journal, connections of handlers."""

_MAX_HEADERS: Final = 64
_MAX_HEADER_SIZE: Final = 4_096
"""Bytes; with the number of headers, what an unfinished head can take of the memory."""

_LOG_INTERVAL: Final = 1.0
"""Minimum seconds between two log lines on refused connections, and between two failed attempts."""


class Connection(web.RequestHandler):
    """A connection that is closed when the next request head, or the reading of an answer, takes too long."""

    __slots__ = ("_abort", "_receiver", "_room", "_timer")

    def __init__(self, server: web.Server, receiver: Receiver, room: Room) -> None:
        """Create the protocol of a connection, which leaves its room when it is closed."""
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            logger=LOG,
            max_headers=_MAX_HEADERS,
            max_field_size=_MAX_HEADER_SIZE,
            max_line_size=_MAX_HEADER_SIZE,
        )
        self._receiver = receiver
        self._room = room
        self._abort: Callable[[], None]
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to wait for the first head."""
        super().connection_made(transport)
        self._abort = cast("asyncio.Transport", transport).abort
        self._wait(self._receiver.limits.head_timeout)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Make room for another connection."""
        self.stop_waiting()
        super().connection_lost(exc)
        self._room.leave(self)

    def wait_for_next(self) -> None:
        """Wait until the answer is read and the head of the next request is complete."""
        self._wait(self._receiver.limits.idle_timeout)

    def stop_waiting(self) -> None:
        """End the wait: a head is complete, and what follows has deadlines of its own."""
        self._room.stop_waiting(self)
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _wait(self, seconds: float) -> None:
        self.stop_waiting()
        if self.transport is not None:
            self._room.wait(self)
            self._timer = asyncio.get_running_loop().call_later(seconds, self.drop)

    def drop(self) -> None:
        """Close the connection at once, whatever it waits for."""
        self._receiver.counts.dropped_connections += 1
        self._room.leave(self)
        self._abort()  # not close(), which waits until everything is sent

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that is not HTTP, or whose handling failed, and quote nothing of it."""
        del request, message
        if status >= 500 and exc is not None:
            LOG.error("a call could not be answered: %s", describe(exc))
        refused = response(self._receiver.refuse(Reason.REQUEST if status < 500 else Reason.FAILED))
        refused.force_close()
        return refused

    def log_access(self, request: web.BaseRequest, response: web.StreamResponse, time: float | None) -> None:
        """Log nothing: the line of aiohttp has the path and headers, which are a stranger's."""

    def log_exception(self, *args: Any, **kw: Any) -> None:  # noqa: ANN401 - as in aiohttp
        """Log where an error occurred; the text of aiohttp would quote the request."""
        error = kw.get("exc_info")
        LOG.error("a connection failed: %s", describe(error) if isinstance(error, BaseException) else args[0])


@define(eq=False)
class Room:
    """The open connections by network, and those that wait for their sender."""

    _limits: Limits
    _networks: dict[Connection, str] = field(factory=dict["Connection", str], init=False)
    _sizes: Counter[str] = field(factory=Counter[str], init=False)
    """Number of connections by network."""

    _waiting: dict[str, dict[Connection, None]] = field(
        factory=lambda: defaultdict[str, "dict[Connection, None]"](dict), init=False
    )
    """Those that wait, by network, longest first."""

    def __len__(self) -> int:
        return len(self._networks)

    def crowded(self, network: str) -> str | None:
        """Return the network that must make room for a connection of a network; None if there is room."""
        total, per_network = connection_bounds(self._limits)
        if self._sizes[network] >= per_network:
            return network
        return None if len(self) < total else max(self._sizes, key=self._sizes.__getitem__)

    def drop_longest(self, network: str) -> bool:
        """Close the connection of a network that has waited longest; return whether one waits."""
        longest = next(iter(self._waiting.get(network, ())), None)
        if longest is not None:
            longest.drop()
        return longest is not None

    def enter(self, connection: Connection, network: str) -> None:
        """Add a connection."""
        self._networks[connection] = network
        self._sizes[network] += 1

    def leave(self, connection: Connection) -> None:
        """Remove a connection; it may have been removed already."""
        self.stop_waiting(connection)
        network = self._networks.pop(connection, None)
        if network is not None:
            self._sizes[network] -= 1
            if not self._sizes[network]:
                del self._sizes[network]

    def wait(self, connection: Connection) -> None:
        """Note that a connection waits from now on, unless it has left."""
        if connection in self._networks:
            self._waiting[self._networks[connection]][connection] = None

    def stop_waiting(self, connection: Connection) -> None:
        """Note that a connection does not wait any more."""
        network = self._networks.get(connection)
        if network is not None and network in self._waiting:
            self._waiting[network].pop(connection, None)
            if not self._waiting[network]:
                del self._waiting[network]


@define(eq=False)
class Listener:
    """Accepts connections within the limits of a receiver."""

    _receiver: Receiver
    _server: web.Server
    _sockets: list[socket.socket]
    _tasks: list[asyncio.Task[None]] = field(factory=list["asyncio.Task[None]"], init=False)
    _room: Room = field(init=False)
    _logged_at: float = field(default=float("-inf"), init=False)

    def start(self) -> None:
        """Accept connections until `close`."""
        self._room = Room(self._receiver.limits)
        self._tasks = [asyncio.create_task(self._accept(listening)) for listening in self._sockets]

    async def close(self) -> None:
        """Stop accepting, and wait for the calls that are being answered."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for listening in self._sockets:
            listening.close()
        self._server.pre_shutdown()
        await self._server.shutdown(self._receiver.limits.body_timeout + self._receiver.limits.lookup_timeout)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listening)
            except ConnectionError:  # it was closed before it was accepted
                continue
            except OSError as error:
                self._log("connections cannot be accepted: %s", error.strerror)
                await asyncio.sleep(_LOG_INTERVAL)
                continue
            await self._open(connection, network_of(address[0]))

    async def _open(self, connection: socket.socket, network: str) -> None:
        if (crowded := self._room.crowded(network)) is not None:
            self._log("too many connections: of %d some are closed", len(self._room))
            if not self._room.drop_longest(crowded):
                connection.close()
                self._receiver.counts.dropped_connections += 1
                await asyncio.sleep(0)  # or a flood of connections would keep everything else waiting
                return
        protocol = Connection(self._server, self._receiver, self._room)
        self._room.enter(protocol, network)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, connection)

    def _log(self, message: str, *args: object) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._logged_at >= _LOG_INTERVAL:
            self._logged_at = now
            LOG.warning(message, *args)


def connection_bounds(limits: Limits) -> tuple[int, int]:
    """Return the maximum number of connections in all and from one network."""
    total = int(min(limits.connections, max(1, _max_descriptors() - _OTHER_DESCRIPTORS)))
    return total, min(limits.connections_per_address, max(1, total // 2))


def _max_descriptors() -> float:
    if resource is None:  # pragma: no cover - on Windows
        return inf
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return inf if soft == resource.RLIM_INFINITY else soft


def network_of(address: str) -> str:
    """Return what is counted as one sender: an IPv4 address, or the 64 bits that a network of IPv6 has."""
    if ":" not in address:
        return address
    ip = IPv6Address(address.partition("%")[0])
    return str(ip.ipv4_mapped or IPv6Address(int(ip) >> 64 << 64))
