"""A server is delivered as it was ordered: ports, disks, bandwidth, addresses and IPv6."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import pytest

from koophone_async.cph import (
    BareAddress,
    BareCard,
    BareDisk,
    BuyBareServers,
    BuyServersV1,
    ChangeServer,
    ChargedBy,
    ClientType,
    Disk,
    DiskMode,
    DiskType,
    NetworkCard,
    NewSize,
    OwnBandwidth,
    Owner,
    Period,
    PhoneDetails,
    PhonePort,
    Port,
    PublicAddress,
    RenewableTerm,
    ReplacedBandwidth,
    ReplacedCard,
    ServerBandwidth,
    ServerDetail,
    Sharing,
    SystemBandwidth,
    Term,
)
from koophone_async.emulator import Durations, snapshot
from koophone_async.errors import Refused
from koophone_async.koophone import PrepareState
from tests.emulator.scenes import AOSP9, AOSP10, VPC, order

if TYPE_CHECKING:
    from tests.emulator.scenes import Scene

pytestmark = [
    pytest.mark.virtual_time,
    pytest.mark.emulator(phones=2, servers=1, jobs=Durations(fixed=5)),
]

PORTS: Final = (Port("game", 10_001, is_public=True), Port("debug", 20_002))
NETWORK: Final[dict[str, Any]] = {
    "phone_model": "rx1.cp.c15.d32.e1v1",
    "image": AOSP10,
    "vpc": VPC,
    "ports": PORTS,
    "public_address": PublicAddress(count=2),
    "phones_per_address": 5,
    "phone_disk": Disk(DiskType.SSD, 64),
    "shared_disk": Disk(DiskType.GENERAL_PURPOSE_SSD, 500),
    "bandwidth": ServerBandwidth(Sharing.DEDICATED, ChargedBy.TRAFFIC, size=77),
}
CARD: Final = NetworkCard(VPC, is_ipv6=True, ipv6_bandwidth=OwnBandwidth("shared-6"))


async def delivered(scene: Scene, server: str) -> tuple[ServerDetail, list[PhoneDetails]]:
    """Wait for the server's delivery and return it with its phones, first to last."""
    await asyncio.sleep(5)
    ids = [phone.id async for phone in scene.cph.phones.list() if phone.server == server]
    phones = [await scene.cph.phones.show(id_) for id_ in ids]
    return await scene.cph.servers.show(server), sorted(phones, key=lambda phone: phone.name or "")


async def bought(scene: Scene, **changes: Any) -> tuple[ServerDetail, list[PhoneDetails]]:  # noqa: ANN401 - fields
    (server,) = (await scene.cph.servers.buy(order(**NETWORK | {"cards": (CARD,)} | changes))).servers
    return await delivered(scene, server)


async def replaced(scene: Scene, **changes: Any) -> tuple[ServerDetail, list[PhoneDetails]]:  # noqa: ANN401 - fields
    (server,) = (await scene.cph.servers.buy(order())).servers
    await asyncio.sleep(5)
    card = ReplacedCard(VPC, is_ipv6=True, ipv6_bandwidth=ReplacedBandwidth("shared-6"))
    fields: dict[str, Any] = (
        NETWORK | {"server": server, "cards": (card,), "owner": Owner("team-7")} | changes
    )
    await scene.cph.servers.change(ChangeServer(**fields))
    return await delivered(scene, server)


@pytest.fixture(params=[bought, replaced])
async def server_and_phones(
    request: pytest.FixtureRequest, scene: Scene
) -> tuple[ServerDetail, list[PhoneDetails]]:
    server: tuple[ServerDetail, list[PhoneDetails]] = await request.param(scene)
    return server


Delivered = tuple[ServerDetail, list[PhoneDetails]]


def port(phone: PhoneDetails, name: str) -> PhonePort:
    (found,) = (one for one in phone.ports if one.name == name)
    return found


async def test_phones_have_the_ordered_ports(server_and_phones: Delivered) -> None:
    _, phones = server_and_phones
    first = phones[0]
    game, debug = port(first, "game"), port(first, "debug")

    assert [one.name for one in first.ports] == ["adb", "game", "debug"]
    assert (game.listen_port, debug.listen_port) == (10_001, 20_002)
    assert game.public_ip == port(first, "adb").public_ip != ""
    assert game.access_port != port(first, "adb").access_port
    assert (debug.public_ip, debug.access_port) == ("", None)
    assert debug.server_ip == game.server_ip


