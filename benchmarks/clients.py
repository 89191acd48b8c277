"""The clients under test: ours, and bare aiohttp, which neither signs nor decodes."""

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
"""Maximum number of connections of each client."""


def session(address: str) -> Session:
    """Create a session."""
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
    """Open a plain aiohttp session with a pool of the same size."""
    connector = aiohttp.TCPConnector(limit=POOL)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


def request_with(
    http: aiohttp.ClientSession, method: str, url: str, body: bytes | None = None
) -> Callable[[], Awaitable[bytes]]:
    """Return a function that sends a request with bare aiohttp and returns the body."""
    headers = {"Content-Type": "application/json"} if body else {}

    async def send() -> bytes:
        async with http.request(method, url, data=body, headers=headers) as response:
            return await response.read()

    return send


async def drive(calls: Iterable[Callable[[], Awaitable[object]]], concurrency: int) -> None:
    """Make calls from `concurrency` workers."""
    remaining = iter(calls)

    async def work() -> None:
        for call in remaining:
            await call()

    await asyncio.gather(*(work() for _ in range(concurrency)))
