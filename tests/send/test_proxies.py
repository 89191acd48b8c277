"""Calls through a proxy: a plain one for http, a tunnel for https."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import pytest
from attrs import define, field

from koophone_async.call import SendTracker
from koophone_async.errors import InvalidRequest, NotConnected
from tests.fake_server import FakeServer
from tests.send.network import ScriptedResolver
from tests.send.operations import KEY, RUN, Note, session
from tests.send.test_sign_in import is_signed

if TYPE_CHECKING:
    from tests.send.network import Certificate


@define(eq=False)
class Proxy:
    """Forwards requests to where their request line points, or refuses them with a status."""

    refuses: int | None = None
    lines: list[str] = field(factory=list[str])
    logins: list[str] = field(factory=list[str])
    port: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(factory=set["asyncio.Task[None]"])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://proxyuser:proxypassword@127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with suppress(asyncio.CancelledError, OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            first, *headers = head.decode().splitlines()
            self.lines.append(first)
            self.logins += (each[21:] for each in headers if each.lower().startswith("proxy-authorization: "))
            if self.refuses:
                writer.write(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % self.refuses)
            else:
                await self._pass_on(head, reader, writer)
        writer.close()

    async def _pass_on(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, rest = head.split(b" ", 2)
        host = target.removeprefix(b"http://").partition(b"/")[0]
        there, thither = await asyncio.open_connection("127.0.0.1", int(host.partition(b":")[2]))
        if method == b"CONNECT":
            writer.write(b"HTTP/1.1 200 Open\r\n\r\n")
        else:
            thither.write(b"%b %b %b" % (method, target.removeprefix(b"http://" + host), rest))
        await asyncio.gather(forward(reader, thither), forward(there, writer))


async def forward(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
    sink.close()


async def test_plain_http_goes_through_a_proxy_with_its_signature_intact() -> None:
    async with FakeServer() as server, Proxy() as proxy, session(server.url, proxy=proxy.url) as ours:
        await ours.send(RUN, Note())

    assert proxy.lines == [f"POST {server.url}/v1/notes HTTP/1.1"]
    assert is_signed(server.received[0], KEY.secret_key)


async def test_https_goes_through_a_tunnel(certificate: Certificate) -> None:
    async with (
        FakeServer(tls=certificate.server) as server,
        Proxy() as proxy,
        ScriptedResolver().session(certificate.trust) as http,
        session(server.url, proxy=proxy.url, http=http) as ours,
    ):
        await ours.send(RUN, Note())

    assert proxy.lines == [f"CONNECT localhost:{server.port} HTTP/1.1"]
    assert server.executions == 1


@pytest.mark.parametrize("status", [407, 502])
async def test_a_proxy_that_refuses_a_tunnel_is_not_connected(status: int, certificate: Certificate) -> None:
    tracker = SendTracker()
    async with (
        FakeServer(tls=certificate.server) as server,
        Proxy(refuses=status) as proxy,
        session(server.url, proxy=proxy.url) as ours,
    ):
        with pytest.raises(NotConnected, match=f"the proxy answered {status}") as caught:
            await ours.send(RUN, Note(), tracker=tracker)

    assert (len(proxy.lines), server.request_count, tracker.sent) == (3, 0, False)
    assert "proxypassword" not in str(caught.value)


async def test_an_absent_proxy_is_not_connected() -> None:
    async with FakeServer() as server, session(server.url, proxy="http://127.0.0.1:9") as ours:
        with pytest.raises(NotConnected):
            await ours.send(RUN, Note())

    assert server.request_count == 0


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "127.0.0.1:8080", "http://", "http://[::1"])
async def test_an_invalid_proxy_is_an_invalid_request(proxy: str) -> None:
    with pytest.raises(InvalidRequest, match=r"proxy: is .* it must be http"):
        session("http://localhost:1", proxy=proxy)
