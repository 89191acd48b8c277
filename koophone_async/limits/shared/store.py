"""What a store of shared permits does, and how its clock relates to that of the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from koophone_async.limits.shared.ledger import Answer, Request

TIMEOUT: Final = 2.0
"""Seconds for an answer of a store."""

KEPT: Final = 7 * 86400
"""Seconds for which a store keeps what it knows of a scope that nobody uses, such as a learned quota."""

MILLISECOND: Final = 0.001
SAMPLE_AGE: Final = 10.0
"""Seconds after which a comparison of the clocks is replaced even by a less exact one: clocks drift."""


class StoreError(Exception):
    """A store cannot be reached, or refuses; the text says why, without secrets."""


class PermitStore(Protocol):
    """Keeps the permits that processes share, by its own clock."""

    @property
    def address(self) -> str:
        """The address for people, without user and password."""
        ...

    async def settle(self, requests: Mapping[str, Request]) -> Mapping[str, Answer]:
        """Settle the requests of several scopes in one round trip; see `ledger.settle`.

        Raises:
            StoreError: There is no answer. The requests may have been settled.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""


@frozen
class _Sample:
    """One comparison of the clocks: the store read its clock between two times of the loop."""

    sent: float
    received: float
    now: int
    """Milliseconds of the store."""


@define
class StoreClock:
    """Converts between the clock of the loop in seconds and that of the store in milliseconds.

    How long a request and its answer travelled is unknown, so that each time of the store is a short interval
    of the loop's. Every conversion takes the end of it that uses less of the quota. The wall clock of this
    machine is not read.
    """

    _sample: _Sample = field(default=_Sample(0, 0, 0), init=False)
    _is_set: bool = field(default=False, init=False)

    def compare(self, sent: float, received: float, now: int) -> None:
        """Record that the store read its clock between two times of the loop."""
        sample, old = _Sample(sent, received, now), self._sample
        is_closer = received - sent <= old.received - old.sent
        is_contradicted = received < self.usable_until(now) or sent > self.usable_at(now)
        if not self._is_set or is_closer or received - old.received > SAMPLE_AGE or is_contradicted:
            self._sample, self._is_set = sample, True

    def usable_at(self, at: int) -> float:
        """Return when the store has certainly reached a time."""
        return self._sample.received + (at - self._sample.now) * MILLISECOND

    def usable_until(self, at: int) -> float:
        """Return until when the store has certainly not passed a time."""
        return self._sample.sent + (at - self._sample.now - 1) * MILLISECOND

    def latest(self, at: float) -> int:
        """Return what the store's clock shows at a time of the loop at the latest."""
        return self._sample.now + 1 + int((at - self._sample.sent) / MILLISECOND + 1)
