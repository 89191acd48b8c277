"""Types of the command tables: inventories, fleet verbs, services."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

from attrs import field, frozen

from koophone_async.batches import Run
from koophone_async.fleet_methods import fleet_methods
from koophone_async.operation import Sender

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

    runs_commands: bool = False
    """Whether its fleet has the verb `run`, for shell commands."""

    has_phones: bool = False
    """Whether each item is a machine of many phones, so that one alone needs confirmation too."""


@frozen
class Verb:
    """The fleet verb of an operation."""

    run: Callable[..., Run[Any, Any]]
    """Method of the fleet, unbound."""

    inventory: Inventory

    waits: bool = False
    """Whether it waits for the end of the work that the documented call starts."""

    reads: type | None = None
    """What it reads of each id, if it reads anything: a model, or an enum of states."""


@frozen
class Details:
    """What the signature of a method or a fleet verb does not show."""

    inventory: Inventory | None = None
    """Another inventory than that of its fleet."""

    waits: bool = False
    """Whether it waits though its answer has no jobs."""

    reads: type | None = None
    destroys: str = ""
    """What it destroys or interrupts, such as `overwrite the data of`: then several ids need confirmation."""

    shows_changes: Callable[[Client, str], Awaitable[Mapping[str, str]]] | None = None
    """Reads the values of one id that the verb changes, so that they can be compared."""

    for_one: Callable[[Mapping[str, Any], str], Mapping[str, Any]] | None = None
    """Returns the arguments for a single id, where they may be others than for several."""

    labels: Mapping[str, str] = field(factory=dict[str, str])
    """The options of fields of the request that are not named like a parameter, for error messages."""


NO_DETAILS: Final = Details()


def derive_verbs(
    service: str, started: type, fleets: Mapping[type, Inventory], details: Mapping[str, Details]
) -> dict[str, Verb]:
    """Return the fleet verbs of a service, by operation name without the service.

    Args:
        service: Name of the service.
        started: Answer of operations that start jobs; their verbs wait for the end.
        fleets: Classes of fleets with the inventory they select from.
        details: What signatures do not show, by operation name without the service.
    """
    verbs = dict[str, Verb]()
    for fleet, inventory in fleets.items():
        for verb in fleet_methods(service, fleet):
            name = verb.operation.name.partition(".")[2]
            more = details.get(name, NO_DETAILS)
            verbs[name] = Verb(
                verb.method,
                more.inventory or inventory,
                waits=more.waits or verb.operation.answer is started,
                reads=more.reads,
            )
    return verbs


@frozen
class Service:
    """A service and its commands."""

    path: tuple[str, ...]
    """Command words before the resource."""

    client: Callable[[Sender], Client]
    resources: Mapping[str, type]
    verbs: Mapping[str, Verb]
    """Fleet verbs by operation name, without the service."""

    details: Mapping[str, Details] = field(factory=dict[str, Details])
    """What signatures do not show, by operation name without the service."""

    about: str = ""
    """Help of the command group."""

    client_path: tuple[str, ...] = ()
    """Attributes of the client that lead to the resources."""

    wait_resource: str = ""
    """The resource with the `wait` command."""

    inventories_by_parameter: Mapping[str, Inventory] = field(factory=dict[str, Inventory])
    """What the ids of single calls are of, by the name of the parameter that takes them."""

    inventories: tuple[Inventory, ...] = ()
    """Lists that can be filtered."""

    @property
    def wait(self) -> str:
        """The command that waits for started jobs."""
        return " ".join(("koophone", *self.path, self.wait_resource, "wait"))
