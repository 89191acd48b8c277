"""Chunks: the ids of one call, at most as many as the service takes, collected from any number of ids."""

from __future__ import annotations

import unicodedata
from abc import abstractmethod
from collections import Counter, deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection, Iterable, Sequence
from itertools import pairwise
from math import inf
from typing import Final, Protocol, TypeAlias, cast

from attrs import define, field

from koophone_async.checks import MAX_ID_LENGTH


class HasId(Protocol):
    """An object with an id, such as a listed phone; it may have a `region` or a `server` too."""

    @property
    def id(self) -> str:
        """The id that calls use."""
        ...


Item: TypeAlias = str | HasId
Source: TypeAlias = Iterable[Item] | AsyncIterable[Item]


class BlockSource(AsyncIterable[Item]):
    """An input that comes in blocks; all items of a block are read at once."""

    @abstractmethod
    def blocks(self) -> AsyncIterator[Sequence[Item]]:
        """Iterate over the blocks."""

    async def __aiter__(self) -> AsyncIterator[Item]:
        """Iterate over the items."""
        async for block in self.blocks():
            for item in block:
                yield item


def id_and_region(item: object) -> tuple[object, str | None]:
    """Return the id and, if known, the region of an item; without an id, the item itself for `id_problem`."""
    if isinstance(item, str):
        return str.__str__(item), None  # the value of a StrEnum member, not its name
    return getattr(item, "id", item), getattr(item, "region", None)


def id_of(item: Item) -> str:
    """Return the id of an item as text, also if it is invalid."""
    return str(id_and_region(item)[0])


def are_sorted(items: Iterable[Item]) -> bool:
    """Return whether items are in the order of their ids."""
    return all(before <= after for before, after in pairwise(map(id_of, items)))


def ids_without_region(source: Source) -> set[str] | None:
    """Return the valid ids of an input whose items have no region; None if it can be read only once."""
    if not isinstance(source, Collection):
        return None
    items = map(id_and_region, source)
    return {id for id, region in items if region is None and isinstance(id, str) and not id_problem(id)}


def id_problem(id: object) -> str | None:
    """Return what is wrong with an id, or None if it can be sent."""
    if not isinstance(id, str):
        return f"the id is a {type(id).__name__}; it must be a string"
    if not id:
        return "the id is empty"
    if not (id.isascii() and id.isprintable() and " " not in id) and (problem := _character_problem(id)):
        return problem
    if len(id) > MAX_ID_LENGTH:
        return f"the id is {len(id)} characters long; at most {MAX_ID_LENGTH}"
    return None


def are_plain_ids(items: Sequence[object]) -> bool:
    """Return whether all items are ids that can be sent, for certain, faster than `id_problem` for each."""
    if not {str}.issuperset(map(type, items)):
        return False
    ids = cast("Sequence[str]", items)
    text = "".join(ids)
    is_plain = text.isascii() and text.isprintable() and " " not in text
    return is_plain and all(0 < size <= MAX_ID_LENGTH for size in {*map(len, ids)})


def _character_problem(id: str) -> str | None:
    """Return which character of an id is invisible. Spaces within an id are left for the service to check.

    The service would refuse such an id too, but isolating it from the others of its call costs more calls.
    """
    if _is_invisible(id[0]):
        return f"the id starts with {_name(id[0])}"
    if _is_invisible(id[-1]):
        return f"the id ends with {_name(id[-1])}"
    inner = next((c for c in id if unicodedata.category(c) in _NEVER_IN_IDS), None)
    return inner and f"the id contains {_name(inner)}"


