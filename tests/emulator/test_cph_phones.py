"""Phones of CPH: lists, states, properties, data, disks, traffic, images."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from koophone_async.cph import (
    ClientType,
    Export,
    ImageQuery,
    ImageScope,
    ImageType,
    NewSize,
    PhoneChange,
    PhoneImageQuery,
    PhoneQuery,
    PhoneReset,
    PhoneState,
    PropertyUpdate,
    Restore,
    Route,
    SaleState,
    ShareAnswer,
    ShareState,
)
from koophone_async.emulator import Durations, Fail
from koophone_async.emulator.fleet import RunningState
from koophone_async.errors import NotFound, Refused
from koophone_async.services.cph import phones, storage
from tests.emulator.scenes import AOSP9, AOSP11

if TYPE_CHECKING:
    from tests.emulator.scenes import Scene
    from tests.emulator.signed_client import SignedClient

pytestmark = [
    pytest.mark.virtual_time,
    pytest.mark.emulator(phones=6, servers=2, jobs=Durations(fixed=5)),
]


@pytest.mark.emulator(phones=250)
async def test_phones_are_listed_newest_first_in_pages_with_a_total(scene: Scene) -> None:
    rows = [phone async for phone in scene.cph.phones.list()]
    made = [phone.created_at for phone in rows if phone.created_at]

    assert {phone.id for phone in rows} == set(scene.phones)
    assert made == sorted(made, reverse=True)


async def test_phones_are_filtered_by_name_server_and_state(scene: Scene) -> None:
    scene.emulator.phones["phone0002"].running = RunningState.STOPPED
    await scene.cph.phones.rename(scene.phones[0], "shop-1")

    async def found(query: PhoneQuery) -> set[str]:
        return {phone.id async for phone in scene.cph.phones.list(query)}

    assert await found(PhoneQuery(name="shop")) == {scene.phones[0]}
    assert await found(PhoneQuery(server=scene.servers[1])) == set(scene.phones[3:])
    assert await found(PhoneQuery(server="0" * 32)) == set()
    assert await found(PhoneQuery(state=PhoneState.STOPPED)) == {scene.phones[1]}


async def test_a_phone_shows_every_power_state(scene: Scene) -> None:
    one, cph = scene.phones[0], scene.cph.phones
    scene.emulator.phones["phone0001"].android.apps["com.a.b"] = "1"

    async def state() -> PhoneState | int | None:
        return (await cph.show(one)).state

    stopping = await cph.stop([one])
    assert await state() is PhoneState.STOPPING
    await scene.end(stopping)
    assert await state() is PhoneState.STOPPED
    starting = await cph.restart([one])
    assert await state() is PhoneState.RESTARTING
    busy = await cph.restart([one])
    assert busy.jobs[0].error_code == "CPS.0165"
    await scene.end(starting)
    assert await state() is PhoneState.RUNNING
    wiping = await cph.reset([one])
    assert await state() is PhoneState.RESETTING
    await scene.end(wiping)
    assert await state() is PhoneState.RUNNING
    assert "com.a.b" not in scene.emulator.phones["phone0001"].android.apps


async def test_a_failed_restart_is_shown_until_the_next_start(scene: Scene) -> None:
    scene.emulator.fault(Fail("CPS.0054"), phones.RESTART, first=1)
    await scene.end(await scene.cph.phones.restart(scene.phones[:1]))
    assert (await scene.cph.phones.show(scene.phones[0])).state is PhoneState.RESTART_FAILED

    await scene.end(await scene.cph.phones.restart(scene.phones[:1]))

    assert (await scene.cph.phones.show(scene.phones[0])).state is PhoneState.RUNNING


async def test_a_frozen_phone_refuses_every_job(scene: Scene) -> None:
    scene.emulator.phones["phone0001"].frozen = True

    assert (await scene.cph.phones.show(scene.phones[0])).state is PhoneState.FROZEN
    assert (await scene.cph.phones.reset(scene.phones[:1])).jobs[0].error_code == "CPS.0053"


async def test_properties_apply_from_the_next_start(scene: Scene) -> None:
    one, cph = scene.phones[0], scene.cph.phones
    update = PropertyUpdate(one, {"com.cph.mainkeys": True}, {"my.own": "x"})
    await scene.end(await cph.update_properties([update]))

    shown = await cph.show(one)
    assert (shown.properties, shown.custom) == ({"com.cph.mainkeys": "1"}, {"my.own": "x"})
    assert await scene.show(one, "getprop com.cph.mainkeys") == "0\n"
    await scene.end(await cph.restart([PhoneChange(one, {"disable.status.bar": 1})]))
    printed = await scene.show(one, "getprop com.cph.mainkeys; getprop my.own; getprop disable.status.bar")
    assert printed == "1\nx\n1\n"
    await scene.end(await cph.reset([one]))
    assert await scene.show(one, "getprop com.cph.mainkeys") == "1\n"
    await scene.end(await cph.reset([PhoneReset(one, clear_properties=True)]))
    assert await scene.show(one, "getprop com.cph.mainkeys") == "0\n"


@pytest.mark.emulator(phones=3)
async def test_an_invalid_property_is_refused_for_its_phone_alone(call: SignedClient) -> None:
    ids = [phone.cph_id for phone in call.emulator.phones]
    given: list[dict[str, object]] = [
        {"com.cph.mainkeys": 1, "imei": "1"},
        {"com.cph.mainkeys": "5"},
        {"nobody.knows": "1"},
    ]
    rows = [{"phone_id": id_, "property": json.dumps(held)} for id_, held in zip(ids, given, strict=True)]
    path = f"/v1/{call.emulator.project_id}/cloud-phone/phones/batch-update-property"

    jobs = (await call("POST", path, {"phones": rows})).body["jobs"]

    assert [job.get("error_code") for job in jobs] == [None, "CPS.0164", "CPS.0163"]
    assert jobs[1]["error_msg"] == "Parameter: Invalid property com.cph.mainkeys."
    assert (await call("POST", path, {"phones": [{"phone_id": ids[0], "property": "{"}]})).code == "CPS.0078"


async def test_another_image_changes_the_android(scene: Scene) -> None:
    one = scene.phones[:1]
    await scene.end(await scene.cph.phones.restart(one, image=AOSP11))

    assert await scene.show(one[0], "getprop ro.build.version.release") == "11\n"
    assert (await scene.cph.phones.show(one[0])).image_version == "AOSP 11.0"
    assert (await scene.cph.phones.restart(one, image="nobody")).jobs[0].error_code == "CPS.0166"


async def test_running_phones_get_a_new_ticket_each_time(scene: Scene) -> None:
    scene.emulator.phones["phone0002"].running = RunningState.STOPPED
    asked = [*scene.phones[:2], "0" * 32]

    first = await scene.cph.phones.connections(asked, ClientType.ANDROID)
    again = await scene.cph.phones.connections(asked, ClientType.ANDROID)

    assert [one.phone for one in first.connections] == scene.phones[:1]
    assert {one.phone: one.error_code for one in first.refused} == {
        asked[1]: "CPS.0018",
        asked[2]: "CPS.0005",
    }
    assert first.connections[0].access.ticket != again.connections[0].access.ticket


async def test_an_export_of_a_later_android_is_not_restored(scene: Scene) -> None:
    new, old, *_ = scene.phones
    await scene.end(await scene.cph.phones.reset([new], image=AOSP11))
    await scene.end(await scene.cph.phones.reset([old], image=AOSP9))
    await scene.end(await scene.cph.storage.export([Export(new, ["/data"], "bucket", "a.tar")]))

    (failed,) = (await scene.end(await scene.cph.storage.restore([Restore(old, "bucket", "a.tar")]))).values()
    unknown = await scene.cph.storage.restore([Restore(old, "bucket", "b.tar")])

    assert failed.error_code == "CPS.0254"
    assert unknown.jobs[0].error_code == "CPS.0172"


async def test_a_disk_can_be_enlarged_but_not_shrunk(scene: Scene) -> None:
    one, other = scene.phones[:2]
    before = (await scene.cph.phones.show(one)).disk
    assert before is not None
    assert before.size is not None
    started = await scene.cph.storage.expand([NewSize(one, before.size + 100), NewSize(other, 1)])
    busy = await scene.cph.storage.expand([NewSize(one, before.size + 200)])
    await scene.end(started)

    after = (await scene.cph.phones.show(one)).disk
    assert after is not None
    assert after.size == before.size + 100
    assert [started.jobs[1].error_code, busy.jobs[0].error_code] == ["CPS.0347", "CPS.0349"]
    (order,) = scene.emulator.world.orders.values()
    assert (order.resources, order.cost) == ([one], 50)


@pytest.mark.emulator(phones=600)
async def test_at_most_500_disks_are_enlarged_at_a_time(scene: Scene) -> None:
    for first in range(0, 450, 150):
        await scene.cph.storage.expand([NewSize(one, 1000) for one in scene.phones[first : first + 150]])

    with pytest.raises(Refused) as refused:
        await scene.cph.storage.expand([NewSize(one, 1000) for one in scene.phones[450:510]])

    assert refused.value.code == "CPS.0348"
    assert scene.ledger(storage.EXPAND.name) == dict.fromkeys(scene.phones[:450], 1)


async def test_a_restarting_encoding_server_refuses_routes(scene: Scene) -> None:
    await scene.end(await scene.cph.traffic.route(scene.phones[:1], Route.ENCODING_CONTAINER))
    assert (await scene.cph.phones.show(scene.phones[0])).route is Route.ENCODING_CONTAINER

    encoders = [one async for one in scene.cph.encoding_servers.list()]
    await scene.cph.encoding_servers.restart([one.id for one in encoders])
    refused = await scene.cph.traffic.route(scene.phones[:1], Route.ENCODING_CONTAINER)

    assert refused.jobs[0].error_code == "CPS.0208"


async def test_requests_that_the_documents_forbid_have_a_code(call: SignedClient) -> None:
    root = f"/v1/{call.emulator.project_id}/cloud-phone/phones"
    phone = call.emulator.phones["phone0001"].cph_id
    name = await call("PUT", f"{root}/{phone}", {"phone_name": "not a name"})
    many = await call("POST", f"{root}/batch-connection", {"phone_ids": ["a"] * 11, "client_type": "IOS"})
    client = await call("POST", f"{root}/batch-connection", {"phone_ids": ["a"], "client_type": "FRIDGE"})
    expand = await call("POST", f"{root}/expand-volume", {"phones": [{"phone_id": "a", "new_size": 9}] * 151})
    page = await call("GET", root, query=(("limit", "500"),))
    nobody = await call("GET", f"{root}/{'0' * 32}")

    codes = [one.code for one in (name, many, client, expand, page, nobody)]
    assert codes == ["CPS.0025", "CPS.0359", "CPS.0358", "CPS.0356", "CPS.0002", "CPS.0005"]
    assert nobody.status == 404


async def test_an_image_share_is_accepted_or_rejected(call: SignedClient) -> None:
    path = f"/v1/{call.emulator.project_id}/cloud-phone/images/{'0' * 32}/members"

    response = [await call("PUT", path, body) for body in ({"status": "maybe"}, {})]

    assert [one.code for one in response] == ["CPS.0010", "CPS.0010"]


async def test_ports_are_listed_under_their_former_names_too(call: SignedClient) -> None:
    phone = call.emulator.phones["phone0001"].cph_id

    response = await call("GET", f"/v1/{call.emulator.project_id}/cloud-phone/phones/{phone}")

    (port,) = response.body["access_infos"]
    today = [port[name] for name in ("phone_ip", "server_ip", "public_ip")]
    assert [port[name] for name in ("device_ip", "intranet_ip", "access_ip")] == today
    assert all(today)


async def test_images_are_listed_by_scope(scene: Scene) -> None:
    models = [model async for model in scene.cph.phones.models()]
    assert [model.has_shared_storage for model in models].count(False) == 1
    assert [model async for model in scene.cph.phones.models(SaleState.OFFLINE)] == []

    async def count(scope: ImageScope | None, limit: int | None = None) -> int:
        query = PhoneImageQuery(scope, limit=limit)
        return len([image async for image in scene.cph.phone_images.list(query)])

    scopes = (None, ImageScope.ALL, ImageScope.PUBLIC, ImageScope.PRIVATE, ImageScope.SHARED)
    assert [await count(scope) for scope in scopes] == [6, 6, 3, 2, 1]
    assert await count(None, limit=4) == 6


async def test_a_private_image_is_shared_with_at_most_ten_projects(scene: Scene) -> None:
    images = [image async for image in scene.cph.images.list(ImageQuery(type=ImageType.PRIVATE))]
    (shared,) = [image async for image in scene.cph.images.list(ImageQuery(type=ImageType.SHARED))]
    one, members = images[0].id, scene.cph.image_members
    for number in range(10):
        await members.add(one, f"project-{number}")
    with pytest.raises(Refused):
        await members.add(one, "project-10")
    await members.remove(one, "project-0")
    with pytest.raises(NotFound):
        await members.remove(one, "project-0")
    assert {f"project-{n}" for n in range(1, 10)} == {member.project async for member in members.list(one)}

    await scene.cph.images.delete(one)
    assert one not in {image.id async for image in scene.cph.images.list()}
    with pytest.raises(Refused) as refused:
        await scene.cph.images.delete(shared.id)
    assert refused.value.code == "CPS.0166"


async def test_a_private_image_can_be_installed(scene: Scene) -> None:
    (image, *_) = [image async for image in scene.cph.images.list(ImageQuery(name="aosp10"))]

    await scene.end(await scene.cph.phones.restart(scene.phones[:1], image=image.id))

    assert (await scene.cph.phones.show(scene.phones[0])).image == image.id


async def test_a_shared_image_must_be_accepted_before_use(scene: Scene) -> None:
    one, cph = scene.phones[:1], scene.cph

    async def offer() -> tuple[str, object]:
        (image,) = [image async for image in cph.phone_images.list(PhoneImageQuery(ImageScope.SHARED))]
        return image.id, image.share_state

    image, pending = await offer()
    started = [await cph.phones.restart(one, image=image), await cph.phones.reset(one, image=image)]
    refused = [some.jobs[0].error_code for some in started]
    assert (pending, refused) == (ShareState.PENDING, ["CPS.0166"] * 2)
    await cph.image_members.answer(image, ShareAnswer.REJECTED)
    assert await offer() == (image, ShareState.REJECTED)
    assert (await cph.phones.reset(one, image=image)).jobs[0].error_code == "CPS.0166"
    await cph.image_members.answer(image, ShareAnswer.ACCEPTED)
    assert await offer() == (image, ShareState.ACCEPTED)
    await scene.end(await cph.phones.reset(one, image=image))
    assert (await cph.phones.show(one[0])).image == image


async def test_only_shared_images_can_be_accepted(scene: Scene) -> None:
    own = [image.id async for image in scene.cph.images.list(ImageQuery(type=ImageType.PRIVATE))]

    for image in (own[0], "0" * 32):
        with pytest.raises(Refused) as refused:
            await scene.cph.image_members.answer(image, ShareAnswer.ACCEPTED)
        assert refused.value.code == "CPS.0166"


async def test_a_job_of_a_deleted_phone_fails(scene: Scene) -> None:
    restarting = await scene.cph.phones.restart(scene.phones[:1])
    waiting = await scene.cph.commands.run(scene.phones[:2], "id")
    await scene.jobs(restarting)
    scene.emulator.phones.remove("phone0001")
    scene.emulator.phones.remove("phone0002")
    await asyncio.sleep(20)

    assert {job.error_code for job in (await scene.jobs(restarting)).values()} == {"CPS.0005"}
    assert (await scene.jobs(waiting))[waiting.jobs[1].target].error_code == "CPS.0005"
