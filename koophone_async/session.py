"""The session: one send path for every operation of every service, and what its calls share.

`call_preparation` checks a request and places its fields, `call_sender` sends it with retries,
`authentication` signs it.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

import aiohttp
from attrs import frozen

from koophone_async.authentication import Authenticator
from koophone_async.bound_session import BoundSession
from koophone_async.call import SendTracker
from koophone_async.call_preparation import check_batch, check_scope, prepare, request_id_of
from koophone_async.call_sender import CallSender
from koophone_async.characters import HEADER, REGION
from koophone_async.clock import Clock
from koophone_async.connection_pool import ConnectionPool
from koophone_async.credential_cache import CredentialCache
from koophone_async.credentials import Credentials, Provider, default_chain, source_of
from koophone_async.endpoints import (
    ALLOW_HTTP,
    SHARED_ENDPOINTS,
    Endpoints,
    parse_edition,
    parse_origin,
    published_endpoint,
)
from koophone_async.errors import InvalidRequest
from koophone_async.limits import Limits
from koophone_async.project_lookup import ProjectLookup
from koophone_async.proxies import Proxies
from koophone_async.retry import Budget, Retries
from koophone_async.wire import Edition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from yarl import URL

    from koophone_async.limits.shared import SharedQuotas
    from koophone_async.operation import Answer, AnyOperation, Operation, Quota, Request
    from koophone_async.polling import PollScheduler

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
        limits: SharedQuotas | None = None,
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
            limits: Where quotas are shared with other processes, `RedisLimits` or `PostgresLimits`; default:
                KOOPHONE_LIMITS, else this session has them for itself.
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
        rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self.rng = rng
        self._poll_scheduler: PollScheduler | None = None
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
        clock = Clock(lambda: self.now())  # noqa: PLW0108 - users may set another clock
        self.credentials: CredentialCache[Credentials] = CredentialCache(
            source_of(credentials or default_chain(environ)), clock.now
        )
        self.shared_quotas: SharedQuotas | None = limits or self._parse_limits(environ)
        self.limits: Limits = self._create_limits(quotas or {})
        self._authenticator = Authenticator(self.credentials, clock, self)
        self._sender = CallSender(
            self.limits,
            max_quota_wait,
            timeouts.total,
            Budget(retries, rng),
            self._authenticator,
            self._connections,
        )
        self._projects = ProjectLookup(self)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._binding = threading.Lock()

    @staticmethod
    def _parse_limits(environ: Mapping[str, str]) -> SharedQuotas | None:
        if not environ.get("KOOPHONE_LIMITS"):
            return None
        from koophone_async.limits.shared import parse_limits  # noqa: PLC0415 - few programs need it

        return parse_limits(environ)

    def _create_limits(self, quotas: Mapping[str, tuple[Quota, ...]]) -> Limits:
        if self.shared_quotas is None:
            return Limits(quotas, rng=self.rng)
        from koophone_async.limits.shared import create_limits  # noqa: PLC0415 - as above

        return create_limits(
            self.shared_quotas, quotas, rng=self.rng, now=self.now, credentials=self.credentials.current
        )

    async def __aenter__(self) -> Self:
        """Open the connection pool, or reopen it after `close`."""
        self._enter_loop()
        self._connections.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the session."""
        await self.close()

    async def close(self) -> None:
        """End all waits for jobs, return shared permits, and close the connections that are not the caller's.

        Later calls raise `InvalidRequest`, until `async with` opens the session again.
        """
        self._enter_loop()
        if self._poll_scheduler is not None:
            await self._poll_scheduler.aclose()
        await self.limits.close()
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
        check_scope(region, project_id)
        return BoundSession(self, edition, region or self.region, project_id)

    @property
    def poll_scheduler(self) -> PollScheduler:
        """The scheduler that polls jobs for all clients of the session.

        Raises:
            InvalidRequest: The session is in use by another event loop.
        """
        with suppress(RuntimeError):  # no loop is running
            self._enter_loop()
        if self._poll_scheduler is None:
            from koophone_async.polling import PollScheduler  # noqa: PLC0415 - only waits for jobs need it

            self._poll_scheduler = PollScheduler(rng=self.rng)
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
        self._poll_scheduler = None
        for part in (self._connections, self.limits, self._authenticator, self._projects):
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
        check_batch(operation, request)
        check_scope(region, project_id)
        if not project_id and "{project_id}" in operation.path:
            project_id = await self.project_id(region)
        request_id = request_id_of(request)
        call = prepare(
            operation,
            request,
            await self._iam_of_key(operation) or self.origin(operation.service, region),
            request_id=request_id,
            edition=edition or self.edition,
            tracker=tracker or SendTracker(),
            project_id=project_id,
        )
        return await self._sender.send(call)

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
