"""Clients of the accounts, projects and regions that a plan names."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Self

from attrs import define, field

from koophone_async.credentials import Credentials, Password, ProfileFile
from koophone_async.polling import Deadline
from koophone_async.rollouts.plans.fleets import open_client, open_fleet
from koophone_async.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from koophone_async.batches.chunks import Source
    from koophone_async.rollouts.plans.fleets import AnyFleet, Client
    from koophone_async.rollouts.plans.plan import Plan, Selection

LINGER: Final = 5.0
"""Seconds that phones wait for others, to be sent with them, at later steps."""


@define(eq=False)
class Clients:
    """One client for each selection of a plan, and one session for each account."""

    _plan: Plan
    _session: Session | None = None
    """The session of selections that name no profile; by default one with the environment's credentials."""

    _deadline: float | Deadline | None = Deadline.DEFAULT
    """How long the jobs of a call are awaited."""

    _sessions: dict[str | None, Session] = field(factory=dict["str | None", Session], init=False)
    _clients: dict[int, Client] = field(factory=dict[int, Any], init=False)
    _stack: AsyncExitStack = field(factory=AsyncExitStack, init=False)
    _lock: asyncio.Lock = field(factory=asyncio.Lock, init=False)

    async def __aenter__(self) -> Self:
        """Return the clients; sessions are opened when they are needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the sessions that were opened here."""
        await self._stack.aclose()

    async def get(self, selection: int) -> Client:
        """Return the client of a selection."""
        async with self._lock:
            if (client := self._clients.get(selection)) is None:
                client = self._clients[selection] = await self._create(self._plan.selections[selection])
            return client

    def seconds_to_next_call(self) -> float | None:
        """Return in how many seconds the first call that waits for a quota can leave; None if none waits."""
        sessions = [*self._sessions.values(), *([] if self._session is None else [self._session])]
        waits = [session.limits.seconds_to_next_call() for session in sessions]
        return min((seconds for seconds in waits if seconds is not None), default=None)

    async def account(self) -> str:
        """Return whose credentials the selections have: names of accounts, or what identifies access keys.

        A temporary key does not show whose it is, except by its account or project.
        """
        owners = [
            _owner(await (await self._session_of(selection.profile)).credentials.current())
            for selection in self._plan.selections
        ]
        return ", ".join(dict.fromkeys(owners))

    async def edition(self) -> str:
        """Return the edition of the plan, else that of the sessions."""
        session = await self._session_of(self._plan.selections[0].profile)
        return (self._plan.edition or session.edition).value

    async def fleet(self, selection: int) -> Callable[[Source], AnyFleet]:
        """Return a function that creates the fleet of a selection, for phones of it."""
        plan, client = self._plan, await self.get(selection)
        options: dict[str, Any] = {
            "concurrency": plan.concurrency,
            "linger": LINGER,
            "deadline": self._deadline,
        }
        if (plan.service, plan.resource) == ("cph", "phones"):
            options["max_per_server"] = plan.max_per_server
        if plan.resource in ("instances", "phones"):
            options["assume_unique"] = True  # targets are; a million ids would have to be remembered
        return lambda ids: open_fleet(plan.service, plan.resource, client, ids, **options)

    async def _create(self, selection: Selection) -> Client:
        session = await self._session_of(selection.profile)
        plan = self._plan
        return open_client(
            plan.service,
            session,
            edition=plan.edition,
            project_id=selection.project_id,
            region=selection.region,
        )

    def _open_session(self, profile: str | None) -> Session:
        shared = None if self._session is None else self._session.shared_quotas
        return Session(None if profile is None else ProfileFile(profile=profile), limits=shared)

    async def _session_of(self, profile: str | None) -> Session:
        if profile is None and self._session is not None:
            return self._session
        if (session := self._sessions.get(profile)) is None:
            session = self._sessions[profile] = await self._stack.enter_async_context(
                self._open_session(profile)
            )
        return session


def _owner(credentials: Credentials) -> str:
    if isinstance(credentials, Password):
        return f"account {credentials.domain}"
    if credentials.security_token is None:
        digest = hashlib.sha256(credentials.access_key.encode()).hexdigest()
        return f"access key {credentials.access_key[:4]}… ({digest[:8]})"  # reports show it
    return f"account {credentials.domain_id or credentials.project_id or 'of a temporary key'}"
