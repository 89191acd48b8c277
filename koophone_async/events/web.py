"""The receiver as an aiohttp application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from koophone_async.events.errors import Reason, Rejected
from koophone_async.events.wire import RequestHead

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from koophone_async.events.receiver import Receiver
    from koophone_async.events.wire import Answer

SERVER: Final = "koophone-async"
"""The `Server` header of answers: that of aiohttp tells the versions of aiohttp and Python."""


def response(answer: Answer) -> web.Response:
    """Return an answer as a response of aiohttp."""
    headers = {**answer.headers, "Server": SERVER}
    return web.Response(status=answer.status, body=answer.body, headers=headers)


async def _hide_version(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER


def application(receiver: Receiver) -> web.Application:
    """Return an application that starts and stops the receiver and passes requests to it."""

    async def answer(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        head = RequestHead(request.method, f"/{request.match_info['path']}", headers)
        return response(await receiver.receive(head, _body(request)))

    async def run_receiver(_: web.Application) -> AsyncIterator[None]:
        async with receiver:
            yield

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    app.cleanup_ctx.append(run_receiver)
    app.on_response_prepare.append(_hide_version)
    return app


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.content.iter_any():
            yield chunk
    except (OSError, RequestPayloadError, HttpProcessingError):
        raise Rejected(Reason.CUT) from None
