"""An error of TLS or of a proxy keeps its reason: who cut the connection, and at which step."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest

from koophone_async.call import SendTracker
from koophone_async.errors import NotConnected
from koophone_async.retry import Retries
from tests.send.network import HOST
from tests.send.operations import RUN, Note, session

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

TUNNEL: Final = b"HTTP/1.1 200 OK\r\n\r\n"
HTTP: Final = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


def alert(description: int) -> bytes:
    """Return a fatal alert of TLS 1.2."""
    return b"\x15\x03\x03\x00\x02\x02" + bytes([description])


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncGenerator[int]:
    """Serve connections that get an answer for each thing they send, and are then closed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.read(2**16)
            writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def reason(endpoint: str, proxy: str | None = None) -> str:
    """Return the reason why a call was not sent."""
    tracker = SendTracker()
    async with session(endpoint, proxy=proxy, retries=Retries(1)) as ours:
        with pytest.raises(NotConnected) as refused:
            await ours.send(RUN, Note(), tracker=tracker)

    assert not tracker.sent
    return refused.value.reason


@pytest.mark.parametrize(
    "answer, expected",
    [
        (b"", "the connection was closed during the TLS handshake"),
        (HTTP, "what answers there does not speak TLS (WRONG_VERSION_NUMBER)"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "what answers there does not speak TLS ("),
        (alert(70), "no common version of TLS ("),
        (alert(40), "the TLS handshake failed ("),
    ],
    ids=["cut", "http", "ssh", "version", "other alert"],
)
async def test_a_failed_handshake_has_its_reason(answer: bytes, expected: str) -> None:
    async with answering(answer) as port:
        text = await reason(f"https://localhost:{port}")

    assert text.startswith(f"localhost:{port}: {expected}")
    assert text.isprintable()


@pytest.mark.parametrize(
    "answers, expected",
    [
        ([b""], "the proxy closed the connection instead of opening a tunnel (Server disconnected)"),
        ([HTTP], "the proxy answered 400"),
        ([b"SSH-2.0-OpenSSH_9.6\r\n"], "the proxy does not speak HTTP"),
        ([b"\x15\x03\x01\x00\x02\x02\x46"], "the proxy does not speak HTTP"),
        ([TUNNEL, b""], f"{HOST}:443: the connection was closed during the TLS handshake, in the tunnel"),
        (
            [TUNNEL, HTTP],
            f"{HOST}:443: what answers there does not speak TLS (WRONG_VERSION_NUMBER), in the tunnel",
        ),
    ],
    ids=["cut", "refuses", "ssh", "tls", "tunnel is cut", "tunnel is none"],
)
async def test_a_proxy_that_is_none_is_named(answers: list[bytes], expected: str) -> None:
    async with answering(*answers) as port:
        text = await reason(f"https://{HOST}", f"http://127.0.0.1:{port}")

    assert text.startswith(expected)
