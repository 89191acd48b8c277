"""From any number of ids to calls of the size that the service takes."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import Protocol, TypeAlias, runtime_checkable

from attrs import define, field

from koophone_async.checks import ID_MOST


@runtime_checkable
class Located(Protocol):
    """Something with an id that may know its region, such as a listed instance."""

    @property
    def id(self) -> str:
        """The id that calls name it by."""
        ...

    @property
    def region(self) -> str | None:
        """Where it is; calls that take one region are grouped by it."""
        ...


Item: TypeAlias = str | Located
Source: TypeAlias = Iterable[Item] | AsyncIterable[Item]


def identify(item: Item) -> tuple[str, str | None]:
    """Give the id and, where it is known, the region. What is neither is left for `problem` to name."""
    return (item.id, item.region) if not isinstance(item, str) and isinstance(item, Located) else (item, None)


def problem(id: object) -> str | None:
    """Say what is wrong with an id; None where nothing is."""
    if not isinstance(id, str):
        return f"the id is a {type(id).__name__}; it must be a string"
    if not id:
        return "the id is empty"
    if len(id) > ID_MOST:
        return f"the id is {len(id)} characters long; at most {ID_MOST}"
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
