"""Parse bodies of texts and lists of texts, as most calls of KooPhone have them, in C.

Only bodies with exactly the documented fields are parsed here; `request_parsing` parses all others, and names
what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeAlias, get_type_hints

import attrs
import msgspec

from koophone_async.operation import AnyOperation
from koophone_async.wire import spelling

NOT_PARSED: Final = (msgspec.MsgspecError, ValueError)
"""What a parser raises for a body that it leaves to the slower one."""

Parser: TypeAlias = Callable[[bytes], Any]

_TEXTS: Final = {str: str, tuple[str, ...]: list[str]}
"""The types of fields that are parsed here, and how they are decoded."""


@cache
def fast_parser(operation: AnyOperation) -> Parser | None:
    """Return the parser of an operation's bodies; None if its fields have other types or other places."""
    fields = attrs.fields(operation.request)
    types = get_type_hints(operation.request)
    if operation.service != "koophone" or operation.method != "POST" or "{" in operation.path or not fields:
        return None
    if any(types[a.name] not in _TEXTS or a.kw_only or _is_special(a) for a in fields):
        return None
    body = msgspec.defstruct(
        operation.request.__name__,
        [(a.name, _TEXTS[types[a.name]]) for a in fields],
        rename={a.name: spelling(a).name for a in fields},
        forbid_unknown_fields=True,
    )
    decode, build, values = msgspec.json.Decoder(body).decode, operation.request, msgspec.structs.astuple
    return lambda text: build(*values(decode(text)))


def _is_special(attribute: attrs.Attribute[Any]) -> bool:
    on_wire = spelling(attribute)
    return bool(on_wire.place or on_wire.convert or on_wire.editions or on_wire.also)
