"""From answers of the library to flat rows that can be printed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import Enum, IntEnum
from typing import Any, Final, TypeAlias, cast

import attrs

from koophone_async.batches import Outcome, State
from koophone_async.cli.id_ranges import fold
from koophone_async.services.cph.undocumented import RawAnswer
from koophone_async.wire import spelling

Plain: TypeAlias = Any
"""What JSON can hold."""

Row: TypeAlias = dict[str, Plain]

OUTCOME: Final = tuple(Outcome("", State.ACCEPTED).to_row())
"""The columns of an outcome, in their order."""


def plain(value: object) -> Plain:  # noqa: PLR0911 - one for each kind
    """Turn a model into what JSON can hold, in the library's words: numbers that mean something by name."""
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
    """Give the rows of an answer: those of the list that it wraps, or the answer itself as one row."""
    if isinstance(answer, RawAnswer):
        yield from _raw(answer.value)
        return
    wrapped = _wrapped(answer)
    if wrapped is None:
        row = plain(answer)
        yield row if any(value is not None for value in row.values()) else {"state": "accepted"} | row
        return
    items, beside = wrapped
    for item in items:
        for row in rows(item):
            yield {spelt if name in row else name: plain(value) for name, spelt, value in beside} | row


def _raw(value: Plain) -> Iterator[Row]:
    for item in cast("Iterable[Plain]", value if isinstance(value, list) else [value]):
        yield cast("Row", item) if isinstance(item, dict) else {"value": item}


def _wrapped(answer: object) -> tuple[tuple[object, ...], list[tuple[str, str, object]]] | None:
    """Take apart an answer that is a list of objects and at most one value beside it."""
    fields = attrs.fields(cast("type[attrs.AttrsInstance]", type(answer))) if attrs.has(type(answer)) else ()
    values = [(field.name, spelling(field).name, getattr(answer, field.name)) for field in fields]
    lists = [cast("tuple[object, ...]", value) for _, _, value in values if isinstance(value, tuple)]
    if len(lists) != 1 or len(values) > 2 or not all(attrs.has(type(item)) for item in lists[0]):
        return None
    return lists[0], [entry for entry in values if entry[2] is not lists[0]]


def value_rows(outcome: Outcome) -> Iterator[Row]:
    """Give what was read for one id, with the id before it."""
    value = outcome.value
    for item in cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,):
        content = plain(item)
        yield {"id": outcome.id} | (content if isinstance(content, dict) else {"state": content})


def grouped(outcomes: Iterable[Outcome]) -> list[Row]:
    """Put ids together that ended alike, the largest group first."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for outcome in outcomes:
        end = (outcome.state.value, outcome.error_code, outcome.error_message, outcome.output)
        groups.setdefault(end, []).append(outcome.id)
    return [
        {"ids": ",".join(fold(ids)), "count": len(ids)}
        | dict(zip(("state", "error_code", "error_message", "output"), end, strict=True))
        for end, ids in sorted(groups.items(), key=lambda group: -len(group[1]))
    ]
