"""What a call of the vendor's client is, and what is the same call of ours."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from attrs import frozen

from koophone_async import CloudPhone

Names: TypeAlias = Callable[[str], str]
"""Gives the id of a thing by its kind, such as `phone`."""

Json: TypeAlias = Mapping[str, Any]
Ours: TypeAlias = Callable[[CloudPhone, Names], Awaitable[object] | AsyncIterable[object]]


@frozen
class Call:
    """One operation, called with the vendor's client and with ours."""

    ours: str
    vendor: str
    given: Callable[[Names], Json]
    """What the vendor's request holds, by the names of the wire."""

    call: Ours
    """The same with our client."""


def an_id(kind: str) -> str:
    """Make up an id of a thing, where nothing is there to be found."""
    return f"{kind}-1"
