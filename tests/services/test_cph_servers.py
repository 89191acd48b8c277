"""Servers and what belongs to them: what is refused before it is sent, and what reaches the service."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest
from attrs import evolve, field, frozen

from koophone_async.catalogue import OPERATIONS
from koophone_async.cph import (
    AddressType,
    AddTags,
    AttachFilesystem,
    Authorization,
    AuthorizeEvent,
    Bandwidths,
    BandwidthSize,
    BareAddress,
    BareCard,
    BareDisk,
    BuyBareServers,
    BuyServers,
    BuyServersV1,
    ChangeModel,
    ChangeServer,
    ChargedBy,
    CountTagged,
    DeleteApp,
    DeleteFiles,
    Disk,
    DiskType,
    EncodingFilter,
    EncodingServerQuery,
    EncodingServers,
    EncodingState,
    EventQuery,
    EventState,
    JobEntry,
    Keypairs,
    ListFiles,
    NetworkCard,
    NewAddress,
    OwnBandwidth,
    Period,
    Port,
    ProductType,
    PublicAddress,
    PushFiles,
    RenameServer,
    RenewableTerm,
    ReplacedBandwidth,
    ReplacedCard,
    ScheduledEvents,
    Server,
    ServerBandwidth,
    ServerQuery,
    Servers,
    ServerState,
    ServerTerm,
    SharedApps,
    SharedFiles,
    SharedFilesystems,
    Sharing,
    Started,
    StoragePath,
    SystemBandwidth,
    Tag,
    TagFilter,
    Tags,
    Term,
    UpdateBandwidth,
)
from koophone_async.errors import InvalidRequest, Refused
from tests.fake_server import FakeServer, ReceivedRequest, Reply, replies_with

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable

    from koophone_async.operation import AnyOperation, Sender

VPC: Final = "fca063f6-b942-42a8-9004-e5545f58d6a2"
SUBNET: Final = "f1cbfc37-eb42-4357-a0ec-9e4f11950908"
NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
Json = dict[str, Any]


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer(default=replies_with(Reply(status=204))) as server:
        yield server


@pytest.fixture
async def sender(server: FakeServer) -> AsyncIterator[Sender]:
    async with server.session() as session:
        yield session.bind(project_id="p1")


def query_of(request: ReceivedRequest) -> Json:
    return {name: values[0] if len(values) == 1 else values for name, values in request.queries.items()}


DEDICATED: Final = ServerBandwidth(Sharing.DEDICATED, ChargedBy.TRAFFIC, size=300)

ORDER: Final = BuyServers(
    name="shop",
    model="physical.kg1.4xlarge.cp",
    phone_model="kg1.cp.c20.d64SSD.e1v1",
    image="20060220200717f201120a2300000e91",
    term=ServerTerm(Period.MONTH, 1),
    vpc=VPC,
    cards=(NetworkCard(SUBNET),),
    public_address=PublicAddress(NewAddress(AddressType.DYNAMIC_BGP)),
    bandwidth=DEDICATED,
)

OLD_ORDER: Final = BuyServersV1(
    name="shop",
    model="physical.rx1.xlarge",
    phone_model="aphs1.medium.4.aosp",
    image="88b8449b896f3a4f0ad57222dd919899",
    bandwidth=SystemBandwidth(Sharing.DEDICATED),
    term=Term(Period.MONTH, 1),
)

BARE_ORDER: Final = BuyBareServers(
    name="shop",
    model="physical.kg1.4xlarge",
    term=RenewableTerm(Period.YEAR, 1, renew=1),
    cards=(BareCard(SUBNET),),
    public_address=BareAddress(bandwidth=DEDICATED, type="5_bgp", count=1),
    keypair="door",
)

CHANGE: Final = ChangeServer(
    server="s1",
    phone_model="kg1.cp.c20.d64SSD.e1v1",
    image="20060220200717f201120a2300000e91",
    vpc=VPC,
    cards=(ReplacedCard(SUBNET, is_ipv6=True, ipv6_bandwidth=ReplacedBandwidth("b6")),),
    public_address=PublicAddress(count=0),
    bandwidth=ServerBandwidth(Sharing.SHARED, ChargedBy.BANDWIDTH, id="b1"),
)


WRONG: Final[dict[str, tuple[Callable[[], object], str]]] = {
    "a name of 61 characters": (lambda: evolve(ORDER, name="x" * 61), "at most 60"),
    "a name with a space": (lambda: RenameServer("s1", "my shop"), "name: does not match"),
    "a Chinese name in an order of 2020": (lambda: evolve(OLD_ORDER, name="店"), "name: does not match"),
    "11 servers": (lambda: evolve(ORDER, count=11), "count: is 11; it must be 1 to 10"),
    "no server": (lambda: evolve(BARE_ORDER, count=0), "count: is 0; it must be 1 to 10"),
    "10 months": (lambda: Term(Period.MONTH, 10), "count: is 10; it must be 1 to 9 months"),
    "11 years": (lambda: Term(Period.YEAR, 11), "count: is 11; it must be 1 to 10"),
    "5 weeks": (lambda: Term(1, 5), "period: is 1; it must be one of 2, 3"),
    "paid per use": (lambda: Term(Period.MONTH, 1, mode=1), "mode: is 1; it must be one of 0"),
    "a model of 65 bytes": (lambda: evolve(ORDER, model="m" * 65), "at most 64 bytes"),
    "a network that is no UUID": (lambda: evolve(ORDER, vpc="vpc-1"), "vpc: does not match"),
    "no network card": (lambda: evolve(ORDER, cards=()), "cards: has 0 items; it must have at least 1"),
    "a reserved port": (lambda: Port("adb", 20_000), "name: is 'adb', which the service reserves"),
    "a port's name of 17 bytes": (lambda: Port("p" * 17, 20_000), "at most 16 bytes"),
    "port 9999": (lambda: Port("web", 9_999), "number: is 9,999; it must be 10,000 to 50,000"),
    "port 50001": (lambda: Port("web", 50_001), "number: is 50,001; it must be 10,000 to 50,000"),
    "a small disk": (lambda: Disk(DiskType.SSD, 9), "size: is 9; it must be 10 to 32,768 GiB"),
    "a disk of floppies": (lambda: Disk("FLOPPY", 10), "it must be one of SSD, GPSSD"),
    "a shared bandwidth without its id": (
        lambda: ServerBandwidth(Sharing.SHARED, ChargedBy.TRAFFIC),
        "id: is missing; a shared bandwidth",
    ),
    "a dedicated bandwidth without its size": (
        lambda: ServerBandwidth(Sharing.DEDICATED, ChargedBy.TRAFFIC),
        "size: is missing; a dedicated bandwidth",
    ),
    "a shared bandwidth of 2020 without its size": (
        lambda: SystemBandwidth(Sharing.SHARED),
        "size: is missing; a shared bandwidth needs 1 to 300 Mbit/s",
    ),
    "a bandwidth of 2020 without anything": (SystemBandwidth, "sharing: is missing"),
    "301 Mbit/s in 2020": (lambda: SystemBandwidth(Sharing.SHARED, size=301), "it must be 1 to 300"),
    "two addresses": (lambda: PublicAddress(existing=("a", "b")), "existing: has 2 items"),
    "one address for two servers": (
        lambda: evolve(ORDER, count=2, public_address=PublicAddress(existing=["a"])),
        "count: is 2; an address that exists serves 1 server",
    ),
    "a property that phones do not have": (
        lambda: evolve(ORDER, properties={"com.cph.mainkeys": 2}),
        "com.cph.mainkeys: is '2'; it must be 0 (no) or 1 (yes)",
    ),
    "properties that are no JSON": (lambda: evolve(CHANGE, properties="{"), "property: is not a JSON"),
    "properties of 8,193 characters": (
        lambda: evolve(ORDER, properties=f'{{"p": "{"x" * 8185}"}}'),
        "properties: is 8,193 characters of JSON text long; at most 8,192",
    ),
    "a subnet without a mask": (lambda: evolve(OLD_ORDER, subnet="172.31.0.0"), "subnet: does not match"),
    "a server without an id": (lambda: ChangeModel("", "m", "p"), "server: is empty"),
    "bandwidth in half steps": (lambda: UpdateBandwidth("b1", 301), "size: is 301; it must be 1 to 300"),
    "bandwidth above 1,000 in steps of 50": (lambda: UpdateBandwidth("b1", 1050), "is 1,050"),
    "bandwidth of nothing": (lambda: UpdateBandwidth("b1", 0), "is 0"),
    "bandwidth in words": (lambda: UpdateBandwidth("b1", "300"), "must be an integer"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    "a bucket of two letters": (lambda: PushFiles("ab", "x.tar", ["s1"]), "bucket: does not match"),
    "a bucket in capitals": (lambda: PushFiles("Files", "x.tar", ["s1"]), "bucket: does not match"),
    "a file that is no tar": (lambda: PushFiles("files", "x.zip", ["s1"]), "it must end in .tar"),
    "a tar with a space": (lambda: PushFiles("files", "a b.tar", ["s1"]), "path: does not match"),
    "a bare string of servers": (lambda: PushFiles("files", "x.tar", "s1"), "pass a list of ids"),
    "no servers": (lambda: PushFiles("files", "x.tar", []), "servers: has 0 items"),
    "a directory that is not absolute": (lambda: ListFiles("data", ["s1"]), "path: is 'data'"),
    "the root": (lambda: ListFiles("/", ["s1"]), "not / alone"),
    "a doubled slash": (lambda: ListFiles("/data//x", ["s1"]), "without //"),
    "a way up": (lambda: DeleteFiles(["/data/../x"], ["s1"]), "without .."),
    "a path of 4,097 bytes": (lambda: DeleteFiles(["/" + "x" * 4096], ["s1"]), "at most 4,096"),
    "a path in Chinese": (lambda: DeleteFiles(["/data/店"], ["s1"]), "letters, digits and . / - _ = space"),
    "51 files at once": (lambda: ListFiles("/data", ["s1"], limit=51), "limit: is 51; it must be 1 to 50"),
    "a package without a dot": (lambda: DeleteApp("game", ["s1"]), "package: does not match"),
    "a package that ends in a dot": (lambda: DeleteApp("com.game.", ["s1"]), "package: does not match"),
    "a package that begins with _": (lambda: DeleteApp("_com.game", ["s1"]), "package: does not match"),
    "a file system of another kind": (lambda: AttachFilesystem("f", ["s1"], "nfs"), "type: is 'nfs'"),
    "a directory of a file system": (lambda: AttachFilesystem("f", ["s1"], path="x"), "path: does not"),
    "a tag of the system's": (lambda: Tag("_sys_x", "v"), "key: does not match"),
    "a tag without a value": (lambda: Tag("k", ""), "value: is empty"),
    "a tag's value with a space before it": (lambda: Tag("k", " v"), "value: does not match"),
    "a tag's value with a space after it": (lambda: Tag("k", "v "), "value: does not match"),
    "a tag's key with a slash": (lambda: Tag("a/b", "v"), "key: does not match"),
    "a tag's key of 128 characters": (lambda: Tag("k" * 128, "v"), "at most 127"),
    "no tags": (lambda: AddTags("s1", ()), "tags: has 0 items"),
    "11 keys": (lambda: CountTagged(tags=tuple(TagFilter(str(n)) for n in range(11))), "0 to 10 items"),
    "a key twice": (lambda: CountTagged(tags=(TagFilter("k"), TagFilter("k"))), "has a duplicate key"),
    "11 values": (lambda: TagFilter("k", tuple("abcdefghijk")), "values: has 11 items"),
    "a value twice": (lambda: TagFilter("k", ("a", "a")), "values: has a duplicate value"),
    "a time for a redeployment": (
        lambda: AuthorizeEvent("e1", Authorization.REDEPLOY, NOON),
        "start: is set; only maintenance",
    ),
    "a time without a zone": (
        lambda: AuthorizeEvent("e1", Authorization.MAINTENANCE, NOON.replace(tzinfo=None)),
        "start: has no time zone; it must be an aware datetime",
    ),
    "a day without a zone": (
        lambda: EventQuery(since=NOON.replace(tzinfo=None)),
        "since: has no time zone; it must be an aware datetime",
    ),
    "an event in a state that there is not": (lambda: EventQuery(states=["asleep"]), "is 'asleep'"),
    "a moment in words": (
        lambda: ServerQuery(since="today"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        "since: is 'today'; it must be a whole number, at least 0",
    ),
    "a page of 101": (lambda: ServerQuery(limit=101), "limit: is 101; it must be 1 to 100"),
    "a page before the first": (lambda: ServerQuery(offset=-1), "offset: is -1"),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_invalid_request_names_field_and_limit(what: str) -> None:
    make, words = WRONG[what]

    with pytest.raises(InvalidRequest) as refusal:
        make()

    assert words in str(refusal.value)


RIGHT: Final[dict[str, Callable[[], object]]] = {
    "a Chinese name": lambda: evolve(ORDER, name="店-1_a"),
    "sizes of bandwidth": lambda: [UpdateBandwidth("b1", size) for size in (1, 300, 350, 1000, 1500)],
    "9 months and 10 years": lambda: (Term(Period.MONTH, 9), Term(Period.YEAR, 10)),
    "a tag of any language": lambda: Tag("环境 हिन्दी", "a b_.:=+@-"),
    "any value": lambda: TagFilter("k"),
    "a path with a space": lambda: DeleteFiles(["/data/a b=_.x-"], ["s1"]),
    "properties of 8,192 characters": lambda: evolve(CHANGE, properties=f'{{"p": "{"x" * 8184}"}}'),
    "an old bandwidth that exists": lambda: SystemBandwidth(id="b1"),
    "an address that exists": lambda: evolve(ORDER, public_address=PublicAddress(existing=["a"])),
    "the largest port": lambda: Port("web", 50_000, is_public=True),
    "a bare server's disks": lambda: evolve(BARE_ORDER, disk=BareDisk(DiskType.GENERAL_PURPOSE_SSD, 1, 2)),
}


@pytest.mark.parametrize("what", RIGHT)
def test_documented_values_are_accepted(what: str) -> None:
    assert RIGHT[what]()


@frozen
class Call:
    """One call of a method, and what must arrive."""

    make: Callable[[Sender], Coroutine[Any, Any, object]]
    line: str
    body: Json | None = None
    query: Json = field(factory=dict[str, Any])


CARD: Final = {"subnet_id": SUBNET}
THREE_HUNDRED: Final = {"band_width_share_type": 0, "band_width_charge_mode": 1, "band_width_size": 300}
MONTH: Final = {"period_type": 2, "period_num": 1, "is_auto_pay": 0, "charging_mode": 0}

CALLS: Final = {
    "servers.show": Call(lambda c: Servers(c).show("s1"), "GET /v1/p1/cloud-phone/servers/s1"),
    "servers.buy": Call(
        lambda c: Servers(c).buy(
            evolve(
                ORDER,
                ports=(Port("web", 20_000, is_public=True),),
                cards=(NetworkCard(SUBNET, is_ipv6=True, ipv6_bandwidth=OwnBandwidth("b6")),),
                phone_disk=Disk(DiskType.SSD, 10),
            )
        ),
        "POST /v2/p1/cloud-phone/servers",
        {
            "server_name": "shop",
            "server_model_name": "physical.kg1.4xlarge.cp",
            "phone_model_name": "kg1.cp.c20.d64SSD.e1v1",
            "image_id": "20060220200717f201120a2300000e91",
            "count": 1,
            "ports": [{"name": "web", "listen_port": 20000, "internet_accessible": "true"}],
            "extend_param": MONTH,
            "tenant_vpc_id": VPC,
            "nics": [CARD | {"ipv6_enable": True, "ipv6_bandwidth": {"band_width_id": "b6"}}],
            "public_ip": {"eip": {"type": "5_bgp"}},
            "phone_data_volume": {"volume_type": "SSD", "size": 10},
            "band_width": THREE_HUNDRED,
        },
    ),
    "servers.buy_v1": Call(
        lambda c: Servers(c).buy_v1(evolve(OLD_ORDER, is_vnc=True, subnet="172.31.0.0/16")),
        "POST /v1/p1/cloud-phone/phones",
        {
            "server_name": "shop",
            "server_model_name": "physical.rx1.xlarge",
            "phone_model_name": "aphs1.medium.4.aosp",
            "image_id": "88b8449b896f3a4f0ad57222dd919899",
            "count": 1,
            "band_width": {"band_width_share_type": 0},
            "extend_param": MONTH,
            "vnc_enable": "true",
            "subnet_cidr": "172.31.0.0/16",
        },
    ),
    "servers.buy_bare": Call(
        lambda c: Servers(c).buy_bare(BARE_ORDER),
        "POST /v2.1/p1/cloud-phone/servers",
        {
            "server_name": "shop",
            "server_model_name": "physical.kg1.4xlarge",
            "count": 1,
            "order_param": MONTH | {"period_type": 3, "is_auto_renew": 1},
            "nics": [CARD],
            "public_ip": {"type": "5_bgp", "count": 1, "band_width": THREE_HUNDRED},
            "keypair_name": "door",
        },
    ),
    "servers.restart": Call(
        lambda c: Servers(c).restart(["s1", "s2"]),
        "POST /v1/p1/cloud-phone/servers/batch-restart",
        {"server_ids": ["s1", "s2"]},
    ),
    "servers.change": Call(
        lambda c: Servers(c).change(CHANGE),
        "POST /v2/p1/cloud-phone/servers/s1/change",
        {
            "phone_model_name": "kg1.cp.c20.d64SSD.e1v1",
            "image_id": "20060220200717f201120a2300000e91",
            "tenant_vpc_id": VPC,
            "nics": [CARD | {"ipv6_enable": True, "ipv6_bandwidth": {"bandwidth_id": "b6"}}],
            "public_ip": {"count": 0},
            "band_width": {
                "band_width_id": "b1",
                "band_width_share_type": 1,
                "band_width_charge_mode": 0,
            },
        },
    ),
    "servers.change_model": Call(
        lambda c: Servers(c).change_model(ChangeModel("s1", "big", "phones")),
        "POST /v1/p1/cloud-phone/servers/change-server-model",
        {"server_id": "s1", "server_model_name": "big", "phone_model_name": "phones"},
    ),
    "servers.rename": Call(
        lambda c: Servers(c).rename("s1", "shop-2"),
        "PUT /v1/p1/cloud-phone/servers/s1",
        {"server_name": "shop-2"},
    ),
    "servers.delete": Call(
        lambda c: Servers(c).delete(["s1"]),
        "DELETE /v2/p1/cloud-phone/servers",
        {"server_ids": ["s1"]},
    ),
    "bandwidths.update": Call(
        lambda c: Bandwidths(c).update("b1", 350),
        "PUT /v1/p1/cloud-phone/bandwidths/b1",
        {"band_width_size": 350},
    ),
    "keypairs.update": Call(
        lambda c: Keypairs(c).update({"s1": "door"}),
        "PUT /v1/p1/cloud-phone/servers/open-access",
        {"servers": [{"server_id": "s1", "keypair_name": "door"}]},
    ),
    "encoding_servers.restart": Call(
        lambda c: EncodingServers(c).restart(["e1"]),
        "POST /v1/p1/cloud-phone/encode-servers/batch-restart",
        {"encode_server_ids": ["e1"]},
    ),
    "shared_files.push": Call(
        lambda c: SharedFiles(c).push(["s1"], "files", "a/x.tar"),
        "POST /v1/p1/cloud-phone/phones/share-files",
        {"bucket_name": "files", "object_path": "a/x.tar", "server_ids": ["s1"]},
    ),
    "shared_files.list": Call(
        lambda c: SharedFiles(c).list(["s1", "s2"], "/data/data"),
        "GET /v1/p1/cloud-phone/servers/share-files",
        query={"path": "/data/data", "server_ids": "s1,s2", "offset": "0", "limit": "50"},
    ),
    "shared_files.delete": Call(
        lambda c: SharedFiles(c).delete(["s1"], ["/data/x"]),
        "POST /v1/p1/cloud-phone/phones/share-files",
        {"file_paths": ["/data/x"], "server_ids": ["s1"]},
    ),
    "shared_apps.push": Call(
        lambda c: SharedApps(c).push(["s1"], "com.example.game", "files", "x.tar", preinstall=True),
        "POST /v1/p1/cloud-phone/phones/share-apps",
        {
            "package_name": "com.example.game",
            "bucket_name": "files",
            "object_path": "x.tar",
            "server_ids": ["s1"],
            "pre_install_app": 1,
        },
    ),
    "shared_apps.delete": Call(
        lambda c: SharedApps(c).delete(["s1"], "com.example.game"),
        "DELETE /v1/p1/cloud-phone/phones/share-apps",
        {"package_name": "com.example.game", "server_ids": ["s1"]},
    ),
    "shared_filesystems.attach": Call(
        lambda c: SharedFilesystems(c).attach("f1", ["s1"], "/apps"),
        "POST /v1/p1/servers/attach-share-filesystem",
        {"type": "sfs_turbo", "id": "f1", "server_ids": ["s1"], "path": "/apps"},
    ),
    "shared_filesystems.detach": Call(
        lambda c: SharedFilesystems(c).detach("f1", ["s1"]),
        "POST /v1/p1/servers/detach-share-filesystem",
        {"type": "sfs_turbo", "id": "f1", "server_ids": ["s1"]},
    ),
    "scheduled_events.authorize": Call(
        lambda c: ScheduledEvents(c).authorize("e1", Authorization.MAINTENANCE, NOON),
        "POST /v1/p1/cloud-phone/scheduled-events/e1/authorize",
        {"authorization_type": "maintenance", "not_before": "2026-01-01T12:00:00Z"},
    ),
    "scheduled_events.authorize, at once": Call(
        lambda c: ScheduledEvents(c).authorize("e1", Authorization.REDEPLOY),
        "POST /v1/p1/cloud-phone/scheduled-events/e1/authorize",
        {"authorization_type": "redeploy"},
    ),
    "scheduled_events.reschedule": Call(
        lambda c: ScheduledEvents(c).reschedule("e1", NOON),
        "PUT /v1/p1/cloud-phone/scheduled-events/e1",
        {"not_before": "2026-01-01T12:00:00Z"},
    ),
    "scheduled_events.reschedule, at once": Call(
        lambda c: ScheduledEvents(c).reschedule("e1"),
        "PUT /v1/p1/cloud-phone/scheduled-events/e1",
        {"not_before": ""},
    ),
    "tags.show": Call(lambda c: Tags(c).show("s1"), "GET /v1/p1/cph-server/s1/tags"),
    "tags.count": Call(
        lambda c: Tags(c).count({"env": ["test", "dev"]}, untagged=True),
        "POST /v1/p1/cph-server/resource_instances/action",
        {
            "action": "count",
            "tags": [{"key": "env", "values": ["test", "dev"]}],
            "matches": [],
            "without_any_tag": True,
        },
    ),
    "tags.add": Call(
        lambda c: Tags(c).add("s1", {"env": "test"}),
        "POST /v1/p1/cph-server/s1/tags/action",
        {"action": "create", "tags": [{"key": "env", "value": "test"}]},
    ),
    "tags.remove": Call(
        lambda c: Tags(c).remove("s1", {"env": "test"}),
        "POST /v1/p1/cph-server/s1/tags/action",
        {"action": "delete", "tags": [{"key": "env", "value": "test"}]},
    ),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_arrives_as_documented(name: str, server: FakeServer, sender: Sender) -> None:
    call = CALLS[name]
    server.queue({"request_id": "r1", "server_id": "s1", "total_count": 3})

    assert await call.make(sender)

    (request,) = server.received
    assert (request.line, query_of(request), request.json) == (call.line, call.query, call.body)


async def test_an_empty_answer_is_a_success(server: FakeServer, sender: Sender) -> None:
    assert (await Tags(sender).add("s1", {"env": "test"})).request is None
    assert len(server.received) == 1


async def test_a_refused_order_raises_even_with_200(server: FakeServer, sender: Sender) -> None:
    server.queue({"request_id": "r1", "error_code": "CPS.0251", "error_msg": "Existing EIPs."})

    with pytest.raises(Refused, match=r"CPS\.0251"):
        await Servers(sender).buy(ORDER)


async def test_more_servers_than_the_maximum_are_not_sent(server: FakeServer, sender: Sender) -> None:
    with pytest.raises(InvalidRequest, match="at most 100"):
        await Servers(sender).restart([f"s{n}" for n in range(101)])
    with pytest.raises(InvalidRequest, match="at most 10"):
        await Servers(sender).delete([f"s{n}" for n in range(11)])
    with pytest.raises(InvalidRequest, match="at most 20"):
        await SharedFilesystems(sender).attach("f1", [f"s{n}" for n in range(21)])

    assert not server.received


def rows(first: int, last: int) -> list[Json]:
    return [{"server_id": f"s{n}", "status": 5} for n in range(first, last)]


async def test_servers_are_listed_by_page_up_to_the_total(server: FakeServer, sender: Sender) -> None:
    server.queue({"count": 4, "servers": rows(0, 2)}, {"count": 4, "servers": rows(2, 4)})

    found = [
        server.id async for server in Servers(sender).list(ServerQuery(limit=2, state=ServerState.NORMAL))
    ]

    assert found == ["s0", "s1", "s2", "s3"]
    assert [query_of(request) for request in server.received] == [
        {"offset": "0", "limit": "2", "status": "5"},
        {"offset": "2", "limit": "2", "status": "5"},
    ]


async def test_a_short_page_is_followed_up_to_the_total(server: FakeServer, sender: Sender) -> None:
    server.queue({"count": 3, "servers": rows(0, 1)}, {"count": 3, "servers": rows(1, 3)})

    assert len([server async for server in Servers(sender).list()]) == 3
    assert [request.query["offset"] for request in server.received] == ["0", "1"]


async def test_without_a_total_a_short_page_is_the_last(server: FakeServer, sender: Sender) -> None:
    server.queue({"servers": rows(0, 2)}, {"servers": rows(2, 3)})

    assert len([server async for server in Servers(sender).list(ServerQuery(limit=2))]) == 3
    assert not server.behaviours


async def test_an_empty_page_ends_a_list_that_has_shrunk(server: FakeServer, sender: Sender) -> None:
    server.queue({"count": 3, "servers": rows(0, 2)}, {"count": 3, "servers": []})

    assert len([server async for server in Servers(sender).list()]) == 2


async def test_an_unpaged_list_is_requested_once(server: FakeServer, sender: Sender) -> None:
    server.queue({"tags": [{"key": str(n)} for n in range(101)]})

    assert len([tag async for tag in Tags(sender).list()]) == 101
    assert [request.line for request in server.received] == ["GET /v1/p1/cph-server/tags"]


async def test_the_same_page_again_ends_the_list(server: FakeServer, sender: Sender) -> None:
    page = {"tags": [{"key": str(n), "values": ["a"]} for n in range(100)]}
    server.queue(page, page)

    assert len([tag async for tag in Tags(sender).list()]) == 100


async def test_a_list_starts_at_the_offset_of_its_query(server: FakeServer, sender: Sender) -> None:
    server.queue({"count": 6, "servers": rows(5, 6)})

    assert [server.id async for server in Servers(sender).list(ServerQuery(offset=5))] == ["s5"]


@pytest.mark.parametrize("following", ["m2", "https://cph.example/v1/p1/x?limit=1&marker=m2"])
async def test_a_list_follows_the_marker(server: FakeServer, sender: Sender, following: str) -> None:
    server.queue(
        {"models": [{"model_name": "a"}], "page_info": {"next_marker": following}},
        {"models": [{"model_name": "b"}], "page_info": {}},
    )

    assert [offering.model async for offering in Servers(sender).offerings()] == ["a", "b"]
    assert [query_of(request) for request in server.received] == [
        {"limit": "100"},
        {"limit": "100", "marker": "m2"},
    ]


async def test_a_repeated_marker_ends_the_list(server: FakeServer, sender: Sender) -> None:
    page = {"scheduled_events": [{"event_id": "e1"}], "page_info": {"next_marker": "m"}}
    server.queue(page, page, page)

    assert len([event async for event in ScheduledEvents(sender).list()]) == 1


async def test_the_older_list_of_flavors_is_one_page(server: FakeServer, sender: Sender) -> None:
    server.queue({"server_models": [{"server_model_name": "physical.rx1.xlarge"}]})

    found = [model.name async for model in Servers(sender).models(ProductType.PHONES)]

    assert found == ["physical.rx1.xlarge"]
    assert query_of(server.received[0]) == {"product_type": "0"}


async def test_bandwidths_are_listed(server: FakeServer, sender: Sender) -> None:
    server.queue({"band_widths": [{"band_width_id": "b1", "band_width_charge_mode": 7}]})

    (found,) = [bandwidth async for bandwidth in Bandwidths(sender).list()]

    assert (found.id, found.charged_by) == ("b1", 7)


async def test_encoding_servers_are_listed_by_state(server: FakeServer, sender: Sender) -> None:
    server.queue({"encode_servers": [{"encode_server_id": "e1", "status": 5}]})
    query = EncodingServerQuery(state=EncodingFilter.CREATING_1014)

    (found,) = [server async for server in EncodingServers(sender).list(query)]

    assert found.state is EncodingState.CREATING_5
    assert found.state.is_creating
    assert query_of(server.received[0]) == {"status": "1014", "offset": "0", "limit": "100"}


async def test_shared_apps_are_listed(server: FakeServer, sender: Sender) -> None:
    server.queue({"share_apps": [{"package_name": "com.example.game"}], "page_info": None})

    assert [app.package async for app in SharedApps(sender).list("s1")] == ["com.example.game"]
    assert server.received[0].line == "GET /v1/p1/servers/s1/share-apps-snapshot"


async def test_each_event_state_is_a_query_parameter(server: FakeServer, sender: Sender) -> None:
    server.queue({})
    query = EventQuery(states=[EventState.INQUIRING, "scheduled"], since=NOON)

    assert not [event async for event in ScheduledEvents(sender).list(query)]
    assert query_of(server.received[0]) == {
        "publish_since": "2026-01-01T12:00:00Z",
        "state": ["inquiring", "scheduled"],
        "limit": "100",
    }


async def test_a_search_by_tags_sends_numbers_as_text(server: FakeServer, sender: Sender) -> None:
    server.queue({"resources": [{"resource_id": "s1"}], "total_count": 1})

    assert [server.id async for server in Tags(sender).find({"env": []}, "shop-1")] == ["s1"]
    assert server.received[0].json == {
        "action": "filter",
        "offset": "0",
        "limit": "1000",
        "tags": [{"key": "env", "values": []}],
        "matches": [{"key": "resource_name", "value": "shop-1"}],
    }


def test_refused_entries_and_started_jobs_are_separate() -> None:
    started = Started(
        "r1",
        (
            JobEntry(phone="p1", id="j1"),
            JobEntry(encoding_server="e1", id="j2"),
            JobEntry(server="s1", error_code="CPS.0158"),
            JobEntry(),
        ),
    )

    assert started.targets_by_job == {"j1": "p1", "j2": "e1"}
    assert [entry.target for entry in started.refused] == ["s1", ""]


async def test_a_single_job_is_a_list_of_one(server: FakeServer, sender: Sender) -> None:
    server.queue({"request_id": "r1", "server_id": "s1", "job_id": "j1"})

    started = await Servers(sender).change(CHANGE)

    assert started.started == Started("r1", (JobEntry(server="s1", id="j1"),))


def test_every_number_of_creating_is_creating() -> None:
    creating = {state.value for state in ServerState if state.is_creating}

    assert creating == {0, 1, 3, 4}
    assert not EncodingState.RUNNING.is_creating
    assert Server("s1").state is None


def test_a_limit_describes_itself() -> None:
    assert (
        BandwidthSize().limit
        == "1 to 300 Mbit/s in steps of 1, to 1,000 in steps of 50, above in steps of 500"
    )
    assert (
        StoragePath("./ ").limit
        == "an absolute path of at most 4,096 bytes: letters, digits and . / space, without .."
    )


STATED: Final[list[AnyOperation]] = [
    operation
    for operation in OPERATIONS.of("cph")
    if operation.name.split(".")[1] in {"servers", "scheduled_events", "shared_apps", "shared_files"}
]


def verbs(operations: Iterable[AnyOperation]) -> set[str]:
    return {operation.name.rpartition(".")[2] for operation in operations}


def test_calls_that_may_cost_money_are_orders() -> None:
    assert verbs(o for o in STATED if o.order) == {"buy", "buy_v1", "buy_bare", "change", "change_model"}


def test_renaming_is_the_only_repeatable_write_to_servers() -> None:
    assert verbs(o for o in STATED if o.repeatable and o.method != "GET") == {"rename"}
