"""What a tenant of CPH has beside phones: servers, bandwidths, images, scheduled events and stored files."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import blake2b

from attrs import Factory, define, field

from koophone_async.emulator.android.releases import RELEASES, Release
from koophone_async.emulator.cph.flavors import PUBLIC
from koophone_async.emulator.cph.object_storage import Storage
from koophone_async.emulator.cph.server_inventory import Servers
from koophone_async.emulator.fleet import Fleet
from koophone_async.services.cph.images import ImageState
from koophone_async.services.cph.phone_images import ShareState
from koophone_async.wire import Json


@define
class BandwidthRecord:
    """A bandwidth."""

    id: str
    region: str
    size: int
    """Mbit/s."""

    sharing: int
    created: datetime
    updated: datetime
    charged_by: int = 0
    is_system: bool = True
    """Whether its servers are in a network of the service's; CPH lists no other bandwidth (CPH 5.2.1)."""


@define
class TenantImage:
    """A private image of the tenant, or one that another tenant shares with it."""

    id: str
    name: str
    region: str
    release: str
    created: datetime
    updated: datetime
    shared_by: str | None = None
    """The project of the tenant that shares it; None for a private image."""

    state: int = 1
    receipt: int = 0
    """The answer to the offer of a shared image, which can be used only once accepted."""

    members: dict[str, int] = field(factory=dict[str, int])
    """The projects that it is shared with, and since when: milliseconds since 1970."""

    @property
    def is_usable(self) -> bool:
        """Whether it can be installed on phones."""
        return self.state == ImageState.READY and (
            self.shared_by is None or self.receipt == ShareState.ACCEPTED
        )


@define
class MaintenanceEvent:
    """Maintenance that is scheduled for a server."""

    id: str
    server: str
    region: str
    published: datetime
    starts: datetime

    authorization: str = ""
    """Empty until the tenant has authorized it."""


@define(eq=False)
class CphState:
    """Everything that CPH has beside phones."""

    fleet: Fleet = field(repr=False)
    servers: Servers = Factory(lambda state: Servers(state.fleet), takes_self=True)
    storage: Storage = field(factory=Storage)
    bandwidths: dict[str, BandwidthRecord] = field(factory=dict[str, BandwidthRecord])
    images: dict[str, TenantImage] = field(factory=dict[str, TenantImage])
    events: dict[str, MaintenanceEvent] = field(factory=dict[str, MaintenanceEvent])
    routes: list[Json] = field(factory=list["Json"])
    """Routes of peering connections, as they were sent: no document has their fields."""

    agencies: dict[str, Json] = field(factory=dict[str, "Json"])
    """Agencies by project, as they were sent: no document has their fields."""

    @classmethod
    def seeded(cls, fleet: Fleet) -> CphState:
        """Return the initial state, with a shared bandwidth, images and one event in every region."""
        state = cls(fleet)
        for region in fleet.regions:
            state._seed(region)
        return state

    def _seed(self, region: str) -> None:
        first = next(server for server in self.servers if server.region == region)
        made, bandwidth = self.fleet.epoch, first.bandwidth or ""
        self.bandwidths[bandwidth] = BandwidthRecord(bandwidth, region, 300, 1, made, made)
        for number, release in enumerate(RELEASES):
            id_ = self._id(region, release.image)
            shared_by = self._id(region, "neighbour") if number == 2 else None
            name = f"image-{release.image}".lower()
            self.images[id_] = TenantImage(id_, name, region, release.image, made, made, shared_by)
        id_ = self._id(region, "event")
        self.events[id_] = MaintenanceEvent(id_, first.id, region, made, made + timedelta(days=7))

    def _id(self, *names: str) -> str:
        """Return an id that follows from the seed and some names."""
        return blake2b("/".join((str(self.fleet.seed), *names)).encode(), digest_size=16).hexdigest()

    def release_of(self, image: str, region: str) -> Release | None:
        """Return the Android of an image, or None if a region has no such image that can be used."""
        if image in PUBLIC:
            return PUBLIC[image]
        own = self.images.get(image)
        if own is None or own.region != region or not own.is_usable:
            return None
        return next(release for release in RELEASES if release.image == own.release)
