"""Clients of the rollouts that a worker has to do with, shared by the shards of each."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

from attrs import define, field

from koophone_async.rollouts.execution.clients import Clients
from koophone_async.rollouts.execution.starts import check_account

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from koophone_async.rollouts.journal import RolloutRecord
    from koophone_async.rollouts.plans.plan import Plan
    from koophone_async.session import Session

_Key: TypeAlias = tuple[str, int]
"""Id of a rollout, and number of an attempt."""


@define
class _Shared:
    clients: Clients
    slots: asyncio.Semaphore
    users: int = 0


@define(eq=False)
class ClientPool:
    """The clients of a worker."""

    _session: Session
    _open: dict[_Key, _Shared] = field(factory=dict[_Key, _Shared], init=False)

    @asynccontextmanager
    async def clients(
        self, record: RolloutRecord, attempt: int, plan: Plan
    ) -> AsyncGenerator[tuple[Clients, asyncio.Semaphore]]:
        """Return the clients of an attempt, and the slots of its calls in this process.

        Raises:
            InvalidRequest: This worker has credentials of another account.
        """
        await check_account(record, plan, self._session)
        key = record.id, attempt
        shared = self._open.setdefault(
            key, _Shared(Clients(plan, self._session), asyncio.Semaphore(plan.concurrency))
        )
        shared.users += 1
        try:
            yield shared.clients, shared.slots
        finally:
            shared.users -= 1
            if not shared.users:
                del self._open[key]
                await shared.clients.__aexit__(None, None, None)
