"""What the documents walk through, and one whole life of a server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from koophone_async.cph import Export, Period, PhoneQuery, PhoneState, Restore, ServerState, ServerTerm
from koophone_async.emulator import Durations
from koophone_async.errors import NotFound
from tests.emulator.scenes import order

if TYPE_CHECKING:
    from tests.emulator.scenes import Scene
    from tests.emulator.signed_client import SignedClient

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=3, jobs=Durations(fixed=5))]

JSON = {"Content-Type": "application/json"}


async def signed_in(call: SignedClient) -> dict[str, str]:
    emulator = call.emulator
    user = {"name": emulator.user, "password": emulator.password, "domain": {"name": emulator.domain}}
    identity = {"methods": ["password"], "password": {"user": user}}
    scope = {"project": {"name": emulator.project}}
    response = await call(
        "POST",
        "/v3/auth/tokens",
        {"auth": {"identity": identity, "scope": scope}},
        headers={"X": "none", **JSON},
    )
    return {"X-Auth-Token": response.headers["X-Subject-Token"], **JSON}


async def test_the_quick_start_lists_restarts_and_polls(call: SignedClient) -> None:
    """CPH 4 of 2025-02-08: with a token, and jobs by `request_id`."""
    token, root = await signed_in(call), f"/v1/{call.emulator.project_id}/cloud-phone"

    listed = await call("GET", f"{root}/phones", query=(("offset", "0"), ("limit", "100")), headers=token)
    phone = listed.body["phones"][0]["phone_id"]
    restarted = await call(
        "POST", f"{root}/phones/batch-restart", {"phones": [{"phone_id": phone}]}, headers=token
    )
    await asyncio.sleep(5)
    request = (("request_id", restarted.body["request_id"]),)
    (job,) = (await call("GET", f"{root}/jobs", query=request, headers=token)).body["jobs"]

    assert (job["phone_id"], job["status"], job["error_code"]) == (phone, 2, "")


async def test_data_of_one_phone_are_backed_up_and_restored_to_another(call: SignedClient) -> None:
    """CPH 6.1 of 2025-02-08."""
    root, phones = f"/v1/{call.emulator.project_id}/cloud-phone", call.emulator.phones
    one, other = phones["phone0001"], phones["phone0002"]
    other.release = one.release
    for path in ("/sdcard/kept.txt", "/sdcard/left.txt", "/data/local/tmp/kept"):
        one.android.disk.write(path, "written", 1)
    one.android.apps["com.yy.app"] = one.android.apps["com.xx.xx"] = "2.0"
    place = {"bucket_name": "mybucket", "object_path": "myimage/v1/data.tar"}
    included = {"include_files": ["/data/app", "/data/local", "/data/media"]}
    excluded = {"exclude_files": ["/data/app/com.xx.xx-*", "/data/media/0/left.txt"]}

    exported = await call(
        "POST", f"{root}/phones/batch-storage",
        {"storage_infos": [{"phone_id": one.cph_id, **included, **excluded, **place}]},
    )  # fmt: skip
    await asyncio.sleep(5)
    assert (await call("GET", f"{root}/jobs/{exported.body['jobs'][0]['job_id']}")).body["status"] == 2
    restored = await call(
        "POST", f"{root}/phones/batch-restore", {"restore_infos": [{"phone_id": other.cph_id, **place}]}
    )
    await asyncio.sleep(5)

    assert (await call("GET", f"{root}/jobs/{restored.body['jobs'][0]['job_id']}")).body["status"] == 2
    android = call.emulator.phones["phone0002"].android
    assert android.disk.read("/sdcard/kept.txt") == android.disk.read("/data/local/tmp/kept") == "written"
    assert (android.disk.exists("/sdcard/left.txt"), android.apps.get("com.xx.xx")) == (False, None)
    assert android.apps["com.yy.app"] == "2.0"


@pytest.mark.emulator(phones=6, servers=2)
async def test_a_server_is_bought_renamed_tagged_and_used(scene: Scene) -> None:
    cph = scene.cph
    bought = await cph.servers.buy(order(properties={"com.cph.mainkeys": True}))
    (server,) = bought.servers
    assert ServerState((await cph.servers.show(server)).state or 0).is_creating
    await asyncio.sleep(5)
    assert (await cph.servers.show(server)).state is ServerState.NORMAL
    await cph.servers.rename(server, "shop")
    await cph.tags.add(server, {"team": "shop"})
    assert [found.name async for found in cph.tags.find({"team": ["shop"]})] == ["shop"]

    phones = [phone.id async for phone in cph.phones.list(PhoneQuery(server=server))]
    assert len(phones) == 15
    assert (await cph.phones.show(phones[0])).properties == {"com.cph.mainkeys": "1"}
    installed = await cph.commands.install(phones[:2], "obs://bucket/apps/com.shop.app-3.1.apk")
    ran = await cph.commands.run(phones[:2], "pm list packages -3 > /sdcard/apps.txt; cat /sdcard/apps.txt")
    await asyncio.sleep(20)
    assert all(job.succeeded for job in (await scene.jobs(installed)).values())
    assert {job.output for job in (await scene.jobs(ran)).values()} == {"package:com.shop.app\n"}

    await scene.end(await cph.storage.export([Export(phones[0], ["/data/media"], "bucket", "backup.tar")]))
    restored = await scene.end(await cph.storage.restore([Restore(phones[9], "bucket", "backup.tar")]))
    assert restored[phones[9]].succeeded
    assert await scene.show(phones[9], "cat /sdcard/apps.txt") == "package:com.shop.app\n"
    await scene.end(await cph.phones.stop(phones))
    assert {p.state async for p in cph.phones.list(PhoneQuery(server=server))} == {PhoneState.STOPPED}
    assert scene.ledger("cph.servers.buy") == {server: 1}


@pytest.mark.emulator(phones=6, servers=2)
async def test_an_unpaid_order_is_delivered_after_payment(scene: Scene) -> None:
    bought = await scene.cph.servers.buy(order(count=2, term=ServerTerm(Period.YEAR, 1)))
    await asyncio.sleep(60)
    with pytest.raises(NotFound):
        await scene.cph.servers.show(bought.servers[0])

    scene.emulator.pay(bought.id or "")
    scene.emulator.pay(bought.id or "")
    await asyncio.sleep(5)

    found = [server.name async for server in scene.cph.servers.list()][:2]
    assert sorted(name or "" for name in found) == ["farm-0001", "farm-0002"]
    placed = scene.emulator.world.orders[bought.id or ""]
    assert (placed.paid, placed.cost) == (True, 10 * 64 * 12 * 2)
