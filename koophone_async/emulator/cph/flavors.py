"""What CPH sells: flavors of servers and of phones, and the images that phones come with."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from attrs import frozen

from koophone_async.emulator.android.releases import MODELS, RELEASES, Model, Release
from koophone_async.services.cph.server_models import Hardware, ProductType, ServerModel

OWN_NETWORK_ONLY: Final = frozenset({"physical.kg1.4xlarge.cp"})
"""What can only be bought in a network of one's own (CPS.0256)."""


@frozen
class PhoneFlavor:
    """One model of phones on one flavor of servers."""

    name: str
    server: str
    capacity: int
    """Phones on one server."""

    model: Model
    """What its phones are as devices."""

    shared_storage: int = 50
    """GB that the phones of a server share, 0 for a flavor without."""

    @property
    def own_disk(self) -> bool:
        """Whether each phone has a disk of its own: those for gaming do not."""
        return ".cp." in self.name


def _server(name: str, kind: str, cores: int, memory: int, type_: ProductType) -> ServerModel:
    parts = Hardware(
        f"{kind} ({cores} cores)", "DDR4 RAM", "2 x 1.2T SAS, 800G SSD", "2 x 2 x 10GE", "3 x WX5100"
    )
    return ServerModel(name, kind, cores, memory, parts, type_, 0)


SERVERS: Final[Mapping[str, ServerModel]] = {
    flavor.name: flavor
    for flavor in (
        _server("physical.rx1.xlarge", "Hi1616", 64, 256, ProductType.PHONES),
        _server("physical.rx1.2xlarge", "Hi1616", 128, 512, ProductType.PHONES),
        _server("physical.kg1.4xlarge.cp", "Hi1620", 128, 512, ProductType.PHONES),
        _server("physical.kg1.4xlarge.cg", "Hi1620", 128, 512, ProductType.GAMING),
    )
}
"""Flavors of servers by name."""

PHONES: Final[Mapping[str, PhoneFlavor]] = {
    flavor.name: flavor
    for flavor in (
        PhoneFlavor("rx1.cp.c60.d10.e1v1", "physical.rx1.xlarge", 60, MODELS[0]),
        PhoneFlavor("rx1.cp.c15.d32.e1v1", "physical.rx1.xlarge", 15, MODELS[1]),
        PhoneFlavor("rx1.cp.c60.d32.e1v1", "physical.rx1.2xlarge", 60, MODELS[1]),
        PhoneFlavor("kg1.cp.c20.d64SSD.e1v1", "physical.kg1.4xlarge.cp", 20, MODELS[1]),
        PhoneFlavor("kg1.cg.c40.d30SSD.e1v1", "physical.kg1.4xlarge.cg", 40, MODELS[2], shared_storage=0),
    )
}
"""Flavors of phones by name."""

SEEDED: Final = PHONES["rx1.cp.c60.d10.e1v1"]
"""What the phones that the seed describes were bought as, however many a server carries."""


def image_of(release: Release) -> str:
    """The id of the service's own image of a release."""
    return blake2b(release.image.encode(), digest_size=16).hexdigest()


PUBLIC: Final[Mapping[str, Release]] = {image_of(release): release for release in RELEASES}
"""The service's own images, by id."""
