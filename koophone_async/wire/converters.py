"""Converters between models and JSON values, derived from the types of the models' fields.

Reading is tolerant, because the documents contradict each other: numbers as strings, strings as numbers,
nulls, unknown fields and unknown enum values are accepted. Answers are read by `protocol.decoders`, which
read even more.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum, IntEnum, StrEnum
from functools import partial
from math import isfinite
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, cast, get_args, get_origin

import attrs
from cattrs import AttributeValidationNote, BaseValidationError, Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.wire.fields import spelling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from koophone_async.wire.fields import Edition
    from koophone_async.wire.json_text import Json

T = TypeVar("T")


def _text(value: Any, _: type) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return str(value)
    raise TypeError(f"expected text, not {type(value).__name__}")


def _is_texts(kind: Any) -> bool:
    return bool(kind == tuple[str, ...])


def _texts(values: Any, _: type) -> tuple[str, ...]:
    items = tuple(cast("Iterable[Any]", values))
    # Lists of ids are long, and nearly always all text.
    return items if {*map(type, items)} == {str} else tuple(_text(item, str) for item in items)


def _integer(value: Any, _: type) -> int:
    if isinstance(value, str | int) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    raise TypeError(f"expected a whole number, not {value!r:.40}")


def _boolean(value: Any, _: type) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return bool(_integer(value, int))


def _number(value: Any, _: type) -> float:
    number = float(value)
    if not isfinite(number):
        raise ValueError("not a finite number")
    return number


def _time(value: Any, _: type) -> datetime:
    """Parse a time; one without a zone is UTC, as KooPhone states for its queries."""
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
    time = datetime.fromisoformat(value)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _known(members: type[Enum], fallback: type) -> Callable[[Any, type], Any]:
    """Return a hook that reads members of an enum; an unknown value stays a plain number or string."""
    known: Mapping[Any, Enum] = {member.value: member for member in members}
    plain = _integer if fallback is int else _text

    def read(value: Any, _: type) -> Any:
        value = plain(value, fallback)
        return known.get(value, value)

    return read


def _is_open_enum(kind: Any) -> bool:
    """Whether a type is `SomeEnum | int`, `SomeEnum | str` or `SomeEnum | None`."""
    if get_origin(kind) not in (Union, UnionType):
        return False
    members = [member for member in get_args(kind) if member is not NoneType]
    return any(isinstance(member, type) and issubclass(member, Enum) for member in members)


def _member(value: Any, enum: type[Enum]) -> Enum:
    return enum(_integer(value, int) if issubclass(enum, int) else _text(value, str))


def _as(enum: type[Enum], value: Any, _: type) -> Enum:
    return _member(value, enum)


def _open_enum(kind: Any) -> Callable[[Any, type], Any]:
    members = [member for member in get_args(kind) if member is not NoneType]
    enum = next(member for member in members if issubclass(member, Enum))
    read = _known(enum, int if int in members else str) if len(members) > 1 else partial(_as, enum)
    if NoneType not in get_args(kind):
        return read
    return lambda value, to: None if value in (None, "") else read(value, to)


def _plain_values(kind: Any) -> Callable[[Any], Any]:
    """Return a hook that writes members of open enums as their values, and any other value as it is."""
    enums = frozenset(one for one in get_args(kind) if isinstance(one, type) and issubclass(one, Enum))
    # The property `value` takes three times as long as the table.
    values = {member: member.value for enum in enums for member in enum}
    return lambda value: values[value] if type(value) in enums else value


def edition_hook(attribute: attrs.Attribute[Any], edition: Edition) -> Callable[[Any, type], Any] | None:
    """Return the hook that reads a number whose meaning depends on the edition; None for other fields."""
    editions = spelling(attribute).editions
    return _known(editions[edition], int) if editions else None


def _field(attribute: attrs.Attribute[Any], edition: Edition) -> object:
    return override(rename=spelling(attribute).name, struct_hook=edition_hook(attribute, edition))


def _with_present_names(value: Json, also: Mapping[str, str]) -> Json:
    """Rename fields that have an alternative name, unless the present name is there too."""
    return {also.get(name, name): item for name, item in value.items()} | {
        name: item for name, item in value.items() if name not in also
    }


def _reader(
    converter: Converter, edition: Edition, *, detailed: bool
) -> Callable[[type], Callable[[Any, type], Any]]:
    def factory(model: type) -> Callable[[Any, type], Any]:
        fields = attrs.fields(attrs.resolve_types(model))
        overrides: Json = {a.name: _field(a, edition) for a in fields}
        make = cast("Callable[..., Callable[[Any, type], Any]]", make_dict_structure_fn)
        structure = make(model, converter, _cattrs_detailed_validation=detailed, **overrides)
        also = {other: spelling(a).name for a in fields for other in spelling(a).also}

        def read(value: Json, to: type) -> Any:
            try:
                return structure(value, to) if not also else structure(_with_present_names(value, also), to)
            except (KeyError, TypeError, ValueError, AttributeError, BaseValidationError):
                # A null counts as missing, and so does an empty string where the model has another type.
                present = {name: item for name, item in value.items() if item not in (None, "")}
                if len(present) == len(value):
                    raise
                return structure(_with_present_names(present, also), to)

        return read

    return factory


def _writer(converter: Converter, *, nulls: bool) -> Callable[[type], Callable[[Any], Any]]:
    def factory(model: type) -> Callable[[Any], Any]:
        def field_override(attribute: attrs.Attribute[Any]) -> object:
            on_wire = spelling(attribute)
            text = on_wire.as_text
            hook = text if text is None or callable(text) else text.get
            omitted = attribute.default is None and not nulls
            return override(rename=on_wire.name, omit_if_default=omitted, unstruct_hook=hook)

        fields = attrs.fields(attrs.resolve_types(model))
        overrides: Json = {a.name: field_override(a) for a in fields}
        return make_dict_unstructure_fn(model, converter, **overrides)

    return factory


def create_converter(edition: Edition, *, nulls: bool, detailed: bool) -> Converter:
    """Return a converter between models and JSON values.

    Args:
        edition: The edition whose numbers it reads.
        nulls: Write optional fields that are None as null, instead of omitting them.
        detailed: Raise errors that name the field, which is slower.
    """
    converter = scalar_converter(detailed=detailed)
    converter.register_unstructure_hook(datetime, lambda at: at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"))
    converter.register_unstructure_hook_factory(_is_open_enum, _plain_values)
    converter.register_structure_hook_factory(attrs.has, _reader(converter, edition, detailed=detailed))
    converter.register_unstructure_hook_factory(attrs.has, _writer(converter, nulls=nulls))
    return converter


def scalar_converter(*, detailed: bool = False) -> Converter:
    """Return a converter that reads texts, numbers, times and enums in every form that answers have."""
    converter = Converter(detailed_validation=detailed)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook_func(_is_texts, _texts)
    converter.register_structure_hook(int, _integer)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(bool, _boolean)
    # Registered explicitly, because they are also str and int.
    converter.register_structure_hook(StrEnum, _member)
    converter.register_structure_hook(IntEnum, _member)
    converter.register_structure_hook(datetime, _time)
    converter.register_structure_hook_factory(_is_open_enum, _open_enum)
    return converter


def structure_detailed(converter: Converter, model: type[T], value: Json) -> T:
    """Return the model that decoded JSON describes.

    Raises:
        InvalidRequest: Describes the first field that the detailed converter could not read.
    """
    try:
        return converter.structure(value, model)
    except BaseValidationError as group:
        raise _first_invalid_field(group) from group


def _first_invalid_field(group: BaseValidationError) -> InvalidRequest:
    name, error = "", cast("Exception", group)
    while isinstance(error, BaseValidationError):
        error = error.exceptions[0]
        notes: Sequence[object] = getattr(error, "__notes__", ())
        name = next((note.name for note in notes if isinstance(note, AttributeValidationNote)), name)
    if isinstance(error, InvalidRequest):
        return error
    if isinstance(error, KeyError):
        return InvalidRequest("", name, "is missing", Rule.MISSING)
    return InvalidRequest("", name, f"cannot be read: {error}", Rule.WRONG_TYPE)
