"""Orders, streams, apps and video settings."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any

import pytest

from koophone_async import Edition
from koophone_async.emulator import Durations
from koophone_async.emulator.fleet import RunningState
from koophone_async.wire import to_wire
from tests.emulator.signed_client import SignedClient, in_both_editions

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=3, jobs=Durations(fixed=5))]

ONE = {"instance_ids": ["phone0001"]}
USER = {"user_id": "ann", "instance_id": "phone0001"}


def order(call: SignedClient, *, pay: int = 1, period: int = 2, number: int = 1, **changes: Any) -> Any:  # noqa: ANN401
    charge = {"chargingMode": 1, "periodType": period, "periodNum": number, "isAutoPay": pay}
    return {
        "os": "AOSP9",
        "instanceSkuId": "kp.professional.xlarge.32g.2",
        "bandSkuId": "kp.bandwidth",
        "regionId": call.emulator.project,
        "instanceNamePrefix": "shop",
        "bandSize": 4,
        "count": 2,
        "chargeParam": charge,
    } | changes


def package(*ids: str, **changes: Any) -> Any:  # noqa: ANN401
    return {
        "object_name": "com.example.shop",
        "file_name": "shop.apk",
        "object_version": "2.0",
        "object_size": "12",
        "biz_type": "apk",
        "content_type": "application/octet-stream",
        "content_md5": "",
        "install_package_url": "https://obs.example/shop.apk?Expires=4102444800",
        "instance_id_list": list(ids),
    } | changes


def settings() -> list[Any]:
    rate = {"code_rate": 6000, "fps": 30}
    group = {f"definition_{height}P": rate for height in (540, 720, 1080)}
    return [
        {"network_type": network, "encoding_type": encoding, "video_spec_groups": [group]}
        for network, encoding in product(("MOBILE_NETWORK", "WIFI", "WIRED"), ("H264", "H265"))
    ]


async def names(call: SignedClient) -> list[str]:
    response = await call("GET", "/v1/instances/batch-query", query=(("page_no", "1"), ("page_size", "100")))
    return [row["instance_name"] for row in response.data["result"]]


@in_both_editions
async def test_a_listed_sku_can_be_bought(call: SignedClient) -> None:
    skus = await call("GET", "/v1/instances/sku", query=(("type", "0"),))
    sku = skus.data["skuSpecResponseList"][0]["skuResponses"][0]
    assert "4" in sku["bandSize"].split(",")

    response = await call("POST", "/v1/instances/create", order(call, instanceSkuId=sku["cbcSkuId"]))
    assert [one["instanceName"] for one in response.data["instanceInfos"]] == ["shop-00001", "shop-00002"]
    bought = [one["instanceId"] for one in response.data["instanceInfos"]]
    assert len(await names(call)) == 3
    assert (await call.run(bought)).code == "KOOPHONE.API.1001"
    await asyncio.sleep(5)

    assert (await names(call))[3:] == ["shop-00001", "shop-00002"]
    assert (await call.run(bought)).code == "0"
    assert call.emulator.ledger.executions("koophone.orders.buy") == dict.fromkeys(bought, 1)


async def test_an_unpaid_order_delivers_nothing(call: SignedClient) -> None:
    response = await call("POST", "/v1/instances/create", order(call, pay=0, period=3))
    await asyncio.sleep(3600)
    assert len(await names(call)) == 3
    placed = call.emulator.world.orders[response.data["orderId"]]
    assert (placed.paid, placed.months, placed.cost) == (False, 12, 960.0)

    call.emulator.pay(placed.id)
    call.emulator.pay(placed.id)
    await asyncio.sleep(5)

    assert len(await names(call)) == 5


async def test_an_invalid_order_is_refused(call: SignedClient) -> None:
    codes = [
        (await call("POST", "/v1/instances/create", wrong)).code.removeprefix("KOOPHONE.API.")
        for wrong in (
            order(call, instanceSkuId="none"),
            order(call, regionId="nowhere"),
            order(call, bandSkuId="none"),
            order(call, bandSize=3),
            order(call, os="AOSP14"),
            order(call, os=""),
            order(call, number=10),
            order(call, period=3, number=11),
            order(call, period=3, number=4),
            order(call, count=1501),
            order(call, chargeParam="x"),
        )
    ]

    assert codes == ["3002", "3002", "3001", "3001", "3003", "3003", "3006", "3007", "3007", "1000", "1000"]
    assert call.emulator.world.orders == {}


@pytest.mark.emulator(edition="international")
async def test_ten_years_can_be_bought_internationally(call: SignedClient) -> None:
    assert (await call("POST", "/v1/instances/create", order(call, period=3, number=10))).code == "0"


@in_both_editions
async def test_unsubscribing_removes_the_phone(call: SignedClient) -> None:
    response = await call("POST", "/v1/instances/delete", {"instanceIdList": ["phone0001"]})
    again = await call("POST", "/v1/instances/delete", {"instanceIdList": ["phone0001"]})

    assert response.code == "0"
    assert (again.status, again.code) == (200, "KOOPHONE.API.1012")
    assert await names(call) == ["phone-00002", "phone-00003"]


async def test_pay_per_use_phones_cannot_be_unsubscribed(call: SignedClient) -> None:
    call.emulator.phones["phone0002"].on_demand = True

    response = await call("POST", "/v1/instances/delete", {"instanceIdList": ["phone0001", "phone0002"]})

    assert (response.status, response.code) == (400, "KOOPHONE.API.5001")
    assert len(await names(call)) == 3


async def test_jobs_end_with_the_subscription_of_their_phone(call: SignedClient) -> None:
    await call("POST", "/v1/instances/reboot", ONE)
    await call("POST", "/v1/instances/delete", {"instanceIdList": ["phone0001"]})
    await asyncio.sleep(5)

    assert await names(call) == ["phone-00002", "phone-00003"]


@in_both_editions
async def test_a_phone_is_prepared_for_a_user_and_streams(call: SignedClient) -> None:
    first = await call("POST", "/v1/instances/prepare", {"user_id": "ann", **ONE})
    waiting = await call("POST", "/v1/instances/prepare-progress", USER)
    await asyncio.sleep(5)
    ready = await call("POST", "/v1/instances/prepare-progress", USER)
    keys = [(await call("POST", "/v1/instances/phone0001/auth")).data for _ in range(2)]

    assert first.data["status_list"] == [{"instance_id": "phone0001", "status": 2}]
    assert (waiting.data["status"], ready.data) == (1, {"status": 0, "waitingCount": 0})
    assert keys[0]["device_token"] != keys[1]["device_token"]
    assert keys[0]["resource"]["kp_id"] == "phone0001"
    assert call.emulator.phones["phone0001"].streaming


@in_both_editions
async def test_prepare_does_not_take_the_phone_of_another_user(call: SignedClient) -> None:
    await call("POST", "/v1/instances/prepare", {"user_id": "ann", **ONE})
    await call("POST", "/v1/instances/assign", {"user_instances": [USER | {"user_id": "bob"}]})
    await asyncio.sleep(5)

    assert call.emulator.phones["phone0001"].user == "bob"


async def test_the_china_edition_has_fewer_prepare_states(call: SignedClient) -> None:
    call.emulator.phones["phone0001"].running = RunningState.STOPPED

    response = await call("POST", "/v1/instances/prepare", {"user_id": "ann", **ONE})
    progress = await call("POST", "/v1/instances/prepare-progress", USER)

    assert (response.data["status_list"][0]["status"], progress.data["status"]) == (1, 5)


@pytest.mark.emulator(edition="international")
async def test_the_international_edition_has_fewer_progress_states(call: SignedClient) -> None:
    phone = call.emulator.phones["phone0001"]
    phone.running = RunningState.STOPPED

    response = await call("POST", "/v1/instances/prepare", {"user_id": "ann", **ONE})
    progress = await call("POST", "/v1/instances/prepare-progress", USER)

    assert (response.data["status_list"][0]["status"], progress.data["status"]) == (6, 2)
    phone.resetting = True
    response = await call("POST", "/v1/instances/prepare", {"user_id": "ann", **ONE})
    assert response.data["status_list"][0]["status"] == 4


@in_both_editions
async def test_unknown_and_foreign_phones_cannot_be_prepared(call: SignedClient) -> None:
    call.emulator.phones["phone0002"].user = "bob"
    stranger = {"user_id": "ann", "instance_ids": ["stranger"]}
    taken = {"user_id": "ann", "instance_ids": ["phone0002"]}

    codes = [(await call("POST", "/v1/instances/prepare", body)).code for body in (stranger, taken)]
    progress = await call("POST", "/v1/instances/prepare-progress", USER | {"instance_id": "stranger"})

    assert codes == ["KOOPHONE.API.4001", "KOOPHONE.API.1001"]
    assert (progress.status, progress.code) == (200, "KOOPHONE.API.4001")


async def test_a_backup_is_shown_in_the_progress(call: SignedClient) -> None:
    await call("POST", "/v1/instances/backup", ONE)

    response = await call("POST", "/v1/instances/prepare", {"user_id": "ann", **ONE})
    progress = await call("POST", "/v1/instances/prepare-progress", USER)

    assert (response.data["status_list"][0]["status"], progress.data["status"]) == (3, 3)


@in_both_editions
async def test_a_stopped_phone_cannot_stream(call: SignedClient) -> None:
    call.emulator.phones["phone0001"].running = RunningState.STOPPED

    assert (await call("POST", "/v1/instances/phone0001/auth")).code == "KOOPHONE.API.62010"


@pytest.mark.parametrize(
    "call",
    [
        pytest.param("international", marks=pytest.mark.emulator(edition="international")),
        pytest.param("newer", marks=pytest.mark.emulator(newer=True)),
    ],
    indirect=True,
)
async def test_streams_can_be_stopped_and_sessions_released(call: SignedClient) -> None:
    phone = call.emulator.phones["phone0001"]
    access = await call("POST", "/v1/instances/phone0001/auth")
    assert access.data.get("streamingId") or call.emulator.world.china

    await call("POST", "/v1/instances/streaming/stop", {"instance_id": "phone0001"})
    assert (phone.streaming, phone.logged_in) == (False, True)
    await call("POST", "/v1/instances/session/release", {"instance_id": "phone0001"})

    assert not phone.logged_in


async def test_the_china_edition_cannot_stop_a_stream(call: SignedClient) -> None:
    for path in ("streaming/stop", "session/release"):
        response = await call("POST", f"/v1/instances/{path}", {"instance_id": "phone0001"})
        assert (response.status, response.code) == (404, "APIGW.0101")


@in_both_editions
async def test_an_app_is_listed_when_its_job_has_ended(call: SignedClient) -> None:
    response = await call("POST", "/v1/instances/app/install", package("phone0001"))
    task = response.data["data"]["task_id"]
    apps = call.emulator.phones["phone0001"].android.apps
    assert task.startswith("ZGCA")
    assert "com.example.shop" not in apps
    await asyncio.sleep(5)

    assert [job["status"] for job in (await call.task(task)).data["jobs"]] == [2]
    assert apps["com.example.shop"] == "2.0"


async def test_aosp14_is_not_sold_by_the_documents(call: SignedClient) -> None:
    skus = await call("GET", "/v1/instances/sku", query=(("type", "0"),))

    assert "AOSP14" not in str(skus.data)
    assert (await call("POST", "/v1/instances/create", order(call, os="AOSP14"))).code == "KOOPHONE.API.3003"


@pytest.mark.emulator(newer=True)
async def test_aosp14_is_sold_by_the_newer_pages(call: SignedClient) -> None:
    skus = await call("GET", "/v1/instances/sku", query=(("type", "0"),))
    bought = await call("POST", "/v1/instances/create", order(call, os="AOSP14", count=1))
    await asyncio.sleep(5)
    (phone,) = (row["instanceId"] for row in bought.data["instanceInfos"])
    ran = await call(
        "POST",
        "/v1/instances/sync-command",
        {"instance_ids": [phone], "command": "getprop ro.build.version.release"},
    )

    assert "AOSP14" in str(skus.data)
    assert ran.data["cmd_results"][0]["execute_msg"] == "14\n"


@pytest.mark.emulator(newer=True)
async def test_the_published_list_of_apps_has_its_paging_in_data(call: SignedClient) -> None:
    query = (("page_no", "2"), ("page_size", "3"), ("x-request-id", "r1"))

    data = (await call("GET", "/v1/instances/phone0001/app-list", query=query)).data

    assert data.keys() == {"result", "page_no", "page_size", "total_count"}
    assert (len(data["result"]), data["page_no"], data["page_size"]) == (3, 2, 3)
    assert data["result"][0].keys() == {"app_pkg", "app_name", "app_version", "icon_url"}


@pytest.mark.emulator(newer=True)
async def test_newer_answers_nest_the_task_once(call: SignedClient) -> None:
    response = await call("POST", "/v1/instances/app/install", package("phone0001", fast_install="1"))

    assert response.data["task_id"].startswith("FULFILL")


async def test_an_install_that_cannot_succeed_fails_in_its_job(call: SignedClient) -> None:
    off, late, full = call.emulator.phones
    off.running = RunningState.STOPPED
    old = "https://obs.example/shop.apk?Expires=1700000000"
    full.android.apps["com.example.shop"] = "10.0"
    bodies = (
        package(off.id),
        package(late.id, install_package_url=old),
        package(full.id),
    )
    tasks = [
        (await call("POST", "/v1/instances/app/install", body)).data["data"]["task_id"] for body in bodies
    ]
    await asyncio.sleep(5)

    jobs = [(await call.task(task)).data["jobs"][0] for task in tasks]

    assert [job["status"] for job in jobs] == [-1, -1, -1]
    assert [job["error_code"] for job in jobs] == ["CPS.0141", "KOOPHONE.API.62017", "KOOPHONE.API.62020"]
    assert jobs[2]["error_msg"] == "版本冲突"


async def test_an_invalid_package_is_refused_with_its_own_code(call: SignedClient) -> None:
    codes = [
        (await call("POST", "/v1/instances/app/install", package("phone0001", **wrong))).code
        for wrong in (
            {"object_size": "big"},
            {"object_size": "nan"},
            {"object_size": 2049},
            {"fast_install": 2},
            {"biz_type": "ipa"},
        )
    ]

    assert [code.removeprefix("KOOPHONE.API.") for code in codes] == [
        "62006",
        "62006",
        "62015",
        "3008",
        "1000",
    ]


@in_both_editions
async def test_answers_have_the_documented_nulls(call: SignedClient) -> None:
    access = (await call("POST", "/v1/instances/phone0001/auth")).data
    (job,) = (await call.task((await call.run(["phone0001"])).data["task_id"])).data["jobs"]
    page = await call("GET", "/v1/instances/batch-query", query=(("page_no", "1"), ("page_size", "1")))

    nothing = dict.fromkeys(("address", "aport", "atype", "address_ipv6"))
    assert access["resource"]["sdk"]["internal"] == nothing
    assert access["resource"]["rtc"]["ice_signaling"]["expired_time"] is None
    assert ("streamingId" in access) is (call.emulator.world.edition is Edition.INTERNATIONAL)
    assert job["execute_msg"] is None
    assert page.data["result"][0]["backup_time"] is None


@in_both_editions
async def test_a_missing_required_field_is_refused(call: SignedClient) -> None:
    charge = {name: held for name, held in order(call)["chargeParam"].items() if name != "chargingMode"}
    response = [
        await call("GET", "/v1/instances/batch-query", query=(("page_size", "100"),)),
        await call("GET", "/v1/instances/batch-query", query=(("page_no", "1"),)),
        await call("GET", "/v1/instances/sku"),
        await call("POST", "/v1/instances/create", order(call, chargeParam=charge)),
        await call("POST", "/v1/instances/app/install", package("phone0001", biz_type=None)),
        await call("POST", "/v1/instances/app/install", package("phone0001", content_type="")),
    ]

    assert [(one.status, one.code) for one in response] == [(400, "KOOPHONE.API.1000")] * 6


@in_both_editions
async def test_apps_are_listed_by_page_and_by_type(call: SignedClient) -> None:
    phone = call.emulator.phones["phone0001"]
    phone.android.apps["com.example.shop"] = "2.0"

    async def page(**query: object) -> Any:  # noqa: ANN401 - JSON
        given = {"page_no": 1, "page_size": 200} | query
        pairs = tuple((name, str(value)) for name, value in given.items())
        return await call("GET", "/v1/instances/phone0001/app-list", query=pairs)

    third = await page(app_type=2)
    assert [(row["app_pkg"], row["app_version"]) for row in third.data["result"]] == [
        ("com.example.shop", "2.0")
    ]
    system, everything = (await page(app_type=1)).body["total_count"], await page()
    assert everything.body["total_count"] == system + 1
    assert len((await page(page_size=5, page_no=2)).data["result"]) == 5


@in_both_editions
async def test_video_settings_are_kept(call: SignedClient) -> None:
    response = await call("PUT", "/v1/instances/video-setting", ONE | {"instance_settings": settings()})

    assert response.body == {"error_code": "0", "error_msg": "OK"}
    assert list(map(to_wire, call.emulator.phones["phone0001"].video)) == settings()


async def test_all_six_video_settings_are_required(call: SignedClient) -> None:
    for wrong in (settings()[:5], ["x"], "x"):
        response = await call("PUT", "/v1/instances/video-setting", ONE | {"instance_settings": wrong})
        expected = "1000" if wrong == "x" else "1005"
        assert (response.status, response.code) == (400, f"KOOPHONE.API.{expected}")
