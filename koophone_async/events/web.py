"""The receiver as an aiohttp application, and a server for it alone."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from koophone_async.events.errors import Reason, Rejected
from koophone_async.events.wire import Head

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from koophone_async.events.receiver import Receiver


def application(receiver: Receiver) -> web.Application:
    """Give an application that answers with the receiver and runs it."""

    async def answer(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        head = Head(request.method, f"/{request.match_info['path']}", headers)
        given = await receiver.receive(head, _body(request))
        return web.Response(status=given.status, body=given.body, headers=given.headers)

    async def running(_: web.Application) -> AsyncIterator[None]:
        async with receiver:
            yield

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    app.cleanup_ctx.append(running)
    return app


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.content.iter_any():
            yield chunk
    except (OSError, RequestPayloadError, HttpProcessingError):
        raise Rejected(Reason.CUT) from None


@asynccontextmanager
async def serve(receiver: Receiver, host: str = "127.0.0.1", port: int = 0) -> AsyncGenerator[str]:
    """Run a receiver and a server for it, and give its address, such as `http://127.0.0.1:8080`.

    Args:
        receiver: Entered here, so not before.
        host: Where to listen.
        port: 0 takes a free one.

    Raises:
        InvalidRequest: The journal cannot be opened.
        OSError: It cannot listen there.
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
