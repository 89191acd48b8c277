"""Set up servers as they were ordered: ports, disks, bandwidth, addresses and IPv6."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from attrs import evolve

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.flavors import PHONES
from koophone_async.emulator.cph.project import Project
from koophone_async.emulator.cph.server_inventory import Server
from koophone_async.emulator.cph.state import BandwidthRecord
from koophone_async.emulator.server.errors import cph_refusal
from koophone_async.emulator.world import World
from koophone_async.services.cph.bandwidths import ChargedBy, Sharing
from koophone_async.services.cph.buying import (
    BareAddress,
    BuyBareServers,
    BuyServers,
    BuyServersV1,
    SystemBandwidth,
)
from koophone_async.services.cph.order_models import PublicAddress, ServerBandwidth, TenantNetwork
from koophone_async.services.cph.server import Network
from koophone_async.services.cph.server_changes import ChangeServer

PHONES_IPV6: Final = "fd00::/64"
SERVERS_IPV6: Final = "2001:db8::/64"
"""A network that is reserved for examples."""


def check(order: TenantNetwork) -> None:
    """Refuse addresses that the phones of an order cannot have.

    Raises:
        Refusal: There are more phones per address than phones, or more addresses than the phones need
            (CPS.0238); or an existing address is to serve phones that need several (CPS.0252).
    """
    capacity = PHONES[order.phone_model].capacity
    shared_by = order.phones_per_address or capacity
    if shared_by > capacity or (order.public_address.count or 0) > -(-capacity // shared_by):
        raise cph_refusal(error_table.INVALID_ADDRESS)
    if order.public_address.existing and shared_by < capacity:
        raise cph_refusal(error_table.SEVERAL_ADDRESSES)


def ipv6_bandwidths(order: BuyServers | ChangeServer) -> list[str | None]:
    """Return the bandwidths of the network cards with IPv6; None for a card that names none."""
    own = (card.ipv6_bandwidth for card in order.cards if card.is_ipv6)
    return [None if bandwidth is None else bandwidth.id for bandwidth in own]


def set_up(world: World, server: Server, order: TenantNetwork, ipv6: Sequence[str | None]) -> None:
    """Apply an order of servers in a network of the tenant's own, or one that replaces a server.

    Args:
        world: Where new bandwidths are created.
        server: The server.
        order: What was ordered.
        ipv6: The bandwidths of the network cards with IPv6; None for a card that names none.
    """
    server.network, server.vpc = Network.OWN.value, order.vpc
    server.zone, server.keypair = order.zone or server.zone, order.keypair or server.keypair
    server.ports = order.ports or ()
    server.phone_disk, server.shared_disk = order.phone_disk, order.shared_disk
    server.phones_per_address = order.phones_per_address
    set_up_addresses(world, server, order.public_address, order.bandwidth)
    set_up_ipv6(world, server, ipv6)


def set_up_v1(server: Server, order: BuyServersV1, bandwidth: str) -> None:
    """Apply an order of servers in a network of the service's."""
    server.keypair, server.ports, server.has_vnc = order.keypair or "", order.ports or (), order.is_vnc
    server.cidr = order.subnet or server.cidr
    server.bandwidth = bandwidth


def set_up_bare(world: World, server: Server, order: BuyBareServers) -> None:
    """Apply an order of servers without phones."""
    server.network, server.keypair = Network.OWN.value, order.keypair
    server.subnet, server.zone = order.cards[0].subnet, order.zone or server.zone
    server.enterprise_project = order.enterprise_project or "0"
    server.data_disk = order.disk
    set_up_addresses(world, server, order.public_address, order.public_address.bandwidth)
    set_up_ipv6(world, server, [card.ipv6_bandwidth for card in order.cards if card.is_ipv6])


def set_up_addresses(
    world: World, server: Server, address: PublicAddress | BareAddress, bandwidth: ServerBandwidth
) -> None:
    """Assign public addresses, existing or new ones, and their bandwidth."""
    default = 0 if isinstance(address, BareAddress) else 1
    count = default if address.count is None else address.count
    names = address.existing or [f"{server.id}/{number}" for number in range(count)]
    server.public_addresses = tuple(map(_address, names))
    server.bandwidth = _own_bandwidth(world, server.region, bandwidth)


def set_up_ipv6(world: World, server: Server, bandwidths: Sequence[str | None]) -> None:
    """Enable IPv6 if a network card has it, with the shared bandwidth that the card names."""
    server.is_ipv6 = bool(bandwidths)
    named = next((one for one in bandwidths if one), None)
    server.ipv6_bandwidth = None if named is None else _tenant_bandwidth(world, server.region, named)


def _address(name: str) -> str:
    """Return an address of a range that is reserved for tests, which follows from a name."""
    network = IPv4Network("198.18.0.0/15")
    return str(network[1 + int.from_bytes(blake2b(name.encode(), digest_size=4).digest()) % (2**17 - 2)])


def ipv6_address(network: str, name: str) -> str:
    """Return an IPv6 address in a network, which follows from a name."""
    digits = blake2b(name.encode(), digest_size=8).digest()
    return str(IPv6Network(network)[int.from_bytes(digits)])


def _own_bandwidth(world: World, region: str, requested: ServerBandwidth) -> str:
    """Return the id of the shared bandwidth of an order, or of a new dedicated one."""
    if requested.sharing == Sharing.SHARED:
        return _tenant_bandwidth(world, region, requested.id or "", requested.charged_by)
    record = _record(world, region, requested.size or 1, charged_by=int(requested.charged_by))
    return _add(world, evolve(record, is_system=False))


def _tenant_bandwidth(world: World, region: str, id_: str, charged_by: int = ChargedBy.BANDWIDTH) -> str:
    """Return the id of a shared bandwidth; the tenant bought it elsewhere, so any id is accepted."""
    if id_ in world.cph.bandwidths:
        return id_
    record = _record(world, region, 300, Sharing.SHARED, charged_by)
    return _add(world, evolve(record, id=id_, is_system=False))


def system_bandwidth(project: Project, requested: SystemBandwidth) -> str:
    """Return the id of a bandwidth in a network of the service's, which may be a new one."""
    bandwidths, region = project.cph.bandwidths, project.region
    if requested.id is None:
        sharing = Sharing.DEDICATED if requested.sharing is None else requested.sharing
        return _add(project.world, _record(project.world, region, requested.size or 300, sharing))
    if requested.id not in bandwidths or bandwidths[requested.id].region != region:
        raise cph_refusal(error_table.NO_BANDWIDTH, reason=requested.id)
    return requested.id


def _record(
    world: World,
    region: str,
    size: int,
    sharing: int = Sharing.DEDICATED,
    charged_by: int = ChargedBy.BANDWIDTH,
) -> BandwidthRecord:
    now = world.moment(world.clock())
    return BandwidthRecord(world.hex(), region, size, int(sharing), now, now, int(charged_by))


def _add(world: World, record: BandwidthRecord) -> str:
    world.cph.bandwidths[record.id] = record
    return record.id
