"""The same call by the vendor's client and by ours."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from attrs import frozen

from koophone_async import CloudPhone

Names: TypeAlias = Callable[[str], str]
"""Returns an id by kind, such as `phone`."""

Json: TypeAlias = Mapping[str, Any]
Ours: TypeAlias = Callable[[CloudPhone, Names], Awaitable[object] | AsyncIterable[object]]


@frozen
class Call:
    """One operation, called with the vendor's client and with ours."""

    ours: str
    vendor: str
    fields: Callable[[Names], Json]
    """Fields of the vendor's request, by the names of the wire."""

    call: Ours
    """The same call with our client."""


def an_id(kind: str) -> str:
    """Return a made-up id, for kinds that no list has."""
    return f"{kind}-1"
