"""Cut the phones of a wave into shards."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from attrs import define, field

from koophone_async.rollouts.journal.shards import NewShard
from koophone_async.rollouts.server_queues import needs_servers_apart

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from koophone_async.rollouts.journal import Target
    from koophone_async.rollouts.plan import Plan
    from koophone_async.rollouts.restore import SentChunk

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


def cut(
    plan: Plan, phones: Sequence[tuple[Target, int]], chunks: Iterable[SentChunk] = ()
) -> Iterator[NewShard]:
    """Yield the shards of a wave.

    Args:
        plan: The plan of the attempt.
        phones: Those that wait to be sent, each with the step that it has reached.
        chunks: Calls that were sent, whose jobs are awaited, with their phones.
    """
    servers_apart = needs_servers_apart(plan)
    open_shards: dict[tuple[int, str | None], _Shard] = {}
    size = shard_size(len(phones))

    def place(target: Target) -> _Shard:
        server = target.server if servers_apart else None
        return open_shards.setdefault((target.selection, server), _Shard())

    for chunk, members in chunks:
        shard = place(members[0])
        shard.adopted.append(chunk.chunk)
        shard.starts += [(target, chunk.step) for target in members]
    for target, step in phones:
        shard = place(target)
        shard.starts.append((target, step))
        if len(shard.starts) >= size:
            server = target.server if servers_apart else None
            del open_shards[target.selection, server]
            yield shard.finish(target.selection, server)
    for (selection, server), shard in open_shards.items():
        yield shard.finish(selection, server)


@define
class _Shard:
    starts: list[tuple[Target, int]] = field(factory=list["tuple[Target, int]"])
    adopted: list[int] = field(factory=list[int])

    def finish(self, selection: int, server: str | None) -> NewShard:
        lock = None if server is None else f"server:{server}"
        return NewShard(selection, self.starts, lock, self.adopted)
