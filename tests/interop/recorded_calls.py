"""The same calls by the vendor's client and by ours, as they arrive at a fake server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from functools import cache
from typing import Any, Final

from attrs import frozen

from koophone_async import AccessKey, CloudPhone
from tests.fake_server import FakeServer, ReceivedRequest, Reply
from tests.interop import buying_calls, phone_calls, server_calls, variant_calls
from tests.interop.calls import Call, an_id
from tests.interop.json_paths import leaves
from tests.interop.vendor import Vendor

CALLS: Final = (*phone_calls.CALLS, *server_calls.CALLS, *buying_calls.CALLS)
"""Every operation once."""

VARIED: Final = (*CALLS, *variant_calls.CALLS)
"""Every operation, with every field."""

KEY: Final = AccessKey("access", "secret")
PROJECT: Final = "5f0c1d2e3a4b4c5d8e9f0a1b2c3d4e5f"


def reply(request: ReceivedRequest) -> Reply:
    """Return what both clients can read as an answer to anything, about the id that the path names."""
    id_ = request.target.partition("?")[0].rpartition("/")[2]
    return Reply({"job_id": id_, "status": 1, "phone_id": id_, "server_id": id_, "total_count": 0})


def parts(request: ReceivedRequest) -> dict[str, Any]:
    """Return every value of a request by its place, such as `body.phones.0.phone_id`."""
    query = {f"query.{name}": values for name, values in request.queries.items()}
    path = request.target.partition("?")[0]
    return {"method": request.method, "path": path} | query | dict(leaves(request.json, "body"))


@frozen
class Compared:
    """The same call by both clients."""

    call: Call
    vendor: ReceivedRequest
    ours: ReceivedRequest

    @property
    def differences(self) -> dict[str, tuple[Any, Any]]:
        """What differs, by place: the vendor's value and ours."""
        vendor, ours = parts(self.vendor), parts(self.ours)
        both = {place: (vendor.get(place), ours.get(place)) for place in (*vendor, *ours)}
        return {place: (theirs, here) for place, (theirs, here) in both.items() if theirs != here}


@cache
def compared() -> tuple[Compared, ...]:
    """Make every call with both clients; once, as nothing changes."""
    return asyncio.run(_compare())


async def _compare() -> tuple[Compared, ...]:
    async with FakeServer.handling(reply) as server:
        with Vendor.at(server.url, KEY, PROJECT) as vendor:
            async with server.session(credentials=KEY, region="cn-north-4") as session:
                cph = CloudPhone(session, project_id=PROJECT)
                for call in VARIED:
                    await asyncio.to_thread(vendor, call.vendor, call.fields(an_id))
                    await _done(call, cph)
    pairs = zip(server.received[::2], server.received[1::2], strict=True)
    return tuple(Compared(call, *pair) for call, pair in zip(VARIED, pairs, strict=True))


async def _done(call: Call, cph: CloudPhone) -> None:
    doing = call.call(cph, an_id)
    if isinstance(doing, AsyncIterable):
        async for _ in doing:
            pass
    else:
        await doing
