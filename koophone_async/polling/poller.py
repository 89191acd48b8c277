"""The interface of pollers: how the jobs of some handles are polled, and what a poll returns."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar, runtime_checkable

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from koophone_async.operation import Quota

J = TypeVar("J")
J_co = TypeVar("J_co", covariant=True)


@frozen
class OpenJob:
    """A job that has not ended, with a note for whoever waits in vain."""

    note: str
    """State of the job, for the outcome of a wait that ends before it."""


@frozen
class LostJob:
    """A job whose result will not be known, and the reason."""

    reason: str


PollResult: TypeAlias = Mapping[str, Mapping[str, J | OpenJob | None]]
"""The jobs listed under each handle, by job id: the job once it has ended, an `OpenJob` or None before."""


class Poller(Protocol[J_co]):
    """Polls handles of one sort: KooPhone tasks, CPH request ids, instances by their state.

    The scheduler keeps a queue for each poller, so use the same object for all handles of one endpoint.
    """

    @property
    def max_handles(self) -> int:
        """How many handles one request can poll: 1 KooPhone task, 20 CPH request ids."""
        ...

    @property
    def max_jobs(self) -> int | None:
        """How many jobs one answer can list (CPH: a page of 100); None if unlimited."""
        ...

    async def poll(self, handles: Sequence[str]) -> PollResult[J_co]:
        """Poll once, after waiting for the quota, and return the jobs listed under each handle.

        A handle that the service does not list yet is missing or empty.

        Raises:
            KooPhoneError: The poll failed; nothing is known of any of the handles.
        """
        ...


@define(eq=False)
class PollLimiter:
    """Spreads polls over a quota: a sixth of its permits may be used at once, the rest at even intervals.

    If the quota were used up at once, jobs would go unpolled until its window ends.
    """

    quota: Quota
    free_at: float = field(default=-inf, init=False)
    """When the next poll may be sent, by the loop's clock."""

    def record(self, now: float) -> None:
        """Count a poll."""
        burst = max(1, self.quota.permits // 6)
        interval = self.quota.seconds / max(1, self.quota.permits - burst)
        self.free_at = max(self.free_at, now - (burst - 1) * interval) + interval


@runtime_checkable
class LimitedPoller(Protocol):
    """A poller that limits its own rate."""

    @property
    def limiter(self) -> PollLimiter:
        """The limiter; the same for the poller's lifetime."""
        ...