async def test_phones_share_addresses_as_ordered(server_and_phones: Delivered) -> None:
    server, phones = server_and_phones
    inside = [port(phone, "adb").server_ip for phone in phones]
    outside = [port(phone, "adb").public_ip for phone in phones]

    assert [inside.count(address.internal) for address in server.addresses] == [5, 5, 5]
    assert [address.public for address in server.addresses] == [outside[0], outside[5], ""]
    assert len(set(outside)) == 3
    assert [port(phone, "game").access_port for phone in phones[10:]] == [None] * 5


async def test_disks_have_the_ordered_sizes(server_and_phones: Delivered) -> None:
    server, phones = server_and_phones
    disks = [phone.disk and (phone.disk.type, phone.disk.size) for phone in phones]

    assert disks == [(DiskType.SSD, 64)] * 15
    assert {phone.disk_mode for phone in phones} == {DiskMode.OWN}
    shared = server.shared_volume
    assert shared is not None
    assert (shared.type, shared.size, shared.version) == (DiskType.GENERAL_PURPOSE_SSD, 500, 1)


async def test_the_bandwidth_is_as_ordered(server_and_phones: Delivered, scene: Scene) -> None:
    server, _ = server_and_phones
    assert server.bandwidths is not None
    own, ipv6 = server.bandwidths

    assert (own.sharing, own.charged_by, own.size) == (Sharing.DEDICATED, ChargedBy.TRAFFIC, 77)
    assert (ipv6.id, ipv6.sharing) == ("shared-6", Sharing.SHARED)
    listed = [bandwidth.id async for bandwidth in scene.cph.bandwidths.list()]
    assert not {own.id, ipv6.id} & set(listed)  # only those of the service's networks are


async def test_ipv6_is_enabled_as_ordered(server_and_phones: Delivered, scene: Scene) -> None:
    _, phones = server_and_phones
    ports = [one for phone in phones for one in phone.ports]

    assert all((one.phone_ipv6 or "").startswith("fd00::") for one in ports)
    assert len({one.phone_ipv6 for one in ports}) == 15
    (shown,) = {one.server_ipv6 for one in ports}
    connections = await scene.cph.phones.connections([phones[0].id], ClientType.ANDROID)
    assert connections.connections[0].access.ipv6 == shown


@pytest.mark.parametrize("make", [bought, replaced])
async def test_what_is_not_ordered_is_not_there(make: Any, scene: Scene) -> None:  # noqa: ANN401 - bought, replaced
    card = NetworkCard(VPC) if make is bought else ReplacedCard(VPC)
    server, phones = await make(
        scene,
        cards=(card,),
        ports=None,
        public_address=PublicAddress(count=0),
        phones_per_address=None,
        phone_disk=None,
        shared_disk=None,
    )

    (adb,) = phones[0].ports
    assert (adb.public_ip, adb.access_port, adb.phone_ipv6, adb.server_ipv6) == ("", None, None, None)
    assert [address.public for address in server.addresses] == [""]
    assert len(server.bandwidths) == 1
    assert phones[0].disk is not None
    assert server.shared_volume.version == 0


async def test_a_snapshot_contains_what_was_ordered(scene: Scene) -> None:
    server, phones = await bought(scene)
    shown = [one.ports for one in phones]
    scene.emulator.phones["phone0001"].prepare_state = PrepareState.MAINTAINING
    data = snapshot.write(scene.emulator.jobs)

    scene.emulator.reset()
    snapshot.restore(scene.emulator.jobs, data)

    assert await scene.cph.servers.show(server.id) == server
    assert [(await scene.cph.phones.show(one.id)).ports for one in phones] == shown
    assert scene.emulator.phones["phone0001"].prepare_state is PrepareState.MAINTAINING


async def test_a_replacement_moves_to_its_enterprise_project(scene: Scene) -> None:
    server, _ = await replaced(scene)

    assert server.enterprise_project == "team-7"


