"""The session: one send path for every operation of every service.

Place the fields, wait for the quota, sign, send, read, and either answer or raise; what may be
sent again is decided in `retry`, what a code means in `protocol.codes`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import uuid4

import aiohttp
from attrs import frozen
from yarl import URL

from koophone_async import wire
from koophone_async.bound_session import BoundSession
from koophone_async.call import Call, SendTracker, install_send_trace
from koophone_async.credential_cache import CredentialCache
from koophone_async.credentials import (
    AccessKey,
    Credentials,
    Password,
    Provider,
    default_chain,
)
from koophone_async.endpoints import BESIDE, Endpoints, parse_edition, parse_proxy, published
from koophone_async.errors import (
    AuthenticationFailed,
    InvalidRequest,
    KooPhoneError,
    NoAnswer,
    NotConnected,
    NotSent,
    Refused,
    Rule,
    Throttled,
    UnreadableAnswer,
)
from koophone_async.limits import Limits, Permit
from koophone_async.polling import PollScheduler
from koophone_async.project_lookup import ProjectLookup
from koophone_async.protocol.reading import read
from koophone_async.protocol.response import RawResponse
from koophone_async.protocol.signing import Request as Unsigned
from koophone_async.protocol.signing import target
from koophone_async.retry import Budget, Retries
from koophone_async.services.iam import CREATE_TOKEN, CreateToken, Token
from koophone_async.wire import Edition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from koophone_async.operation import Answer, AnyOperation, Operation, Quota, Request

log: Final = logging.getLogger("koophone_async")

MAX_SIGNED_BODY: Final = 12 * 2**20
"""The largest body that may be signed with an access key, in bytes; larger ones need a token."""


def utc_now() -> datetime:
    """Tell the time; the wall clock unless a caller brings its own."""
    return datetime.now(UTC)


@frozen
class Timeouts:
    """How long to wait, in seconds; None is for ever."""

    connect: float | None = 10.0
    """For a connection, a free place in the pool included."""

    read: float | None = 60.0
    """For the next bytes of the answer, once the request has left."""

    total: float | None = None
    """For one call as a whole, with its wait for the quota and its repeats."""


class Session:
    """Signed, rate-limited calls over one pool of connections.

    ```python
    async with Session() as session:
        koophone = KooPhone(session)
    ```
    Without arguments everything comes from the environment (`HUAWEICLOUD_SDK_AK`, ...), the
    profile file or the metadata service of a cloud server.
    """

    def __init__(  # noqa: PLR0913 - all but one are named, and have defaults
        self,
        credentials: Credentials | Provider | None = None,
        *,
        region: str | None = None,
        edition: Edition | str | None = None,
        endpoints: Endpoints | None = None,
        timeouts: Timeouts = Timeouts(),
        retries: Retries = Retries(),
        quotas: Mapping[str, tuple[Quota, ...]] | None = None,
        max_quota_wait: float | None = None,
        connections: int = 100,
        proxy: str | None = None,
        http: aiohttp.ClientSession | None = None,
        now: Callable[[], datetime] = utc_now,
        rng: random.Random | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Set up a session; the network is first touched by the first call.

        Args:
            credentials: An `AccessKey`, a `Password`, or a provider of either.
            region: Such as `cn-north-4`; else KOOPHONE_REGION.
            edition: `china` or `international`; else KOOPHONE_EDITION, else `china`.
            endpoints: Where the services are; else the environment, else the published hosts.
            timeouts: For connecting, for the answer, for a whole call.
            retries: How often and how long a call is sent again.
            quotas: More quotas, by operation (`koophone.commands.run`), service (`koophone`) or `*`.
            max_quota_wait: How many seconds a call may wait for its quota; longer raises `QuotaTooSlow`.
            connections: The most connections at once.
            proxy: The address of an HTTP proxy.
            http: A session of the caller's own. It stays open, and stops repeating PUT, DELETE and
                GET by itself: aiohttp does that silently, also after the service has acted.
            now: The wall clock.
            rng: Where jitter comes from.
            environ: The environment.

        Raises:
            InvalidRequest: An endpoint is not https (plain http is for loopback), the proxy is none, or the edition
                is unknown.
        """
        self.environ = environ
        self.region: str | None = region or environ.get("KOOPHONE_REGION")
        self.edition: Edition = parse_edition(edition or environ.get("KOOPHONE_EDITION") or Edition.CHINA)
        self._endpoints = endpoints or Endpoints.from_environment(environ)
        self._origins = self._endpoints.origins()
        self._timeouts = timeouts
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=timeouts.connect, sock_connect=timeouts.connect, sock_read=timeouts.read
        )
        rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self.rng = rng
        self.limits: Limits = Limits(quotas or {}, rng=rng)
        self.poll_scheduler: PollScheduler = PollScheduler(rng=rng)
        self._budget = Budget(retries, rng)
        self._max_quota_wait = max_quota_wait
        self._connections = connections
        self._proxy = parse_proxy(proxy) if proxy else None
        self._http = http
        self._owns_http = http is None
        if http is not None:
            install_send_trace(http)
        self.now = now
        self.credentials: CredentialCache[Credentials] = CredentialCache(
            credentials or default_chain(environ), now
        )
        self._tokens: CredentialCache[Token] = CredentialCache(self._fetch_token, now)
        self._projects = ProjectLookup(self)

    async def __aenter__(self) -> Self:
        """Open the pool of connections, again where it was closed."""
        if self._owns_http and self._http is not None and self._http.closed:
            self._http = None
        self._pool()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the pool of connections."""
        await self.close()

    async def close(self) -> None:
        """End all waits and close the pool of connections; one that the caller brought goes on to serve.

        What still goes on is not sent over a closed pool, until `async with` opens the session again.
        """
        await self.poll_scheduler.aclose()
        if self._http is not None and self._owns_http:
            await self._http.close()

    def __repr__(self) -> str:
        """Show where it points; never what it signs with."""
        return f"<Session {self.edition.value} {self.region or 'no region'}>"

    def bind(
        self,
        *,
        edition: Edition | str | None = None,
        region: str | None = None,
        project_id: str | None = None,
    ) -> BoundSession:
        """Return this session bound to what all calls of one client share.

        Args:
            edition: The edition in whose words states are read; else the session's own.
            region: The region of the calls; else the session's own.
            project_id: The project of the calls; else it is looked up when a path needs it.

        Raises:
            InvalidRequest: The edition is unknown.
        """
        edition = parse_edition(edition) if edition else self.edition
        return BoundSession(self, edition, region or self.region, project_id)

    def estimate(self, operation: AnyOperation, calls: int) -> float:
        """Return the least seconds that the quotas leave for this many calls."""
        return self.limits.estimate(operation.name, operation.quotas, calls)

    async def project_id(self, region: str | None = None) -> str:
        """Return the id of the project that calls are made in.

        It is that of HUAWEICLOUD_SDK_PROJECT_ID, else of the credentials, else the project named like
        the region, which is looked up once.

        Args:
            region: The region of the calls; else the session's own.

        Raises:
            InvalidRequest: There is neither a project nor a region to look it up by.
            NotFound: The account has no project named like the region.
        """
        return await self._projects.find(region or self.region)

    async def send(  # noqa: PLR0913 - all but two are named, and have defaults
        self,
        operation: Operation[Request, Answer],
        request: Request,
        *,
        tracker: SendTracker | None = None,
        edition: Edition | None = None,
        region: str | None = None,
        project_id: str | None = None,
    ) -> Answer:
        """Send one request and read its answer.

        Args:
            operation: The constant that says how.
            request: An instance of its request class.
            tracker: Records whether the request was sent, for callers that may be cancelled.
            edition: The edition in whose words states are read; else the session's own.
            region: The region of the service; else the session's own. An explicit endpoint goes before it.
            project_id: The project in the path; else it is looked up where the path needs one.

        Raises:
            InvalidRequest: The request is wrong as written; nothing was sent.
            NotSent: Nothing left this machine.
            Refused: The service answered no.
            NoAnswer: It may have happened.
            UnreadableAnswer: The answer is not what the service documents.
        """
        _check_batch(operation, request)
        if not project_id and "{project_id}" in operation.path:
            project_id = await self.project_id(region)
        call = Call(
            operation,
            wire.place(operation, request, project_id=project_id),
            getattr(request, "request_id", None) or uuid4().hex,
            edition or self.edition,
            tracker or SendTracker(),
            self.origin(operation.service, region),
            project_id,
        )
        limit = asyncio.timeout(self._timeouts.total)
        try:
            async with limit:
                return await self._repeat(call)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise call.timed_out(f"no end within {self._timeouts.total} s") from error

    async def _repeat(self, call: Call[Answer]) -> Answer:
        """Send until there is an answer, or an error after which nothing may be sent."""
        loop = asyncio.get_running_loop()
        began, attempt, doubt = loop.time(), 0, None
        while True:
            attempt += 1
            try:
                answer = await self._attempt(call)
            except KooPhoneError as error:
                wait = self._wait(call, error, attempt, loop.time() - began - call.queued)
                if wait is None:
                    if doubt is not None and isinstance(error, InvalidRequest | NotSent):
                        raise doubt from error  # this attempt was not sent; an earlier one may have happened
                    raise
                doubt = doubt or (error if call.tracker.sent else None)
                log.debug("%s: again in %.2f s after: %s", call.operation.name, wait, error)
            else:
                self._budget.succeeded()
                return answer
            await asyncio.sleep(wait)

    def _wait(self, call: Call[Any], error: KooPhoneError, attempt: int, elapsed: float) -> float | None:
        if isinstance(error, AuthenticationFailed):
            is_renewed = error.renewable and self._renew(call)
            return 0.0 if is_renewed and not call.operation.order else None
        if isinstance(error, Refused) and error.blames_ids and call.tracker.halves:
            return None
        return self._budget.wait(call.operation, error, attempt, elapsed)

    async def _attempt(self, call: Call[Answer]) -> Answer:
        operation = call.operation
        # Before the quota, which the request for a token may share: it would wait for calls that wait for it.
        call.proof = None if operation.anonymous else await self._proof(call)
        now = asyncio.get_running_loop().time
        asked = now()
        with await self.limits.acquire(
            operation.name, operation.quotas, max_wait=self._max_quota_wait
        ) as permit:
            call.queued += now() - asked
            call.begin(permit)
            try:
                if isinstance(call.proof, Token):
                    call.proof = self._tokens.held or call.proof  # another may have come during the wait
                elif call.proof is not None:
                    call.proof = await self._proof(call)  # and a key have ended; no quota gives the next
                return await self._ask(call, self._headers(call), permit)
            except BaseException:
                permit.unsent()  # without effect once it has left
                raise

    async def _ask(self, call: Call[Answer], headers: Mapping[str, str], permit: Permit) -> Answer:
        try:
            received = await self._exchange(call, headers)
            answer = read(call.operation, received, call.edition, call.request_id)
        except Throttled as error:
            permit.throttled(error.message, error.retry_after)
            call.mark_not_executed()
            raise
        except Refused as error:
            permit.answered()
            if error.not_executed:
                call.mark_not_executed()
            raise
        permit.answered()
        return answer

    def _headers(self, call: Call[Any]) -> dict[str, str]:
        placed, proof = call.placed, call.proof
        headers = {"x-request-id": call.request_id}
        if placed.body is not None:
            headers["Content-Type"] = "application/json"
        if proof is None:
            return headers
        if isinstance(proof, Token):
            return headers | {"X-Auth-Token": proof.value}
        if call.operation.service == "iam" and proof.domain_id:
            headers["X-Domain-Id"] = proof.domain_id
        elif project := call.project or proof.project_id:
            headers["X-Project-Id"] = project
        if placed.body is not None and len(placed.body) > MAX_SIGNED_BODY:
            problem = f"is {len(placed.body):,} bytes; a signed one holds at most {MAX_SIGNED_BODY:,}: use a Password"
            raise InvalidRequest(call.operation.name, "body", problem, Rule.TOO_LONG, MAX_SIGNED_BODY)
        unsigned = Unsigned(call.operation.method, placed.path, placed.query, headers, placed.body)
        return headers | proof.signer.sign(unsigned, call.origin.host_port_subcomponent or "", self.now())

    async def _proof(self, call: Call[Any]) -> AccessKey | Token:
        """Get what signs the call, which has not left whatever becomes of a request for a token."""
        try:
            credentials = await self.credentials.current()
            return await self._tokens.current() if isinstance(credentials, Password) else credentials
        except (NoAnswer, UnreadableAnswer) as error:
            raise NotConnected(call.operation.name, f"not signed in: {error}") from error

    async def _exchange(self, call: Call[Any], headers: Mapping[str, str]) -> RawResponse:
        operation, placed, tracker = call.operation, call.placed, call.tracker
        url = URL(f"{call.origin}{target(placed.path, placed.query)}", encoded=True)
        try:
            async with self._pool().request(
                operation.method, url, data=placed.body, headers=headers, allow_redirects=False,
                proxy=self._proxy, timeout=self._timeout, trace_request_ctx=tracker,
            ) as response:  # fmt: skip
                try:
                    body = await response.read()
                except (aiohttp.ClientError, OSError):
                    if response.status < 300:
                        raise
                    body = b""
                return RawResponse(response.status, response.headers, body)
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            # Not `from error`: its text may quote an answer, and tracebacks print it.
            raise call.failure(error) from None

    def origin(self, service: str, region: str | None = None) -> URL:
        """Tell where a service is: as was said, else the published host of edition or region.

        Raises:
            InvalidRequest: Nothing says where it is.
        """
        service = BESIDE.get(service, service)
        return self._origins.get(service) or published(service, self.edition, region or self.region)

    def _pool(self) -> aiohttp.ClientSession:
        if self._http is None:
            # Shorter than the minute that gateways keep a connection, so that the client is the
            # one to close it and no write meets a closing one.
            connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=15)
            self._http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
            install_send_trace(self._http)
        elif self._http.closed and self._owns_http:
            raise InvalidRequest("", "session", "is closed; `async with` opens it again")
        elif self._http.closed:
            raise InvalidRequest("", "http", "is closed")
        return self._http

    def _renew(self, call: Call[Any]) -> bool:
        """Forget the token that was refused, once a call; many calls may find out at the same time."""
        if call.is_renewed:
            return False
        call.is_renewed = True
        if isinstance(call.proof, Token):
            return self._tokens.forget(call.proof)
        # A permanent key that is refused stays so, and the vendor locks a key after five refusals.
        is_temporary = isinstance(call.proof, AccessKey) and call.proof.security_token is not None
        return is_temporary and self.credentials.forget(call.proof)

    async def _fetch_token(self) -> Token:
        credentials = await self.credentials.current()
        if not isinstance(credentials, Password):
            raise InvalidRequest(
                CREATE_TOKEN.name, "credentials", "are an access key; a token needs a user's password"
            )
        who = CreateToken.of(credentials.user, credentials.password, credentials.domain, credentials.project)
        return await self.send(CREATE_TOKEN, who)


def _check_batch(operation: AnyOperation, request: object) -> None:
    batch = operation.batch
    if batch is not None:
        count = len(getattr(request, batch.field))
        if count > batch.max:
            problem = (
                f"holds {count:,} items; one call takes at most {batch.max:,} (a fleet takes any number)"
            )
            raise InvalidRequest(operation.name, batch.field, problem, Rule.TOO_MANY, batch.max)
