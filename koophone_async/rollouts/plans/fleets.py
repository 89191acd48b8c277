"""Fleets that plans can act on, by service and resource."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import field, frozen

from koophone_async.credentials import AccessKey
from koophone_async.session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterator, Mapping

    from koophone_async.batches.chunks import Source
    from koophone_async.selection import Where
    from koophone_async.services.cph.client import CloudPhone
    from koophone_async.services.koophone.client import KooPhone
    from koophone_async.wire import Edition

    Client: TypeAlias = KooPhone | CloudPhone

AnyFleet: TypeAlias = Any
"""A fleet of some service; their classes have no parent in common."""


@frozen
class LazyClass:
    """A class of a service, which is imported on first use: a plan is about one service."""

    module: str
    """Below `koophone_async.services`."""

    name: str

    def load(self) -> type:
        """Return the class."""
        loaded: type = getattr(import_module(f"{_SERVICES}.{self.module}"), self.name)
        return loaded

    def is_of(self, instance: object) -> bool:
        """Return whether an object is of exactly this class, without importing it."""
        kind = instance.__class__
        return (kind.__module__, kind.__name__) == (f"{_SERVICES}.{self.module}", self.name)


_SERVICES: Final = "koophone_async.services"


@frozen
class Resource:
    """What the ids of a fleet are of."""

    fleet: LazyClass
    opener: str
    """Method of the client that creates fleets."""

    noun: str
    """What they are, in the plural."""

    lister: str
    """Resource of the client with the list."""

    model: LazyClass
    """What the list has."""

    query: LazyClass
    page: Mapping[str, int] = field(factory=dict[str, int], hash=False)
    """Fields of the query that make its pages large."""

    def list(self, client: Any, where: Where | None = None) -> AsyncIterable[Any]:  # noqa: ANN401 - of any service
        """List all that there are; with a condition, at least those that meet it."""
        query: Any = self.query.load()(**self.page)
        if where is not None:
            query = where.pushed_down(self.model.load(), query)
        items: AsyncIterable[Any] = getattr(client, self.lister).list(query)
        return items


_CPH_PHONES: Final = (
    "phones",
    "phones",
    LazyClass("cph.phone", "Phone"),
    LazyClass("cph.phones", "PhoneQuery"),
    {"limit": 200},
)
_CPH_SERVERS: Final = (
    "servers",
    "servers",
    LazyClass("cph.server", "Server"),
    LazyClass("cph.servers", "ServerQuery"),
)
_ENCODING: Final = "cph.encoding_servers"

RESOURCES: Final[Mapping[str, Mapping[str, Resource]]] = {
    "koophone": {
        "instances": Resource(
            LazyClass("koophone.fleet", "Fleet"),
            "fleet",
            "phones",
            "instances",
            LazyClass("koophone.instances", "Instance"),
            LazyClass("koophone.instances", "InstanceQuery"),
            {"size": 10_000},
        )
    },
    "cph": {
        "phones": Resource(LazyClass("cph.fleet", "PhoneFleet"), "fleet", *_CPH_PHONES),
        "servers": Resource(LazyClass("cph.server_fleet", "ServerFleet"), "server_fleet", *_CPH_SERVERS),
        "encoding_servers": Resource(
            LazyClass("cph.server_fleet", "EncodingFleet"),
            "encoding_fleet",
            "encoding servers",
            "encoding_servers",
            LazyClass(_ENCODING, "EncodingServer"),
            LazyClass(_ENCODING, "EncodingServerQuery"),
        ),
    },
    "gaming": {
        "servers": Resource(LazyClass("gaming.fleet", "Fleet"), "gaming.fleet", *_CPH_SERVERS),
        "phones": Resource(LazyClass("gaming.fleet", "Fleet"), "gaming.fleet", *_CPH_PHONES),
    },
}
"""Resources by service and name."""

TAGGED: Final = frozenset({"servers"})
"""Resources that have tags."""


def resources_of(fleet: AnyFleet) -> Iterator[tuple[str, str]]:
    """Yield services and names of the resources that a fleet may be of."""
    for service, resources in RESOURCES.items():
        for name, resource in resources.items():
            if resource.fleet.is_of(fleet):
                yield service, name


def open_fleet(service: str, resource: str, client: Client, ids: Source, **options: Any) -> AnyFleet:  # noqa: ANN401 - passed on
    """Return a fleet of a resource of a service.

    Args:
        service: Such as `cph`.
        resource: Such as `servers`.
        client: Client of the service.
        ids: Ids, or listed items.
        options: Options of the client's method, such as `concurrency`.
    """
    return attrgetter(RESOURCES[service][resource].opener)(client)(ids, **options)


def open_client(
    service: str,
    session: Session,
    *,
    edition: Edition | str | None = None,
    project_id: str | None = None,
    region: str | None = None,
) -> Client:
    """Return a client of a service; cloud mobile gaming is a part of that of CPH."""
    if service == "koophone":
        from koophone_async.services.koophone.client import KooPhone  # noqa: PLC0415 - one service is imported

        return KooPhone(session, edition=edition)
    from koophone_async.services.cph.client import CloudPhone  # noqa: PLC0415 - one service is imported

    return CloudPhone(session, project_id=project_id, region=region)


@cache
def offline_fleet(service: str, resource: str) -> AnyFleet:
    """Return a fleet of no ids, whose session never connects: it checks arguments as the verbs do."""
    session = Session(AccessKey("none", "none"), region="cn-north-4", environ={})
    return open_fleet(service, resource, open_client(service, session, project_id="none"), ())
