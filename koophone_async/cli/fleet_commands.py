"""Types of the command tables: inventories, fleet verbs, services."""

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
    """A list of phones or servers that a command can select from."""

    noun: str
    """Name in the plural."""

    operation: str
    """Name of the operation that lists them."""

    model: type
    query: Callable[[], Any]
    """Creates the query that lists all of them."""

    items: Callable[[Client, Any], AsyncIterator[Any]]
    """Lists them, for a client and a query."""

    fleet: Callable[..., Any]
    """Creates a fleet, for a client, ids and options."""

    list_tagged: Callable[[Client, Mapping[str, list[str]]], AsyncIterator[Any]] | None = None
    """Lists those with given tags, where they can be tagged."""

    example: str = 'state == running and name ~ "shop-*"'
    """An expression for the help of `--where`."""


@frozen
class Verb:
    """The fleet verb of an operation."""

    run: Callable[..., Run[Any, Any]]
    """Method of the fleet, unbound."""

    inventory: Inventory

    waits: bool = False
    """Whether it waits for the end of the work that the documented call starts."""

    reads: bool = False
    """Whether it reads a value of each id."""

    single_call: Callable[..., Awaitable[object]] | None = None
    """Makes the documented call from ids and the verb's arguments, if the method has other parameters."""


@frozen
class Service:
    """A service and its commands."""

    path: tuple[str, ...]
    """Command words before the resource."""

    client: Callable[[Session], Client]
    resources: Mapping[str, type]
    verbs: Mapping[str, Verb]
    """Fleet verbs by operation name, without the service."""

    about: str = ""
    """Help of the command group."""

    client_path: tuple[str, ...] = ()
    """Attributes of the client that lead to the resources."""

    wait_resource: str = ""
    """The resource with the `wait` command."""

    inventories: tuple[Inventory, ...] = ()
    """Lists that can be filtered."""

    @property
    def wait(self) -> str:
        """The command that waits for started jobs."""
        return " ".join(("koophone", *self.path, self.wait_resource, "wait"))
