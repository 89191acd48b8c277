"""The connections of a session, and one exchange of request and response over them.

A pool owns an `aiohttp.ClientSession`, or shares the connections of one that the caller passed. It shares
nothing else of that session: headers, cookies, authentication, timeouts or middlewares could break a
signature, or hide what an answer was.

Whether a request was sent is observed at the transport: `_WatchedRequest` puts a `_FirstWrite` in its place
until the first bytes are written. The traces of aiohttp are too early for that. They fire before the headers
are encoded, and on Python 3.11 a task of its own writes the body, under load 100 ms later: a permit counted
from the trace would be free again before its window has passed. aiohttp has no hook for a write; tests pin
the two places that stand in for one, `ClientRequest.send` and the `transport` of a protocol.
"""

from __future__ import annotations

import asyncio
import logging
import select
import ssl
import sys
import weakref
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.request import getproxies, proxy_bypass

import aiohttp
from attrs import define, field
from yarl import URL

from koophone_async.connection_errors import LeaseEndedError
from koophone_async.endpoints import is_loopback
from koophone_async.errors import InvalidRequest
from koophone_async.protocol.response import RawResponse
from koophone_async.proxies import Proxies, Proxy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

    from koophone_async.call import SendTracker

log: Final = logging.getLogger("koophone_async")

MAX_HEADER: Final = 64 * 2**10
"""The maximum size in bytes of a header of an answer: tokens of IAM grow with the rights of the user."""


