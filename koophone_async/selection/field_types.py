"""Types of model fields, and the values that words of an expression have for them."""

from __future__ import annotations

from datetime import UTC, datetime
from difflib import get_close_matches
from enum import Enum, IntEnum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, Union, get_args, get_origin

import attrs

from koophone_async.selection.grammar import Comparison, Value, invalid
from koophone_async.wire import spelling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@attrs.frozen
class FieldType:
    """The type of a field, as far as it matters for comparisons."""

    expected: str
    """Description of the values, for errors."""

    parse: Callable[[str], Any]
    """Returns the value of a word, or raises `ValueError` or `KeyError`."""

    is_ordered: bool = False
    pattern_strings: Callable[[Any], tuple[str, ...]] | None = None
    """Returns the strings that a pattern is matched with; None if there are no patterns for this type."""

    enum: type[Enum] | None = None


def _number(text: str) -> float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


TEXT: Final = FieldType("text", str, is_ordered=True, pattern_strings=lambda text: (text,))
_PLAIN_TYPES: Final[Mapping[type, FieldType]] = {
    str: TEXT,
    int: FieldType("a number", _number, is_ordered=True),
    float: FieldType("a number", _number, is_ordered=True),
    bool: FieldType("true or false", _boolean),
    datetime: FieldType("a time such as 2025-02-08T12:00:00Z", _time, is_ordered=True),
}


def _normalized(name: str) -> str:
    return name.upper().replace("-", "_")


def _member_strings(value: object) -> tuple[str, ...]:
    """Return the strings that patterns match: name and value of a member, else the value itself."""
    return (value.name, str(value.value)) if isinstance(value, Enum) else (str(value),)


def _enum_type(enum: type[Enum]) -> FieldType:
    """Return the type of an enum: members by name or value, in any case, and unknown numbers.

    A newer service may send numbers that the enum does not have.
    """
    by_name = {_normalized(str(member.value)): member for member in enum} | {m.name: m for m in enum}
    is_number = issubclass(enum, IntEnum)

    def parse(text: str) -> object:
        member = by_name.get(_normalized(text))
        return member if member is not None or not is_number else int(text)

    names = ", ".join(member.name.lower() for member in enum)
    return FieldType(
        f"one of {names}{' or a number' if is_number else ''}", parse, is_number, _member_strings, enum
    )


def field_type(hint: Any) -> FieldType | None:  # noqa: ANN401 - annotations are of any type
    """Return the type that an annotation describes; None if it is not a single value that can be compared."""
    is_union = get_origin(hint) in (Union, UnionType)
    types = [type_ for type_ in (get_args(hint) if is_union else (hint,)) if type_ is not NoneType]
    enums = [type_ for type_ in types if isinstance(type_, type) and issubclass(type_, Enum)]
    if len(enums) == 1:
        return _enum_type(enums[0])
    return _PLAIN_TYPES.get(types[0]) if len(types) == 1 else None


def spellings(model: Any) -> dict[str, attrs.Attribute[Any]]:  # noqa: ANN401 - attrs wants a class of its own
    """Return the fields of a model by name and by wire name; their own names take precedence."""
    fields = attrs.fields(attrs.resolve_types(model))
    on_the_wire = {name: a for a in fields for name in (spelling(a).name, *spelling(a).also)}
    return on_the_wire | {a.name: a for a in fields}


def field_of(model: type, comparison: Comparison) -> tuple[str, FieldType]:
    """Return the name and type of the model's field that a comparison names.

    Raises:
        InvalidRequest: There is no such field, or it is not a single value.
    """
    name, known = comparison.name, spellings(model)
    if name not in known:
        raise invalid(
            comparison.column, f"{name} is not a field of {model.__name__}{_suggestions(name, known)}"
        )
    type_ = field_type(known[name].type)
    if type_ is None:
        raise invalid(comparison.column, f"{name} is not a single value that can be compared")
    return known[name].name, type_


def _suggestions(name: str, known: Mapping[str, attrs.Attribute[Any]]) -> str:
    near = "".join(f"; did you mean {other}?" for other in get_close_matches(name, known, 1))
    fields = dict.fromkeys(a.name for a in known.values() if field_type(a.type))
    return f"{near or ';'} the fields are {', '.join(fields)}"


def parse_value(type_: FieldType, value: Value) -> Any:  # noqa: ANN401 - fields are of any type
    """Return the value of a word of the expression for a field of a type.

    Raises:
        InvalidRequest: The field cannot have such a value.
    """
    if value.text is None:
        return None
    try:
        parsed = type_.parse(value.text)
    except (ValueError, KeyError):
        parsed = None
    if parsed is None:
        raise invalid(value.column, f"expected {type_.expected}, not {value.text!r}")
    return parsed
