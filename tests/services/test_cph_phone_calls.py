"""Each method of phones, images, commands and jobs: one request, and the items of its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from koophone_async.catalogue import OPERATIONS
from koophone_async.cph import (
    ClientType,
    Commands,
    Export,
    ImageMembers,
    Images,
    Migration,
    NewSize,
    OnServers,
    PhoneChange,
    PhoneImages,
    PhoneQuery,
    PhoneReset,
    Phones,
    PropertyUpdate,
    Restore,
    Route,
    SaleState,
    ShareAnswer,
    Storage,
    Traffic,
    Undocumented,
)
from koophone_async.services.cph.jobs import Jobs
from tests.fake_server import FakeServer, Reply, replies_with

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from koophone_async.operation import Sender

TAR: Final = "obs://bucket/a.tar"
APK: Final = "obs://bucket/a.apk"
CLOUD: Final = "/v1/P/cloud-phone"
PHONES: Final = f"{CLOUD}/phones"
EXPORT: Final = Export("p1", ["/data/app"], "bucket", "v1/x.tar")


ANSWER: Final = {"request_id": "r1", "phone_id": "p1", "job_id": "j1", "status": 2}
"""All fields that anything here reads of an answer."""


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer(default=replies_with(Reply(ANSWER))) as server:
        yield server


@pytest.fixture
async def sender(server: FakeServer) -> AsyncIterator[Sender]:
    async with server.session() as session:
        yield session.bind(project_id="P")


CALLS: Final[dict[str, tuple[Callable[[Sender], Awaitable[object]], str, str, Any]]] = {
    "cph.phones.show": (lambda c: Phones(c).show("p1"), "GET", f"{PHONES}/p1", None),
    "cph.phones.rename": (
        lambda c: Phones(c).rename("p1", "手机-1"),
        "PUT",
        f"{PHONES}/p1",
        {"phone_name": "手机-1"},
    ),
    "cph.phones.stop": (
        lambda c: Phones(c).stop(["p1"]),
        "POST",
        f"{PHONES}/batch-stop",
        {"phone_ids": ["p1"]},
    ),
    "cph.phones.restart": (
        lambda c: Phones(c).restart(["p1", PhoneChange("p2", {"com.cph.mainkeys": True})], "i1"),
        "POST",
        f"{PHONES}/batch-restart",
        {
            "phones": [{"phone_id": "p1"}, {"phone_id": "p2", "property": '{"com.cph.mainkeys":"1"}'}],
            "image_id": "i1",
        },
    ),
    "cph.phones.reset": (
        lambda c: Phones(c).reset(["p1", PhoneReset("p2", clear_properties=True)]),
        "POST",
        f"{PHONES}/batch-reset",
        {"phones": [{"phone_id": "p1"}, {"phone_id": "p2", "factory_reset_enabled": True}]},
    ),
    "cph.phones.migrate": (
        lambda c: Phones(c).migrate([Migration("p1", "p2"), Migration("p3", "p4", with_properties=True)]),
        "POST",
        f"{PHONES}/batch-migrate",
        {
            "migrate_infos": [
                {"source_phone_id": "p1", "target_phone_id": "p2"},
                {"source_phone_id": "p3", "target_phone_id": "p4", "is_migrate_property": True},
            ]
        },
    ),
    "cph.phones.connections": (
        lambda c: Phones(c).connections(["p1"], ClientType.H5_PC),
        "POST",
        f"{PHONES}/batch-connection",
        {"phone_ids": ["p1"], "client_type": "H5_PC"},
    ),
    "cph.phones.update_properties": (
        lambda c: Phones(c).update_properties(
            [PropertyUpdate("p1", {"disable.status.bar": 1}, {"shop": "7"})]
        ),
        "POST",
        f"{PHONES}/batch-update-property",
        {
            "phones": [
                {"phone_id": "p1", "property": '{"disable.status.bar":"1"}', "custom_property": {"shop": "7"}}
            ]
        },
    ),
    "cph.traffic.route": (
        lambda c: Traffic(c).route(["p1"], Route.ENCODING_CONTAINER),
        "POST",
        "/v1/P/cloud-phone/phones-traffic",
        {"phone_ids": ["p1"], "traffic_type": "routing"},
    ),
    "cph.storage.export": (
        lambda c: Storage(c).export([EXPORT]),
        "POST",
        f"{PHONES}/batch-storage",
        {
            "storage_infos": [
                {
                    "phone_id": "p1",
                    "include_files": ["/data/app"],
                    "bucket_name": "bucket",
                    "object_path": "v1/x.tar",
                }
            ]
        },
    ),
    "cph.storage.restore": (
        lambda c: Storage(c).restore([Restore("p2", "bucket", "v1/x.tar")]),
        "POST",
        f"{PHONES}/batch-restore",
        {"restore_infos": [{"phone_id": "p2", "bucket_name": "bucket", "object_path": "v1/x.tar"}]},
    ),
    "cph.storage.expand": (
        lambda c: Storage(c).expand([NewSize("p1", 100)]),
        "POST",
        f"{PHONES}/expand-volume",
        {"phones": [{"phone_id": "p1", "new_size": 100}]},
    ),
    "cph.commands.push": (
        lambda c: Commands(c).push(["p1"], TAR),
        "POST",
        f"{PHONES}/commands",
        {"command": "push", "content": TAR, "phone_ids": ["p1"]},
    ),
    "cph.commands.install": (
        lambda c: Commands(c).install(["p1"], APK, "-t -r"),
        "POST",
        f"{PHONES}/commands",
        {"command": "install", "content": f"-t -r {APK}", "phone_ids": ["p1"]},
    ),
    "cph.commands.install_split": (
        lambda c: Commands(c).install_split(OnServers(["s1"]), [APK, APK]),
        "POST",
        f"{PHONES}/commands",
        {"command": "install-multiple", "content": f"{APK} {APK}", "server_ids": ["s1"]},
    ),
    "cph.commands.uninstall": (
        lambda c: Commands(c).uninstall(["p1"], "com.example.app"),
        "POST",
        f"{PHONES}/commands",
        {"command": "uninstall", "content": "com.example.app", "phone_ids": ["p1"]},
    ),
    "cph.commands.run": (
        lambda c: Commands(c).run(OnServers(["s1"]), "ls -l /system"),
        "POST",
        f"{PHONES}/commands",
        {"command": "shell", "content": "ls -l /system", "server_ids": ["s1"]},
    ),
    "cph.commands.run_sync": (
        lambda c: Commands(c).run_sync(["p1"], "id"),
        "POST",
        f"{PHONES}/sync-commands",
        {"command": "shell", "content": "id", "phone_ids": ["p1"]},
    ),
    "cph.jobs.show": (lambda c: Jobs(c).show("j1"), "GET", f"{CLOUD}/jobs/j1", None),
    "cph.images.delete": (lambda c: Images(c).delete("i1"), "DELETE", f"{CLOUD}/images/i1", None),
    "cph.image_members.add": (
        lambda c: ImageMembers(c).add("i1", "p2"),
        "POST",
        f"{CLOUD}/images/i1/members",
        {"member": "p2"},
    ),
    "cph.image_members.remove": (
        lambda c: ImageMembers(c).remove("i1", "p2"),
        "DELETE",
        f"{CLOUD}/images/i1/members/p2",
        None,
    ),
    "cph.image_members.answer": (
        lambda c: ImageMembers(c).answer("i1", ShareAnswer.REJECTED),
        "PUT",
        f"{CLOUD}/images/i1/members",
        {"status": "rejected"},
    ),
    "cph.undocumented.list_availability_zones": (
        lambda c: Undocumented(c).list_availability_zones(),
        "GET",
        f"{CLOUD}/availability-zones",
        None,
    ),
    "cph.undocumented.list_subnets": (
        lambda c: Undocumented(c).list_subnets(),
        "GET",
        f"{CLOUD}/subnets",
        None,
    ),
    "cph.undocumented.list_peering_routes": (
        lambda c: Undocumented(c).list_peering_routes(),
        "GET",
        f"{CLOUD}/peering-routes",
        None,
    ),
    "cph.undocumented.create_peering_routes": (
        lambda c: Undocumented(c).create_peering_routes({"a": 1}),
        "POST",
        f"{CLOUD}/peering-routes",
        {"a": 1},
    ),
    "cph.undocumented.delete_peering_routes": (
        lambda c: Undocumented(c).delete_peering_routes(),
        "DELETE",
        f"{CLOUD}/peering-routes",
        None,
    ),
    "cph.undocumented.export_phone_details": (
        lambda c: Undocumented(c).export_phone_details(),
        "GET",
        f"{PHONES}/phone-export",
        None,
    ),
    "cph.undocumented.create_agency": (
        lambda c: Undocumented(c).create_agency({"a": 1}),
        "POST",
        "/v1/P/agencies",
        {"a": 1},
    ),
    "cph.undocumented.check_agency": (
        lambda c: Undocumented(c).check_agency(),
        "GET",
        "/v1/P/agencies",
        None,
    ),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_method_is_one_request(server: FakeServer, sender: Sender, name: str) -> None:
    call, method, path, body = CALLS[name]

    await call(sender)

    (request,) = server.received
    assert (request.method, request.path, request.query, request.json) == (method, path, {}, body)


LISTS: Final[dict[str, tuple[str, Callable[[Sender], AsyncIterator[object]], str, dict[str, str]]]] = {
    "cph.phones.list": (
        "phones",
        lambda c: Phones(c).list(PhoneQuery("shop", "s1", limit=2)),
        "phone_id",
        {"phone_name": "shop", "server_id": "s1"},
    ),
    "cph.phones.models": (
        "phone_models",
        lambda c: Phones(c).models(SaleState.ON_SALE),
        "phone_model_name",
        {"status": "1"},
    ),
    "cph.images.list": ("image_infos", lambda c: Images(c).list(), "image_id", {}),
    "cph.jobs.list": ("jobs", lambda c: Jobs(c).list(["r1", "r2"]), "job_id", {"request_ids": "r1,r2"}),
    "cph.phone_images.list": ("phone_images", lambda c: PhoneImages(c).list(), "image_id", {}),
    "cph.image_members.list": ("members", lambda c: ImageMembers(c).list("i1"), "member_id", {}),
}


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_yields_every_row_of_the_answer(server: FakeServer, sender: Sender, name: str) -> None:
    rows, rows_of, id_name, query = LISTS[name]
    server.queue({rows: [{id_name: "a", "status": 2}]})

    found = [row async for row in rows_of(sender)]

    assert len(found) == 1
    assert {
        name: value for name, value in server.received[0].query.items() if name not in ("offset", "limit")
    } == query


async def test_phones_are_listed_page_after_page_without_a_total(server: FakeServer, sender: Sender) -> None:
    pages = [["a", "b"], ["c"]]
    server.queue(*({"phones": [{"phone_id": id} for id in page]} for page in pages))

    found = [phone.id async for phone in Phones(sender).list(PhoneQuery(limit=2))]

    assert found == ["a", "b", "c"]
    assert [request.query["offset"] for request in server.received] == ["0", "2", "3"]


async def test_images_are_listed_by_the_marker_of_the_next_page(server: FakeServer, sender: Sender) -> None:
    server.queue(
        {"phone_images": [{"image_id": "a"}], "page_info": {"next_marker": "m2"}},
        {"phone_images": [{"image_id": "b"}]},
    )

    found = [image.id async for image in PhoneImages(sender).list()]

    assert found == ["a", "b"]
    assert [request.query for request in server.received] == [{}, {"marker": "m2"}]


async def test_refused_phones_are_in_the_answer_with_the_jobs(server: FakeServer, sender: Sender) -> None:
    refused = {"phone_id": "p2", "error_code": "CPS.0005", "error_msg": "Phone not found."}
    server.queue({"request_id": "r1", "jobs": [{"phone_id": "p1", "job_id": "j1"}, refused]})

    started = await Phones(sender).stop(["p1", "p2"])

    assert started.targets_by_job == {"j1": "p1"}
    assert [entry.error_code for entry in started.refused] == ["CPS.0005"]


async def test_an_answer_that_is_a_file_is_returned_unchanged(server: FakeServer, sender: Sender) -> None:
    server.default = replies_with(Reply(b"PK\x03"))

    assert await Undocumented(sender).export_phone_details() == b"PK\x03"


ELSEWHERE: Final = frozenset({
    "bandwidths", "encoding_servers", "keypairs", "scheduled_events", "servers", "shared_apps",
    "shared_files", "shared_filesystems", "tags",
})  # fmt: skip
"""Resources whose calls are in test_cph_servers.py."""


def test_every_operation_is_called_here() -> None:
    names = {operation.name for operation in OPERATIONS.of("cph")}
    here = {name for name in names if name.split(".")[1] not in ELSEWHERE}

    assert sorted(here - {*CALLS, *LISTS}) == [], "add a call to CALLS, or a list to LISTS"
    assert {*CALLS, *LISTS} <= here
