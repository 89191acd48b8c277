"""Convert models to JSON values and back."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from koophone_async.errors import InvalidRequest
from koophone_async.wire.fields import Edition

if TYPE_CHECKING:
    from collections.abc import Callable

    from cattrs import Converter

    from koophone_async.wire.json_text import Json

T = TypeVar("T")


@cache
def _converter(edition: Edition, *, nulls: bool = False, detailed: bool = False) -> Converter:
    from koophone_async.wire.converters import create_converter  # noqa: PLC0415 - slow to import

    return create_converter(edition, nulls=nulls, detailed=detailed)


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
        from koophone_async.wire.converters import structure_detailed  # noqa: PLC0415 - as above

        # Only the converter's detailed mode, which is slower, reports the field.
        return structure_detailed(_converter(edition, detailed=True), model, value)


def to_wire(model: object, *, nulls: bool = False) -> Any:
    """Return a model as JSON values. Optional fields that are None are omitted, or null with `nulls`."""
    kind: Any = type(model)  # mypy takes the __hash__ of a class for that of its instances
    return _writer_of(kind, nulls=nulls)(model)


@cache
def _writer_of(model: Any, *, nulls: bool) -> Callable[[Any], Any]:
    """Return the function that writes models of a class, which takes longer to find than to call."""
    return _converter(Edition.CHINA, nulls=nulls).get_unstructure_hook(model)
