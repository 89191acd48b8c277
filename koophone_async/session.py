"""The session: one send path for every operation of every service.

Encode the request, wait for the quota, sign, send, read, and return the answer or raise. `retry` decides what
is retried, `protocol.codes` what an error code means.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import unquote
from uuid import uuid4

import aiohttp
from attrs import frozen
from yarl import URL

from koophone_async import wire
from koophone_async.bound_session import BoundSession
from koophone_async.call import Call, SendTracker
from koophone_async.characters import HEADER, REGION
from koophone_async.clock import TOLERANCE, Clock
from koophone_async.connection_pool import AnswerTooLongError, ConnectionPool
from koophone_async.credential_cache import CredentialCache
from koophone_async.credentials import (
    AccessKey,
    Credentials,
    Password,
    Provider,
    default_chain,
    source_of,
)
from koophone_async.endpoints import (
    ALLOW_HTTP,
    SHARED_ENDPOINTS,
    Endpoints,
    parse_edition,
    parse_origin,
    published_endpoint,
)
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
from koophone_async.protocol.signing import Request as Unsigned
from koophone_async.protocol.signing import target
from koophone_async.proxies import Proxies
from koophone_async.retry import Budget, Retries
from koophone_async.services.iam import CREATE_TOKEN, CreateToken, Token
from koophone_async.wire import Edition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from koophone_async.operation import Answer, AnyOperation, Operation, Quota, Request
    from koophone_async.protocol.response import RawResponse

log: Final = logging.getLogger("koophone_async")

MAX_SIGNED_BODY: Final = 12 * 2**20
"""The maximum size in bytes of a body signed with an access key; larger ones need a token."""


_PROJECT: Final = "HUAWEICLOUD_SDK_PROJECT_ID"


def utc_now() -> datetime:
    """Return the time of the wall clock, the default for `Session(now=)`."""
    return datetime.now(UTC)


@frozen
class Timeouts:
    """Timeouts in seconds; None means no limit."""

    connect: float | None = 10.0
    """For a connection, including a wait for a free one in the pool."""

    read: float | None = 60.0
    """For the next bytes of the answer, after the request was sent."""

    response: float | None = 300.0
    """For the complete answer, from when the request was sent to the last byte of its body."""

    total: float | None = None
    """For a whole call, including its wait for the quota and its retries."""


class Session:
    """Signed, rate-limited calls over one pool of connections.

    ```python
    async with Session() as session:
        koophone = KooPhone(session)
    ```
    Without arguments, credentials and settings come from the environment (`HUAWEICLOUD_SDK_AK`, ...), the
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
        max_answer_bytes: int = 64 * 2**20,
        proxy: str | None = None,
        http: aiohttp.ClientSession | None = None,
        now: Callable[[], datetime] = utc_now,
        rng: random.Random | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Configure a session. It opens no connection before the first call.

        Args:
            credentials: An `AccessKey`, a `Password`, or a provider of either; default: the credential chain.
            region: Such as `cn-north-4`; default: KOOPHONE_REGION.
            edition: `china` or `international`; default: KOOPHONE_EDITION, else `china`.
            endpoints: The addresses of the services; default: the environment, else the published ones.
            timeouts: For the connection, the answer and the whole call.
            retries: How often, and for how long, a call is retried.
            quotas: Additional quotas, by operation (`koophone.commands.run`), service (`koophone`) or `*`.
            max_quota_wait: Seconds that a call may wait for its quota; if it would take longer, the call
                raises `QuotaTooSlow` at once. Default: no limit.
            connections: The maximum number of connections.
            max_answer_bytes: The maximum size of the body of an answer, decompressed. A longer one raises
                `UnreadableAnswer`.
            proxy: The URL of an HTTP proxy for all requests but those to loopback; default: HTTPS_PROXY and
                HTTP_PROXY, which are not used for the hosts in NO_PROXY either.
            http: An aiohttp session of your own, whose connections and proxy are used. It is not changed and
                not closed. Its traces see the requests; its headers, cookies, authentication, timeouts,
                middlewares and other settings do not apply to them.
            now: The wall clock.
            rng: The source of jitter.
            environ: The environment; default: that of the process.

        Raises:
            InvalidRequest: An endpoint is not https (http is allowed on loopback and for the hosts in
                KOOPHONE_ALLOW_HTTP), or proxy, edition, region or project are invalid.
        """
        environ = os.environ if environ is None else environ
        self.region: str | None = region or environ.get("KOOPHONE_REGION") or None
        if self.region is not None:
            REGION.check("region", self.region)
        self.default_project: str | None = environ.get(_PROJECT) or None
        if self.default_project is not None:
            HEADER.check(_PROJECT, self.default_project)
        self.edition: Edition = parse_edition(edition or environ.get("KOOPHONE_EDITION") or Edition.CHINA)
        self._endpoints = endpoints or Endpoints.from_environment(environ)
        self._origins = self._endpoints.origins(environ)
        self._allow_http = {ALLOW_HTTP: environ.get(ALLOW_HTTP, "")}
        self._timeouts = timeouts
        rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self.rng = rng
        self.limits: Limits = Limits(quotas or {}, rng=rng)
        self._poll_scheduler = PollScheduler(rng=rng)
        self._budget = Budget(retries, rng)
        self._max_quota_wait = max_quota_wait
        # Clients that wrap an aiohttp session look like one to people.
        if http is not None and not isinstance(http, aiohttp.ClientSession):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidRequest(
                "", "http", f"is a {type(http).__name__}; it must be an aiohttp.ClientSession"
            )
        self._connections = ConnectionPool(
            connections,
            aiohttp.ClientTimeout(
                total=None, connect=timeouts.connect, sock_connect=timeouts.connect, sock_read=timeouts.read
            ),
            timeouts.response,
            max_answer_bytes,
            Proxies.of(proxy, environ),
            http,
        )
        self.now = now
        self._clock = Clock(lambda: self.now())  # noqa: PLW0108 - users may set another clock
        self.credentials: CredentialCache[Credentials] = CredentialCache(
            source_of(credentials or default_chain(environ)), self._clock.now
        )
        self._tokens: CredentialCache[Token] = CredentialCache(self._fetch_token, self._clock.now)
        self._projects = ProjectLookup(self)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._binding = threading.Lock()

    async def __aenter__(self) -> Self:
        """Open the connection pool, or reopen it after `close`."""
        self._enter_loop()
        self._connections.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the session."""
        await self.close()

    async def close(self) -> None:
        """End all waits for jobs and close the connection pool, unless it is the caller's own.

        Later calls raise `InvalidRequest`, until `async with` opens the session again.
        """
        self._enter_loop()
        await self._poll_scheduler.aclose()
        await self._connections.close()

    def __repr__(self) -> str:
        """Return edition and region, and no credentials."""
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
            edition: The edition whose states answers use; default: that of the session.
            region: The region of the calls; default: that of the session.
            project_id: The project of the calls; default: looked up when a path needs it.

        Raises:
            InvalidRequest: The edition is unknown, or region or project contain invalid characters.
        """
        edition = parse_edition(edition) if edition else self.edition
        _check_scope(region, project_id)
        return BoundSession(self, edition, region or self.region, project_id)

    @property
    def poll_scheduler(self) -> PollScheduler:
        """The scheduler that polls jobs for all clients of the session.

        Raises:
            InvalidRequest: The session is in use by another event loop.
        """
        with suppress(RuntimeError):  # no loop is running
            self._enter_loop()
        return self._poll_scheduler

    def _enter_loop(self) -> None:
        """Bind the session to the running event loop.

        It can follow several runs of `asyncio.run`, one after the other. Two loops at a time, as in two
        threads, cannot share it: connections, timers and locks belong to a loop.

        Raises:
            InvalidRequest: It is bound to another loop, which is still open.
        """
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        with self._binding:
            if self._loop is not None:
                if not self._loop.is_closed():
                    problem = (
                        "is in use by another event loop, which is not closed yet;"
                        " use one session for each loop and thread"
                    )
                    raise InvalidRequest("", "session", problem)
                self._leave_closed_loop()
            self._loop = loop

    def _leave_closed_loop(self) -> None:
        self._poll_scheduler = PollScheduler(rng=self.rng)
        for part in (self._connections, self.limits, self.credentials, self._tokens, self._projects):
            part.enter_loop()

    def estimate(self, operation: AnyOperation, calls: int) -> float:
        """Return the minimum seconds that this many calls take under the quotas."""
        return self.limits.estimate(operation.name, operation.quotas, calls)

    async def project_id(self, region: str | None = None) -> str:
        """Return the id of the project that calls are made in.

        That is HUAWEICLOUD_SDK_PROJECT_ID, else the project of the credentials, else the project that has the
        name of the region, which is looked up once.

        Args:
            region: The region of the calls; default: that of the session.

        Raises:
            InvalidRequest: There is neither a project nor a region to look it up by.
            NotFound: The account has no project named like the region.
        """
        self._enter_loop()
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
        """Send a request and return its answer, with retries.

        Args:
            operation: The operation to call.
            request: An instance of its request class.
            tracker: Records whether the request was sent, for callers that may be cancelled.
            edition: The edition whose states the answer uses; default: that of the session.
            region: The region of the service, unless its endpoint is set; default: that of the session.
            project_id: The project in the path; default: looked up if the path needs one.

        Raises:
            InvalidRequest: A value of the request is wrong; nothing was sent.
            NotSent: Nothing left this machine.
            Refused: The service answered with an error.
            NoAnswer: The call may have been executed.
            UnreadableAnswer: The answer is not what the service documents.
        """
        self._enter_loop()
        _check_batch(operation, request)
        _check_scope(region, project_id)
        if not project_id and "{project_id}" in operation.path:
            project_id = await self.project_id(region)
        request_id = getattr(request, "request_id", None) or uuid4().hex
        HEADER.check("request_id", request_id)
        origin = await self._iam_of_key(operation) or self.origin(operation.service, region)
        try:
            encoded = wire.encode_request(operation, request, project_id=project_id)
            url = URL(f"{origin}{target(encoded.path, encoded.query)}", encoded=True)
        except UnicodeEncodeError:
            raise wire.not_encodable(operation, request) from None
        call = Call(
            operation,
            encoded,
            request_id,
            edition or self.edition,
            tracker or SendTracker(),
            url,
            project_id,
            _ids(operation, request, encoded.path) if operation.answer_ids else (),
        )
        limit = asyncio.timeout(self._timeouts.total)
        try:
            async with limit:
                return await self._send_with_retries(call)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise call.timed_out(f"not finished within {self._timeouts.total} s") from error

    async def _send_with_retries(self, call: Call[Answer]) -> Answer:
        """Send until there is an answer, or an error that is not retried."""
        loop = asyncio.get_running_loop()
        began, attempt, in_doubt = loop.time(), 0, None
        while True:
            attempt += 1
            try:
                answer = await self._attempt(call)
            except KooPhoneError as error:
                delay = self._retry_delay(call, error, attempt, loop.time() - began - call.queued)
                if delay is None:
                    was_not_sent = isinstance(error, InvalidRequest | NotSent) or call.is_signing_in
                    if in_doubt is not None and was_not_sent:
                        raise in_doubt from error  # an earlier attempt may have been executed
                    raise
                in_doubt = in_doubt or (error if call.tracker.sent else None)
                shown = max(
                    delay, self.estimate(call.operation, 1)
                )  # the quota may have no permit until later
                log.debug(
                    "retrying %s in %.2f s (attempt %d): %s", call.operation.name, shown, attempt + 1, error
                )
            else:
                self._budget.succeeded()
                return answer
            await call.announce_retry()
            await asyncio.sleep(delay)

    def _retry_delay(
        self, call: Call[Any], error: KooPhoneError, attempt: int, elapsed: float
    ) -> float | None:
        if call.is_signing_in:
            return None  # the request for the token has had its own retries
        if isinstance(error, AuthenticationFailed):
            is_renewed = call.signs_again or (error.renewable and self._renew_credentials(call))
            call.signs_again = False
            return 0.0 if is_renewed and not call.operation.order else None
        if isinstance(error, Refused) and error.blames_ids and call.tracker.bisects:
            return None
        return self._budget.retry_delay(call.operation, error, attempt, elapsed)

    async def _attempt(self, call: Call[Answer]) -> Answer:
        operation = call.operation
        # Before the wait for the quota: the request for a token may share the quota, and would wait for calls
        # that wait for the token.
        call.credentials = None if operation.anonymous else await self._credentials_for(call)
        now = asyncio.get_running_loop().time
        queued_at = now()
        with await self.limits.acquire(
            operation.name, operation.quotas, max_wait=self._max_quota_wait
        ) as permit:
            call.queued += now() - queued_at
            call.begin(permit)
            try:
                # The wait may have been long: the token may have been renewed, or the key have expired. A
                # token is not fetched here, since its request might need the quota of which this call has a
                # permit.
                if isinstance(call.credentials, Token):
                    call.credentials = self._tokens.cached or call.credentials
                elif call.credentials is not None:
                    call.credentials = await self._credentials_for(call)
                await call.announce()
                return await self._send_once(call, self._headers(call), permit)
            except BaseException:
                permit.release()  # no effect if the request was sent
                raise

    async def _send_once(self, call: Call[Answer], headers: Mapping[str, str], permit: Permit) -> Answer:
        try:
            received = await self._exchange(call, headers)
            answer = self._read(call, received)
        except Throttled as error:
            permit.mark_throttled(error.message, error.retry_after)
            call.mark_not_executed()
            raise
        except Refused as error:
            permit.mark_answered()
            if error.not_executed:
                call.mark_not_executed()
            raise
        permit.mark_answered()
        return answer

    def _read(self, call: Call[Answer], response: RawResponse) -> Answer:
        try:
            answer = read(call.operation, response, call.edition, call.request_id)
            call.check_ids(answer, response.status)
        except AuthenticationFailed as error:
            self._compare_clocks(call, response, error)
            raise
        except UnreadableAnswer:
            response.close_connection()  # what comes next over it may not be understood either
            raise
        return answer

    def _headers(self, call: Call[Any]) -> dict[str, str]:
        encoded, credentials = call.encoded, call.credentials
        headers = {"x-request-id": call.request_id}
        if encoded.body is not None:
            headers["Content-Type"] = "application/json"
        if credentials is None:
            return headers
        if isinstance(credentials, Token):
            return headers | {"X-Auth-Token": credentials.value}
        if call.operation.service == "iam" and credentials.domain_id:
            headers["X-Domain-Id"] = credentials.domain_id
        elif project := call.project or credentials.project_id:
            headers["X-Project-Id"] = project
        if encoded.body is not None and (size := len(encoded.body)) > MAX_SIGNED_BODY:
            problem = f"has {size:,} bytes; a signed one may have at most {MAX_SIGNED_BODY:,}: use a Password"
            raise InvalidRequest(call.operation.name, "body", problem, Rule.TOO_LONG, MAX_SIGNED_BODY)
        at, call.clock_correction = self._clock.now(), self._clock.correction
        unsigned = Unsigned(call.operation.method, encoded.path, encoded.query, headers, encoded.body)
        return headers | credentials.signer.sign(unsigned, call.url.host_port_subcomponent or "", at)

    async def _credentials_for(self, call: Call[Any]) -> AccessKey | Token:
        """Return the key or token to sign with. If no token can be had, the call itself was not sent."""
        try:
            credentials = await self.credentials.current()
            if not isinstance(credentials, Password):
                return credentials
            call.is_signing_in = True
            token = await self._tokens.current()
        except (NoAnswer, UnreadableAnswer) as error:
            raise NotConnected(call.operation.name, f"no token: {error}") from error
        call.is_signing_in = False
        return token

    async def _exchange(self, call: Call[Any], headers: Mapping[str, str]) -> RawResponse:
        operation, body = call.operation, call.encoded.body
        try:
            return await self._connections.exchange(operation.method, call.url, headers, body, call.tracker)
        except AnswerTooLongError as error:
            raise UnreadableAnswer(operation.name, error.status, str(error), b"", call.request_id) from None
        except InvalidRequest:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Not `from error`: its text may quote an answer, and tracebacks would print it.
            raise call.failure(error) from None

    def origin(self, service: str, region: str | None = None) -> URL:
        """Return the address of a service: the one that is set, else the published one.

        Raises:
            InvalidRequest: None is set, and none is published.
        """
        service = SHARED_ENDPOINTS.get(service, service)
        return self._origins.get(service) or published_endpoint(service, self.edition, region or self.region)

    async def _iam_of_key(self, operation: AnyOperation) -> URL | None:
        """Return the address of IAM that the access key names, unless another one is set."""
        if operation.service != "iam" or operation.anonymous or "iam" in self._origins:
            return None
        address = getattr(await self.credentials.current(), "iam_endpoint", None)
        return parse_origin("iam_endpoint", address, self._allow_http) if address else None

    def _compare_clocks(self, call: Call[Any], response: RawResponse, error: AuthenticationFailed) -> None:
        """Correct the clock if it may be why a signature was refused, and tell the error how wrong it is."""
        if not isinstance(call.credentials, AccessKey) or response.date is None:
            return
        ahead = self._clock.ahead_of(response.date)
        if abs(ahead + call.clock_correction) <= TOLERANCE:
            return  # this signature had the right time
        error.clock_ahead = ahead.total_seconds()
        if not call.is_clock_corrected and self._connections.verifies(call.url):
            call.is_clock_corrected = call.signs_again = self._clock.correct(ahead)

    def _renew_credentials(self, call: Call[Any]) -> bool:
        """Invalidate the refused credentials, once a call; return whether others can be fetched."""
        if call.is_renewed:
            return False
        call.is_renewed = True
        if isinstance(call.credentials, Token):
            return self._tokens.invalidate(call.credentials)
        # A permanent key stays refused, and the vendor locks a key after five refusals.
        key = call.credentials
        is_temporary = isinstance(key, AccessKey) and key.security_token is not None
        return is_temporary and self.credentials.invalidate(key)

    async def _fetch_token(self) -> Token:
        credentials = await self.credentials.current()
        if not isinstance(credentials, Password):
            raise InvalidRequest(
                CREATE_TOKEN.name,
                "credentials",
                "are an access key; a token is issued for a user and password only",
            )
        request = CreateToken.of(
            credentials.user, credentials.password, credentials.domain, credentials.project
        )
        token = await self.send(CREATE_TOKEN, request)
        if not HEADER.accepts(token.value):
            reason = "the token contains characters that no header may contain"
            raise UnreadableAnswer(CREATE_TOKEN.name, CREATE_TOKEN.success, reason, b"")
        return token


def _check_scope(region: str | None, project_id: str | None) -> None:
    if region:
        REGION.check("region", region)
    if project_id:
        HEADER.check("project_id", project_id)


def _ids(operation: AnyOperation, request: object, path: str) -> Collection[str]:
    if operation.batch is not None:
        return frozenset(getattr(request, operation.batch.field))
    return frozenset(map(unquote, path.split("/")))


def _check_batch(operation: AnyOperation, request: object) -> None:
    batch = operation.batch
    if batch is not None:
        count = len(getattr(request, batch.field))
        if count > batch.max:
            problem = f"has {count:,} items; a call may have at most {batch.max:,} (a fleet has no maximum)"
            raise InvalidRequest(operation.name, batch.field, problem, Rule.TOO_MANY, batch.max)
