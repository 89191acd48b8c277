"""The receiver as an aiohttp application, and a server that runs it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from koophone_async.events.errors import Reason, Rejected
from koophone_async.events.wire import RequestHead

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from koophone_async.events.receiver import Receiver


def application(receiver: Receiver) -> web.Application:
    """Return an application that starts and stops the receiver and passes requests to it."""

    async def answer(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        head = RequestHead(request.method, f"/{request.match_info['path']}", headers)
        result = await receiver.receive(head, _body(request))
        return web.Response(status=result.status, body=result.body, headers=result.headers)

    async def run_receiver(_: web.Application) -> AsyncIterator[None]:
        async with receiver:
            yield

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    app.cleanup_ctx.append(run_receiver)
    return app


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.content.iter_any():
            yield chunk
    except (OSError, RequestPayloadError, HttpProcessingError):
        raise Rejected(Reason.CUT) from None


@asynccontextmanager
async def serve(receiver: Receiver, host: str = "127.0.0.1", port: int = 0) -> AsyncGenerator[str]:
    """Run a server for a receiver; the context is its address, such as `http://127.0.0.1:8080`.

    Args:
        receiver: Started and stopped here; it must not be running yet.
        host: Address to listen on.
        port: Port to listen on; 0 picks a free one.

    Raises:
        InvalidRequest: The journal cannot be opened.
        OSError: The address or port cannot be used.
    """
    runner = web.AppRunner(application(receiver), access_log=None)
    try:
        await runner.setup()
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield f"http://{f'[{host}]' if ':' in host else host}:{_port(runner)}"
    finally:
        await runner.cleanup()


def _port(runner: web.AppRunner) -> int:
    return int(runner.addresses[0][1])
