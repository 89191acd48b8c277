"""How the fields of models appear on the wire, which is stated at the fields."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import attrs

from koophone_async.wire.json_text import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from enum import Enum

Place = Literal["path", "query", "body", "header"]

_WIRE: Final = "wire"
_DOC: Final = "doc"

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


def in_headers(model: type[Any]) -> tuple[str, ...]:
    """Return the response headers that are fields of an answer."""
    return _in_headers(cast("Hashable", model))


@cache
def _in_headers(model: Any) -> tuple[str, ...]:
    return tuple(spelling(a).name for a in attrs.fields(model) if spelling(a).place == "header")