async def test_an_existing_address_and_bandwidth_are_used(scene: Scene) -> None:
    existing = {
        "public_address": PublicAddress(existing=["eip-1"]),
        "phones_per_address": None,
        "bandwidth": ServerBandwidth(Sharing.SHARED, ChargedBy.BANDWIDTH, id="shared-4"),
    }
    one, _ = await bought(scene, name="one", **existing)
    other, _ = await bought(scene, name="other", **existing)

    assert [address.public for address in one.addresses] == [address.public for address in other.addresses]
    assert [row.id for row in one.bandwidths or ()] == ["shared-4", "shared-6"]


async def test_an_ordered_disk_can_be_expanded(scene: Scene) -> None:
    _, phones = await bought(scene)

    await scene.cph.storage.expand([NewSize(phones[0].id, 80)])
    await asyncio.sleep(5)

    disk = (await scene.cph.phones.show(phones[0].id)).disk
    assert disk is not None
    assert (disk.type, disk.size) == (DiskType.SSD, 80)


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"phones_per_address": 16}, "CPS.0238"),
        ({"public_address": PublicAddress(count=4)}, "CPS.0238"),
        ({"phones_per_address": None, "public_address": PublicAddress(count=2)}, "CPS.0238"),
        ({"public_address": PublicAddress(existing=["eip-1"])}, "CPS.0252"),
        ({"ports": (Port("game", 10_001), Port("game", 10_002))}, "CPS.0039"),
        ({"ports": (Port("game", 10_001), Port("chat", 10_001))}, "CPS.0041"),
    ],
)
@pytest.mark.parametrize("make", [bought, replaced])
async def test_an_impossible_network_is_refused(
    make: Any,  # noqa: ANN401 - bought, replaced
    changes: dict[str, Any],
    code: str,
    scene: Scene,
) -> None:
    with pytest.raises(Refused) as refused:
        await make(scene, **changes)

    assert refused.value.code == code


async def test_a_v1_server_is_delivered_as_ordered(scene: Scene) -> None:
    await scene.cph.servers.buy_v1(
        BuyServersV1(
            name="old",
            model="physical.rx1.xlarge",
            phone_model="rx1.cp.c15.d32.e1v1",
            image=AOSP9,
            ports=PORTS,
            bandwidth=SystemBandwidth(Sharing.SHARED, size=50),
            term=Term(Period.MONTH, 1, pay=1),
            is_vnc=True,
            subnet="10.20.30.0/24",
        )
    )
    (id_,) = [server.id async for server in scene.cph.servers.list() if server.name == "old"]
    server, phones = await delivered(scene, id_)

    assert [one.name for one in phones[0].ports] == ["adb", "game", "debug"]
    assert phones[0].has_vnc is True
    assert server.subnet_cidr == "10.20.30.0/24"
    assert {(one.server_ip or "").rpartition(".")[0] for one in phones[0].ports} == {"10.20.30"}
    assert server.bandwidths is not None
    (bandwidth,) = server.bandwidths
    assert (bandwidth.sharing, bandwidth.size) == (Sharing.SHARED, 50)
    assert bandwidth.id in [row.id async for row in scene.cph.bandwidths.list()]


async def test_a_bare_server_is_delivered_as_ordered(scene: Scene) -> None:
    bandwidth = ServerBandwidth(Sharing.DEDICATED, ChargedBy.TRAFFIC, size=9)
    (id_,) = (
        await scene.cph.servers.buy_bare(
            BuyBareServers(
                name="bare",
                model="physical.rx1.xlarge",
                term=RenewableTerm(Period.MONTH, 1, pay=1),
                cards=(BareCard(VPC, is_ipv6=True, ipv6_bandwidth="shared-6"),),
                public_address=BareAddress(bandwidth=bandwidth, count=1),
                keypair="KeyPair-1",
                disk=BareDisk(DiskType.SSD, 200, count=2),
                enterprise_project="team-7",
            )
        )
    ).servers
    server, phones = await delivered(scene, id_)

    assert phones == []
    assert [(one.type, one.size) for one in server.volumes or ()] == [
        ("SSD", 800),
        ("SSD", 200),
        ("SSD", 200),
    ]
    assert len({one.id for one in server.volumes or ()}) == 3
    assert server.addresses[0].public
    assert [row.size for row in server.bandwidths or ()] == [9, 300]
    assert server.enterprise_project == "team-7"
