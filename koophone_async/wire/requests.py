"""Encode requests: every field in path, query or body."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from koophone_async.characters import escape
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.wire.conversion import to_wire
from koophone_async.wire.fields import spelling
from koophone_async.wire.json_text import encode

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from koophone_async.operation import Operation
    from koophone_async.wire.fields import Place
    from koophone_async.wire.json_text import Json

_surrogate: Final = re.compile("[\ud800-\udfff]").search


# Not frozen: that alone would double the time to create one.
@attrs.define
class EncodedRequest:
    """The parts of an HTTP request, with every field in its place."""

    path: str
    query: Sequence[tuple[str, str]]
    body: bytes | None


@attrs.frozen
class _Places:
    """The names of the fields that go into path and query, and whether any goes into the body."""

    path: tuple[str, ...]
    query: tuple[str, ...]
    has_body: bool


@cache
def _places(request: Any, method: str, path: str) -> _Places:
    rest: Place = "query" if method in ("GET", "DELETE") else "body"

    def place(attribute: attrs.Attribute[Any]) -> Place:
        on_wire = spelling(attribute)
        return on_wire.place or ("path" if f"{{{on_wire.name}}}" in path else rest)

    def names(where: Place) -> tuple[str, ...]:
        return tuple(spelling(a).name for a in attrs.fields(request) if place(a) == where)

    return _Places(names("path"), names("query"), has_body=bool(names("body")))


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
    path |= {name: str(values.pop(name, "")) for name in places.path}
    query = [pair for name in places.query for pair in _pairs(name, values.pop(name, None))]
    body = encode(values) if places.has_body else None
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
    match value:
        case None:
            return []
        case list() | tuple():
            return [(name, str(item)) for item in cast("Sequence[Any]", value)]
        case bool():
            return [(name, "true" if value else "false")]
        case _:
            return [(name, str(value))]
