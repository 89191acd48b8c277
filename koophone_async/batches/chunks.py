"""From any number of ids to calls of the size that the service takes."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncIterable, Iterable
from typing import Protocol, TypeAlias

from attrs import define, field

from koophone_async.checks import MAX_ID_LENGTH


class Named(Protocol):
    """Something with an id, such as what a list gives; it may know its `region` or its `server` too."""

    @property
    def id(self) -> str:
        """The id that calls name it by."""
        ...


Item: TypeAlias = str | Named
Source: TypeAlias = Iterable[Item] | AsyncIterable[Item]


def identify(item: object) -> tuple[object, str | None]:
    """Give the id and, where it is known, the region. What has no id is left for `problem` to name."""
    if isinstance(item, str):
        return str.__str__(item), None  # what a member of an enum of strings is, not what it is called
    return getattr(item, "id", item), getattr(item, "region", None)


def problem(id: object) -> str | None:
    """Say what is wrong with an id; None where nothing is."""
    if not isinstance(id, str):
        return f"the id is a {type(id).__name__}; it must be a string"
    if not id:
        return "the id is empty"
    if len(id) > MAX_ID_LENGTH:
        return f"the id is {len(id)} characters long; at most {MAX_ID_LENGTH}"
    return None


@define
class Chunker:
    """Collects ids into chunks of one region each, holding back no more than a chunk a region."""

    most: int
    by_region: bool
    held: int = field(default=0, init=False)
    """Ids that were taken and wait for their chunk to fill."""

    _open: dict[str | None, list[str]] = field(factory=dict[str | None, list[str]], init=False)

    def add(self, id: str, region: str | None) -> list[str] | None:
        """Take an id; answer a chunk when one is full."""
        key = region if self.by_region else None
        chunk = self._open.setdefault(key, [])
        chunk.append(id)
        self.held += 1
        return self._give(key) if len(chunk) >= self.most else None

    def rest(self) -> list[str] | None:
        """Give a chunk of what is left when the source has ended; None when nothing is."""
        return self._give(next(iter(self._open))) if self._open else None

    def _give(self, key: str | None) -> list[str]:
        chunk = self._open.pop(key)
        self.held -= len(chunk)
        return chunk


@define
class Partitions:
    """Collects ids by partition, where the work of a partition is done one after the other, such as on a server.

    Chunks are of one partition each. Partitions take turns, and each has a bound of ids under way.
    """

    most: int
    """Ids under way in a partition."""

    chunk: int
    """Ids of a chunk; at most `most`."""

    held: int = field(default=0, init=False)
    """Ids that were taken and wait for their turn."""

    _waiting: dict[str, deque[str]] = field(factory=dict[str, deque[str]], init=False)
    _under_way: Counter[str] = field(factory=Counter[str], init=False)
    _lane_of: dict[str, str] = field(factory=dict[str, str], init=False)
    """Of each id under way."""

    _full: dict[str, None] = field(factory=dict[str, None], init=False)
    """Partitions with room and a whole chunk, the one whose turn it is first."""

    _partial: dict[str, None] = field(factory=dict[str, None], init=False)
    """Partitions with room and less than that."""

    def add(self, id: str, partition: str) -> None:
        """Take an id."""
        self._waiting.setdefault(partition, deque()).append(id)
        self.held += 1
        self._place(partition)

    def give(self, *, partial: bool = False) -> list[str] | None:
        """Give a chunk of the partition whose turn it is, a partial one only where that will do."""
        turns = self._full or (self._partial if partial else {})
        for partition in turns:
            ids = self._drawn(partition, self.chunk)
            before = len(self._lane_of)
            self._lane_of |= dict.fromkeys(ids, partition)
            self._under_way[partition] += len(self._lane_of) - before
            self._full.pop(partition, None)  # to the end of the line
            self._place(partition)
            return ids
        return None

    def ended(self, id: str) -> None:
        """Make room for another where this one was under way."""
        partition = self._lane_of.pop(id, None)
        if partition is not None:
            self._under_way[partition] -= 1
            if not self._under_way[partition]:
                del self._under_way[partition]
            self._place(partition)

    def rest(self) -> list[str] | None:
        """Give what waits in some partition, for good; None when nothing does."""
        for partition, waiting in self._waiting.items():
            ids = self._drawn(partition, len(waiting))
            self._place(partition)
            return ids
        return None

    def _drawn(self, partition: str, count: int) -> list[str]:
        waiting = self._waiting[partition]
        ids = [waiting.popleft() for _ in range(min(count, len(waiting)))]
        self.held -= len(ids)
        if not waiting:
            del self._waiting[partition]
        return ids

    def _place(self, partition: str) -> None:
        waiting = len(self._waiting.get(partition, ()))
        has_room = self._under_way[partition] + self.chunk <= self.most
        for turns, fits in ((self._full, waiting >= self.chunk), (self._partial, 0 < waiting < self.chunk)):
            if fits and has_room:
                turns.setdefault(partition)
            else:
                turns.pop(partition, None)
