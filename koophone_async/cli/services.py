"""The services that have commands: their clients, and the fleet verbs that take any number of ids."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from attrs import frozen

from koophone_async.batches import Run
from koophone_async.catalogue import OPERATIONS
from koophone_async.operation import AnyOperation
from koophone_async.services import iam
from koophone_async.services.koophone.apps import Apps
from koophone_async.services.koophone.client import KooPhone
from koophone_async.services.koophone.commands import Commands
from koophone_async.services.koophone.fleet import Fleet
from koophone_async.services.koophone.instances import Instances
from koophone_async.services.koophone.jobs import StartedTask
from koophone_async.services.koophone.orders import Orders
from koophone_async.services.koophone.streaming import Streaming
from koophone_async.services.koophone.users import Holding, Users
from koophone_async.services.koophone.video import Video
from koophone_async.services.koophone.waiting import Jobs
from koophone_async.session import Session


@frozen
class Verb:
    """How a fleet does an operation."""

    run: Callable[..., Run[Any, Any]]
    """The fleet's method, which takes the fleet first."""

    waits: bool = False
    """Whether it goes on after the documented call, until the end is known."""

    reads: bool = False
    """Whether what matters is the value of each outcome."""

    once: Callable[..., Awaitable[object]] | None = None
    """Takes the resource, the ids and the verb's arguments, where the method's own are others."""


@frozen
class Service:
    """One service, and where its commands stand."""

    about: str
    path: tuple[str, ...]
    """The words before the resource."""

    client: Callable[[Session], Any]
    resources: Mapping[str, type]
    verbs: Mapping[str, Verb]
    """By the operation's name without the service."""


def _unassign(resource: Users, ids: tuple[str, ...], user: str) -> Awaitable[StartedTask]:
    return resource.unassign(Holding(user, id) for id in ids)


SERVICES: Final[Mapping[str, Service]] = {
    "koophone": Service(
        "Cloud phones as a service of their own.",
        (),
        KooPhone,
        {
            "apps": Apps,
            "commands": Commands,
            "instances": Instances,
            "jobs": Jobs,
            "orders": Orders,
            "streaming": Streaming,
            "users": Users,
            "video": Video,
        },
        {
            "apps.install": Verb(Fleet.install, waits=True),
            "apps.list": Verb(Fleet.apps, reads=True),
            "commands.run": Verb(Fleet.run, waits=True),
            "commands.run_now": Verb(Fleet.run_now),
            "instances.backup": Verb(Fleet.backup, waits=True),
            "instances.reboot": Verb(Fleet.reboot, waits=True),
            "instances.reset": Verb(Fleet.reset, waits=True),
            "instances.status": Verb(Fleet.status, reads=True),
            "orders.unsubscribe": Verb(Fleet.unsubscribe),
            "streaming.authorize": Verb(Fleet.authorize, reads=True),
            "streaming.prepare": Verb(Fleet.prepare, waits=True),
            "streaming.release": Verb(Fleet.release_session),
            "streaming.stop": Verb(Fleet.stop_streaming),
            "users.assign": Verb(Fleet.assign),
            "users.unassign": Verb(Fleet.unassign, waits=True, once=_unassign),
            "video.set": Verb(Fleet.set_video),
        },
    ),
    "iam": Service(
        "IAM, as far as the cloud phones need it.",
        ("iam",),
        iam.Iam,
        {"projects": iam.Projects, "tokens": iam.Tokens},
        {},
    ),
}


@frozen
class Entry:
    """One operation as a command."""

    operation: AnyOperation

    @property
    def service(self) -> Service:
        """The service that it is part of."""
        return SERVICES[self.operation.service]

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

    def resource(self, session: Session) -> object:
        """Give the resource that has the method."""
        return getattr(self.service.client(session), self.operation.name.split(".")[1])

    def bound(self, session: Session) -> Callable[..., Any]:
        """Give the method of a client of this session."""
        found: Callable[..., Any] = getattr(self.resource(session), self.operation.name.split(".")[2])
        return found


ENTRIES: Final = tuple(Entry(operation) for operation in OPERATIONS.values() if operation.service in SERVICES)
"""Every operation of these services, in the order of the names."""
