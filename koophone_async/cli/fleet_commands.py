"""What the tables of services are made of: populations, the fleet verbs for them, services."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from attrs import frozen

from koophone_async.batches import Run
from koophone_async.session import Session

Client: TypeAlias = Any
"""A client of some service, whose classes have no parent in common."""


@frozen
class Inventory:
    """What a fleet is drawn from: everything of one kind that there is."""

    noun: str
    """What it is called, in the plural."""

    operation: str
    """The operation that lists it."""

    model: type
    query: Callable[[], Any]
    """Makes the query for all of it."""

    items: Callable[[Client, Any], AsyncIterator[Any]]
    """Takes a client and the query."""

    fleet: Callable[..., Any]
    """Takes a client, the source, and the pace by name."""

    tagged: Callable[[Client, Mapping[str, list[str]]], AsyncIterator[Any]] | None = None
    """Finds those with some tags, where tags are what they have."""

    example: str = 'state == running and name ~ "shop-*"'
    """An expression that chooses from it, for the help."""


@frozen
class Verb:
    """How a fleet does an operation."""

    run: Callable[..., Run[Any, Any]]
    """The fleet's method, which takes the fleet first."""

    on: Inventory

    waits: bool = False
    """Whether it goes on after the documented call, until the end is known."""

    reads: bool = False
    """Whether what matters is the value of each outcome."""

    once: Callable[..., Awaitable[object]] | None = None
    """Takes the resource, the ids and the verb's arguments, where the method's own are others."""


@frozen
class Service:
    """One service, and where its commands stand."""

    path: tuple[str, ...]
    """The words before the resource."""

    client: Callable[[Session], Client]
    resources: Mapping[str, type]
    verbs: Mapping[str, Verb]
    """By the operation's name without the service."""

    about: str = ""
    """What the help of its group says."""

    part: tuple[str, ...] = ()
    """Where the client has the resources."""

    awaits: str = ""
    """The resource that can wait for what the others have started."""

    populations: tuple[Inventory, ...] = ()
    """What lists can be filtered."""

    @property
    def wait(self) -> str:
        """The command that awaits what another has started."""
        return " ".join(("koophone", *self.path, self.awaits, "wait"))
