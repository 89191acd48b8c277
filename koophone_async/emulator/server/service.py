"""The server loop: match, authenticate, count, parse, execute, encode.

Handlers implement behaviour only; status, envelope, limits, quotas, signatures and faults are the loop's.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web
from attrs import define, field

from koophone_async.emulator.jobs.engine import Jobs
from koophone_async.emulator.server.accounts import Accounts
from koophone_async.emulator.server.authentication import Authenticator
from koophone_async.emulator.server.errors import Refusal, message_of, throttled
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
from koophone_async.emulator.server.ledger import RequestRecord
from koophone_async.emulator.server.quotas import Quotas
from koophone_async.emulator.server.request_parsing import HttpRequest, parse_request
from koophone_async.emulator.server.response_encoding import encode_answer
from koophone_async.emulator.server.routing import Route, Routes
from koophone_async.emulator.world import World
from koophone_async.operation import AnyOperation
from koophone_async.protocol.signing import Request
from koophone_async.wire import encode

MAX_HEADER: Final = 64 * 2**10
MAX_BODY: Final = 16 * 2**20
"""The largest body that is read, in bytes."""

_JSON: Final = {"Content-Type": "application/json"}
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class _ConnectionReset(Exception):
    """The connection is to be reset."""


@define(eq=False)
class Service:
    """Answers requests to documented paths."""

    jobs: Jobs
    accounts: Accounts
    strict: bool
    routes: Routes
    authenticator: Authenticator
    quotas: Quotas
    _stopped: asyncio.Event = field(factory=asyncio.Event, init=False)

    @property
    def world(self) -> World:
        """The state of the emulated cloud."""
        return self.jobs.world

    def stop(self) -> None:
        """Reset the connections of stalled requests."""
        self._stopped.set()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request and record its outcome."""
        clock, began = self.world.clock, self.world.clock()
        path, _, query = request.raw_path.partition("?")
        record = RequestRecord(self.world.fleet.now().isoformat(), request.method, path)
        self.world.ledger.received(record)
        fields = parse_qsl(query, keep_blank_values=True) if query else ()
        exchange = _Exchange(self, request, record, path, fields)
        try:
            return await exchange.answer()
        except _ConnectionReset:
            record.verdict = record.verdict if record.verdict == "stalled" else "reset"
            record.status = 0
            return _reset(request)
        finally:
            record.ms = round((clock() - began) * 1000, 3)

    async def stall(self) -> None:
        """Wait until the emulator stops."""
        await self._stopped.wait()


