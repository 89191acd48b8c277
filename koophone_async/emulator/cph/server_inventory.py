"""CPH servers: those of the seed, and those bought later."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from ipaddress import IPv4Network
from typing import Final

from attrs import Factory, define, field

from koophone_async.emulator.cph.flavors import PHONES, SEEDED
from koophone_async.emulator.fleet import Fleet, Phone
from koophone_async.services.cph.buying import BareDisk
from koophone_async.services.cph.order_models import Disk, Port
from koophone_async.services.cph.server import ServerState

BY_PERIOD: Final = 0
BY_USE: Final = 1
"""How a server is paid for. No document has this number, as no operation buys by use."""

_YEAR: Final = timedelta(days=365)


@define
class SharedFile:
    """A file in the shared storage of a server."""

    size: int
    changed: datetime


@define
class SharedCopy:
    """An app in the shared storage of a server."""

    package: str
    version: str
    since: datetime
    until: datetime | None = None


@define(eq=False)
class Server:
    """One server."""

    index: int
    """Its number in the fleet."""

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

    ipv6_bandwidth: str | None = None
    is_ipv6: bool = False
    cidr: str = "172.31.0.0/16"
    public_addresses: tuple[str, ...] | None = None
    """As ordered; None for one that follows from its index."""

    phones_per_address: int | None = None
    """How many phones share an address; None if all of them share one."""

    ports: tuple[Port, ...] = ()
    """Ports of every phone, beside that of ADB."""

    has_vnc: bool | None = None
    phone_disk: Disk | None = None
    shared_disk: Disk | None = None
    data_disk: BareDisk | None = None
    """Disks as ordered; None for those of the flavor."""

    tags: dict[str, str] = field(factory=dict[str, str])
    files: dict[str, SharedFile] = field(factory=dict[str, SharedFile])
    """Files in the shared storage, by path."""

    apps: list[SharedCopy] = field(factory=list[SharedCopy])
    """Apps in the shared storage, also those that were there once."""

    filesystems: dict[str, str] = field(factory=dict[str, str])
    """Directories of the tenant's file systems that it mounts, by the id of the file system."""

    encoder_restarting: bool = False
    is_ordered: bool = False
    """Whether it is invisible, as its order is not paid yet."""

    @property
    def encoder(self) -> str:
        """The id of its encoding server."""
        return blake2b(f"encoder/{self.id}".encode(), digest_size=16).hexdigest()

    @property
    def address_count(self) -> int:
        """The number of addresses that its phones share."""
        flavor = PHONES.get(self.phone_model or "")
        return -(-flavor.capacity // self.phones_per_address) if flavor and self.phones_per_address else 1

    def internal_ip(self, number: int = 0) -> str:
        """Return an address in its subnet, the first one by default."""
        subnet = IPv4Network(self.cidr, strict=False)
        return str(subnet[(self.index % 60000 + 10 + number) % subnet.num_addresses])

    def public_ip(self, number: int = 0) -> str:
        """Return a public address, the first one by default; empty if there are fewer."""
        if self.public_addresses is None:  # of a range that is kept for examples
            return f"198.51.100.{self.index % 254 + 1}"
        return self.public_addresses[number] if number < len(self.public_addresses) else ""

    @property
    def is_ready(self) -> bool:
        """Whether it can be worked with."""
        return self.state is ServerState.NORMAL


@define(eq=False)
class Servers:
    """All servers, by id."""

    fleet: Fleet = field(repr=False)
    by_id: dict[str, Server] = Factory(lambda self: self._seeded(), takes_self=True)
    encoders: dict[str, Server] = field(init=False)
    """By the id of the encoding server."""

    _index: dict[int, Server] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.encoders = {server.encoder: server for server in self.by_id.values()}
        self._index = {server.index: server for server in self.by_id.values()}

    def __iter__(self) -> Iterator[Server]:
        return iter(list(self.by_id.values()))

    def _id(self, index: int) -> str:
        return blake2b(b"%d/server/%d" % (self.fleet.seed, index), digest_size=16).hexdigest()

    def _seeded(self) -> dict[str, Server]:
        return {server.id: server for server in map(self._seeded_server, range(self.fleet.servers))}

    def _seeded_server(self, index: int) -> Server:
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
        """Add a server without phones, which is being created."""
        index = self.fleet.add_server(region)
        now = self.fleet.now().astimezone(UTC)
        server = Server(
            index, self._id(index), name, region, model, phone_model, now, now, ServerState.CREATING_1
        )
        server.charging, server.zone = BY_PERIOD, f"{region}a"
        self.by_id[server.id] = self.encoders[server.encoder] = self._index[index] = server
        return server

    def of(self, phone: Phone) -> Server:
        """Return the server that carries a phone."""
        return self._index[phone.server]

    def address_of(self, phone: Phone) -> int:
        """Return which of its server's addresses a phone has, counted from 0."""
        server = self.of(phone)
        if server.phones_per_address is None:
            return 0
        return self.fleet.on_server(server.index).index(phone) // server.phones_per_address

    def in_region(self, region: str) -> set[int]:
        """Return the indices of the servers in a region."""
        return {server.index for server in self.by_id.values() if server.region == region}

    def remove(self, server: Server) -> None:
        """Remove a server and its phones."""
        for phone in self.fleet.on_server(server.index):
            self.fleet.remove(phone.id)
        del self.by_id[server.id], self.encoders[server.encoder], self._index[server.index]


def network(seed: int, region: str, what: str) -> str:
    """Return the id of something in the network of a region, which follows from the seed."""
    digits = blake2b(f"{seed}/{region}/{what}".encode(), digest_size=16).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
