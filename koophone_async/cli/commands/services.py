"""Operations and their commands, from the command tables of the services."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from operator import attrgetter
from typing import Any, Final

from attrs import frozen

from koophone_async.catalogue import OPERATIONS
from koophone_async.cli.commands.fleet_commands import NO_DETAILS, Client, Details, Inventory, Service, Verb
from koophone_async.operation import AnyOperation
from koophone_async.services import iam


def service(name: str) -> Service:
    """Return the command table of a service, which is imported on first use."""
    if name == "iam":
        return _IAM
    module, constant = _TABLES[name]
    table: Service = getattr(import_module(f"koophone_async.cli.commands.{module}"), constant)
    return table


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
    details={"tokens.create": Details(labels={"name": "--user, --domain or --project"})},
)


_LOOK_UPS: Final = frozenset(
    {
        *("koophone.instances.status", "koophone.streaming.progress"),
        *("cph.shared_files.list", "cph.tags.count", "cph.tags.find"),
        "iam.tokens.create",
    }
)
"""Operations that change nothing, though their method is not GET."""


@frozen
class Entry:
    """An operation and its command."""

    operation: AnyOperation

    @property
    def service(self) -> Service:
        """The service of the operation."""
        return service(self.operation.service)

    @property
    def words(self) -> tuple[str, ...]:
        """Words of the command: `koophone.instances.status` is `instances status`."""
        _, *rest = self.operation.name.split(".")
        return (*self.service.path, *(word.replace("_", "-") for word in rest))

    @property
    def resource_class(self) -> type:
        """The class of the resource."""
        return self.service.resources[self.operation.name.split(".")[1]]

    @property
    def method(self) -> Callable[..., Any]:
        """The method, unbound."""
        method: Callable[..., Any] = getattr(self.resource_class, self.operation.name.split(".")[2])
        return method

    @property
    def verb(self) -> Verb | None:
        """The fleet verb, if there is one."""
        return self.service.verbs.get(self.operation.name.partition(".")[2])

    @property
    def details(self) -> Details:
        """What the signatures of the method and of the verb do not show."""
        return self.service.details.get(self.operation.name.partition(".")[2], NO_DETAILS)

    @property
    def is_confirmed(self) -> bool:
        """Whether it may need to be confirmed before it runs."""
        return bool(self.details.destroys) or self.operation.order

    @property
    def changes_something(self) -> bool:
        """Whether it is more than a look-up."""
        return self.operation.method != "GET" and self.operation.name not in _LOOK_UPS

    @property
    def lists(self) -> Inventory | None:
        """The inventory that the operation lists, if it lists one."""
        lists = {inventory.operation: inventory for inventory in self.service.inventories}
        return lists.get(self.operation.name)

    def resource(self, client: Client) -> Any:  # noqa: ANN401 - resources have no common class
        """Return the resource of a client."""
        _, resource, _ = self.operation.name.split(".")
        return attrgetter(".".join((*self.service.client_path, resource)))(client)

    def bound(self, client: Client) -> Callable[..., Any]:
        """Return the method of a client's resource."""
        method: Callable[..., Any] = getattr(self.resource(client), self.operation.name.split(".")[2])
        return method


def entries(*services: str) -> Iterator[Entry]:
    """Return the operations of some services, ordered by name."""
    return (Entry(operation) for name in services for operation in OPERATIONS.of(name))
