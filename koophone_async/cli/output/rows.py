"""Convert the library's answers to flat rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import Enum, IntEnum
from typing import Any, Final, TypeAlias, cast, get_args, get_origin

import attrs

from koophone_async.batches import Outcome
from koophone_async.services.cph.undocumented import RawAnswer
from koophone_async.wire import spelling

JsonValue: TypeAlias = Any
"""A JSON value."""

Row: TypeAlias = dict[str, JsonValue]


class EnumName(str):
    """Name of a member of an enum, such as `GOING_OFFLINE`, which tables show in words."""

    __slots__ = ()


_MAX_UNWRAPPED: Final = 2
"""Fields of an answer that is shown as the rows of its list, each with the other field."""

OUTCOME_COLUMNS: Final = (*Outcome.COLUMNS, "resume_token")
"""Columns of an outcome, in order."""


def plain(value: object) -> JsonValue:  # noqa: PLR0911 - one per type
    """Convert a model to a JSON value with the library's field names; enums become their names or values."""
    match value:
        case IntEnum():
            return EnumName(value.name)
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
    fields = model_fields(type(answer))
    lists = [field for field in fields if item_model(field.type) is not None]
    if len(lists) != 1 or len(fields) > _MAX_UNWRAPPED:
        return None
    (items,) = lists
    siblings = [field for field in fields if field is not items]
    return getattr(answer, items.name), [
        (field.name, spelling(field).name, getattr(answer, field.name)) for field in siblings
    ]


def model_fields(model: object) -> tuple[attrs.Attribute[Any], ...]:
    """Return the fields of a model with their types; none if it is no model."""
    if not (isinstance(model, type) and attrs.has(model)):
        return ()
    return tuple(attrs.fields(attrs.resolve_types(model)))


def item_model(hint: object) -> type | None:
    """Return the model of the items of a list; None if it is no list of models."""
    item = next(iter(get_args(hint)), None) if get_origin(hint) is tuple else None
    return cast("type", item) if isinstance(item, type) and attrs.has(item) else None


def value_rows(outcome: Outcome) -> Iterator[Row]:
    """Return the rows of the value of one id, each starting with the id."""
    value = outcome.value
    for item in cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,):
        content = plain(item)
        yield {"id": outcome.id} | (content if isinstance(content, dict) else {"state": content})
