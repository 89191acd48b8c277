"""Servers of CPH: buying, changing, restarting, and what they share."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from attrs import evolve

from koophone_async.cph import (
    Authorization,
    BareAddress,
    BareCard,
    BuyBareServers,
    BuyServersV1,
    ChangeModel,
    ChangeServer,
    ChargedBy,
    EncodingFilter,
    EncodingServerQuery,
    EncodingState,
    EventQuery,
    EventState,
    Fee,
    Network,
    NewSize,
    OnServers,
    Period,
    PhoneQuery,
    PhoneState,
    ProductType,
    PublicAddress,
    RenewableTerm,
    ReplacedCard,
    ServerBandwidth,
    ServerQuery,
    ServerState,
    ServerTerm,
    Sharing,
    SystemBandwidth,
    Term,
)
from koophone_async.emulator import Durations, Fail
from koophone_async.emulator.cph.server_inventory import SharedFile
from koophone_async.errors import NotFound, Refused
from koophone_async.services.cph import servers
from koophone_async.wire import to_wire
from tests.emulator.scenes import AOSP9, AOSP10, VPC, order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.emulator.scenes import Scene
    from tests.emulator.signed_client import SignedClient

pytestmark = [
    pytest.mark.virtual_time,
    pytest.mark.emulator(phones=6, servers=2, jobs=Durations(fixed=5)),
]


Row = TypeVar("Row")


async def every(rows: AsyncIterator[Row]) -> list[Row]:
    return [row async for row in rows]


async def refusal(call: Any) -> str:  # noqa: ANN401 - any call
    with pytest.raises(Refused) as refused:
        await call
    return refused.value.code


def old_order(**changes: Any) -> BuyServersV1:  # noqa: ANN401 - the fields of BuyServersV1
    given: dict[str, Any] = {
        "name": "old",
        "model": "physical.rx1.xlarge",
        "phone_model": "rx1.cp.c15.d32.e1v1",
        "image": AOSP9,
        "bandwidth": SystemBandwidth(Sharing.DEDICATED),
        "term": Term(Period.MONTH, 1, pay=1),
    }
    return BuyServersV1(**(given | changes))


async def test_servers_are_listed_newest_first_and_filtered(scene: Scene) -> None:
    (bought,) = (await scene.cph.servers.buy(order())).servers
    await asyncio.sleep(5)

    async def found(query: ServerQuery) -> list[str]:
        return [server.id async for server in scene.cph.servers.list(query)]

    assert await found(ServerQuery()) == [bought, *scene.servers[:2]]
    assert await found(ServerQuery(name="far")) == [bought]
    assert await found(ServerQuery(network=Network.SYSTEM)) == scene.servers[:2]
    assert await found(ServerQuery(id=bought, state=ServerState.NORMAL)) == [bought]
    now = int(scene.emulator.world.fleet.now().timestamp())
    assert await found(ServerQuery(since=now - 100, until=now * 1000)) == [bought]


async def test_unknown_products_cannot_be_bought(scene: Scene) -> None:
    buy, old = scene.cph.servers.buy, scene.cph.servers.buy_v1

    assert await refusal(buy(order(model="nothing"))) == "CPS.0246"
    assert await refusal(buy(order(phone_model="kg1.cp.c20.d64SSD.e1v1"))) == "CPS.0257"
    assert await refusal(buy(order(image="nothing"))) == "CPS.0166"
    assert await refusal(old(old_order(model="physical.kg1.4xlarge.cp"))) == "CPS.0256"
    assert await refusal(old(old_order(bandwidth=SystemBandwidth(id="nothing")))) == "CPS.0115"
    assert scene.emulator.world.orders == {}


async def test_a_v1_server_has_a_new_or_an_existing_bandwidth(scene: Scene) -> None:
    cph = scene.cph
    (shared,) = await every(cph.bandwidths.list())
    await cph.servers.buy_v1(old_order())
    await cph.servers.buy_v1(old_order(name="other", bandwidth=SystemBandwidth(id=shared.id)))
    await asyncio.sleep(5)

    _, dedicated = await every(cph.bandwidths.list())
    (own,) = await every(cph.servers.list(ServerQuery(name="old")))
    (other,) = await every(cph.servers.list(ServerQuery(name="other")))
    for server, line in ((own, dedicated), (other, shared)):
        assert [one.id for one in (await cph.servers.show(server.id)).bandwidths or ()] == [line.id]
    await cph.bandwidths.update(shared.id, 200)
    assert [line.size for line in await every(cph.bandwidths.list())] == [200, 300]
    assert await refusal(cph.bandwidths.update(dedicated.id, 200)) == "CPS.0160"
    assert await refusal(cph.bandwidths.update("nobody", 200)) == "CPS.0115"


async def test_a_bare_server_has_no_phones(scene: Scene) -> None:
    bought = await scene.cph.servers.buy_bare(
        BuyBareServers(
            name="bare",
            model="physical.rx1.xlarge",
            term=RenewableTerm(Period.MONTH, 1, pay=1),
            cards=(BareCard(VPC),),
            public_address=BareAddress(
                bandwidth=ServerBandwidth(Sharing.DEDICATED, ChargedBy.TRAFFIC, size=5)
            ),
            keypair="KeyPair-9",
        )
    )
    await asyncio.sleep(5)

    server = await scene.cph.servers.show(bought.servers[0])
    assert (server.state, server.phone_model, server.keypair) == (ServerState.NORMAL, None, "KeyPair-9")
    assert len(scene.phones) == 6
    assert (await scene.cph.shared_files.list(bought.servers, "/data")).jobs[0].error_code == "CPS.0137"
    assert (await scene.cph.shared_apps.push(bought.servers, "a.b", "bucket", "a.tar")).jobs[
        0
    ].error_code == "CPS.0147"


async def test_a_paid_change_of_flavor_takes_effect(scene: Scene) -> None:
    bought = await scene.cph.servers.buy(order(phone_model="rx1.cp.c60.d10.e1v1"))
    await asyncio.sleep(5)
    better = ChangeModel(bought.servers[0], "physical.rx1.2xlarge", "rx1.cp.c60.d32.e1v1")
    change = scene.cph.servers.change_model

    assert await refusal(change(evolve(better, model="physical.rx1.xlarge"))) == "CPS.0250"
    assert await refusal(change(evolve(better, model="physical.kg1.4xlarge.cp"))) == "CPS.0247"
    placed = await change(better)
    await asyncio.sleep(60)
    assert (await scene.cph.servers.show(better.server)).model == "physical.rx1.xlarge"
    scene.emulator.pay(placed.id or "")
    await asyncio.sleep(5)
    assert (await scene.cph.servers.show(better.server)).model == "physical.rx1.2xlarge"
    worse = ChangeModel(better.server, "physical.rx1.xlarge", "rx1.cp.c15.d32.e1v1", Fee(1))
    assert await refusal(change(worse)) == "CPS.0257"


async def test_a_replaced_server_has_new_phones(scene: Scene) -> None:
    (bought,) = (await scene.cph.servers.buy(order())).servers
    change = ChangeServer(
        server=bought,
        phone_model="rx1.cp.c60.d10.e1v1",
        image=AOSP9,
        vpc=VPC,
        public_address=PublicAddress(count=0),
        bandwidth=ServerBandwidth(Sharing.DEDICATED, ChargedBy.TRAFFIC, size=5),
        cards=(ReplacedCard(VPC),),
        properties={"ro.horizontal.screen": 1},
    )
    assert await refusal(scene.cph.servers.change(change)) == "CPS.1102"
    assert await refusal(scene.cph.servers.change(evolve(change, server=scene.servers[0]))) == "CPS.1103"
    await asyncio.sleep(5)
    before = set(scene.phones)

    started = (await scene.cph.servers.change(change)).started
    assert (await scene.cph.servers.show(bought)).state is ServerState.CREATING_3
    await scene.end(started)

    assert (await scene.cph.servers.show(bought)).state is ServerState.NORMAL
    made = set(scene.phones) - before
    assert len(made) == 60
    assert await scene.show(min(made), "getprop ro.horizontal.screen") == "1\n"
    assert len(before - set(scene.phones)) == 15


def replacement(server: str) -> ChangeServer:
    return ChangeServer(
        server=server, phone_model="rx1.cp.c15.d32.e1v1", image=AOSP10, vpc=VPC,
        public_address=PublicAddress(count=0), cards=(ReplacedCard(VPC),),
        bandwidth=ServerBandwidth(Sharing.DEDICATED, ChargedBy.TRAFFIC, size=5),
    )  # fmt: skip


async def test_a_failed_replacement_makes_a_server_abnormal(scene: Scene) -> None:
    (bought,) = (await scene.cph.servers.buy(order())).servers
    await asyncio.sleep(5)
    scene.emulator.fault(Fail(), "cph.servers.change")

    await scene.cph.servers.change(replacement(bought))
    await asyncio.sleep(5)

    assert (await scene.cph.servers.show(bought)).state is ServerState.ABNORMAL


async def test_at_most_five_servers_are_replaced_at_a_time(scene: Scene) -> None:
    bought = (await scene.cph.servers.buy(order(count=6))).servers
    await asyncio.sleep(5)

    for server in bought[:5]:
        await scene.cph.servers.change(replacement(server))

    with pytest.raises(Refused, match=r"CPS\.0326: Change server tasks exceed 5"):
        await scene.cph.servers.change(replacement(bought[5]))


async def test_a_server_restarts_with_its_phones_or_becomes_abnormal(scene: Scene) -> None:
    scene.emulator.fault(Fail(), servers.RESTART, phone=scene.servers[1])
    started = await scene.cph.servers.restart([*scene.servers, "0" * 32])

    early = await scene.cph.servers.show(scene.servers[0])
    phone = await scene.cph.phones.show(scene.phones[0])
    assert (early.state, phone.state) == (ServerState.STARTING, PhoneState.RESTARTING)
    assert [entry.error_code for entry in started.jobs] == [None, None, "CPS.0159"]
    again = await scene.cph.servers.restart(scene.servers[:1])
    assert again.jobs[0].error_code == "CPS.0158"
    await scene.end(started)

    states = [(await scene.cph.servers.show(server)).state for server in scene.servers]
    assert states == [ServerState.NORMAL, ServerState.ABNORMAL]
    assert (await scene.cph.phones.show(scene.phones[0])).state is PhoneState.RUNNING
    assert (await scene.cph.shared_apps.delete(scene.servers[1:], "a.b")).jobs[0].error_code == "CPS.0099"


async def test_pay_per_use_servers_are_deleted_with_their_phones(scene: Scene) -> None:
    (bought,) = (await scene.cph.servers.buy(order())).servers
    await asyncio.sleep(5)
    assert await refusal(scene.cph.servers.delete([bought])) == "CPS.0324"
    gone, *_ = scene.servers
    waiting = await scene.cph.servers.restart([gone])

    await scene.cph.servers.delete([gone])
    await asyncio.sleep(5)

    assert await refusal(scene.cph.servers.show(gone)) == "CPS.0015"
    assert len(scene.phones) == 3 + 15
    assert {phone.server async for phone in scene.cph.phones.list()} == {bought, scene.servers[0]}
    assert (await scene.jobs(waiting))[gone].succeeded


async def test_a_job_of_a_deleted_server_fails(scene: Scene) -> None:
    one = scene.servers[0]
    await scene.cph.servers.delete([one])
    await scene.cph.commands.run(OnServers([one]), "id")
    restarted = await scene.cph.servers.restart([one])

    jobs = await scene.end(restarted, 60)

    assert jobs[one].error_code == "CPS.0159"


async def test_a_deleted_server_ignores_a_change_of_flavor(scene: Scene) -> None:
    change = ChangeModel(scene.servers[0], "physical.rx1.2xlarge", "rx1.cp.c60.d32.e1v1", Fee(1))
    await scene.cph.servers.delete(scene.servers[:1])
    await asyncio.sleep(1)
    await scene.cph.servers.change_model(change)
    await asyncio.sleep(60)

    assert change.server not in scene.servers


async def test_gaming_phones_have_no_disk_to_enlarge(scene: Scene) -> None:
    gaming = order(model="physical.kg1.4xlarge.cg", phone_model="kg1.cg.c40.d30SSD.e1v1")
    bought = await scene.cph.servers.buy(gaming)
    await asyncio.sleep(5)
    (phone, *_) = await every(scene.cph.phones.list(PhoneQuery(server=bought.servers[0])))

    assert (await scene.cph.phones.show(phone.id)).disk is None
    assert (await scene.cph.storage.expand([NewSize(phone.id, 900)])).jobs[0].error_code == "CPS.0338"


async def test_an_existing_address_is_for_one_server_only(call: SignedClient) -> None:
    wanted = to_wire(order(public_address=PublicAddress(existing=["eip"]))) | {"count": 2}
    response = await call("POST", f"/v2/{call.emulator.project_id}/cloud-phone/servers", wanted)

    assert response.code == "CPS.0251"


async def test_deletes_and_restarts_have_a_maximum_of_servers(call: SignedClient) -> None:
    root = f"/{call.emulator.project_id}/cloud-phone/servers"

    response = await call("DELETE", f"/v2{root}", {"server_ids": ["a"] * 11})
    restart = await call("POST", f"/v1{root}/batch-restart", {"server_ids": ["a"] * 101})

    assert (response.code, restart.code) == ("CPS.0325", "CPS.0096")
    assert response.body["error_msg"] == "The number of servers to be deleted is more than 10."


async def test_key_pairs_change_one_after_the_other(scene: Scene) -> None:
    one = scene.servers[0]
    started = await scene.cph.keypairs.update({one: "KeyPair-2"})
    busy = await scene.cph.keypairs.update({one: "KeyPair-3"})
    await scene.end(started)

    assert busy.jobs[0].error_code == "CPS.0098"
    assert (await scene.cph.servers.show(one)).keypair == "KeyPair-2"


async def test_encoding_servers_are_listed_and_restarted(scene: Scene) -> None:
    encoding = scene.cph.encoding_servers
    one, _ = await every(encoding.list())
    (same,) = await every(encoding.list(EncodingServerQuery(server=one.server)))
    assert same.state is EncodingState.RUNNING

    started = await encoding.restart([one.id, "0" * 32])
    restarting = await every(encoding.list(EncodingServerQuery(state=EncodingFilter.RESTARTING)))
    jobs = await scene.end(started)

    assert ([row.id for row in restarting], started.jobs[1].error_code) == ([one.id], "CPS.0123")
    assert jobs[one.id].succeeded
    await scene.cph.servers.buy(order())
    creating = await every(encoding.list(EncodingServerQuery(state=EncodingFilter.CREATING_100)))
    assert [row.name for row in creating] == ["ENCODE_farm"]


async def test_shared_files_are_unpacked_listed_and_deleted(scene: Scene) -> None:
    files, one = scene.cph.shared_files, scene.servers[:1]
    for number in range(40):
        await files.push(one, "bucket", f"files/a-rather-long-name-{number:02}.tar")
    whole = await files.list(one, "/data", limit=3)
    cut = await files.list(one, "/data")
    nested = await files.list(one, "/data/nothing")
    gone = await files.delete(one, ["/data/a-rather-long-name-00"])
    again = await files.delete(one, ["/nothing"])
    await asyncio.sleep(5)

    listing = (await scene.jobs(whole))[one[0]].listing
    assert ([file.name for file in listing.files], listing.is_cut) == (
        [f"a-rather-long-name-{number:02}" for number in range(3)], False,
    )  # fmt: skip
    assert listing.capacity is not None
    long = (await scene.jobs(cut))[one[0]]
    assert (len(long.output or ""), long.listing.is_cut) == (1024, True)
    assert (await scene.jobs(nested))[one[0]].listing.files == ()
    assert (await scene.jobs(gone))[one[0]].succeeded
    assert (await scene.jobs(again))[one[0]].error_code == "CPS.0155"
    left = (await scene.end(await files.list(one, "/data", limit=1)))[one[0]].listing.files
    assert left[0].name == "a-rather-long-name-01"


async def test_a_shared_directory_is_listed_as_a_directory(scene: Scene) -> None:
    scene.emulator.world.cph.servers.by_id[scene.servers[0]].files["/data/app/one"] = SharedFile(
        7, datetime(2026, 1, 1, tzinfo=UTC)
    )

    found = await scene.end(await scene.cph.shared_files.list(scene.servers[:1], "/data"))

    (file,) = found[scene.servers[0]].listing.files
    assert (file.name, file.size) == ("app", 4096)


async def test_push_and_delete_of_shared_files_differ_in_their_fields(call: SignedClient) -> None:
    path = f"/v1/{call.emulator.project_id}/cloud-phone/phones/share-files"
    servers_ = [server.id for server in call.emulator.world.cph.servers]
    await call("POST", path, {"bucket_name": "bucket", "object_path": "a.tar", "server_ids": servers_})
    await call("POST", path, {"file_paths": ["/data/a"], "server_ids": servers_})
    neither = await call("POST", path, {"server_ids": servers_})
    await asyncio.sleep(5)

    assert neither.code == "CPS.0134"
    for name in ("push", "delete"):
        assert call.emulator.ledger.executions(f"cph.shared_files.{name}") == dict.fromkeys(servers_, 1)


async def test_shared_apps_are_scanned_every_two_hours(scene: Scene) -> None:
    apps, one = scene.cph.shared_apps, scene.servers[:1]
    await scene.end(await apps.push(one, "com.a.b", "bucket", "com.a.b-2.0.tar", preinstall=True))
    await scene.end(await apps.push(one, "com.c.d", "bucket", "game.tar"))

    assert await every(apps.list(one[0])) == []
    assert scene.emulator.phones["phone0001"].android.apps["com.a.b"] == "2.0"
    await asyncio.sleep(7200)
    seen = {app.package: app.versions for app in await every(apps.list(one[0]))}
    assert seen == {"com.a.b": ("2.0",), "com.c.d": ("1.0",)}
    await scene.end(await apps.delete(one, "com.a.b"))
    assert len(await every(apps.list(one[0]))) == 2
    await asyncio.sleep(7200)
    assert [app.package for app in await every(apps.list(one[0]))] == ["com.c.d"]
    assert await every(apps.list(one[0], "com.a.b")) == []


async def test_file_systems_are_mounted_and_unmounted(scene: Scene) -> None:
    filesystems, one = scene.cph.shared_filesystems, scene.servers[0]
    await scene.end(await filesystems.attach("sfs-1", [one], "/games"))
    assert scene.emulator.world.cph.servers.by_id[one].filesystems == {"sfs-1": "/games"}

    assert (await scene.end(await filesystems.detach("sfs-1", [one])))[one].succeeded
    assert (await scene.end(await filesystems.detach("sfs-1", [one])))[one].error_code == "CPS.0302"


async def test_servers_are_found_and_counted_by_their_tags(scene: Scene) -> None:
    tags, (one, other) = scene.cph.tags, scene.servers
    await tags.add(one, {"team": "shop", "stage": "test"})
    await tags.add(other, {"team": "game"})

    assert {row.key: row.values for row in await every(tags.list())} == {
        "stage": ("test",), "team": ("game", "shop"),
    }  # fmt: skip
    assert [row.id for row in await every(tags.find({"team": ["shop", "game"], "stage": []}))] == [one]
    assert (await tags.count({"team": ["shop", "game"]})).total == 2
    assert (await tags.count(name="server-0002")).total == 1
    assert (await tags.count(untagged=True)).total == 0
    await tags.remove(one, {"team": "other", "stage": "test"})
    assert [(tag.key, tag.value) for tag in (await tags.show(one)).tags] == [("team", "shop")]
    assert await refusal(tags.show("0" * 32)) == "CPS.0302"
    assert await refusal(tags.add(one, {f"key-{number}": "x" for number in range(20)})) == "CPS.0307"


@pytest.mark.parametrize(
    "path, body, code",
    [
        (
            "cph-server/{}/tags/action",
            {"action": "create", "tags": [{"key": "_sys_a", "value": "b"}]},
            "CPS.0306",
        ),
        (
            "cph-server/{}/tags/action",
            {"action": "create", "tags": [{"key": "a!", "value": "b"}]},
            "CPS.0304",
        ),
        (
            "cph-server/{}/tags/action",
            {"action": "create", "tags": [{"key": "a", "value": "b "}]},
            "CPS.0305",
        ),
        ("cph-server/{}/tags/action", {"action": "create", "tags": []}, "CPS.0303"),
        ("cph-server/{}/tags/action", {"action": "paint", "tags": [{"key": "a", "value": "b"}]}, "CPS.0047"),
        ("phone/{}/tags/action", {"action": "create", "tags": [{"key": "a", "value": "b"}]}, "CPS.0300"),
        ("cph-server/resource_instances/action", {"action": "sum"}, "CPS.0047"),
        ("cph-server/resource_instances/action", {"tags": []}, "CPS.0047"),
    ],
)
async def test_invalid_tags_are_refused_with_a_code(
    call: SignedClient, path: str, body: object, code: str
) -> None:
    server = next(iter(call.emulator.world.cph.servers)).id
    response = await call("POST", f"/v1/{call.emulator.project_id}/{path.format(server)}", body)
    assert response.code == code


async def test_answers_about_tags_have_no_request_id(call: SignedClient) -> None:
    server = next(iter(call.emulator.world.cph.servers)).id
    root = f"/v1/{call.emulator.project_id}/cph-server"

    added = await call(
        "POST", f"{root}/{server}/tags/action", {"action": "create", "tags": [{"key": "a", "value": "b"}]}
    )
    shown = await call("GET", f"{root}/{server}/tags")

    assert (added.status, added.body) == (204, None)
    assert shown.body == {"tags": [{"key": "a", "value": "b"}]}


async def test_flavors_are_listed_by_product_and_zone(scene: Scene) -> None:
    assert len(await every(scene.cph.servers.models())) == 4
    (gaming,) = await every(scene.cph.servers.models(ProductType.GAMING))
    assert gaming.name == "physical.kg1.4xlarge.cg"
    assert {row.zone for row in await every(scene.cph.servers.offerings())} == {"cn-north-4a"}


async def test_a_scheduled_event_waits_for_authorization(scene: Scene) -> None:
    events = scene.cph.scheduled_events
    (event,) = await every(events.list())
    assert (event.state, event.server) == (EventState.INQUIRING, scene.servers[0])
    soon = scene.emulator.world.fleet.now() + timedelta(minutes=10)
    assert await refusal(events.reschedule(event.id, soon - timedelta(minutes=9))) == "CPS.0174"
    await events.reschedule(event.id, soon)
    await events.authorize(event.id, Authorization.MAINTENANCE, soon)

    async def state() -> EventState | str | None:
        (shown,) = await every(events.list(EventQuery(event=event.id)))
        return shown.state

    seen = [await state()]
    for seconds in (601, 3600):
        await asyncio.sleep(seconds)
        seen.append(await state())
    assert seen == [EventState.SCHEDULED, EventState.EXECUTING, EventState.COMPLETED]
    assert await refusal(events.reschedule(event.id)) == "CPS.0174"
    assert await refusal(events.reschedule("nobody")) == "CPS.0302"
    assert await every(events.list(EventQuery(states=["failed"]))) == []


async def test_ten_events_are_listed_without_a_limit(call: SignedClient) -> None:
    events = call.emulator.world.cph.events
    (first,) = events.values()
    events.update({f"e{n}": evolve(first, id=f"e{n}") for n in range(11)})
    path = f"/v1/{call.emulator.project_id}/cloud-phone/scheduled-events"

    unlimited, limited = await call("GET", path), await call("GET", path, query=(("limit", "12"),))

    assert [len(one.body["scheduled_events"]) for one in (unlimited, limited)] == [10, 12]
    assert unlimited.body["page_info"]["next_marker"]


@pytest.mark.parametrize("version", ["v1", "V1"])
async def test_a_network_version_can_be_in_capitals(call: SignedClient, version: str) -> None:
    path = f"/v1/{call.emulator.project_id}/cloud-phone/servers"

    response = await call("GET", path, query=(("network_version", version),))

    assert response.body["count"] == 2


@pytest.mark.parametrize(
    "path, query",
    [
        ("servers", (("limit", "abc"),)),
        ("phones", (("status", "many"), ("offset", "-1"))),
        ("scheduled-events", (("limit", "0"),)),
        ("phones/nothing", ()),
    ],
)
async def test_another_project_is_forbidden_before_anything_is_read(
    call: SignedClient, path: str, query: tuple[tuple[str, str], ...]
) -> None:
    response = await call("GET", f"/v1/{'0' * 32}/cloud-phone/{path}", query=query)

    assert (response.status, response.body["error_code"]) == (403, "CPS.0001")


async def test_an_event_needs_a_valid_start(call: SignedClient) -> None:
    (event,) = call.emulator.world.cph.events
    path = f"/v1/{call.emulator.project_id}/cloud-phone/scheduled-events/{event}"

    assert (await call("PUT", path, {"not_before": "tomorrow"})).code == "CPS.0174"
    assert (await call("PUT", path, {"not_before": ""})).status == 200


async def test_event_states_can_be_joined_by_commas(call: SignedClient) -> None:
    path = f"/v1/{call.emulator.project_id}/cloud-phone/scheduled-events"

    async def found(*states: str) -> int:
        response = await call("GET", path, query=tuple(("state", state) for state in states))
        return len(response.body["scheduled_events"])

    assert [await found("failed", "inquiring"), await found("failed,inquiring")] == [1, 1]
    assert [await found("inquiring"), await found("failed", "canceled")] == [1, 0]


async def test_undocumented_operations_are_answered(scene: Scene) -> None:
    raw = scene.cph.undocumented
    await raw.create_peering_routes({"peering_id": "p", "cidr": "10.0.0.0/8"})
    await raw.create_peering_routes({"peering_id": "q"})
    await raw.delete_peering_routes({"peering_id": "q"})
    before = (await raw.check_agency()).value["exists"]
    await raw.create_agency({"name": "cph"})

    assert (await raw.list_peering_routes()).value["routes"] == [{"peering_id": "p", "cidr": "10.0.0.0/8"}]
    assert (before, (await raw.check_agency()).value["exists"]) == (False, True)
    assert len((await raw.list_subnets()).value["subnets"]) == 1
    assert (await raw.list_availability_zones()).value["availability_zones"][0]["sold_out"] == []
    assert (await raw.export_phone_details()).count(b"phone_id") == 6


@pytest.mark.emulator(servers=3, regions=("cn-north-4", "cn-east-3"))
async def test_servers_of_another_region_are_unknown(scene: Scene) -> None:
    here = [server.id async for server in scene.cph.servers.list()]
    away = next(server for server in scene.servers if server not in here)

    assert len(here) == 2
    with pytest.raises(NotFound):
        await scene.cph.servers.show(away)
    assert (
        await refusal(scene.cph.servers.buy(order(term=ServerTerm(Period.MONTH, 1), model="no")))
        == "CPS.0246"
    )
