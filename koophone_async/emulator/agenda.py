"""What will happen to phones, and when: an app that will be there, a restart that will be over.

Nothing waits for it: no task, no timer. Whoever looks at the emulator first lets everything happen that is
due, in the order in which it was due, once. Nobody can tell this from things that happen by themselves.
"""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING, Any

from attrs import asdict, define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@frozen
class Due:
    """One thing that will happen to one phone."""

    at: float
    """By the loop's clock."""

    effect: str
    """Which of the known effects."""

    phone: str
    job: str | None = None
    """The job that ends with it, as `task/job`."""

    details: Mapping[str, Any] = field(factory=dict[str, Any])


@define(eq=False)
class Agenda:
    """Everything that is still to happen."""

    _heap: list[tuple[float, int, Due]] = field(factory=list[tuple[float, int, Due]])
    _order: Iterator[int] = field(factory=count)

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, due: Due) -> None:
        """Let something happen later."""
        heapq.heappush(self._heap, (due.at, next(self._order), due))

    def next(self, latest: float) -> float:
        """When the next thing happens; `latest` where that is later."""
        return min(self._heap[0][0], latest) if self._heap else latest

    def until(self, now: float) -> Iterator[Due]:
        """Take out what is due, earliest first."""
        while self._heap and self._heap[0][0] <= now:
            yield heapq.heappop(self._heap)[2]

    def to_json(self, now: float) -> list[dict[str, Any]]:
        """Everything, earliest first, with the seconds that are left."""
        return [asdict(due) | {"at": at - now} for at, _, due in sorted(self._heap)]

    def restore(self, said: Iterable[Mapping[str, Any]], now: float) -> None:
        """Go on from what `to_json` said."""
        for one in said:
            self.add(Due(**{**one, "at": one["at"] + now}))
