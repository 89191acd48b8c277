"""The operations that have commands, by the tables of their services."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from importlib import import_module
from inspect import signature
from operator import attrgetter
from typing import Any, Final

from attrs import frozen

from koophone_async.catalogue import OPERATIONS
from koophone_async.cli.fleet_commands import Client, Inventory, Service, Verb
from koophone_async.operation import AnyOperation
from koophone_async.services import iam


def service(name: str) -> Service:
    """Give what is known of a service, which is imported only when it is asked for."""
    if name == "iam":
        return _IAM
    module, constant = _TABLES[name]
    found: Service = getattr(import_module(f"koophone_async.cli.{module}"), constant)
    return found


_TABLES: Final = {
    "koophone": ("koophone", "SERVICE"),
    "cph": ("cph", "SERVICE"),
    "gaming": ("cph", "GAMING"),
}

_IAM: Final = Service(
    ("iam",),
    iam.Iam,
    {"projects": iam.Projects, "tokens": iam.Tokens},
    {},
)

_IDS: Final = ("instances", "where", "phones", "servers", "encoding_servers")
"""What methods call the ids that they take."""


@frozen
class Entry:
    """One operation as a command."""

    operation: AnyOperation

    @property
    def service(self) -> Service:
        """The service that it is part of."""
        return service(self.operation.service)

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the command: `koophone.instances.status` is `instances status`."""
        _, *rest = self.operation.name.split(".")
        return (*self.service.path, *(word.replace("_", "-") for word in rest))

    @property
    def resource_class(self) -> type:
        """The class that has the method."""
        return self.service.resources[self.operation.name.split(".")[1]]

    @property
    def method(self) -> Callable[..., Any]:
        """The method of the resource's class."""
        found: Callable[..., Any] = getattr(self.resource_class, self.operation.name.split(".")[2])
        return found

    @property
    def verb(self) -> Verb | None:
        """The fleet verb, where there is one."""
        return self.service.verbs.get(self.operation.name.partition(".")[2])

    @property
    def lists(self) -> Inventory | None:
        """What it lists, where a fleet can be drawn from that."""
        lists = {population.operation: population for population in self.service.populations}
        return lists.get(self.operation.name)

    def resource(self, client: Client) -> Any:  # noqa: ANN401 - resources have no class in common
        """Give the resource that has the method."""
        _, resource, _ = self.operation.name.split(".")
        return attrgetter(".".join((*self.service.part, resource)))(client)

    def bound(self, client: Client) -> Callable[..., Any]:
        """Give the method of a client."""
        found: Callable[..., Any] = getattr(self.resource(client), self.operation.name.split(".")[2])
        return found

    def once(self, client: Client, ids: tuple[str, ...], arguments: Mapping[str, Any]) -> Awaitable[object]:
        """Make the one documented call that a fleet would make as often as it takes."""
        if self.verb is not None and self.verb.once is not None:
            return self.verb.once(self.resource(client), ids, **arguments)
        method = self.bound(client)
        name = next(name for name in signature(method).parameters if name in _IDS)
        answer: Awaitable[object] = method(**{name: ids}, **arguments)
        return answer


def entries(*services: str) -> Iterator[Entry]:
    """Give every operation of some services, in the order of the names."""
    return (Entry(operation) for name in services for operation in OPERATIONS.of(name))
