"""Copy on write: a phone keeps only what differs from how it left the factory.

All that a phone changed lies in one drawer of plain JSON values, so that a snapshot is a copy of the
drawers and a reset empties one. A drawer that was never written to takes no memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, TypeAlias, TypeVar

from attrs import define, field

V = TypeVar("V", str, int)

Drawer: TypeAlias = MutableMapping[str, Any]
"""What one phone changed, by the name of the thing; JSON values only."""


@define(eq=False, repr=False)
class Overlay(MutableMapping[str, V]):
    """A shared mapping as one phone sees it: the factory's values under its own changes."""

    _shared: Mapping[str, V]
    _drawer: Drawer
    _name: str

    def _changes(self) -> dict[str, V | None]:
        """What was set here, with None for what was removed."""
        found: dict[str, V | None] = self._drawer.get(self._name, {})
        return found

    def __getitem__(self, key: str) -> V:
        changes = self._changes()
        value = changes[key] if key in changes else self._shared[key]
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: V) -> None:
        if self._shared.get(key) == value:
            self._forget(key)
        else:
            self._drawer.setdefault(self._name, {})[key] = value

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        if key in self._shared:
            self._drawer.setdefault(self._name, {})[key] = None
        else:
            self._forget(key)

    def _forget(self, key: str) -> None:
        changes = self._changes()
        changes.pop(key, None)
        if not changes:
            self._drawer.pop(self._name, None)

    def __iter__(self) -> Iterator[str]:
        changes = self._changes()
        yield from (key for key in self._shared if key not in changes)
        yield from (key for key, value in changes.items() if value is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@define(eq=False)
class Drawers:
    """The drawers of a fleet, by the number of the phone; an empty drawer is not kept."""

    by_number: dict[int, dict[str, Any]] = field(factory=dict[int, dict[str, Any]])


@define(eq=False, repr=False)
class FleetDrawer(MutableMapping[str, Any]):
    """One phone's drawer, which comes into being with the first thing put in it."""

    _drawers: Drawers
    _number: int

    def _inside(self) -> dict[str, Any]:
        return self._drawers.by_number.get(self._number, {})

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - what JSON holds
        return self._inside()[key]

    def __setitem__(self, key: str, value: Any) -> None:  # noqa: ANN401 - what JSON holds
        self._drawers.by_number.setdefault(self._number, {})[key] = value

    def __delitem__(self, key: str) -> None:
        inside = self._inside()
        del inside[key]
        if not inside:
            del self._drawers.by_number[self._number]

    def __iter__(self) -> Iterator[str]:
        return iter(self._inside())

    def __len__(self) -> int:
        return len(self._inside())
