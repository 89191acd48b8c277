"""Cut the phones of a wave into shards."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import define, field

from koophone_async.rollouts.execution.server_queues import needs_servers_apart
from koophone_async.rollouts.journal.shards import NewShard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from koophone_async.rollouts.journal import ChunkRecord, Target
    from koophone_async.rollouts.journal.encoding import Start
    from koophone_async.rollouts.plans.plan import Plan

_Key: TypeAlias = tuple[int, str | None]
"""Selection and server of the phones of a shard."""

_MAX_SIZE: Final = 1_000
"""Phones of a shard: what a worker that is stopped leaves to others."""

_CALL: Final = 100
"""Phones that one call can have: a shard of fewer would make more calls."""

_WANTED: Final = 16
"""Shards that a wave is cut into, if it is large enough: so that each of several workers has some."""


def shard_size(phones: int) -> int:
    """Return the maximum number of phones of each shard of a wave."""
    calls = math.ceil(phones / _WANTED / _CALL)
    return min(_MAX_SIZE, max(1, calls) * _CALL)


@define(eq=False)
class Cutter:
    """Cuts phones into shards as they are read: of one selection each, and of one server if need be."""

    _plan: Plan
    """Of the attempt."""

    _size: int
    _parts: dict[_Key, _Part] = field(factory=dict["_Key", "_Part"], init=False)
    _has_servers_apart: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._has_servers_apart = needs_servers_apart(self._plan)

    def add_call(self, chunk: ChunkRecord, members: Sequence[Target]) -> None:
        """Add a call that was sent, whose jobs are awaited, with its phones."""
        part = self._parts.setdefault(self._key(members[0]), _Part())
        part.adopted.append(chunk.chunk)
        part.starts += [(target, chunk.step) for target in members]

    def add(self, phones: Iterable[Start]) -> Iterator[NewShard]:
        """Add phones that wait to be sent, and yield the shards that are full."""
        for target, step in phones:
            key = self._key(target)
            part = self._parts.setdefault(key, _Part())
            part.starts.append((target, step))
            if len(part.starts) >= self._size:
                del self._parts[key]
                yield part.finish(key)

    def rest(self) -> Iterator[NewShard]:
        """Yield the shards that are not full."""
        parts, self._parts = self._parts, {}
        return (part.finish(key) for key, part in parts.items())

    def _key(self, target: Target) -> _Key:
        return target.selection, target.server if self._has_servers_apart else None


@define
class _Part:
    starts: list[Start] = field(factory=list["Start"])
    adopted: list[int] = field(factory=list[int])

    def finish(self, key: _Key) -> NewShard:
        selection, server = key
        lock = None if server is None else f"server:{server}"
        return NewShard(selection, self.starts, lock, self.adopted)
