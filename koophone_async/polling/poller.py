"""How one kind of handle is looked at, and what is seen."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar, runtime_checkable

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from koophone_async.operation import Quota

J = TypeVar("J")
J_co = TypeVar("J_co", covariant=True)
PollResult: TypeAlias = Mapping[str, Mapping[str, J | None]]
"""The jobs that an answer lists under each handle, by id; None where nothing says that the job has ended."""


@define(eq=False)
class PollLimiter:
    """How often a poller may ask: a sixth of its quota at once, and the rest evenly.

    A window that is used up at once would leave the jobs unseen for the rest of it.
    """

    quota: Quota
    free_at: float = field(default=-inf, init=False)
    """When the next request may be sent, by the loop's clock."""

    def take(self, now: float) -> None:
        """Count a request."""
        at_once = max(1, self.quota.permits // 6)
        every = self.quota.seconds / max(1, self.quota.permits - at_once)
        self.free_at = max(self.free_at, now - (at_once - 1) * every) + every


class Poller(Protocol[J_co]):
    """Looks at handles of one kind: a KooPhone task, CPH request ids, instances by their state.

    The scheduler keeps one queue a poller, so the same one must be passed for the same endpoint.
    """

    @property
    def max_handles(self) -> int:
        """How many handles one request takes: KooPhone tasks 1, CPH request ids 20."""
        ...

    @property
    def max_jobs(self) -> int | None:
        """How many jobs one answer holds (CPH: a page of 100), None where there is no limit."""
        ...

    async def poll(self, handles: Sequence[str]) -> PollResult[J_co]:
        """Look once, after waiting for the quota, and tell what is listed under each handle.

        A handle that the service does not list yet is missing or empty.

        Raises:
            KooPhoneError: The look itself failed; nothing is known of any handle.
        """
        ...


@runtime_checkable
class LimitedPoller(Protocol):
    """A poller that asks no more often than it allows itself."""

    @property
    def limiter(self) -> PollLimiter:
        """What is left of it, for as long as the poller lives."""
        ...
