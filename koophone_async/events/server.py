"""A server that runs a receiver without a framework."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import ExitStack, asynccontextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, cast

from aiohttp import web

from koophone_async.events.connections import Connection, Listener
from koophone_async.events.web import application

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from koophone_async.events.receiver import Receiver

LOG: Final = logging.getLogger(__name__)

_BACKLOG: Final = 1_024


@asynccontextmanager
async def serve(receiver: Receiver, host: str = "127.0.0.1", port: int = 0) -> AsyncGenerator[str]:
    """Run a server for a receiver; the context is its address, such as `http://127.0.0.1:8080`.

    Connections and their waits are bounded by `receiver.limits`. It speaks plain HTTP: on an address that
    others can reach, put a proxy in front of it that terminates TLS.

    Args:
        receiver: Started and stopped here; it must not be running yet.
        host: Address to listen on.
        port: Port to listen on; 0 picks a free one.

    Raises:
        InvalidRequest: The journal cannot be opened.
        OSError: The address or port cannot be used.
    """
    sockets = await _listen(host, port)
    runner = web.AppRunner(application(receiver))
    try:
        await runner.setup()
        server = cast("web.Server", runner.server)  # there is one between setup and cleanup
        listener = Listener(receiver, _timed(server), sockets)
        listener.start()
        try:
            _warn_if_public(sockets)
            yield f"http://{f'[{host}]' if ':' in host else host}:{sockets[0].getsockname()[1]}"
        finally:
            await listener.close()
    finally:
        await runner.cleanup()
        for listening in sockets:
            listening.close()


async def _listen(host: str, port: int) -> list[socket.socket]:
    """Return a listening socket for each address of a host."""
    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    sockets: list[socket.socket] = []
    with ExitStack() as opened:
        for family, _, _, _, address in dict.fromkeys(infos):
            bound = (address[0], sockets[0].getsockname()[1] if sockets else port)
            listening = opened.enter_context(socket.create_server(bound, family=family, backlog=_BACKLOG))
            listening.settimeout(0)
            sockets.append(listening)
        opened.pop_all()
    return sockets


def _timed(server: web.Server) -> web.Server:
    """Return a server that starts and ends the waits of its connections around each call."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        connection = cast("Connection", request.protocol)
        connection.stop_waiting()
        try:
            return await server.request_handler(request)
        finally:
            connection.wait_for_next()

    return web.Server(answer, request_factory=server.request_factory)


def _warn_if_public(sockets: list[socket.socket]) -> None:
    addresses = [listening.getsockname()[0] for listening in sockets]
    if not all(ip_address(address.partition("%")[0]).is_loopback for address in addresses):
        LOG.warning(
            "listening at %s by plain HTTP: put a proxy in front that terminates TLS and admits only phones",
            ", ".join(addresses),
        )
