"""The emulator: start and stop it, inspect its state, and plan faults."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from aiohttp import web

from koophone_async.credentials import AccessKey
from koophone_async.emulator import snapshot
from koophone_async.emulator.cph import handlers as cph
from koophone_async.emulator.fleet import Fleet
from koophone_async.emulator.gaming import handlers as gaming
from koophone_async.emulator.gaming.callbacks import CallbackClient
from koophone_async.emulator.gaming.games import Games
from koophone_async.emulator.iam import Iam
from koophone_async.emulator.jobs.durations import DEFAULT, Durations
from koophone_async.emulator.jobs.engine import Jobs
from koophone_async.emulator.koophone import handlers as koophone
from koophone_async.emulator.orders import pay
from koophone_async.emulator.server.accounts import Accounts
from koophone_async.emulator.server.authentication import Authenticator
from koophone_async.emulator.server.control import PREFIX, control
from koophone_async.emulator.server.faults import Action, Fault, Plan
from koophone_async.emulator.server.ledger import Ledger
from koophone_async.emulator.server.log import LOG as SERVER_LOG
from koophone_async.emulator.server.quotas import Quotas
from koophone_async.emulator.server.routing import Routes
from koophone_async.emulator.server.service import MAX_BODY, MAX_HEADER, Service
from koophone_async.emulator.world import Clock, World
from koophone_async.endpoints import is_loopback
from koophone_async.operation import AnyOperation, Quota
from koophone_async.wire import Edition

if TYPE_CHECKING:
    from koophone_async.session import Session

LOG: Final = logging.getLogger(__name__)

REGIONS: Final = {Edition.CHINA: "cn-north-4", Edition.INTERNATIONAL: "ap-southeast-1"}
"""The default region of each edition."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _reachable(host: str) -> str:
    """Return the address to connect to: loopback where the emulator listens on all addresses."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if isinstance(address, IPv4Address) else "::1"


class Emulator:
    """The services, emulated on this machine: the same operations, phones with state, and a ledger.

    ```python
    async with Emulator(phones=1000) as emulator:
        async with emulator.session() as session:
            await KooPhone(session).commands.run(["phone0001"], "getprop")
        assert emulator.ledger.executions("koophone.commands.run") == {"phone0001": 1}
    ```
    """

    def __init__(  # noqa: PLR0913 - settings, by name
        self,
        phones: int = 100,
        *,
        seed: int | None = None,
        edition: Edition | str = Edition.CHINA,
        servers: int = 1,
        regions: Iterable[str] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        now: Callable[[], datetime] = _utc_now,
        jobs: Durations = DEFAULT,
        quotas: Mapping[str, Iterable[Quota]] | None = None,
        quota_figures: bool = True,
        strict: bool = True,
        newer: bool = False,
        faults: Iterable[Fault] = (),
        state: Path | None = None,
    ) -> None:
        """Configure an emulator; `async with` starts it.

        Args:
            phones: Number of phones; the id of the first is `phone0001`.
            seed: The same seed produces the same phones, keys, ids, durations and random faults. By default
                it is 1, except that on an address that others can reach the keys are random.
            edition: `china` or `international`.
            servers: Number of CPH servers that carry the phones.
            regions: The regions of the servers, each with at least one server.
            host: The address to listen on; `0.0.0.0` or `::` for all of them.
            port: The port to listen on; 0 for a free one.
            now: The wall clock, against which signatures and tokens are checked.
            jobs: How long jobs take.
            quotas: By operation (`koophone.commands.run`), service (`koophone`) or `*`; all others have their
                documented quotas.
            quota_figures: Whether a throttled answer contains the figures of the quota.
            strict: Whether requests that violate the documents are refused.
            newer: Whether to serve what the vendor's pages and SDKs of 2026 have beyond the documents: tasks
                of reset, unassign and backup, stop and release of streams, prepare states 0 to 10 and
                progress 0 to 3 and -1 in China too, AOSP14, and the task of an install nested once.
            faults: Faults that are planned from the start.
            state: A file that is read at the start, if it exists, and written at the end.
        """
        self._edition = Edition(edition)
        self._regions = tuple(regions or (REGIONS[self._edition],))
        is_private = is_loopback(host)
        key_seed = 1 if seed is None and is_private else seed
        seed = 1 if seed is None else seed
        self._size = (phones, servers, seed)
        self._address = (host, port)
        self._now, self._jobs, self._newer, self._strict = now, jobs, newer, strict
        self._quotas, self._quota_figures = dict(quotas or {}), quota_figures
        self._faults = tuple(faults)
        self._state = state
        self.accounts: Accounts = Accounts.generate(key_seed, self._regions, now)
        self.plan: Plan = Plan(seed)
        self._runner: web.ServerRunner
        self._service: Service
        self._callbacks = CallbackClient()
        self._games: Games

    async def __aenter__(self) -> Self:
        """Start serving on the running loop."""
        if not is_loopback(self._address[0]):
            LOG.warning(
                "the emulator at %s can be used by others: it speaks plain HTTP, and whoever has its keys or "
                "sends requests to /_emulator/ can change everything in it",
                self._address[0],
            )
        self._begin(self._faults)
        if self._state is not None and self._state.exists():
            snapshot.load(self._service.jobs, self._state)
        made = partial(web.BaseRequest, loop=asyncio.get_running_loop(), client_max_size=MAX_BODY)
        server = web.Server(
            self._serve,
            request_factory=made,
            access_log=None,
            logger=SERVER_LOG,
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        host, port = self._address
        site = web.TCPSite(self._runner, host, port, backlog=1024)
        await site.start()
        self._address = (host, self._runner.addresses[0][1])
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop serving, and write the snapshot."""
        self._service.stop()
        self._games.stop_heartbeats()
        await self._callbacks.close()
        await self._runner.cleanup()
        if self._state is not None:
            snapshot.save(self._service.jobs, self._state)

    def _begin(self, faults: Iterable[Fault]) -> None:
        """Create the initial state."""
        phones, servers, seed = self._size
        self.plan.replace(faults)
        world = World(
            Fleet(seed, phones, servers, self._regions, self._now),
            self._edition,
            self._jobs,
            self.plan,
            Clock(asyncio.get_running_loop().time),
            random.Random(seed),  # noqa: S311 - the same seed, the same run
            self._newer,
        )
        jobs, account = Jobs(world), self.accounts.account
        self._games = Games(jobs, self._callbacks)
        handlers = (*koophone.handlers(jobs, account), Iam(self.accounts, world.ledger))
        of_cph, of_gaming = cph.handlers(jobs, account), gaming.handlers(jobs, account)
        projects = {project: [*of_cph[project], *of_gaming[project]] for project in of_cph}
        routes = Routes.of(handlers, self._edition, projects, newer=self._newer)
        quotas = Quotas(self._quotas, self._quota_figures)
        self._service = Service(
            jobs, self.accounts, self._strict, routes, Authenticator(self.accounts), quotas
        )

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith(PREFIX):
            return await control(self.jobs, self.reset, request, self._address[0])
        return await self._service.answer(request)

    def reset(self) -> None:
        """Restore the initial state, without jobs and faults and with an empty ledger; the account stays."""
        self._service.stop()
        self._games.stop_heartbeats()
        self._begin(())

    @property
    def endpoint(self) -> str:
        """The endpoint of KooPhone, for clients on this machine."""
        host, port = self._address
        host = _reachable(host)
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    cph_endpoint = endpoint
    """The endpoint of CPH, which is the same."""

    iam_endpoint = endpoint
    """The endpoint of IAM, which is the same."""

    @property
    def jobs(self) -> Jobs:
        """The jobs of all services; all that is due has been applied."""
        self._service.jobs.settle()
        return self._service.jobs

    @property
    def world(self) -> World:
        """The state of the emulated cloud; all that is due has been applied."""
        return self.jobs.world

    @property
    def served(self) -> frozenset[str]:
        """The names of the operations that are served in this edition."""
        return self._service.routes.names

    @property
    def phones(self) -> Fleet:
        """The phones, to inspect and to change."""
        return self.world.fleet

    @property
    def games(self) -> Games:
        """The games, to start and to stop on phones, which send the events to their callback URLs."""
        return self._games

    @property
    def ledger(self) -> Ledger:
        """What was executed, by operation and id."""
        return self.world.ledger

    @property
    def access_key(self) -> AccessKey:
        """A permanent access key of the account."""
        return self.accounts.access_key

    @property
    def user(self) -> str:
        """The account's IAM user."""
        return self.accounts.account.user

    @property
    def password(self) -> str:
        """The user's password."""
        return self.accounts.account.password

    @property
    def domain(self) -> str:
        """The account's name."""
        return self.accounts.account.domain

    @property
    def project(self) -> str:
        """The name of the first region's project."""
        return self.accounts.account.projects[0].name

    @property
    def project_id(self) -> str:
        """The id of the first region's project."""
        return self.accounts.account.projects[0].id

    def fault(  # noqa: PLR0913 - the conditions of a fault, by name
        self,
        action: Action,
        operation: AnyOperation | str | None = None,
        *,
        phone: str | None = None,
        every: int | None = None,
        first: int | None = None,
        probability: float | None = None,
    ) -> None:
        """Plan a fault from now on: `emulator.fault(Reset(executed=True), commands.RUN, first=1)`.

        Args:
            action: The kind of fault.
            operation: Only this operation, or those of a service (`koophone`).
            phone: Only calls that name this phone, or its jobs.
            every: Only each k-th of them.
            first: Only the first so many.
            probability: Only at random, determined by the seed.

        Raises:
            InvalidRequest: The operation or service is unknown, or a token is to expire for one phone.
        """
        name = operation if isinstance(operation, str) or operation is None else operation.name
        self.plan.add(Fault(action, name, phone, every, first, probability))

    def heal(self) -> None:
        """Remove all faults."""
        self.plan.replace(())

    def pay(self, order: str) -> None:
        """Pay for an order that was placed without payment.

        Raises:
            KeyError: There is no such order.
        """
        pay(self.jobs, order)

    def temporary_key(self, seconds: float = 3600) -> AccessKey:
        """Issue a temporary access key with a security token."""
        return self.accounts.temporary_key(seconds)

    def end_tokens(self) -> None:
        """Revoke all tokens of users."""
        self.accounts.revoke_all()

    def banner(self) -> dict[str, str]:
        """Return what a person or a script needs to call the emulator."""
        key = self.access_key
        return {
            "endpoint": self.endpoint,
            "cph_endpoint": self.cph_endpoint,
            "iam_endpoint": self.iam_endpoint,
            "access_key": key.access_key,
            "secret_key": key.secret_key,
            "project_id": self.project_id,
            "user": self.user,
            "password": self.password,
            "domain": self.domain,
            "project": self.project,
        }

    def session(self, **overrides: Any) -> Session:  # noqa: ANN401 - the arguments of Session
        """Return a session with this emulator; arguments of `Session` override the defaults."""
        from koophone_async.endpoints import Endpoints  # noqa: PLC0415 - serving needs no client
        from koophone_async.session import Session  # noqa: PLC0415 - the same

        endpoints = Endpoints(self.endpoint, self.cph_endpoint, self.iam_endpoint)
        defaults: dict[str, Any] = {
            "credentials": self.access_key,
            "region": self._regions[0],
            "edition": self._edition,
            "endpoints": endpoints,
            "now": self._now,
            "environ": {},
        }
        return Session(**(defaults | overrides))
