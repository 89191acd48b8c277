"""A caller's own aiohttp session: only its connections and its proxy have an effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import aiohttp
import pytest

from koophone_async import Retries, Timeouts
from koophone_async.call import SendTracker
from koophone_async.errors import InvalidRequest, NoAnswer, Refused
from tests.fake_server import FakeServer, accept, replies, reset_after_request, stall
from tests.send.network import HOST, ScriptedResolver
from tests.send.operations import KEY, READ, RUN, Answer, Note, session
from tests.send.test_proxies import ALLOW_HTTP, Proxy
from tests.send.test_sign_in import is_signed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fake_server import Behaviour


pytestmark = pytest.mark.filterwarnings(
    "ignore:BasicAuth is deprecated", "ignore:The '(proxy_)?auth' parameter"
)


def _authorizing() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()

    async def change(_: object, __: object, params: aiohttp.TraceRequestStartParams) -> None:
        params.headers["Authorization"] = "Basic of-the-trace"
        params.headers["Content-Type"] = "text/plain"

    trace.on_request_start.append(change)
    return trace


def _failing(event: str) -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()

    async def fail(*_: object) -> None:
        raise ValueError(event)

    getattr(trace, event).append(fail)
    return trace


async def _authorize(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    request.headers["Authorization"] = "Basic of-the-middleware"
    response = await handler(request)
    response.raise_for_status()
    return response


async def _always_fail(_: aiohttp.ClientResponse) -> None:
    raise aiohttp.ClientError


OPTIONS: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "nothing": dict,
    "raise_for_status": lambda: {"raise_for_status": True},
    "a function for raise_for_status": lambda: {"raise_for_status": _always_fail},
    "netrc": lambda: {"trust_env": True},
    "headers": lambda: {
        "headers": {
            "Authorization": "Basic x",
            "Content-Type": "text/plain",
            "X-Sdk-Date": "never",
            "Host": "x",
        }
    },
    "cookies": lambda: {"cookies": {"session": "of-the-caller"}},
    "an unsafe cookie jar": lambda: {"cookie_jar": aiohttp.CookieJar(unsafe=True)},
    "a total timeout": lambda: {"timeout": aiohttp.ClientTimeout(total=1e-6)},
    "a read timeout": lambda: {"timeout": aiohttp.ClientTimeout(sock_read=1e-6)},
    "no decompression": lambda: {"auto_decompress": False},
    "a serializer": lambda: {"json_serialize": str},
    "a small read buffer": lambda: {"read_bufsize": 1},
    "short header fields": lambda: {"max_field_size": 8, "max_line_size": 8},
    "HTTP/1.0": lambda: {"version": aiohttp.HttpVersion10},
    "a base address": lambda: {"base_url": "http://127.0.0.1:9/base/"},
    "skipped headers": lambda: {"skip_auto_headers": ["Content-Type", "Host"]},
    "a trace that changes headers": lambda: {"trace_configs": [_authorizing()]},
    "a trace that fails at the start": lambda: {"trace_configs": [_failing("on_request_start")]},
    "a trace that fails at the headers": lambda: {"trace_configs": [_failing("on_request_headers_sent")]},
    "a trace that fails at the end": lambda: {"trace_configs": [_failing("on_request_end")]},
    "a login": lambda: {"auth": aiohttp.BasicAuth("user", "password")},
    "a middleware": lambda: {"middlewares": [_authorize]},
}


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "netrc"
    file.write_text("machine localhost login of-the-netrc password secret\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))


async def end(kind: str, behaviour: Behaviour) -> tuple[object, FakeServer, SendTracker]:
    tracker = SendTracker()
    once = Retries(attempts=1)
    async with (
        FakeServer([behaviour]) as server,
        aiohttp.ClientSession(**OPTIONS[kind]()) as http,
        session(server.url, http=http, retries=once, timeouts=Timeouts(read=60)) as ours,
    ):
        try:
            return await ours.send(RUN, Note(), tracker=tracker), server, tracker
        except (Refused, NoAnswer) as error:
            return type(error), server, tracker


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("kind", OPTIONS)
async def test_a_request_arrives_as_it_was_signed(kind: str) -> None:
    answer, server, tracker = await end(kind, accept)

    assert (answer, tracker.sent, server.executions) == (Answer("done"), True, 1)
    assert is_signed(server.received[0], KEY.secret_key)
    assert "cookie" not in server.received[0].headers


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("kind", OPTIONS)
async def test_an_error_is_that_of_the_service(kind: str) -> None:
    error, server, _ = await end(kind, replies(404, "KOOPHONE.API.4001", "no such instance"))

    assert (error, server.request_count) == (await plain(replies(404, "KOOPHONE.API.4001", "no such")), 1)


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("kind", OPTIONS)
async def test_a_lost_answer_leaves_doubt(kind: str) -> None:
    error, server, tracker = await end(kind, reset_after_request)

    assert (error, tracker.sent, server.executions) == (await plain(reset_after_request), True, 1)


async def plain(behaviour: Behaviour) -> object:
    """Return how the same call ends without a session of the caller's own."""
    async with FakeServer([behaviour]) as server, session(server.url, retries=Retries(attempts=1)) as ours:
        with pytest.raises((Refused, NoAnswer)) as caught:
            await ours.send(RUN, Note())
    return caught.type


