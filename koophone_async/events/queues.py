"""Where events wait for their handlers: in memory, until the process ends."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from attrs import define, field

from koophone_async.events.errors import Reason, Rejected

if TYPE_CHECKING:
    from collections.abc import Sequence


@define(eq=False)
class QueuedEvent:
    """An event on its way to its handler."""

    number: int
    body: bytes = field(repr=False)
    attempts: int = 0


class Queue(Protocol):
    """Keeps events, in the order they came, until each is done."""

    @property
    def outlives(self) -> bool:
        """Whether what is not done is there again after a restart."""
        ...

    @property
    def kept(self) -> int:
        """How many events are not done."""
        ...

    async def open(self) -> Sequence[tuple[bytes, int]]:
        """Begin, and give the used tickets of an earlier run, each with the millisecond it ends in."""
        ...

    async def close(self) -> None:
        """End; nothing else may be called any more."""
        ...

    async def put(self, body: bytes) -> None:
        """Keep an event; when this returns it is kept.

        Raises:
            Rejected: As many are kept as may be.
        """
        ...

    async def take(self, most: int) -> Sequence[QueuedEvent]:
        """Give the next events, each one once."""
        ...

    def done(self, parcel: QueuedEvent) -> None:
        """Keep an event no longer."""

    def give_up(self, parcel: QueuedEvent) -> None:
        """Leave an event alone until a restart."""

    async def spend(self, ticket: bytes, until: int, moment: int) -> None:
        """Keep a used ticket by its digest, to the end of millisecond `until` since 1970; now is `moment`.

        Raises:
            Rejected: It could not be kept.
        """


@define(eq=False)
class Memory:
    """A queue that ends with the process, of at most `most` events that are not done."""

    most: int
    _kept: int = field(default=0, init=False)
    _waiting: deque[QueuedEvent] = field(factory=deque["QueuedEvent"], init=False)
    _number: int = field(default=0, init=False)

    @property
    def outlives(self) -> bool:
        """Nothing outlives the process."""
        return False

    @property
    def kept(self) -> int:
        """How many events are not done."""
        return self._kept

    async def open(self) -> Sequence[tuple[bytes, int]]:
        """Begin with nothing."""
        return ()

    async def close(self) -> None:
        """End."""

    async def put(self, body: bytes) -> None:
        """Keep an event."""
        if self._kept >= self.most:
            raise Rejected(Reason.FULL)
        self._kept += 1
        self._number += 1
        self._waiting.append(QueuedEvent(self._number, body))

    async def take(self, most: int) -> Sequence[QueuedEvent]:
        """Give the next events."""
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def done(self, parcel: QueuedEvent) -> None:
        """Keep an event no longer."""
        self._kept -= 1

    def give_up(self, parcel: QueuedEvent) -> None:
        """Lose an event: there is no later run that could try again."""
        self._kept -= 1

    async def spend(self, ticket: bytes, until: int, moment: int) -> None:
        """Keep nothing: the receiver's own memory of tickets lasts as long."""
