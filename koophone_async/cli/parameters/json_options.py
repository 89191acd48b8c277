"""JSON input, checked against the library's models so that no field is silently ignored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, TypeAlias, Union, cast, get_args, get_origin

import attrs

from koophone_async import text_input
from koophone_async.cli.parameters.input_files import read_json
from koophone_async.errors import InvalidRequest
from koophone_async.wire import from_wire, spelling

Wire: TypeAlias = dict[str, Any]
Attribute: TypeAlias = "attrs.Attribute[Any]"
Options: TypeAlias = Mapping[str, str]
"""Option names by the path of the field in the API, such as `charge.period`."""

Hint: TypeAlias = Any
"""A type annotation: types, unions and generics have no common type."""

_UNIONS: Final[tuple[object, ...]] = (UnionType, Union)

TIME_FORMAT: Final = "time such as 2026-01-31T12:00:00Z"

_TYPE_NAMES: Final[Mapping[Hint, str]] = {
    str: "text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    datetime: f"a {TIME_FORMAT}",
}
"""Names of types in error messages."""


def first_type(hint: Hint) -> Hint:
    """Return the first type of a union; the others are None, or int for values of newer services."""
    if not any(origin(hint) is union for union in _UNIONS):
        return hint
    return next(member for member in get_args(hint) if member is not NoneType)


def origin(hint: Hint) -> object:
    """Return the unsubscripted form of a generic type, or None."""
    return get_origin(hint)


def parse_json(text: str, option: str = "--body") -> object:
    """Parse the value of an option: JSON, `-` for stdin, or @FILE.

    Raises:
        InvalidRequest: The value is not JSON, or the file cannot be read.
    """
    if text == "-" or text.startswith("@"):
        return read_json(text.removeprefix("@"), f"{option} {text}")
    try:
        return text_input.parse_json(text)
    except ValueError as error:
        raise InvalidRequest("", option, str(error)) from None


def parse_json_object(text: str, option: str = "--body") -> Wire:
    """Parse the value of an option that must be a JSON object."""
    value = parse_json(text, option)
    if isinstance(value, dict):
        return cast("Wire", value)
    raise InvalidRequest("", option, "is not a JSON object")


def structure(model: type, value: object, options: Options | None = None) -> object:
    """Build a model from a JSON object with the field names of the API.

    Raises:
        InvalidRequest: A field is missing, unknown, of a wrong type, or violates a check of the model.
    """
    problems: dict[str, list[str]] = {}
    for name, problem in _problems(model, value, options or {}):
        problems.setdefault(problem, []).append(name)
    if problems:
        raise InvalidRequest("", "options" if options else "--body", _describe(problems))
    try:
        return from_wire(cast("type[object]", model), value)
    except InvalidRequest:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidRequest("", "--body", f"does not fit {model.__name__}: {error}") from None


def _describe(problems: Mapping[str, Sequence[str]]) -> str:
    """Join problems, each with the fields that have it, such as `--os, --sku are missing`."""
    return "; ".join(
        f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} {problem}"
        for problem, names in problems.items()
    )


def _problems(model: type, value: object, options: Options, where: str = "") -> Iterator[tuple[str, str]]:
    """Yield the option or path of each wrong field, and what is wrong with it."""
    if not isinstance(value, dict):
        yield where.rstrip(".") or "the body", "not a JSON object"
        return
    wire = cast("Wire", value)
    fields: Sequence[Attribute] = attrs.fields(attrs.resolve_types(model))
    known = {name for a in fields for name in (spelling(a).name, *spelling(a).also)}
    for name in sorted(wire.keys() - known):
        yield where + name, f"unknown (the fields are {', '.join(sorted(known))})"
    for attribute in fields:
        yield from _field_problems(attribute, wire, options, where)


def _field_problems(
    attribute: Attribute, wire: Wire, options: Options, where: str
) -> Iterator[tuple[str, str]]:
    spelt, hint = spelling(attribute), first_type(attribute.type)
    path, is_list = where + spelt.name, origin(hint) is tuple
    item_type = get_args(hint)[0] if is_list else hint
    value = next((wire[name] for name in (spelt.name, *spelt.also) if wire.get(name) is not None), None)
    if attribute.default is attrs.NOTHING and value in (None, ""):
        inside = [*_problems(hint, {}, options, f"{path}.")] if attrs.has(hint) and options else []
        yield from inside or [(options.get(path, path), "missing")]
    elif value is None:
        return
    elif is_list and not isinstance(value, list):
        yield path, "not a JSON list"
    else:
        for item in cast("list[object]", value if is_list else [value]):
            if attrs.has(item_type):
                yield from _problems(item_type, item, options, f"{path}.")
            elif not _is_valid(item_type if is_list else attribute.type, item):
                yield options.get(path, path), f"{_shown(item)}not {_expected(item_type)}"


def _is_valid(hint: Hint, value: object) -> bool:
    try:
        from_wire(hint, value)
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return True


def _shown(value: object) -> str:
    """Return a scalar as JSON; nothing of a list or an object, which may be long."""
    return "" if isinstance(value, dict | list) else f"{json.dumps(value, ensure_ascii=False)}, "


def _expected(hint: Hint) -> str:
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"one of {', '.join(str(member.value) for member in hint)}"
    return _TYPE_NAMES.get(hint, "a JSON object")
