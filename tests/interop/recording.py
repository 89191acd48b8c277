"""A server that writes down what it is asked, by the vendor's client and by ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable
from functools import cache
from typing import Any, Final

from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import define, field, frozen

from koophone_async import AccessKey, CloudPhone, Endpoints, Session
from tests.interop import buying_calls, phone_calls, server_calls, variant_calls
from tests.interop.calls import Call, an_id
from tests.interop.places import leaves
from tests.interop.vendor import Vendor

CALLS: Final = (*phone_calls.CALLS, *server_calls.CALLS, *buying_calls.CALLS)
"""Every operation once."""

VARIED: Final = (*CALLS, *variant_calls.CALLS)
"""Every operation, with every field."""

KEY: Final = AccessKey("access", "secret")
PROJECT: Final = "5f0c1d2e3a4b4c5d8e9f0a1b2c3d4e5f"
ANSWER: Final = {"job_id": "j1", "status": 1, "phone_id": "p1", "server_id": "s1", "total_count": 0}
"""What both clients can read as an answer to anything."""


@frozen
class Request:
    """One request, as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    """All values of each name."""

    body: Any

    def parts(self) -> dict[str, Any]:
        """Give every value by its place, such as `body.phones.0.phone_id`."""
        query = {f"query.{name}": values for name, values in self.query.items()}
        return {"method": self.method, "path": self.path} | query | dict(leaves(self.body, "body"))


@define
class Recorder:
    """Writes down requests, and answers them all alike."""

    requests: list[Request] = field(factory=list[Request])

    async def answer(self, request: web.Request) -> web.Response:
        text = await request.text()
        query = {name: request.query.getall(name) for name in request.query}
        path = request.rel_url.raw_path
        self.requests.append(Request(request.method, path, query, json.loads(text) if text else None))
        return web.json_response(ANSWER)


@frozen
class Compared:
    """The same call by both clients."""

    call: Call
    vendor: Request
    ours: Request

    @property
    def differences(self) -> dict[str, tuple[Any, Any]]:
        """What differs, by place: the vendor's value and ours."""
        vendor, ours = self.vendor.parts(), self.ours.parts()
        both = {place: (vendor.get(place), ours.get(place)) for place in (*vendor, *ours)}
        return {place: (theirs, here) for place, (theirs, here) in both.items() if theirs != here}


@cache
def compared() -> tuple[Compared, ...]:
    """Make every call with both clients; once, as nothing changes."""
    return asyncio.run(_compare())


async def _compare() -> tuple[Compared, ...]:
    recorder = Recorder()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", recorder.answer)
    async with TestServer(application) as server:
        address = str(server.make_url("/")).rstrip("/")
        endpoints = Endpoints(cph=address)
        with Vendor.at(address, KEY, PROJECT) as vendor:
            async with Session(KEY, region="cn-north-4", endpoints=endpoints, environ={}) as session:
                cph = CloudPhone(session, project_id=PROJECT)
                for call in VARIED:
                    await asyncio.to_thread(vendor, call.vendor, call.given(an_id))
                    await _done(call, cph)
    pairs = zip(recorder.requests[::2], recorder.requests[1::2], strict=True)
    return tuple(Compared(call, *pair) for call, pair in zip(VARIED, pairs, strict=True))


async def _done(call: Call, cph: CloudPhone) -> None:
    doing = call.call(cph, an_id)
    if isinstance(doing, AsyncIterable):
        async for _ in doing:
            pass
    else:
        await doing