@define(eq=False)
class _Exchange:
    """One request and its answer."""

    service: Service
    request: web.BaseRequest
    record: RequestRecord
    path: str
    query: Sequence[tuple[str, str]]
    operation: AnyOperation | None = None

    @property
    def request_id(self) -> str:
        """The caller's name for the request, or a new one where the service chooses it."""
        if self.operation is not None and self.operation.service in ("cph", "gaming"):
            return self.service.world.hex()
        return self.request.headers.get("x-request-id", "")

    async def answer(self) -> web.StreamResponse:
        """Answer the request, or refuse it in the service's envelope."""
        try:
            return await self._answer()
        except Refusal as refusal:
            self.record.verdict, self.record.code = "refused", refusal.code
            self.record.reason = refusal.reason
            body = refusal.body(self.operation, self.service.world.edition, self.request_id)
            return self._response(refusal.status, encode(body), refusal.headers)

    async def _answer(self) -> web.StreamResponse:
        service, world = self.service, self.service.world
        match = service.routes.match(self.request.method, self.path)
        # Where several operations share a path, only the body decides between them.
        route = match.route(await self._read_body() if len(match.routes) > 1 else b"")
        operation = self.operation = route.operation
        self.record.operation = operation.name
        body = await self._receive(operation)
        headers = self.request.headers
        signed = Request(self.request.method, self.path, self.query, headers, body)
        service.authenticator.authenticate(operation, signed)
        service.quotas.count(operation, world.clock())
        if route.is_foreign:
            await route.answer(None)
        http = HttpRequest(match.path, self.query, body, headers.get("x-request-id"))
        request = parse_request(operation, http, world.edition, strict=service.strict)
        ids = _ids(operation, request)
        self.record.ids = len(ids)
        faults = world.plan.on_call(operation.name, ids)
        await self._apply_faults(faults, executed=False)
        answer = await self._execute(route, request, ids)
        await self._apply_faults(faults, executed=True)
        alterations = [
            (f.action, f.phone) for f in faults if isinstance(f.action, Duplicate | Omit | Distort)
        ]
        own_headers, encoded = encode_answer(operation, answer, world, self.request_id, alterations)
        return await self._send(faults, operation.success, encoded, own_headers)

    async def _receive(self, operation: AnyOperation) -> bytes:
        """Read the body, unless a fault resets the connection first."""
        for action in self.service.world.plan.on_arrival(operation.name):
            if isinstance(action, EndToken):
                self.service.accounts.revoke(self.request.headers.get("X-Auth-Token", ""))
            else:
                raise _ConnectionReset
        return await self._read_body()

    async def _read_body(self) -> bytes:
        try:
            return await self.request.read()
        except web.HTTPRequestEntityTooLarge as error:
            message = "Request Entity Too Large"
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "APIGW.0201", message) from error

    async def _execute(self, route: Route, request: Any, ids: Sequence[str]) -> object:  # noqa: ANN401 - the operation's own class
        world = self.service.world
        self.service.jobs.settle()
        answer: object = await route.answer(request)
        self.record.executed = True
        if route.counted:
            world.ledger.executed(route.operation.name, ids)
        return answer

    async def _apply_faults(self, faults: Sequence[Fault], *, executed: bool) -> None:
        """Apply the faults that are due before the call is executed, or after."""
        for fault in faults:
            match fault.action:
                case Delay() as delay if delay.executed is executed:
                    await asyncio.sleep(delay.seconds)
                case Refuse() as refuse if refuse.executed is executed:
                    raise _refusal(refuse)
                case Throttle() as throttle if not executed:
                    raise throttled(
                        throttle.limit, throttle.per, throttle.retry_after, figures=throttle.figures
                    )
                case Stall() as stall if stall.executed is executed:
                    self.record.verdict = "stalled"
                    await self.service.stall()
                    raise _ConnectionReset
                case Reset() as reset if reset.executed is executed:
                    raise _ConnectionReset
                case _:
                    pass

    async def _send(
        self, faults: Sequence[Fault], status: int, body: bytes, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        for fault in faults:
            if isinstance(fault.action, Truncate):
                self.record.verdict = "truncated"
                return await self._send_truncated(status, body, fault.action.kept)
            if isinstance(fault.action, Garble):
                self.record.verdict = "garbled"
                return self._garbled(fault.action)
        return self._response(status, body, headers)

    def _response(self, status: int, body: bytes, headers: Mapping[str, str]) -> web.Response:
        self.record.status = status
        date = _http_date(int(self.service.world.fleet.now().timestamp()))
        return web.Response(body=body, status=status, headers={"Date": date, **_JSON, **headers})

    async def _send_truncated(self, status: int, body: bytes, kept: float) -> web.StreamResponse:
        self.record.status = status
        response = web.StreamResponse(status=status, headers=_JSON)
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


@lru_cache(maxsize=4)
def _http_date(second: int) -> str:
    """Format a Unix time for the header `Date`; all answers of a second have the same."""
    return formatdate(second, usegmt=True)


def _refusal(refuse: Refuse) -> Refusal:
    message = message_of(refuse.code) if refuse.message is None else refuse.message
    headers = {} if refuse.retry_after is None else {"Retry-After": f"{refuse.retry_after:g}"}
    if not refuse.code and not message:
        message = HTTPStatus(refuse.status).phrase
    return Refusal(refuse.status, refuse.code, message, "injected by a fault", headers)


def _ids(operation: AnyOperation, request: object) -> tuple[str, ...]:
    """Return the ids in a request: instances, phones or servers, or else one task, job or resource."""
    if operation.batch is not None:
        items = getattr(request, operation.batch.field) or getattr(request, "servers", ())
        if items and not isinstance(items[0], str):
            items = [_id_of(item) or str(item) for item in items]
        return _distinct(tuple(items))
    own = _id_of(request)
    return (own,) if own else ()


@lru_cache(maxsize=2_000)
def _distinct(ids: tuple[str, ...]) -> tuple[str, ...]:
    """Return each of some ids once; most are named together again."""
    return tuple(dict.fromkeys(ids))


def _id_of(item: object) -> str | None:
    return next((value for name in _ID_ATTRIBUTES if (value := getattr(item, name, None))), None)


_ID_ATTRIBUTES: Final = ("instance", "task", "phone", "server", "key", "bandwidth", "image", "event", "job")


def _close(request: web.BaseRequest, last: bytes = b"") -> None:
    """Close the connection after some last bytes, if it is still open."""
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
