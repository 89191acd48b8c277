"""Parse bodies of texts and lists of texts, as most calls of KooPhone have them, in C.

Only bodies with exactly the documented fields are parsed here; `request_parsing` parses all others, and names
what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, Final, TypeAlias, get_type_hints

import attrs
import msgspec

from koophone_async.operation import AnyOperation
from koophone_async.wire import spelling

NOT_PARSED: Final = (msgspec.MsgspecError, ValueError)
"""What a parser raises for a body that it leaves to the slower one."""

MAX_REMEMBERED: Final = 2_000
"""How many bodies of an operation are remembered; 100,000 phones are 1,000 bodies of a hundred."""

MAX_REMEMBERED_SIZE: Final = 8 * 2**10
"""The largest body that is remembered, in bytes; a hundred ids of the longest are half of it."""

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
    return _remembering(lambda text: build(*values(decode(text))))


def _remembering(parse: Parser) -> Parser:
    """Return a parser that remembers requests by their bodies: whoever polls sends the same body again."""
    remembered = lru_cache(MAX_REMEMBERED)(parse)
    return lambda text: (remembered if len(text) <= MAX_REMEMBERED_SIZE else parse)(text)


def _is_special(attribute: attrs.Attribute[Any]) -> bool:
    on_wire = spelling(attribute)
    return bool(on_wire.place or on_wire.convert or on_wire.editions or on_wire.also)
