"""Answers with many rows, built in the form in which they are sent.

Creating a hundred models and writing them as dictionaries takes five times as long as creating the structs
that msgspec encodes. Handlers of the calls that a test makes most often build these.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs
import msgspec

from koophone_async.wire import Json, spelling

if TYPE_CHECKING:
    from collections.abc import Hashable

T = TypeVar("T")


def wire_struct(model: type[T]) -> type[T]:
    """Return a class with the fields of a model, which msgspec encodes under their names on the wire.

    Only models of KooPhone are supported, which sends null for a field without a value, and only those whose
    fields are texts, numbers, enums or such structs. Nothing is converted or validated.
    """
    return cast("type[T]", _wire_struct(cast("Hashable", model)))


@cache
def _wire_struct(model: Any) -> type[msgspec.Struct]:  # noqa: ANN401 - mypy takes a class's __hash__ for its instances'
    fields = attrs.fields(model)
    return msgspec.defstruct(
        model.__name__,
        [(a.name, Any) if a.default is attrs.NOTHING else (a.name, Any, a.default) for a in fields],
        rename={a.name: spelling(a).name for a in fields},
        gc=False,
    )


def fields_of(struct: msgspec.Struct) -> Json:
    """Return the values of a struct by their names on the wire, with the rows in them as structs."""
    names = zip(struct.__struct_encode_fields__, struct.__struct_fields__, strict=True)
    return {on_wire: getattr(struct, name) for on_wire, name in names}