_NEVER_IN_IDS: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_FILLERS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that are shown as nothing."""

_CONTROLS: Final = {"\t": "tab", "\n": "line feed", "\r": "carriage return", "\ufeff": "byte order mark"}


def _is_invisible(character: str) -> bool:
    """Return whether a character is white space, has no width of its own, or stands for nothing."""
    return unicodedata.category(character)[0] in "CMZ" or character in _FILLERS


def _name(character: str) -> str:
    kind = "surrogate" if unicodedata.category(character) == "Cs" else "control character"
    name = _CONTROLS.get(character) or unicodedata.name(character, kind).lower()
    return f"U+{ord(character):04X} ({name})"


@define
class Chunker:
    """Collects ids into chunks of one region each; at most one incomplete chunk per region is waiting."""

    size: int
    by_region: bool
    _clock: Callable[[], float] | None = field(default=None, alias="clock")
    """The time, if `oldest` is needed."""

    waiting: int = field(default=0, init=False)
    """Ids in incomplete chunks."""

    _open: dict[str | None, list[str]] = field(factory=dict[str | None, list[str]], init=False)
    """Incomplete chunks, the oldest first."""

    _opened_at: dict[str | None, float] = field(factory=dict[str | None, float], init=False)

    @property
    def room(self) -> int:
        """How many ids can be added with no chunk completed before the last; at least 1."""
        return max(1, self.size - self.waiting)

    def add(self, ids: Collection[str], region: str | None) -> list[str] | None:
        """Add ids of a region, no more than there is room for; return a chunk if they complete one."""
        if not ids:
            return None
        key = region if self.by_region else None
        chunk = self._open.get(key)
        if chunk is None:
            chunk = self._open[key] = []
            if self._clock is not None:
                self._opened_at[key] = self._clock()
        chunk.extend(ids)
        self.waiting += len(ids)
        return self._close(key) if len(chunk) >= self.size else None

    @property
    def oldest(self) -> float:
        """When the oldest incomplete chunk was opened; infinite if there is none."""
        return next(iter(self._opened_at.values()), inf)

    def flush(self) -> list[str] | None:
        """Return the oldest incomplete chunk, or None when all chunks were returned."""
        return self._close(next(iter(self._open))) if self._open else None

    def reopen(self) -> list[str]:
        """Return the ids of all incomplete chunks, to be added anew."""
        ids = [id for chunk in self._open.values() for id in chunk]
        self._open.clear()
        self._opened_at.clear()
        self.waiting = 0
        return ids

    def _close(self, key: str | None) -> list[str]:
        chunk = self._open.pop(key)
        self._opened_at.pop(key, None)
        self.waiting -= len(chunk)
        return chunk


@define
class Partitions:
    """Collects ids by partition, such as a server, which executes jobs one after another.

    Each chunk is of one partition. Partitions take turns, and each has a maximum of ids in flight: more would
    only wait there, in front of ids of other calls.
    """

    max_in_flight: int
    """Ids of one partition that may be in flight."""

    chunk_size: int
    """Ids per chunk; at most `max_in_flight`."""

    _clock: Callable[[], float] | None = field(default=None, alias="clock")
    """The time, if `oldest` is needed."""

    waiting: int = field(default=0, init=False)
    """Ids that were added and are in no chunk yet."""

    _queues: dict[str, deque[str]] = field(factory=dict[str, deque[str]], init=False)
    _came_at: dict[str, deque[float]] = field(factory=dict[str, deque[float]], init=False)
    """When each id of a queue was added."""

    _in_flight: Counter[str] = field(factory=Counter[str], init=False)
    _partition_of: dict[str, str] = field(factory=dict[str, str], init=False)
    """Of each id in flight."""

    _full: dict[str, None] = field(factory=dict[str, None], init=False)
    """Partitions with capacity for a chunk and ids for a full one, in the order of their turns."""

    _partial: dict[str, None] = field(factory=dict[str, None], init=False)
    """Partitions with capacity for a chunk and too few ids for a full one."""

    def add(self, id: str, partition: str) -> None:
        """Add an id."""
        self._queues.setdefault(partition, deque()).append(id)
        if self._clock is not None:
            self._came_at.setdefault(partition, deque()).append(self._clock())
        self.waiting += 1
        self._update_turns(partition)

    def next_chunk(self, *, partial: bool = False) -> list[str] | None:
        """Return a chunk of the partition whose turn it is, or None; partial chunks only if allowed."""
        turns = self._full or (self._partial if partial else {})
        return next(map(self._next_chunk_of, turns), None)

    @property
    def oldest(self) -> float:
        """When the oldest id was added of those that could leave in an incomplete chunk; infinite if none."""
        return min((self._came_at[partition][0] for partition in self._partial), default=inf)

    def oldest_chunk(self) -> list[str]:
        """Return the incomplete chunk with the oldest id of those that could leave in one."""
        return self._next_chunk_of(min(self._partial, key=lambda partition: self._came_at[partition][0]))

    def release(self, id: str) -> None:
        """Free the capacity that an id in flight has used; other ids are ignored."""
        partition = self._partition_of.pop(id, None)
        if partition is not None:
            self._in_flight[partition] -= 1
            if not self._in_flight[partition]:
                del self._in_flight[partition]
            self._update_turns(partition)

    def flush(self) -> list[str] | None:
        """Return all waiting ids of a partition, whatever its capacity, or None when none are waiting."""
        for partition, queue in self._queues.items():
            ids = self._take(partition, len(queue))
            self._update_turns(partition)
            return ids
        return None

    def _next_chunk_of(self, partition: str) -> list[str]:
        ids = self._take(partition, self.chunk_size)
        before = len(self._partition_of)
        self._partition_of |= dict.fromkeys(ids, partition)
        self._in_flight[partition] += len(self._partition_of) - before
        self._full.pop(partition, None)  # to the end of the queue
        self._update_turns(partition)
        return ids

    def _take(self, partition: str, count: int) -> list[str]:
        queue = self._queues[partition]
        ids = [queue.popleft() for _ in range(min(count, len(queue)))]
        self.waiting -= len(ids)
        if not queue:
            del self._queues[partition]
            self._came_at.pop(partition, None)
        elif self._clock is not None:
            came_at = self._came_at[partition]
            for _ in ids:
                came_at.popleft()
        return ids

    def _update_turns(self, partition: str) -> None:
        count = len(self._queues.get(partition, ()))
        has_capacity = self._in_flight[partition] + self.chunk_size <= self.max_in_flight
        is_full, is_partial = count >= self.chunk_size, 0 < count < self.chunk_size
        for turns, belongs in ((self._full, is_full), (self._partial, is_partial)):
            if belongs and has_capacity:
                turns.setdefault(partition)
            else:
                turns.pop(partition, None)