class AnswerTooLongError(Exception):
    """The body of a success is longer than the maximum."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@define(eq=False, repr=False)
class Exchange:
    """One request to be sent, and what is known of it."""

    headers: Mapping[str, str]
    tracker: SendTracker
    used: weakref.WeakSet[ResponseHandler]
    """The connections that have carried a request before."""

    deadline: asyncio.Timeout
    timeout: float | None
    """Seconds from the first write to the end of the answer."""

    is_traced: bool
    """Whether traces of the caller see the request."""

    proxy: Proxy | None = None
    is_reused: bool = False
    """Whether the connection has carried a request before."""

    is_stale: bool = False
    """Whether the connection has received something after the last answer, or was closed."""

    protocol: ResponseHandler | None = None
    """The connection that the request is sent over."""

    is_written: bool = False
    """Whether bytes of the request were written."""

    is_watched: bool = False
    """Whether aiohttp has made the request, so that its first write will be observed.

    What replaces `ClientSession._request`, such as aioresponses, never does.
    """

    def close_connection(self) -> None:
        """Close the connection, so that no other request is sent over it."""
        if self.protocol is not None:
            self.protocol.close()

    def mark_sent(self) -> None:
        """Record that bytes of the request were written."""
        self.is_written = True
        self.tracker.mark_sent()
        if self.timeout is not None:
            self.deadline.reschedule(asyncio.get_running_loop().time() + self.timeout)


_current: Final[ContextVar[Exchange]] = ContextVar("_current")


@define(eq=False, repr=False)
class _FirstWrite:
    """Stands in for the transport of a connection until the first write, which it reports."""

    _protocol: ResponseHandler
    _transport: asyncio.Transport
    _exchange: Exchange

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the transport has
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Return whether the transport is closing, which aiohttp asks before it writes."""
        return self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Write, and report it."""
        self._write(self._transport.write, data)

    def writelines(self, data: Iterable[bytes]) -> None:
        """Write, and report it."""
        self._write(self._transport.writelines, data)

    def _write(self, write: Callable[[Any], None], data: object) -> None:
        self._protocol.transport = self._transport
        # Here and not in `send`: on Python 3.11 a busy loop may write a long time after it.
        if self._exchange.is_reused and (self._protocol.should_close or _is_readable(self._transport)):
            self._exchange.is_stale = True
            raise aiohttp.ClientConnectionResetError("data was received before the request was sent")
        if not self._exchange.tracker.may_be_sent:
            raise LeaseEndedError
        write(data)
        self._exchange.mark_sent()


class _WatchedRequest(aiohttp.ClientRequest):
    """A request that reports its first write, and is not sent over a connection with unread data."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - those of aiohttp
        self._exchange = _current.get()
        self._exchange.is_watched = True
        super().__init__(*args, **kwargs)

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Send the request over a connection."""
        protocol, exchange = conn.protocol, self._exchange
        exchange.is_reused = exchange.is_reused or protocol in exchange.used
        if protocol is None or protocol.transport is None or protocol.should_close:
            exchange.is_stale = exchange.is_reused
            raise aiohttp.ClientConnectionError(
                "the connection was closed, or data was received, before the request was sent"
            )
        if not exchange.is_reused:
            exchange.used.add(protocol)
        exchange.protocol = protocol
        if exchange.is_traced:
            self.headers.update(exchange.headers)  # the traces may have changed them
        first = _FirstWrite(protocol, protocol.transport, exchange)
        protocol.transport = cast("asyncio.Transport", first)
        return await super().send(conn)


def _is_readable(transport: asyncio.Transport) -> bool:
    """Return whether a socket has received bytes that the loop has not read yet, or the end.

    On a new TLS connection these may be session tickets; on one that was used, they belong to no request.
    """
    if sys.platform == "win32":  # pragma: no cover - it has no poll
        return bool(select.select([transport.get_extra_info("socket")], [], [], 0)[0])
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))


@define(eq=False, repr=False)
class ConnectionPool:
    """Connections that are kept open between requests."""

    limit: int
    """The maximum number of connections of an own pool."""

    timeouts: aiohttp.ClientTimeout
    response_timeout: float | None
    """Seconds from the first write of a request to the end of its answer."""

    max_answer_bytes: int
    proxies: Proxies = field(factory=Proxies)
    shared: aiohttp.ClientSession | None = None
    """The session of the caller whose connections are shared."""

    _client: aiohttp.ClientSession | None = field(default=None, init=False)
    _abandoned: list[aiohttp.ClientSession] = field(
        factory=list[aiohttp.ClientSession], init=False, repr=False
    )
    """Sessions whose event loop was closed before they were."""

    _used: weakref.WeakSet[ResponseHandler] = field(
        factory=weakref.WeakSet["ResponseHandler"], init=False, repr=False
    )

    def open(self) -> None:
        """Open the pool, or reopen it after `close`."""
        if self.shared is None and self._client is not None and self._client.closed:
            self._client = None
        self._opened()

    def enter_loop(self) -> None:
        """Leave the connections of a closed event loop, which no other loop can use."""
        if self._client is not None and not self._client.closed:
            self._abandoned.append(self._client)
            self._client = None

    async def _close_abandoned(self) -> None:
        while self._abandoned:
            with suppress(RuntimeError):  # the loop is closed
                await self._abandoned.pop().close()

    async def close(self) -> None:
        """Close the connections, unless they are shared."""
        await self._close_abandoned()
        if self._client is None:
            return
        if self.shared is None:
            await self._client.close()
        else:
            self._client.detach()
            self._client = None

    async def exchange(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, tracker: SendTracker
    ) -> RawResponse:
        """Send a request, and return the response.

        Connections that are found to be stale are closed, and the next one is taken; nothing was sent then.

        Raises:
            AnswerTooLongError: The body of a success is longer than the maximum.
            ClientError: No complete response arrived; the tracker knows whether the request was sent.
            OSError: The same.
        """
        if self._abandoned:
            await self._close_abandoned()
        client, proxy = self._opened(), self._proxy_for(url)
        tracker.uses_tunnel = proxy is not None and url.scheme == "https"
        if proxy is not None and url.scheme == "http":
            headers = {**headers, **proxy.headers}  # there is no tunnel, so that the proxy reads these
        while True:
            deadline = asyncio.timeout(None)
            exchange = Exchange(
                headers,
                tracker,
                self._used,
                deadline,
                self.response_timeout,
                self.shared is not None,
                proxy,
            )
            token = _current.set(exchange)
            try:
                return await self._exchange(client, exchange, method, url, body)
            except BaseException as error:
                if exchange.is_stale and isinstance(error, aiohttp.ClientError):
                    continue
                if not exchange.is_watched and not isinstance(error, aiohttp.InvalidURL):
                    tracker.mark_sent()
                raise
            finally:
                _current.reset(token)

    async def _exchange(
        self, client: aiohttp.ClientSession, exchange: Exchange, method: str, url: URL, data: bytes | None
    ) -> RawResponse:
        head: RawResponse | None = None
        proxy = exchange.proxy
        try:
            async with (
                exchange.deadline,
                client.request(
                    method, url, data=data, headers=exchange.headers, allow_redirects=False,
                    proxy=proxy.url if proxy else None, proxy_headers=proxy.headers if proxy else None,
                    timeout=self.timeouts,
                ) as response,
            ):  # fmt: skip
                if exchange.is_watched and not exchange.is_written:
                    response.close()
                    raise aiohttp.ClientConnectionError("an answer was received before the request was sent")
                head = RawResponse(response.status, response.headers, b"", exchange.close_connection)
                head.body = await self._read_body(response)
                return head
        except (aiohttp.ClientError, OSError) as error:
            if head is None or head.succeeded:
                if exchange.deadline.expired():
                    seconds = self.response_timeout
                    raise TimeoutError(f"the answer was not complete within {seconds:g} s") from error
                raise
            return head  # the status says enough
        except AnswerTooLongError as error:
            if head is None or head.succeeded:
                raise
            head.body = str(error).encode()
            return head

    async def _read_body(self, response: aiohttp.ClientResponse) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while not response.content.at_eof():
            chunk = await response.content.readany()
            size += len(chunk)
            if size > self.max_answer_bytes:
                reason = f"its body has more than {self.max_answer_bytes:,} bytes, the maximum of the session"
                raise AnswerTooLongError(response.status, reason)
            chunks.append(chunk)
        return b"".join(chunks)

    def verifies(self, url: URL) -> bool:
        """Return whether an answer from a URL is certainly of the service: by TLS, or on this machine."""
        if is_loopback(url.host or ""):
            return True
        if url.scheme != "https":
            return False
        # aiohttp offers no public way to read it.
        trust = True if self.shared is None else getattr(self.shared.connector, "_ssl", None)
        return trust is True or (isinstance(trust, ssl.SSLContext) and trust.verify_mode is ssl.CERT_REQUIRED)

    def _opened(self) -> aiohttp.ClientSession:
        if self.shared is not None and self.shared.closed:
            raise InvalidRequest("", "http", "is closed")
        if self.shared is not None and self.shared._loop is not asyncio.get_running_loop():  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - its property is deprecated
            raise InvalidRequest("", "http", "belongs to another event loop")
        if self._client is None:
            self._client = self._share(self.shared) if self.shared else self._own()
        elif self._client.closed:
            raise InvalidRequest("", "session", "is closed; open it again with `async with`")
        return self._client

    def _own(self) -> aiohttp.ClientSession:
        # Gateways keep connections for a minute. The client closes them earlier, so that no request is
        # written to a connection that the gateway is closing.
        return _client(aiohttp.TCPConnector(limit=self.limit, keepalive_timeout=15))

    def _share(self, theirs: aiohttp.ClientSession) -> aiohttp.ClientSession:
        ours = aiohttp.TraceConfig()
        ours.on_connection_reuseconn.append(_mark_reused)
        traces = [ours, *(_guarded(trace) for trace in theirs.trace_configs)]
        client = _client(theirs.connector, connector_owner=False, trace_configs=traces)
        weakref.finalize(self, client.detach).atexit = False
        return client

    def _proxy_for(self, url: URL) -> Proxy | None:
        if self.proxies.always is not None or self.shared is None:
            return self.proxies.proxy_for(url)
        if is_loopback(url.host or ""):
            return None
        # aiohttp offers no public way to read them.
        proxy, login = self.shared._default_proxy, self.shared._default_proxy_auth  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        if proxy is not None:
            proxy = URL(proxy)
            if login is not None:
                user, password, _ = cast("tuple[str, str, str]", login)
                proxy = proxy.with_user(user).with_password(password)
            return Proxy.parse(str(proxy), "http")
        if self.shared.trust_env and not proxy_bypass(url.host or ""):
            found = getproxies().get(url.scheme)
            return Proxy.parse(found) if found and found.startswith("http://") else None
        return None


def _client(connector: aiohttp.BaseConnector | None, **options: Any) -> aiohttp.ClientSession:  # noqa: ANN401 - handed on
    client = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        request_class=_WatchedRequest,
        max_line_size=MAX_HEADER,
        max_field_size=MAX_HEADER,
        **options,
    )
    # aiohttp resends GET, PUT and DELETE on a broken connection, even if the service has executed them, and
    # has no public switch for that.
    client._retry_connection = False  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return client


async def _mark_reused(*_: object) -> None:
    _current.get().is_reused = True


_EVENTS: Final = tuple(name for name in dir(aiohttp.TraceConfig) if name.startswith("on_"))


def _guarded(theirs: aiohttp.TraceConfig) -> aiohttp.TraceConfig:
    """Return a trace that calls the callbacks of another one, and logs their exceptions."""
    trace = aiohttp.TraceConfig(cast("Any", theirs.trace_config_ctx))
    for event in _EVENTS:
        getattr(trace, event).extend(map(_logging, getattr(theirs, event)))
    return trace


def _logging(callback: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def call(*args: object) -> None:
        try:
            await callback(*args)
        except Exception:
            log.exception("unhandled exception in a trace of the aiohttp session")

    return call