async def test_the_callers_session_is_not_changed() -> None:
    async with FakeServer() as server, aiohttp.ClientSession() as http:
        before = vars(http).copy()
        async with session(server.url, http=http) as ours:
            await ours.send(READ, Note())

        assert vars(http) == before


async def test_the_callers_traces_see_the_requests() -> None:
    seen: list[str] = []
    trace = aiohttp.TraceConfig()

    async def see(_: object, __: object, params: aiohttp.TraceRequestEndParams) -> None:
        seen.append(params.method)

    trace.on_request_end.append(see)
    async with (
        FakeServer() as server,
        aiohttp.ClientSession(trace_configs=[trace]) as http,
        session(server.url, http=http) as ours,
    ):
        await ours.send(READ, Note())
        await ours.send(RUN, Note())

    assert seen == ["GET", "POST"]


async def test_the_callers_connections_are_shared() -> None:
    async with (
        FakeServer() as server,
        aiohttp.ClientSession() as http,
        session(server.url, http=http) as ours,
    ):
        async with http.get(server.url) as answer:
            await answer.read()
        await ours.send(RUN, Note())

    assert (len(server.connections), server.executions) == (1, 2)


@pytest.mark.parametrize("has_login", [False, True])
async def test_the_callers_proxy_is_used(*, has_login: bool) -> None:
    login = aiohttp.BasicAuth("user", "password") if has_login else None
    async with (
        FakeServer() as server,
        Proxy() as proxy,
        aiohttp.ClientSession(proxy=f"http://127.0.0.1:{proxy.port}", proxy_auth=login) as http,
        session(url := f"http://{HOST}:{server.port}", http=http, environ=ALLOW_HTTP) as ours,
    ):
        await ours.send(RUN, Note())

    assert (proxy.lines, server.executions) == ([f"POST {url}/v1/notes HTTP/1.1"], 1)
    assert proxy.logins == (["Basic dXNlcjpwYXNzd29yZA=="] if has_login else [])


@pytest.mark.parametrize("bypassed", [False, True])
async def test_a_session_that_trusts_the_environment_uses_its_proxy(
    monkeypatch: pytest.MonkeyPatch, *, bypassed: bool
) -> None:
    connector = aiohttp.TCPConnector(resolver=ScriptedResolver())
    async with FakeServer() as server, Proxy() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", HOST if bypassed else "")
        url = f"http://{HOST}:{server.port}"
        async with (
            aiohttp.ClientSession(connector=connector, trust_env=True) as http,
            session(url, http=http, environ=ALLOW_HTTP) as ours,
        ):
            await ours.send(RUN, Note())

    assert (len(proxy.lines), server.executions) == (not bypassed, 1)


async def test_our_read_timeout_counts_and_not_the_callers() -> None:
    slow = aiohttp.ClientTimeout(sock_read=1000)
    async with (
        FakeServer([stall]) as server,
        aiohttp.ClientSession(timeout=slow) as http,
        session(server.url, http=http, timeouts=Timeouts(read=5)) as ours,
    ):
        with pytest.raises(NoAnswer):
            await ours.send(RUN, Note())


async def test_anything_but_an_aiohttp_session_is_an_invalid_request() -> None:
    with pytest.raises(InvalidRequest, match=r"http: is a object; it must be an aiohttp\.ClientSession"):
        session("http://127.0.0.1:9", http=object())
