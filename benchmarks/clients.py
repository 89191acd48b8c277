"""The clients that are compared: ours, and bare aiohttp that signs nothing and reads nothing."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import aiohttp

from benchmarks.server import PROJECT
from benchmarks.vendor import KEY
from koophone_async import AccessKey, Endpoints, Session

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

POOL: Final = 256
"""The most connections of each."""


def session(address: str) -> Session:
    """Make a session of ours."""
    return Session(
        AccessKey(*KEY, project_id=PROJECT),
        region="cn-north-4",
        edition="international",
        endpoints=Endpoints(address, address, address),
        connections=POOL,
        environ={},
    )


@asynccontextmanager
async def bare() -> AsyncGenerator[aiohttp.ClientSession]:
    """Open aiohttp alone, with the same pool."""
    connector = aiohttp.TCPConnector(limit=POOL)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


def asking(
    http: aiohttp.ClientSession, method: str, url: str, body: bytes | None = None
) -> Callable[[], Awaitable[bytes]]:
    """Give a request of bare aiohttp, whose answer is taken as bytes."""
    headers = {"Content-Type": "application/json"} if body else {}

    async def ask() -> bytes:
        async with http.request(method, url, data=body, headers=headers) as response:
            return await response.read()

    return ask


async def drive(calls: Iterable[Callable[[], Awaitable[object]]], concurrency: int) -> None:
    """Make calls from so many workers."""
    waiting = iter(calls)

    async def work() -> None:
        for call in waiting:
            await call()

    await asyncio.gather(*(work() for _ in range(concurrency)))
