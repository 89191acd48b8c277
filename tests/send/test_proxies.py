"""Calls through a proxy: a plain one for http, a tunnel for https."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

import aiohttp
import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from koophone_async import Endpoints, Retries, Session
from koophone_async.call import SendTracker
from koophone_async.errors import InvalidRequest, NotConnected
from koophone_async.proxies import Proxies
from tests.fake_server import FakeServer
from tests.send.network import HOST, ScriptedResolver
from tests.send.operations import KEY, RUN, Note, session
from tests.send.test_sign_in import USER, account, is_signed

if TYPE_CHECKING:
    from tests.send.network import Certificate


ALLOW_HTTP: Final = {"KOOPHONE_ALLOW_HTTP": HOST}


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
    async with FakeServer() as server, Proxy() as proxy:
        url = f"http://{HOST}:{server.port}"
        async with session(url, proxy=proxy.url, environ=ALLOW_HTTP) as ours:
            await ours.send(RUN, Note())

    assert proxy.lines == [f"POST {url}/v1/notes HTTP/1.1"]
    assert is_signed(server.received[0], KEY.secret_key)


async def test_https_goes_through_a_tunnel(certificate: Certificate) -> None:
    async with (
        FakeServer(tls=certificate.server) as server,
        Proxy() as proxy,
        ScriptedResolver().session(certificate.trust) as http,
        session(f"https://{HOST}:{server.port}", proxy=proxy.url, http=http) as ours,
    ):
        await ours.send(RUN, Note())

    assert proxy.lines == [f"CONNECT {HOST}:{server.port} HTTP/1.1"]
    assert server.executions == 1


@pytest.mark.parametrize("status", [407, 502])
async def test_a_proxy_that_refuses_a_tunnel_is_not_connected(status: int) -> None:
    tracker = SendTracker()
    async with Proxy(refuses=status) as proxy, session(f"https://{HOST}", proxy=proxy.url) as ours:
        with pytest.raises(NotConnected, match=f"the proxy answered {status}") as caught:
            await ours.send(RUN, Note(), tracker=tracker)

    assert (len(proxy.lines), tracker.sent) == (3, False)
    assert "proxypassword" not in str(caught.value)


async def test_an_absent_proxy_is_not_connected() -> None:
    async with session(f"https://{HOST}", proxy="http://127.0.0.1:9") as ours:
        with pytest.raises(NotConnected):
            await ours.send(RUN, Note())


@pytest.mark.parametrize(
    "proxy",
    ["socks5://127.0.0.1:1080", "http://", "http://[::1", "http://host:99999", "//host", "http://xn--"],
)
async def test_an_invalid_proxy_is_an_invalid_request(proxy: str) -> None:
    with pytest.raises(InvalidRequest, match=r"proxy: is .* it must be http"):
        session("http://localhost:1", proxy=proxy)


# The environment.


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
async def test_services_and_iam_go_through_the_proxy_of_the_environment(variable: str) -> None:
    iam = account()
    async with iam.server as server, Proxy() as proxy:
        url = f"http://{HOST}:{server.port}"
        environ = {variable: proxy.url, "KOOPHONE_ALLOW_HTTP": HOST}
        endpoints = Endpoints(koophone=url, cph=url, iam=url)
        async with Session(USER, endpoints=endpoints, environ=environ) as ours:
            await ours.send(RUN, Note())

    assert proxy.lines == [f"POST {url}/v3/auth/tokens HTTP/1.1"]  # the other uses the same connection
    assert (iam.signed_in, server.executions) == (1, 1)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
async def test_https_goes_through_a_tunnel_of_the_proxy_of_the_environment(variable: str) -> None:
    async with Proxy(refuses=502) as proxy:
        endpoints = Endpoints(koophone=f"https://{HOST}")
        environ = {variable: proxy.url.removeprefix("http://"), "HTTP_PROXY": "http://127.0.0.1:9"}
        async with Session(KEY, endpoints=endpoints, environ=environ) as ours:
            with pytest.raises(NotConnected, match="the proxy answered 502"):
                await ours.send(RUN, Note())

    assert set(proxy.lines) == {f"CONNECT {HOST}:443 HTTP/1.1"}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("source", ["environment", "argument", "caller's session"])
async def test_loopback_is_never_reached_through_a_proxy(host: str, source: str) -> None:
    async with (
        FakeServer() as server,
        Proxy() as proxy,
        aiohttp.ClientSession(proxy=f"http://127.0.0.1:{proxy.port}") as http,
        Session(
            KEY,
            endpoints=Endpoints(koophone=f"http://{host}:{server.port}"),
            proxy=proxy.url if source == "argument" else None,
            http=http if source == "caller's session" else None,
            environ={"ALL_PROXY": proxy.url} if source == "environment" else {},
        ) as ours,
    ):
        await ours.send(RUN, Note())

    assert (proxy.lines, server.executions) == ([], 1)


async def test_the_user_of_a_proxy_is_sent_to_it_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with Proxy(refuses=407) as proxy:
        ours = session(f"https://{HOST}", proxy=proxy.url, retries=Retries(attempts=1))
        with pytest.raises(NotConnected):
            await ours.send(RUN, Note())
        await ours.close()

    login = b64encode(b"proxyuser:proxypassword").decode()
    assert proxy.logins == [f"Basic {login}"]
    shown = f"{caplog.text} {vars(ours)!r}"
    assert "proxypassword" not in shown
    assert login not in shown


def proxy_for(url: str, environ: dict[str, str]) -> str | None:
    proxy = Proxies.of(None, environ).proxy_for(URL(url))
    return str(proxy.url) if proxy else None


@pytest.mark.parametrize(
    "no_proxy, excepted, others",
    [
        ("*", "a.example b.test 10.1.2.3", ""),
        ("a.example", "a.example A.EXAMPLE a.example:8443 b.a.example", "xa.example example a.example.test"),
        (".a.example", "a.example b.a.example c.b.a.example", "xa.example"),
        ("*.a.example", "a.example b.a.example", "xa.example"),
        ("a.example.", "a.example", "b.example"),
        ("a.example:8443", "a.example:8443", "a.example a.example:8444"),
        ("b.test, a.example\tc.test", "a.example b.test c.test", "d.test"),
        ("10.1.2.3", "10.1.2.3", "10.1.2.4 a.example"),
        ("10.0.0.0/8", "10.1.2.3 10.255.0.1:8080", "11.0.0.1 a.example"),
        ("10.1.2.3/8", "10.200.0.1", "11.0.0.1"),
        ("fd00::/8", "[fd00::1] [fdff::1]:8443", "[fe80::1] 10.1.2.3"),
        ("[fd00::1]", "[fd00::1]", "[fd00::2]"),
        ("[fd00::1]:8443", "[fd00::1]:8443", "[fd00::1]"),
        ("fd00::1", "[fd00::1] [fd00::1]:8443", "[fd00::2]"),
        ("", "", "a.example 10.1.2.3"),
        (" , ,", "", "a.example"),
        (".", "", "a.example"),
        (f"a.example:{'9' * 5_000} [fd00::1]:{'9' * 5_000}", "", "a.example"),
        ("10.0.0.0/99 a/b :", "", "10.0.0.1 a.example"),
    ],
)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_no_proxy_names_hosts_in_every_usual_form(
    variable: str, no_proxy: str, excepted: str, others: str
) -> None:
    environ = {"HTTPS_PROXY": "http://proxy.test:3128", variable: no_proxy}

    assert [host for host in excepted.split() if proxy_for(f"https://{host}", environ)] == []
    assert [host for host in others.split() if not proxy_for(f"https://{host}", environ)] == []


@given(st.text())
def test_any_no_proxy_is_read(text: str) -> None:
    environ = {"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": text}
    for host in ("a.example", "10.1.2.3", "[fd00::1]:8443"):
        assert proxy_for(f"https://{host}", environ) in (None, "http://proxy.test:3128")


@pytest.mark.parametrize(
    "environ, proxy",
    [
        ({}, None),
        ({"HTTP_PROXY": "http://a.test:1"}, None),
        ({"HTTPS_PROXY": "a.test:1"}, "http://a.test:1"),
        ({"HTTPS_PROXY": "https://a.test"}, "https://a.test"),
        ({"HTTPS_PROXY": "http://u:p@a.test:1/"}, "http://a.test:1"),
        ({"HTTPS_PROXY": "http://a.test:1", "https_proxy": "http://b.test:2"}, "http://b.test:2"),
        ({"HTTPS_PROXY": "http://a.test:1", "https_proxy": ""}, None),
        ({"ALL_PROXY": "http://a.test:1", "HTTPS_PROXY": "http://b.test:2"}, "http://b.test:2"),
        ({"ALL_PROXY": "http://a.test:1", "HTTPS_PROXY": ""}, None),
        ({"HTTPS_PROXY": "http://a.test:1", "NO_PROXY": "*", "no_proxy": ""}, "http://a.test:1"),
    ],
)
def test_the_first_variable_that_is_set_counts(environ: dict[str, str], proxy: str | None) -> None:
    assert proxy_for("https://koophone.test", environ) == proxy


def test_the_header_of_a_cgi_request_is_no_proxy() -> None:
    environ = {"HTTP_PROXY": "http://evil.test:1", "REQUEST_METHOD": "GET"}

    assert proxy_for("http://koophone.test", environ) is None


@pytest.mark.parametrize("address", ["socks5://a.test:1080", "http://a.test:1\n", "http://u:hunter2@[::1"])
async def test_an_invalid_proxy_of_the_environment_is_named_when_it_is_needed(address: str) -> None:
    environ = {"ALL_PROXY": address, "KOOPHONE_ENDPOINT": f"https://{HOST}"}
    async with Session(KEY, environ=environ) as ours:
        with pytest.raises(InvalidRequest, match=r"^ALL_PROXY: ") as caught:
            await ours.send(RUN, Note())

    assert "hunter2" not in str(caught.value)
