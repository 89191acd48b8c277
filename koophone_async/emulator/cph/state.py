"""What a tenant of CPH has beside phones: servers and their jobs, bandwidths, images, orders and more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from attrs import asdict, define, field

from koophone_async.emulator.android.releases import RELEASES, Release
from koophone_async.emulator.cph.flavors import PUBLIC
from koophone_async.emulator.cph.object_storage import Storage
from koophone_async.emulator.cph.server_inventory import Servers
from koophone_async.emulator.works import Works
from koophone_async.services.cph.images import ImageState
from koophone_async.services.cph.phone_images import ShareState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from koophone_async.emulator.agenda import Agenda
    from koophone_async.emulator.fleet import Fleet


@define
class Line:
    """A bandwidth."""

    id: str
    region: str
    size: int
    """Mbit/s."""

    sharing: int
    created: str
    updated: str
    charged_by: int = 0


@define
class OwnImage:
    """An image of the tenant's own, or one that another tenant shares."""

    id: str
    name: str
    region: str
    release: str
    created: str
    updated: str
    shared_by: str | None = None
    """The project of who shares it."""

    state: int = 1
    receipt: int = 0
    """What became of the offer of who shares it; only one that was accepted can be used."""

    members: dict[str, int] = field(factory=dict[str, int])
    """Since when it is shared with whom: milliseconds since 1970, by project."""

    @property
    def is_usable(self) -> bool:
        """Whether phones can be given it."""
        return self.state == ImageState.READY and (
            self.shared_by is None or self.receipt == ShareState.ACCEPTED
        )


@define
class Event:
    """Maintenance that is planned for a server."""

    id: str
    server: str
    region: str
    published: str
    begins: str
    """When it is planned to begin."""

    authorization: str = ""
    """Empty until the tenant has agreed."""


@define
class Bought:
    """An order."""

    id: str
    operation: str
    resources: list[str]
    """The servers or phones that it is about."""

    product: str
    cost: float
    """In an invented currency: ten a month and core, half a GB of disk."""

    paid: bool = False
    details: dict[str, Any] = field(factory=dict[str, Any])
    """What happens once it is paid."""


@define(eq=False)
class Estate:
    """Everything that is there beside phones."""

    fleet: Fleet = field(repr=False)
    agenda: Agenda = field(repr=False)
    servers: Servers = field(init=False)
    works: Works = field(init=False)
    storage: Storage = field(factory=Storage, init=False)
    lines: dict[str, Line] = field(factory=dict[str, Line], init=False)
    images: dict[str, OwnImage] = field(factory=dict[str, OwnImage], init=False)
    events: dict[str, Event] = field(factory=dict[str, Event], init=False)
    orders: dict[str, Bought] = field(factory=dict[str, Bought], init=False)
    routes: list[dict[str, Any]] = field(factory=list[dict[str, Any]], init=False)
    """Routes of peering connections, as they were given."""

    agencies: dict[str, dict[str, Any]] = field(factory=dict[str, dict[str, Any]], init=False)
    """What agencies were made with, by project."""

    def __attrs_post_init__(self) -> None:
        self.servers = Servers(self.fleet)
        self.works = Works(self.agenda)
        for region in self.fleet.regions:
            self._furnish(region)

    def _furnish(self, region: str) -> None:
        """Give a region what the seed describes: a shared bandwidth, images, and one planned event."""
        first = next(server for server in self.servers if server.region == region)
        made = self.fleet.epoch.isoformat()
        line = first.bandwidth or ""
        self.lines[line] = Line(line, region, 300, 1, made, made)
        for number, release in enumerate(RELEASES):
            id_ = self.made_up(region, release.image)
            shared_by = self.made_up(region, "neighbour") if number == 2 else None
            name = f"image-{release.image}".lower()
            self.images[id_] = OwnImage(id_, name, region, release.image, made, made, shared_by)
        event = Event(
            self.made_up(region, "event"),
            first.id,
            region,
            made,
            (self.fleet.epoch + timedelta(days=7)).isoformat(),
        )
        self.events[event.id] = event

    def made_up(self, *names: str) -> str:
        """Make up an id that follows from the seed and some names."""
        return blake2b("/".join((str(self.fleet.seed), *names)).encode(), digest_size=16).hexdigest()

    def release_of(self, image: str, region: str) -> Release | None:
        """The Android of an image; None where a region has no such image, or none that can be used."""
        if image in PUBLIC:
            return PUBLIC[image]
        own = self.images.get(image)
        if own is None or own.region != region or not own.is_usable:
            return None
        return next(release for release in RELEASES if release.image == own.release)

    def now(self) -> str:
        """The wall clock, as it is written down."""
        return self.fleet.now().astimezone(UTC).isoformat()

    def to_json(self, now: float) -> dict[str, Any]:
        """Everything, as JSON."""
        return {
            "servers": self.servers.to_json(),
            "works": self.works.to_json(now),
            "storage": self.storage.to_json(),
            "lines": [asdict(line) for line in self.lines.values()],
            "images": [asdict(image) for image in self.images.values()],
            "events": [asdict(event) for event in self.events.values()],
            "orders": [asdict(order) for order in self.orders.values()],
            "routes": self.routes,
            "agencies": self.agencies,
        }

    def restore(self, said: Mapping[str, Any], now: float) -> None:
        """Become what `to_json` said."""
        self.servers.restore(said["servers"])
        self.works.restore(said["works"], now)
        self.storage.restore(said["storage"])
        self.lines = _by_id(Line, said["lines"])
        self.images = _by_id(OwnImage, said["images"])
        self.events = _by_id(Event, said["events"])
        self.orders = _by_id(Bought, said["orders"])
        self.routes, self.agencies = list(said["routes"]), dict(said["agencies"])


def _by_id(kind: Any, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: ANN401 - any of the above
    return {row["id"]: kind(**row) for row in rows}


def when(written: str) -> datetime:
    """Read a time that was written down."""
    return datetime.fromisoformat(written)
