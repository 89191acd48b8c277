"""The converter between models and JSON.

A model's field declares its name on the wire (`wire("job_id")`); everything else is derived from its type.
Reading is tolerant, because the documents contradict each other: numbers as strings, strings as numbers,
nulls, unknown fields and unknown enum values are accepted. Answers are read by `protocol.decoders`, which
read even more.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from enum import Enum, IntEnum, StrEnum
from functools import cache, partial
from math import isfinite
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin

import attrs
import msgspec
from cattrs import AttributeValidationNote, BaseValidationError, Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from koophone_async.characters import escape
from koophone_async.errors import InvalidRequest, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from koophone_async.operation import Operation

T = TypeVar("T")
Place = Literal["path", "query", "body", "header"]
Json = dict[str, Any]

_WIRE: Final = "wire"
_DOC: Final = "doc"
_surrogate: Final = re.compile("[\ud800-\udfff]").search

NULL_TEXTS: Final = ("null", "NULL", "None")
"""Texts that answers have in place of null."""


class Edition(StrEnum):
    """The editions of KooPhone, in which some numbers have different meanings."""

    CHINA = "china"
    INTERNATIONAL = "international"


@attrs.frozen
class Spelling:
    """How a field appears on the wire."""

    name: str
    also: tuple[str, ...] = ()
    """Other names, which are read but never written."""

    place: Place | None = None
    editions: Mapping[Edition, type[Enum]] | None = None
    """The enum of a number, where the editions differ."""

    as_text: Mapping[Any, Any] | Callable[[Any], Any] | None = None
    """How values are written, if unlike others of their type: a table or a function."""

    convert: Callable[[Any], Any] | None = None
    """Converts a JSON value before it is read by its type, where answers have values of other types."""

    null_text: bool = False
    """Whether the text "null" in an answer means that there is no value.

    Only texts need this: of every other type "null" can be nothing else. It may be the output of a command.
    """


def wire(  # noqa: PLR0913 - all but one are named, and have defaults
    name: str,
    *also: str,
    place: Place | None = None,
    editions: Mapping[Edition, type[Enum]] | None = None,
    as_text: Mapping[Any, Any] | Callable[[Any], Any] | None = None,
    convert: Callable[[Any], Any] | None = None,
    null_text: bool = False,
) -> dict[str, Spelling]:
    """Return the metadata of a field whose name on the wire is `name`."""
    return {_WIRE: Spelling(name, also, place, editions, as_text, convert, null_text)}


def spelling(attribute: attrs.Attribute[Any]) -> Spelling:
    """Return how a field appears on the wire: as in its metadata, else by its own name."""
    stated = attribute.metadata.get(_WIRE)
    return stated if isinstance(stated, Spelling) else Spelling(attribute.name)


def json_texts(values: Any) -> Any:
    """Return a list with each object in it as JSON text."""
    if not isinstance(values, list):
        return values
    items = cast("list[object]", values)
    return [encode(item).decode() if isinstance(item, dict) else item for item in items]


def doc(text: str) -> dict[str, str]:
    """Return the metadata of a request's field that explains it to readers and in the help of its option.

    A string under a field would reach readers only: Python drops it when it compiles, and the command line
    must run from bytecode alone.
    """
    return {_DOC: text}


PAGE_SIZE: Final = doc("Page size; iterating follows all pages.")


def doc_of(attribute: attrs.Attribute[Any]) -> str:
    """Return the explanation of a field; empty if it has none."""
    return str(attribute.metadata.get(_DOC, ""))


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


@cache
def _converter(edition: Edition, *, nulls: bool = False, detailed: bool = False) -> Converter:
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


def from_wire(model: type[T], value: Any, edition: Edition = Edition.CHINA) -> T:
    """Return the model that decoded JSON describes.

    Raises:
        ValueError, TypeError, KeyError: The value does not fit the model.
    """
    try:
        return _converter(edition).structure(value, model)
    except (OverflowError, OSError) as error:  # a number too large for a time or a float
        raise ValueError(str(error)) from error


def request_from_wire(model: type[T], value: Json, edition: Edition) -> T:
    """Return the request that decoded JSON describes, as a server does.

    Raises:
        InvalidRequest: A field is missing, cannot be read as its type, or breaks a rule of the model.
    """
    try:
        return from_wire(model, value, edition)
    except InvalidRequest:
        raise
    except (KeyError, TypeError, ValueError, AttributeError):
        # Only the converter's detailed mode, which is slower, reports the field.
        try:
            return _converter(edition, detailed=True).structure(value, model)
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


def to_wire(model: object, *, nulls: bool = False) -> Any:
    """Return a model as JSON values. Optional fields that are None are omitted, or null with `nulls`."""
    return _converter(Edition.CHINA, nulls=nulls).unstructure(model)


decode: Final = msgspec.json.Decoder().decode
encode: Final = msgspec.json.Encoder().encode


def in_headers(model: type[Any]) -> tuple[str, ...]:
    """Return the response headers that are fields of an answer."""
    return _in_headers(cast("Hashable", model))


@cache
def _in_headers(model: Any) -> tuple[str, ...]:
    return tuple(spelling(a).name for a in attrs.fields(model) if spelling(a).place == "header")


# Not frozen: that alone would double the time to create one.
@attrs.define
class EncodedRequest:
    """The parts of an HTTP request, with every field in its place."""

    path: str
    query: Sequence[tuple[str, str]]
    body: bytes | None


@cache
def _places(request: Any, method: str, path: str) -> tuple[tuple[str, Place], ...]:
    rest: Place = "query" if method in ("GET", "DELETE") else "body"

    def place(attribute: attrs.Attribute[Any]) -> Place:
        on_wire = spelling(attribute)
        return on_wire.place or ("path" if f"{{{on_wire.name}}}" in path else rest)

    return tuple((spelling(a).name, place(a)) for a in attrs.fields(request))


def encode_request(
    operation: Operation[Any, Any], request: object, **path_values: str | None
) -> EncodedRequest:
    """Return the HTTP request for an operation, with every field in path, query or body.

    Args:
        operation: Defines method and path.
        request: An instance of its request class.
        path_values: Values of the path that are not fields of the request, such as `project_id`.

    Raises:
        InvalidRequest: A value of the path is missing or empty.
    """
    values: Json = to_wire(request)
    # mypy takes the __hash__ of a class for that of its instances.
    places = _places(cast("Hashable", type(request)), operation.method, operation.path)
    path = dict(path_values)
    path |= {name: str(values.pop(name, "")) for name, where in places if where == "path"}
    query = [
        pair for name, where in places if where == "query" for pair in _pairs(name, values.pop(name, None))
    ]
    body = encode(values) if any(where == "body" for _, where in places) else None
    return EncodedRequest(_path(operation, path), query, body)


def not_encodable(operation: Operation[Any, Any], request: object) -> InvalidRequest:
    """Return the error for a request with a lone surrogate, with the name of the field that has it."""
    values: Json = to_wire(request)
    # Unlike msgspec, the standard library writes a surrogate as it is.
    texts = {name: json.dumps(value, ensure_ascii=False, default=str) for name, value in values.items()}
    name = next((name for name, text in texts.items() if _surrogate(text)), "request")
    problem = "contains a lone surrogate, which cannot be encoded as UTF-8"
    return InvalidRequest(operation.name, name, problem, Rule.BAD_FORMAT)


def _path(operation: Operation[Any, Any], values: Mapping[str, str | None]) -> str:
    path = operation.path
    for name, value in values.items():
        slot = f"{{{name}}}"
        if slot in path:
            if not value or not value.strip("."):
                raise InvalidRequest(
                    operation.name,
                    name,
                    "is empty or consists of dots, and the path of this call needs it",
                    Rule.MISSING,
                )
            path = path.replace(slot, escape(value))
    return path


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [(name, str(item)) for item in cast("Sequence[Any]", value)]
    if isinstance(value, bool):
        return [(name, "true" if value else "false")]
    return [(name, str(value))]
