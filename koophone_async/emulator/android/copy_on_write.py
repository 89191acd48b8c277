"""Copy on write: phones share what their factory made and keep only their own changes.

Changes are kept in columns, one for each kind, by the number of the phone. A phone that changed nothing is
in no column and takes no memory; a factory reset removes the phone from all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import TypeAlias, TypeVar

from attrs import astuple, define, field

V = TypeVar("V", str, int)

Changes: TypeAlias = dict[int, dict[str, V | None]]
"""Changed values by key, by the number of the phone; None for a key that was removed."""


@define
class Columns:
    """Base of classes whose fields are all columns: dictionaries by the number of the phone."""

    def forget(self, number: int) -> None:
        """Remove a phone from every column."""
        for column in astuple(self, recurse=False):
            column.pop(number, None)


@define
class AndroidChanges(Columns):
    """What was changed on the phones of a fleet since they left the factory."""

    properties: Changes[str] = field(factory=dict[int, dict[str, str | None]])
    settings: Changes[str] = field(factory=dict[int, dict[str, str | None]])
    apps: Changes[str] = field(factory=dict[int, dict[str, str | None]])
    files: Changes[str] = field(factory=dict[int, dict[str, str | None]])
    times: Changes[int] = field(factory=dict[int, dict[str, int | None]])
    processes: Changes[int] = field(factory=dict[int, dict[str, int | None]])
    inputs: dict[int, tuple[str, ...]] = field(factory=dict[int, tuple[str, ...]])


@define(eq=False, repr=False)
class CopyOnWrite(MutableMapping[str, V]):
    """A shared mapping as one phone sees it: the factory's values under the phone's changes."""

    _shared: Mapping[str, V]
    _changes: Changes[V]
    _number: int

    def _own(self) -> dict[str, V | None]:
        return self._changes.get(self._number, {})

    def __getitem__(self, key: str) -> V:
        changes = self._own()
        value = changes[key] if key in changes else self._shared[key]
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: V) -> None:
        if self._shared.get(key) == value:
            self._forget(key)
        else:
            self._changes.setdefault(self._number, {})[key] = value

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        if key in self._shared:
            self._changes.setdefault(self._number, {})[key] = None
        else:
            self._forget(key)

    def _forget(self, key: str) -> None:
        changes = self._own()
        changes.pop(key, None)
        if not changes:
            self._changes.pop(self._number, None)

    def __iter__(self) -> Iterator[str]:
        changes = self._own()
        yield from (key for key in self._shared if key not in changes)
        yield from (key for key, value in changes.items() if value is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)
