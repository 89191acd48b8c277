"""The server loop: match, let in, count, read, carry out, seal. Handlers hold behaviour only."""

from __future__ import annotations

import asyncio
import socket
import struct
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from aiohttp import web
from attrs import define, field

from koophone_async.emulator.server import request_parsing, response_encoding
from koophone_async.emulator.server.errors import Refusal, throttled, words
from koophone_async.emulator.server.faults import (
    Delay,
    Distort,
    Duplicate,
    EndToken,
    Fault,
    Garble,
    Omit,
    Refuse,
    Reset,
    Stall,
    Throttle,
    Truncate,
)
from koophone_async.emulator.server.ledger import Visit
from koophone_async.protocol.signing import Request
from koophone_async.wire import encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from koophone_async.emulator.server.accounts import Accounts
    from koophone_async.emulator.server.authentication import Entrance
    from koophone_async.emulator.server.quotas import Quotas
    from koophone_async.emulator.server.routing import Route, Routes
    from koophone_async.emulator.world import World
    from koophone_async.operation import AnyOperation

MOST_BYTES: Final = 16 * 2**20
"""The largest body that is read."""

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class _Reset(Exception):
    """The connection is to be reset."""


@define(eq=False)
class Service:
    """Answers requests to documented paths."""

    world: World
    accounts: Accounts
    strict: bool
    routes: Routes
    entrance: Entrance
    quotas: Quotas
    _stopped: asyncio.Event = field(factory=asyncio.Event, init=False)

    def stop(self) -> None:
        """Let go of the requests that are never answered."""
        self._stopped.set()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, and write down what became of it."""
        clock, began = self.world.clock, self.world.clock()
        path, _, query = request.raw_path.partition("?")
        visit = Visit(self.world.fleet.now().isoformat(), request.method, path)
        self.world.ledger.arrived(visit)
        try:
            return await _Exchange(self, request, visit, path, parse_qsl(query, keep_blank_values=True)).run()
        except _Reset:
            visit.verdict, visit.status = visit.verdict if visit.verdict == "stalled" else "reset", 0
            return _reset(request)
        finally:
            visit.ms = round((clock() - began) * 1000, 3)

    async def stall(self) -> None:
        """Wait until the emulator stops."""
        await self._stopped.wait()


@define(eq=False)
class _Exchange:
    """One request on its way."""

    service: Service
    request: web.BaseRequest
    visit: Visit
    path: str
    query: Sequence[tuple[str, str]]
    operation: AnyOperation | None = None

    @property
    def request_id(self) -> str:
        """What the caller calls the request, or the service where it names requests itself."""
        if self.operation is not None and self.operation.service in ("cph", "gaming"):
            return self.service.world.hex()
        return self.request.headers.get("x-request-id", "")

    async def run(self) -> web.StreamResponse:
        """Answer, or refuse in the service's envelope."""
        world = self.service.world
        try:
            return await self._answer()
        except Refusal as no:
            self.visit.verdict, self.visit.code, self.visit.reason = "refused", no.code, no.reason
            body = no.body(self.operation, world.edition, self.request_id)
            return self._response(no.status, encode(body), no.headers)

    async def _answer(self) -> web.StreamResponse:
        service, world = self.service, self.service.world
        found = service.routes.match(self.request.method, self.path)
        # Where only the body tells which operation is meant, it must be read before anything else.
        route = found.route(await self._read() if len(found.routes) > 1 else b"")
        operation = self.operation = route.operation
        self.visit.operation = operation.name
        body = await self._arrive(operation)
        headers = self.request.headers
        signed = Request(self.request.method, self.path, self.query, headers, body)
        service.entrance.check(operation, signed)
        service.quotas.take(operation, world.clock())
        asked = request_parsing.Asked(found.path, self.query, body, headers.get("x-request-id"))
        wanted = request_parsing.read(operation, asked, world.edition, strict=service.strict)
        ids = _ids(operation, wanted)
        self.visit.ids = len(ids)
        faults = world.plan.on_call(operation.name, ids)
        await self._strike(faults, executed=False)
        answer = await self._carry_out(route, wanted, ids)
        await self._strike(faults, executed=True)
        altered = [(f.action, f.phone) for f in faults if isinstance(f.action, Duplicate | Omit | Distort)]
        also, sealed = response_encoding.sealed(operation, answer, world, self.request_id, altered)
        return await self._deliver(faults, operation.success, sealed, also)

    async def _arrive(self, operation: AnyOperation) -> bytes:
        """Read the body, unless the connection is to break before."""
        for action in self.service.world.plan.on_arrival(operation.name):
            if isinstance(action, EndToken):
                self.service.accounts.end(self.request.headers.get("X-Auth-Token", ""))
            else:
                raise _Reset
        return await self._read()

    async def _read(self) -> bytes:
        try:
            return await self.request.read()
        except web.HTTPRequestEntityTooLarge as error:
            message = "Request Entity Too Large"
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "APIGW.0201", message) from error

    async def _carry_out(self, route: Route, wanted: Any, ids: Sequence[str]) -> object:  # noqa: ANN401 - the operation's own class
        world = self.service.world
        world.settle()
        answer: object = await route.answer(wanted)
        self.visit.executed = True
        if route.counted:
            world.ledger.executed(route.operation.name, ids)
        return answer

    async def _strike(self, faults: Sequence[Fault], *, executed: bool) -> None:
        """Let happen what is to happen before the call is carried out, or after it."""
        for fault in faults:
            match fault.action:
                case Delay() as delay if delay.executed is executed:
                    await asyncio.sleep(delay.seconds)
                case Refuse() as refuse if refuse.executed is executed:
                    raise _refused(refuse)
                case Throttle() as throttle if not executed:
                    raise throttled(
                        throttle.limit, throttle.per, throttle.retry_after, figures=throttle.figures
                    )
                case Stall() as stall if stall.executed is executed:
                    self.visit.verdict = "stalled"
                    await self.service.stall()
                    raise _Reset
                case Reset() as reset if reset.executed is executed:
                    raise _Reset
                case _:
                    pass

    async def _deliver(
        self, faults: Sequence[Fault], status: int, body: bytes, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        for fault in faults:
            if isinstance(fault.action, Truncate):
                self.visit.verdict = "truncated"
                return await self._truncated(status, body, fault.action.kept)
            if isinstance(fault.action, Garble):
                self.visit.verdict = "garbled"
                return self._garbled(fault.action)
        return self._response(status, body, headers)

    def _response(self, status: int, body: bytes, headers: Mapping[str, str]) -> web.Response:
        self.visit.status = status
        return web.Response(body=body, status=status, headers=headers, content_type="application/json")

    async def _truncated(self, status: int, body: bytes, kept: float) -> web.StreamResponse:
        self.visit.status = status
        response = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
        response.content_length = len(body)
        await response.prepare(self.request)
        await response.write(body[: int(len(body) * kept)])
        _close(self.request)
        return response

    def _garbled(self, garble: Garble) -> web.StreamResponse:
        if garble.part == "body":
            return self._response(HTTPStatus.OK, b"<html>\xff</html>", {})
        _close(self.request, b"\x00\x01 no HTTP at all\r\n\r\n")
        return web.Response()


def _refused(refuse: Refuse) -> Refusal:
    message = words(refuse.code) if refuse.message is None else refuse.message
    again = {} if refuse.retry_after is None else {"Retry-After": f"{refuse.retry_after:g}"}
    if not refuse.code and not message:
        message = HTTPStatus(refuse.status).phrase
    return Refusal(refuse.status, refuse.code, message, "by a fault", again)


def _ids(operation: AnyOperation, request: object) -> list[str]:
    """Name what a request is about: its instances, phones or servers, or its task."""
    if operation.batch is not None:
        items = getattr(request, operation.batch.field) or getattr(request, "servers", ())
        return list(dict.fromkeys(_named(item) or str(item) for item in items))
    named = _named(request)
    return [named] if named else []


def _named(item: object) -> str | None:
    """Find the id in what holds one."""
    return next((found for name in _IDS if (found := getattr(item, name, None))), None)


_IDS: Final = ("instance", "task", "phone", "server", "key", "bandwidth", "image", "event", "job")


def _close(request: web.BaseRequest, last: bytes = b"") -> None:
    """Close the connection after some last bytes, if the caller is still there."""
    transport = request.transport
    if transport is not None:
        transport.write(last)
        transport.close()


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    """Reset the connection (RST), so that no byte of an answer arrives."""
    transport = request.transport
    if transport is not None:
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    return web.Response()
