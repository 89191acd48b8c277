"""The ledger without a server: what stores do under their locks, in the time of the event loop."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from koophone_async.limits.shared.ledger import Document, settle
from koophone_async.limits.shared.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from koophone_async.limits.shared.ledger import Answer, Request


@define
class LedgerStore:
    """Keeps documents in memory, answers after a delay each way, and counts round trips."""

    delay: float = 0.001
    since: int = -(10**9)
    """By default the store has run for long."""

    address: str = "ledger"
    is_down: bool = False
    error: Exception | None = None
    trips: int = 0
    documents: dict[str, Document] = field(factory=dict[str, Document])
    answers_lost: list[int] = field(factory=list[int])
    """Numbers of round trips whose answers do not arrive."""

    def now(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000) + 10**12

    async def settle(self, requests: Mapping[str, Request]) -> Mapping[str, Answer]:
        requests = copy.deepcopy(requests)
        await asyncio.sleep(self.delay)
        if self.error:
            raise self.error
        if self.is_down:
            raise StoreError("it is down")
        self.trips += 1
        answers = {
            key: settle(self.documents.setdefault(key, {}), request, self.now(), self.since)
            for key, request in requests.items()
        }
        answers = copy.deepcopy(answers)
        await asyncio.sleep(self.delay)
        if self.trips in self.answers_lost:
            self.answers_lost.remove(self.trips)
            raise StoreError("the answer was lost")
        return answers

    async def close(self) -> None:
        """Nothing is open."""


@frozen
class LedgerQuotas:
    """Shares quotas through one store, for sessions."""

    store: LedgerStore
    account: str | None = "account"

    def open_store(self) -> LedgerStore:
        return self.store
