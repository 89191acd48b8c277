"""CPH servers: those of the seed, and those bought later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, Final

from attrs import asdict, define, field

from koophone_async.emulator.cph.flavors import SEEDED
from koophone_async.services.cph.server import ServerState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from koophone_async.emulator.fleet import Fleet, Phone

BY_PERIOD: Final = 0
BY_USE: Final = 1
"""How a server is paid for. No document has this number, as no operation buys by use."""

_YEAR: Final = timedelta(days=365)


@define(eq=False)
class Server:
    """One server."""

    index: int
    """Which one of the fleet's."""

    id: str
    name: str
    region: str
    model: str
    phone_model: str | None
    """None for a bare one."""

    created: datetime
    updated: datetime
    state: ServerState = ServerState.NORMAL
    charging: int = BY_USE
    order: str = ""
    network: str = "v1"
    vpc: str = ""
    subnet: str = ""
    zone: str = ""
    keypair: str = "KeyPair-1"
    enterprise_project: str = "0"
    bandwidth: str | None = None
    """The id of its bandwidth."""

    tags: dict[str, str] = field(factory=dict[str, str])
    files: dict[str, dict[str, Any]] = field(factory=dict[str, dict[str, Any]])
    """Shared storage: size, and when it was changed, by path."""

    apps: list[dict[str, Any]] = field(factory=list[dict[str, Any]])
    """Shared apps: package, version, since when and until when."""

    filesystems: dict[str, str] = field(factory=dict[str, str])
    """Directories of the tenant's own file systems that it mounts, by the file system's id."""

    encoder_restarting: bool = False
    is_ordered: bool = False
    """Whether nobody can see it yet, as its order is not paid."""

    @property
    def encoder(self) -> str:
        """The id of its encoding server."""
        return blake2b(f"encoder/{self.id}".encode(), digest_size=16).hexdigest()

    @property
    def internal_ip(self) -> str:
        """Its address inside."""
        return str(IPv4Address("172.31.0.0") + self.index % 60000 + 10)

    @property
    def public_ip(self) -> str:
        """Its address outside, of a range that is kept for examples."""
        return f"198.51.100.{self.index % 254 + 1}"

    @property
    def is_ready(self) -> bool:
        """Whether it can be worked with."""
        return self.state is ServerState.NORMAL

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON."""
        said = asdict(self)
        return said | {"created": self.created.isoformat(), "updated": self.updated.isoformat()}

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> Server:
        """Build what `to_json` wrote."""
        times = {name: datetime.fromisoformat(said[name]) for name in ("created", "updated")}
        read: dict[str, Any] = {**said, **times, "state": ServerState(said["state"])}
        return cls(**read)


@define(eq=False)
class Servers:
    """All servers, by id."""

    fleet: Fleet = field(repr=False)
    by_id: dict[str, Server] = field(init=False)
    encoders: dict[str, Server] = field(init=False)
    """By the id of the encoding server."""

    _index: dict[int, Server] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._fill(map(self._seeded, range(self.fleet.servers)))

    def _fill(self, servers: Iterable[Server]) -> None:
        self.by_id, self.encoders, self._index = {}, {}, {}
        for server in servers:
            self._add(server)

    def _add(self, server: Server) -> None:
        self.by_id[server.id] = self.encoders[server.encoder] = self._index[server.index] = server

    def __iter__(self) -> Iterator[Server]:
        return iter(list(self.by_id.values()))

    def _id(self, index: int) -> str:
        return blake2b(b"%d/server/%d" % (self.fleet.seed, index), digest_size=16).hexdigest()

    def _seeded(self, index: int) -> Server:
        fleet, region = self.fleet, self.fleet.region_of(index)
        made = fleet.epoch - _YEAR - timedelta(hours=index)
        return Server(
            index,
            self._id(index),
            f"server-{index + 1:04}",
            region,
            SEEDED.server,
            SEEDED.name,
            made,
            made,
            vpc=network(fleet.seed, region, "vpc"),
            subnet=network(fleet.seed, region, "subnet"),
            zone=f"{region}a",
            bandwidth=network(fleet.seed, region, "bandwidth").replace("-", ""),
        )

    def add(self, name: str, region: str, model: str, phone_model: str | None) -> Server:
        """Put up a server that carries nothing yet."""
        index = self.fleet.open_server(region)
        now = self.fleet.now().astimezone(UTC)
        server = Server(
            index, self._id(index), name, region, model, phone_model, now, now, ServerState.CREATING_1
        )
        server.charging, server.zone = BY_PERIOD, f"{region}a"
        self._add(server)
        return server

    def of(self, phone: Phone) -> Server:
        """The server that carries a phone."""
        return self._index[phone.server]

    def standing(self, region: str) -> set[int]:
        """The indices of the servers that are in a region."""
        return {server.index for server in self.by_id.values() if server.region == region}

    def remove(self, server: Server) -> None:
        """Take a server away with all that is on it."""
        for phone in self.fleet.on_server(server.index):
            self.fleet.remove(phone.id)
        del self.by_id[server.id], self.encoders[server.encoder], self._index[server.index]

    def to_json(self) -> list[dict[str, Any]]:
        """All servers, in the order of their making."""
        return [server.to_json() for server in self]

    def restore(self, said: Iterable[Mapping[str, Any]]) -> None:
        """Become what `to_json` said."""
        self._fill(map(Server.of_json, said))


def network(seed: int, region: str, what: str) -> str:
    """Make up the id of something in a region's network."""
    digits = blake2b(f"{seed}/{region}/{what}".encode(), digest_size=16).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
