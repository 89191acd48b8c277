"""JSON as places and values: the value at `body.phones.0.phone_id` is `p1`."""

from __future__ import annotations

from typing import Any, cast


def leaves(value: Any, place: str = "") -> list[tuple[str, Any]]:  # noqa: ANN401 - JSON
    """Return every scalar value with its place."""
    items = _items(value)
    if not items:
        return [(place, value)]
    return [leaf for name, one in items for leaf in leaves(one, f"{place}.{name}" if place else name)]


def _items(value: object) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return list(cast("dict[str, object]", value).items())
    if isinstance(value, list):
        return [(str(n), one) for n, one in enumerate(cast("list[object]", value))]
    return []


def without_numbers(place: str) -> str:
    """Replace the indexes of a place: `phones.3.phone_id` is `phones.#.phone_id`."""
    return ".".join("#" if part.isdecimal() else part for part in place.split("."))
