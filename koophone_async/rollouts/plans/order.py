"""The order in which a rollout reaches its phones: canaries first, then as selected, shuffled or spread."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final

from attrs import field, frozen

from koophone_async.checks import ids
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts.plans.value_types import choice
from koophone_async.wire import doc


class Spread(StrEnum):
    """What phones are taken from in turn."""

    SERVER = "server"
    REGION = "region"


def _spread(value: Spread | str | None) -> Spread | None:
    return None if value is None else choice(Spread, value)


@frozen(kw_only=True)
class Order:
    """The order in which phones are reached."""

    seed: int | None = field(default=None, metadata=doc("Shuffles them, always in the same way."))
    spread: Spread | None = field(
        default=None, converter=_spread, metadata=doc("Takes them from servers or regions in turn.")
    )
    first: tuple[str, ...] = field(
        default=(), converter=ids, metadata=doc("Ids that come first: the canaries.")
    )

    def arrange(self, ids: Sequence[str], group: Callable[[int], Hashable]) -> Sequence[int]:
        """Return the positions of ids in the order in which they are reached.

        Args:
            ids: The ids as they were selected, each once.
            group: Returns the server or region at a position, if phones are spread over them.

        Raises:
            InvalidRequest: An id that is to come first is not among them.
        """
        if self == _AS_SELECTED:
            return range(len(ids))
        first = self._positions_of_first(ids)
        is_first = set(first)
        rest = [position for position in range(len(ids)) if position not in is_first]
        if self.seed is not None:
            random.Random(self.seed).shuffle(rest)  # noqa: S311 - the same order each time, not a secret
        return [*first, *(rest if self.spread is None else take_turns(rest, group))]

    def _positions_of_first(self, ids: Sequence[str]) -> list[int]:
        wanted = dict.fromkeys(self.first)
        found = {id: position for position, id in enumerate(ids) if id in wanted} if wanted else {}
        for index, id in enumerate(wanted):
            if id not in found:
                raise InvalidRequest(
                    "", f"order.first[{index}]", f"{id!r} is not among the targets", Rule.MISSING
                )
        return [found[id] for id in wanted]


_AS_SELECTED: Final = Order()


def take_turns(positions: Iterable[int], group: Callable[[int], Hashable]) -> Iterator[int]:
    """Yield one position of each group, then the second of each, until there are none."""
    groups: dict[Hashable, deque[int]] = {}
    for position in positions:
        groups.setdefault(group(position), deque()).append(position)
    turns = list(groups.values())
    while turns:
        for waiting in turns:
            yield waiting.popleft()
        turns = [waiting for waiting in turns if waiting]
