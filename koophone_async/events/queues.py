"""The queue interface, and the queue in memory."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from attrs import define, field

from koophone_async.events.errors import Reason, Rejected
from koophone_async.events.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from koophone_async.events.used_tickets import UsedTicket

OVERHEAD: Final = 256
"""Bytes that a queued event takes beside its body, measured with `tracemalloc`."""


@define(eq=False)
class QueuedEvent:
    """A serialized event, waiting for its handler or being handled."""

    number: int
    body: bytes = field(repr=False)
    attempts: int = 0


class Queue(Protocol):
    """Stores events in the order of their arrival until each is done."""

    @property
    def is_persistent(self) -> bool:
        """Whether events that are not done survive a restart."""
        ...

    @property
    def size(self) -> int:
        """Number of events that are not done."""
        ...

    async def open(self) -> Sequence[UsedTicket]:
        """Open the queue; return the used tickets of an earlier run, in the order of their use."""
        ...

    async def close(self) -> None:
        """Close the queue; it cannot be used afterwards."""
        ...

    async def put(self, body: bytes) -> None:
        """Store an event; it is stored when this returns.

        Raises:
            Rejected: The queue is full, or the event could not be written.
        """
        ...

    async def take(self, count: int) -> Sequence[QueuedEvent]:
        """Return up to `count` of the next events; each event is returned once."""
        ...

    def done(self, event: QueuedEvent) -> None:
        """Remove an event."""

    def give_up(self, event: QueuedEvent) -> None:
        """Do not return an event again before a restart."""

    async def spend(self, ticket: UsedTicket, forgotten: Sequence[UsedTicket]) -> None:
        """Store a used ticket, and delete those that are forgotten.

        Raises:
            Rejected: The ticket could not be stored.
        """


@define(eq=False)
class Memory:
    """A queue in memory; its events are lost when the process ends.

    Args:
        max_events: Maximum number of events that are not done; further ones are refused.
        max_bytes: Maximum size of these events.
    """

    max_events: int
    max_bytes: int = 64 * MIB
    _size: int = field(default=0, init=False)
    _bytes: int = field(default=0, init=False)
    _waiting: deque[QueuedEvent] = field(factory=deque["QueuedEvent"], init=False)
    _number: int = field(default=0, init=False)

    @property
    def is_persistent(self) -> bool:
        """Never."""
        return False

    @property
    def size(self) -> int:
        """Number of events that are not done."""
        return self._size

    async def open(self) -> Sequence[UsedTicket]:
        """Return nothing: there is no earlier run."""
        return ()

    async def close(self) -> None:
        """Do nothing."""

    async def put(self, body: bytes) -> None:
        """Store an event."""
        size = len(body) + OVERHEAD
        if self._size >= self.max_events or self._bytes + size > self.max_bytes:
            raise Rejected(Reason.FULL)
        self._size += 1
        self._bytes += size
        self._number += 1
        self._waiting.append(QueuedEvent(self._number, body))

    async def take(self, count: int) -> Sequence[QueuedEvent]:
        """Return up to `count` of the next events."""
        return [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]

    def done(self, event: QueuedEvent) -> None:
        """Remove an event."""
        self._size -= 1
        self._bytes -= len(event.body) + OVERHEAD

    def give_up(self, event: QueuedEvent) -> None:
        """Drop an event: no later run can retry it."""
        self.done(event)

    async def spend(self, ticket: UsedTicket, forgotten: Sequence[UsedTicket]) -> None:
        """Do nothing: the receiver itself remembers used tickets as long as it runs."""
