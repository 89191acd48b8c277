"""Convert the library's answers to flat rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import Enum, IntEnum
from typing import Any, Final, TypeAlias, cast

import attrs

from koophone_async.batches import Outcome
from koophone_async.cli.id_ranges import fold
from koophone_async.services.cph.undocumented import RawAnswer
from koophone_async.wire import spelling

JsonValue: TypeAlias = Any
"""A JSON value."""

Row: TypeAlias = dict[str, JsonValue]

OUTCOME_COLUMNS: Final = (*Outcome.COLUMNS, "resume_token")
"""Columns of an outcome, in order."""


def plain(value: object) -> JsonValue:  # noqa: PLR0911 - one per type
    """Convert a model to a JSON value with the library's field names; enums become their names or values."""
    match value:
        case IntEnum():
            return value.name
        case Enum():
            return value.value
        case datetime():
            return value.isoformat()
        case Mapping():
            items = cast("Mapping[object, object]", value)
            return {str(key): plain(item) for key, item in items.items()}
        case tuple() | list():
            return [plain(item) for item in cast("Iterable[object]", value)]
        case _ if attrs.has(type(value)):
            return {
                a.name: plain(getattr(value, a.name))
                for a in attrs.fields(cast("type[attrs.AttrsInstance]", type(value)))
            }
        case _:
            return value


def rows(answer: object) -> Iterator[Row]:
    """Return the rows of an answer: the items of the list that it wraps, or the answer itself."""
    if isinstance(answer, RawAnswer):
        yield from _raw(answer.value)
        return
    unwrapped = _unwrap_list(answer)
    if unwrapped is None:
        row = plain(answer)
        yield row if any(value is not None for value in row.values()) else {"state": "accepted"} | row
        return
    items, siblings = unwrapped
    for item in items:
        for row in rows(item):
            yield {
                wire_name if name in row else name: plain(value) for name, wire_name, value in siblings
            } | row


def _raw(value: JsonValue) -> Iterator[Row]:
    for item in cast("Iterable[JsonValue]", value if isinstance(value, list) else [value]):
        yield cast("Row", item) if isinstance(item, dict) else {"value": item}


def _unwrap_list(answer: object) -> tuple[tuple[object, ...], list[tuple[str, str, object]]] | None:
    """Split an answer of one list of models and at most one other field; None for any other answer."""
    fields = attrs.fields(cast("type[attrs.AttrsInstance]", type(answer))) if attrs.has(type(answer)) else ()
    values = [(field.name, spelling(field).name, getattr(answer, field.name)) for field in fields]
    lists = [cast("tuple[object, ...]", value) for _, _, value in values if isinstance(value, tuple)]
    if len(lists) != 1 or len(values) > 2 or not all(attrs.has(type(item)) for item in lists[0]):
        return None
    return lists[0], [entry for entry in values if entry[2] is not lists[0]]


def value_rows(outcome: Outcome) -> Iterator[Row]:
    """Return the rows of the value of one id, each starting with the id."""
    value = outcome.value
    for item in cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,):
        content = plain(item)
        yield {"id": outcome.id} | (content if isinstance(content, dict) else {"state": content})


def grouped(outcomes: Iterable[Outcome]) -> list[Row]:
    """Group the ids with the same result, the largest group first."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for outcome in outcomes:
        result = (outcome.state.value, outcome.error_code, outcome.error_message, outcome.output)
        groups.setdefault(result, []).append(outcome.id)
    return [
        {"ids": ",".join(fold(ids)), "count": len(ids)}
        | dict(zip(("state", "error_code", "error_message", "output"), result, strict=True))
        for result, ids in sorted(groups.items(), key=lambda group: -len(group[1]))
    ]
