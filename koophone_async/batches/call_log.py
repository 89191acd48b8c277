"""What a run needs of a log of its calls, by which another process can go on with it.

A run with a log sends nothing that is not written down before. The log also decides whether a call may be
sent now, later or never. A call is an entry of the log from the moment at which its ids are known until each
of them is settled, which happens exactly once:

    plan ─▶ before_send ─▶ started ─▶ settle (each id)
               │   ▲
               ▼   │ retry
           not_executed

Between `before_send` and what follows it the call may have been executed, for all that another process can
know. Ids of a refused call may move on to other entries, by `split` or `dissolve`; these settle them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from koophone_async.batches.outcomes import Outcome


class SendingHeld(Exception):
    """The call must not be sent now: the run asks for admission again."""


class SendingStopped(Exception):
    """The call is not sent any more: ids that certainly were not executed are `not_sent`."""

    def __init__(self, reason: str) -> None:
        """Create it with the error message of these ids."""
        super().__init__(reason)
        self.reason = reason


class LoggedCall(Protocol):
    """The entry of a call. Only methods that are awaited may raise."""

    async def before_send(self) -> None:
        """Write that the call is about to be sent.

        Awaited right before each attempt, when the quota permits it, and before each further page of a list.

        Raises:
            SendingHeld: The call must wait; nothing was sent.
            SendingStopped: The call must not be sent any more; nothing was sent.
        """
        ...

    async def not_executed(self) -> None:
        """Write that the attempt was certainly not executed. Another follows, after a delay.

        Raises:
            SendingStopped: No other may follow.
        """
        ...

    def split(self, parts: Sequence[Sequence[str]]) -> Sequence[LoggedCall]:
        """Return an entry for each part: the call was refused because of its ids, and not executed."""
        ...

    def dissolve(self) -> None:
        """Close the entry: the call was not executed, and its ids will be in other calls."""
        ...

    def started(self, handle: str, jobs: Mapping[str, str], *, has_jobs: bool) -> None:
        """Write that the service has accepted the call.

        Args:
            handle: The id that the jobs are looked up by.
            jobs: The id that each job is for, by job id. The other ids of the call are settled at once.
            has_jobs: Whether there are jobs. Otherwise the ids serve as jobs, as their state is awaited.
        """
        ...

    def settle(self, outcome: Outcome) -> Outcome:
        """Write the outcome of one id of the call, and return it as the run shall report it."""
        ...


class CallLog(Protocol):
    """The log of a run. Only `admission` may wait, and raise."""

    def admission(self) -> AbstractAsyncContextManager[None]:
        """Return a context in which one call is sent. Entering it waits until a call may be sent.

        Leaving it must not wait: a cancellation would then lose the answer to the call.

        Raises:
            SendingStopped: Nothing is sent any more.
        """
        ...

    def plan(self, ids: Sequence[str]) -> LoggedCall:
        """Return a new entry for a call with these ids, which is not sent yet."""
        ...

    def unsendable(self, outcome: Outcome) -> Outcome:
        """Write the outcome of an id that no call can have, and return it as the run shall report it."""
        ...


@frozen
class StartedCall:
    """A call that an earlier process has started, and whose jobs are awaited again."""

    entry: LoggedCall
    handle: str
    jobs: Mapping[str, str]
    """The id that each job is for, by job id: all jobs of every id that is not settled."""

    has_jobs: bool
    started_at: datetime
    """When the call was sent."""

    def age(self, now: datetime) -> float:
        """Return the seconds since the call was sent, as far as the clocks of both processes agree."""
        return max(0.0, (now - self.started_at).total_seconds())


def settling(
    record: Callable[[Sequence[Outcome]], None], entry: LoggedCall | None
) -> Callable[[Sequence[Outcome]], None]:
    """Return `record`, preceded by writing the outcomes to the entry of their call, if there is one."""
    if entry is None:
        return record
    return lambda outcomes: record([entry.settle(outcome) for outcome in outcomes])
