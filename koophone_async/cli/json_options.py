"""JSON that a person writes, checked against the library's models so that no field gets lost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, TypeAlias, Union, cast, get_args, get_origin

import attrs

from koophone_async.errors import InvalidRequest
from koophone_async.wire import from_wire, spelling

Wire: TypeAlias = dict[str, Any]
Attribute: TypeAlias = "attrs.Attribute[Any]"
Options: TypeAlias = Mapping[str, str]
"""How a field is called on the command line, by where the API has it."""

Hint: TypeAlias = Any
"""What an annotation holds: types, unions and generics have no type in common."""


_UNIONS: Final[tuple[object, ...]] = (UnionType, Union)

MOMENT: Final = "time such as 2026-01-31T12:00:00Z"

_KINDS: Final[Mapping[Hint, str]] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "a truth value",
    datetime: f"a {MOMENT}",
}
"""What a value is said not to be that is not of its type."""


def first(hint: Hint) -> Hint:
    """Give the first type of a union; others are None, or what newer services may send."""
    if not any(origin(hint) is union for union in _UNIONS):
        return hint
    return next(member for member in get_args(hint) if member is not NoneType)


def origin(hint: Hint) -> object:
    """Give what a generic type is made of."""
    return get_origin(hint)


def json_of(text: str, option: str = "--body") -> object:
    """Read what `--body` says: JSON, or the file that it names after @.

    Raises:
        InvalidRequest: It is no JSON, or there is no such file.
    """
    try:
        read: object = json.loads(Path(text[1:]).read_bytes() if text.startswith("@") else text)
    except OSError as error:
        raise InvalidRequest("", f"{option} {text}", f"cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InvalidRequest("", option, f"is not JSON: {error}") from None
    else:
        return read


def json_object(text: str, option: str = "--body") -> Wire:
    """Read what `--body` says, which must be an object."""
    value = json_of(text, option)
    if isinstance(value, dict):
        return cast("Wire", value)
    raise InvalidRequest("", option, "is not a JSON object")


def structure(model: type, value: object, options: Options | None = None) -> object:
    """Build a model from its fields as the API spells them, and let no field get lost.

    Raises:
        InvalidRequest: A field is missing, unknown, not of its type, or breaks a rule of the model.
    """
    problems = [*_problems(model, value, options or {})]
    if problems:
        raise InvalidRequest("", "request", "; ".join(problems))
    try:
        return from_wire(cast("type[object]", model), value)
    except InvalidRequest:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidRequest("", "--body", f"is not what {model.__name__} takes: {error}") from None


def _problems(model: type, value: object, options: Options, where: str = "") -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where.rstrip('.') or 'the body'} is not a JSON object"
        return
    wire = cast("Wire", value)
    fields: Sequence[Attribute] = attrs.fields(attrs.resolve_types(model))
    known = {name for a in fields for name in (spelling(a).name, *spelling(a).also)}
    unknown = [name for name in wire if name not in known]
    if unknown:
        yield f"{where}{', '.join(unknown)}: unknown; there are {', '.join(sorted(known))}"
    for attribute in fields:
        yield from _field_problems(attribute, wire, options, where)


def _field_problems(attribute: Attribute, wire: Wire, options: Options, where: str) -> Iterator[str]:
    spelt, hint = spelling(attribute), first(attribute.type)
    path, is_list = where + spelt.name, origin(hint) is tuple
    inner = get_args(hint)[0] if is_list else hint
    value = next((wire[name] for name in (spelt.name, *spelt.also) if wire.get(name) is not None), None)
    if attribute.default is attrs.NOTHING and value in (None, ""):
        if attrs.has(hint) and options:
            yield from _problems(hint, {}, options, f"{path}.")
        else:
            yield f"{options.get(path, path)} is missing"
    elif value is None:
        return
    elif is_list and not isinstance(value, list):
        yield f"{path} is not a JSON list"
    else:
        for item in cast("list[object]", value if is_list else [value]):
            if attrs.has(inner):
                yield from _problems(inner, item, options, f"{path}.")
            elif not _fits(inner if is_list else attribute.type, item):
                yield f"{options.get(path, path)} is {_else(inner)}"


def _fits(hint: Hint, value: object) -> bool:
    try:
        from_wire(hint, value)
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return True


def _else(hint: Hint) -> str:
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"none of {', '.join(str(member.value) for member in hint)}"
    return f"not {_KINDS.get(hint, 'a JSON object')}"
