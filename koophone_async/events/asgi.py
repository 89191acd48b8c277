"""The receiver as an ASGI application, without a framework."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import frozen

from koophone_async.errors import KooPhoneError
from koophone_async.events.errors import Reason, Rejected
from koophone_async.events.wire import RequestHead

if TYPE_CHECKING:
    from koophone_async.events.receiver import Receiver
    from koophone_async.events.wire import Answer

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


@frozen
class Asgi:
    """ASGI application of a receiver."""

    _receiver: Receiver

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or run the receiver for the lifespan of the server."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await _reply(await self._receiver.receive(_head(scope), _body(receive)), send)
        else:
            await send({"type": "websocket.close"})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._receiver.__aenter__()
        except KooPhoneError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        try:
            await receive()
        finally:
            await self._receiver.__aexit__(None, None, None)
        await send({"type": "lifespan.shutdown.complete"})


def _head(scope: Message) -> RequestHead:
    # The ASGI specification says that path includes root_path; some frameworks leave it out.
    path, root = scope["path"], scope.get("root_path", "").rstrip("/")
    path = path.removeprefix(root) if path.startswith(f"{root}/") else path
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return RequestHead(scope["method"], path, headers)


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Rejected(Reason.CUT)
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def _reply(answer: Answer, send: Send) -> None:
    headers = {**answer.headers, "Content-Length": str(len(answer.body))}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": answer.body})
