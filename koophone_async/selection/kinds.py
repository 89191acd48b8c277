"""What fields of models hold, and what a word means that is compared with one."""

from __future__ import annotations

from datetime import UTC, datetime
from difflib import get_close_matches
from enum import Enum, IntEnum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, Union, get_args, get_origin

import attrs

from koophone_async.selection.grammar import Comparison, Value, wrong
from koophone_async.wire import spelling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@attrs.frozen
class Kind:
    """What a field holds, as far as it matters for comparing."""

    expected: str
    read: Callable[[str], Any]
    """Give the value that a word stands for, or raise `ValueError`."""

    is_ordered: bool = False
    texts: Callable[[Any], tuple[str, ...]] | None = None
    """The texts that a pattern is matched with; None where there are none."""

    enum: type[Enum] | None = None


def _number(text: str) -> float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _moment(text: str) -> datetime:
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


TEXT: Final = Kind("text", str, is_ordered=True, texts=lambda text: (text,))
_PLAIN: Final[Mapping[type, Kind]] = {
    str: TEXT,
    int: Kind("a number", _number, is_ordered=True),
    float: Kind("a number", _number, is_ordered=True),
    bool: Kind("true or false", _truth),
    datetime: Kind("a time such as 2025-02-08T12:00:00Z", _moment, is_ordered=True),
}


def _spelt(name: str) -> str:
    return name.upper().replace("-", "_")


def _member(value: object) -> tuple[str, ...]:
    """Name a member, by which patterns find it; what is none goes by itself."""
    return (value.name, str(value.value)) if isinstance(value, Enum) else (str(value),)


def _one_of(enum: type[Enum]) -> Kind:
    """Read members by name or value, in any case; and unknown numbers, which newer services may send."""
    by_name = {_spelt(str(member.value)): member for member in enum} | {m.name: m for m in enum}
    is_number = issubclass(enum, IntEnum)

    def read(text: str) -> object:
        found = by_name.get(_spelt(text))
        return found if found is not None or not is_number else int(text)

    names = ", ".join(member.name.lower() for member in enum)
    return Kind(f"one of {names}{' or a number' if is_number else ''}", read, is_number, _member, enum)


def kind_of(hint: Any) -> Kind | None:  # noqa: ANN401 - what annotations are
    """Tell what an annotation says; None where it is no single value that can be compared."""
    is_union = get_origin(hint) in (Union, UnionType)
    kinds = [kind for kind in (get_args(hint) if is_union else (hint,)) if kind is not NoneType]
    enums = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Enum)]
    if len(enums) == 1:
        return _one_of(enums[0])
    return _PLAIN.get(kinds[0]) if len(kinds) == 1 else None


def spellings(model: Any) -> dict[str, attrs.Attribute[Any]]:  # noqa: ANN401 - attrs wants a class of its own
    """Give the fields of a model by their own names and by those on the wire; their own go first."""
    fields = attrs.fields(attrs.resolve_types(model))
    on_the_wire = {name: a for a in fields for name in (spelling(a).name, *spelling(a).also)}
    return on_the_wire | {a.name: a for a in fields}


def field_of(model: type, comparison: Comparison) -> tuple[str, Kind]:
    """Find the field of a model that a comparison names, and what it holds.

    Raises:
        InvalidRequest: There is none, or it holds no single value.
    """
    name, known = comparison.name, spellings(model)
    if name not in known:
        raise wrong(comparison.column, f"{name} is not a field of {model.__name__}{_known(name, known)}")
    kind = kind_of(known[name].type)
    if kind is None:
        raise wrong(comparison.column, f"{name} holds no single value that can be compared")
    return known[name].name, kind


def _known(name: str, known: Mapping[str, attrs.Attribute[Any]]) -> str:
    near = "".join(f"; did you mean {other}?" for other in get_close_matches(name, known, 1))
    fields = dict.fromkeys(a.name for a in known.values() if kind_of(a.type))
    return f"{near or ';'} known are {', '.join(fields)}"


def meant(kind: Kind, value: Value) -> Any:  # noqa: ANN401 - whatever the field holds
    """Tell what a value of the expression stands for.

    Raises:
        InvalidRequest: It is nothing that the field can hold.
    """
    if value.text is None:
        return None
    try:
        found = kind.read(value.text)
    except (ValueError, KeyError):
        found = None
    if found is None:
        raise wrong(value.column, f"expected {kind.expected}, not {value.text!r}")
    return found
