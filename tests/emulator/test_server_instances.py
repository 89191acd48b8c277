"""Instances are listed, restarted, reset, backed up and assigned."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from koophone_async.emulator import Durations, Fail
from koophone_async.emulator.fleet import CopyState, RunningState
from tests.emulator.signed_client import SignedClient, in_both_editions

if TYPE_CHECKING:
    from tests.emulator.signed_client import Response

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=3, jobs=Durations(fixed=5))]

ONE = {"instance_ids": ["phone0001"]}
PAIR = {"user_instances": [{"user_id": "ann", "instance_id": "phone0001"}]}


async def listed(call: SignedClient, **query: object) -> Response:
    given = {"page_no": "1", "page_size": "100"} | {name: str(value) for name, value in query.items()}
    return await call("GET", "/v1/instances/batch-query", query=tuple(given.items()))


async def row(call: SignedClient) -> Any:  # noqa: ANN401 - JSON
    return (await listed(call, instance_id="phone0001")).data["result"][0]


@in_both_editions
@pytest.mark.emulator(phones=250)
async def test_a_page_has_at_most_100_rows(call: SignedClient) -> None:
    pages = [await listed(call, page_size=200, page_no=page) for page in (1, 2, 3, 4)]

    assert [len(page.data.get("result", [])) for page in pages] == [100, 100, 50, 0]
    assert (pages[0].body["page_no"], pages[0].body["page_size"], pages[0].body["total_count"]) == (
        1,
        100,
        250,
    )
    assert "page_no" not in pages[0].data


@in_both_editions
async def test_a_row_has_the_documented_fields(call: SignedClient) -> None:
    response = await row(call)

    assert (response["instance_id"], response["instance_name"], response["region"]) == (
        "phone0001",
        "phone-00001",
        call.emulator.project,
    )
    assert (response["frozen_status"], response["running_status"], response["assign_status"]) == (0, 2, 0)
    assert response["project_id"] == call.emulator.project_id


@pytest.mark.emulator(phones=12)
async def test_lists_are_filtered_and_sorted(call: SignedClient) -> None:
    third = call.emulator.phones["phone0003"]
    third.name = "special-1"
    third.scene = "CLOUD_APP"
    at = third.created.strftime("%Y-%m-%d %H:%M:%S")

    async def found(**query: object) -> list[str]:
        return [one["instance_id"] for one in (await listed(call, **query)).data["result"]]

    assert await found(instance_name="special") == ["phone0003"]
    assert await found(pool_scene_tag="CLOUD_APP") == ["phone0003"]
    assert await found(query_start_time=at, query_end_time=at) == ["phone0003"]
    assert (await found(order_by="instance_name"))[-1] == "phone0003"
    assert (await found(order="desc"))[0] == "phone0012"
    ages = [call.emulator.phones[id_].created for id_ in await found(order_by="create_time")]
    assert ages == sorted(ages)


async def test_invalid_or_unordered_times_are_refused(call: SignedClient) -> None:
    none = await listed(call, query_start_time="noon")
    other = await listed(call, query_start_time="2025-02-01T00:00:00")
    order = await listed(call, query_start_time="2025-02-01 00:00:00", query_end_time="2025-01-01 00:00:00")

    assert (none.status, none.code) == (400, "KOOPHONE.API.5002")
    assert (other.status, other.code) == (400, "KOOPHONE.API.5002")
    assert (order.status, order.code) == (400, "KOOPHONE.API.5004")


@in_both_editions
async def test_a_restart_ends(call: SignedClient) -> None:
    response = await call("POST", "/v1/instances/reboot", ONE)
    assert response.body == {"error_code": "0", "error_msg": "OK"}

    early = (await row(call))["running_status"]
    await asyncio.sleep(5)

    assert (early, (await row(call))["running_status"]) == (4, 2)


@in_both_editions
async def test_all_phones_must_run_to_be_restarted(call: SignedClient) -> None:
    call.emulator.phones["phone0002"].running = RunningState.STOPPED

    response = await call("POST", "/v1/instances/reboot", {"instance_ids": ["phone0001", "phone0002"]})

    assert (response.status, response.code) == (400, "KOOPHONE.API.5005")
    assert call.emulator.phones["phone0001"].running is RunningState.RUNNING


async def test_statuses_of_the_china_edition_are_power_states(call: SignedClient) -> None:
    assert await call.status(["phone0001"]) == [2]
    await call("POST", "/v1/instances/reboot", ONE)
    assert await call.status(["phone0001"]) == [4]


@pytest.mark.emulator(edition="international")
async def test_statuses_of_the_international_edition_are_uses(call: SignedClient) -> None:
    phone = call.emulator.phones["phone0001"]
    seen: list[int] = []
    for change in (
        {},
        {"streaming": True},
        {"resetting": True},
        {"restore": CopyState.FAILED},
        {"restore": CopyState.EXECUTING},
        {"backup": CopyState.FAILED},
        {"backup": CopyState.EXECUTING},
    ):
        for name, value in change.items():
            setattr(phone, name, value)
        seen += await call.status(["phone0001"])

    assert seen == [2, 3, 0, 6, 1, 5, 4]


async def test_a_reset_in_china_has_no_task_and_ends_running(call: SignedClient) -> None:
    await call.run(["phone0001"], "touch /sdcard/mine")

    response = await call("POST", "/v1/instances/batch-reset", ONE)
    early = await call.status(["phone0001"])
    await asyncio.sleep(5)

    assert response.body == {"error_code": "0", "error_msg": "OK"}
    assert (early, await call.status(["phone0001"])) == ([4], [2])
    assert not call.emulator.phones["phone0001"].android.disk.exists("/sdcard/mine")


@in_both_editions
async def test_a_phone_can_stream_after_its_reset(call: SignedClient) -> None:
    await call("POST", "/v1/instances/assign", PAIR)
    await call("POST", "/v1/instances/batch-reset", ONE)
    await asyncio.sleep(5)

    prepared = await call("POST", "/v1/instances/prepare", {"user_id": "ann", **ONE})

    assert [one["status"] for one in prepared.data["status_list"]] == [0]
    assert await call.status(["phone0001"]) == [2]


@pytest.mark.parametrize("path", ["batch-reset", "backup", "unassign"])
@pytest.mark.parametrize(
    "call",
    [
        pytest.param("international", marks=pytest.mark.emulator(edition="international")),
        pytest.param("newer", marks=pytest.mark.emulator(newer=True)),
    ],
    indirect=True,
)
async def test_international_and_newer_answers_have_a_task(call: SignedClient, path: str) -> None:
    await call("POST", "/v1/instances/assign", PAIR)
    response = await call("POST", f"/v1/instances/{path}", ONE | PAIR)
    await asyncio.sleep(5)
    (job,) = (await call.task(response.data["task_id"])).data["jobs"]

    assert response.data["task_id"].startswith("RM_")
    assert job["status"] == 2


@in_both_editions
async def test_a_backup_releases_a_phone_and_prepare_restores_it(call: SignedClient) -> None:
    await call("POST", "/v1/instances/assign", PAIR)
    await call("POST", "/v1/instances/backup", ONE)
    assert (await row(call))["backup_status"] == 1
    await asyncio.sleep(5)
    saved = await row(call)
    assert (saved["backup_status"], saved["running_status"]) == (2, 1)
    assert saved["backup_time"] == "2026-01-01 00:00:05"

    prepared = await call("POST", "/v1/instances/prepare", {"user_id": "ann", **ONE})
    assert [one["status"] for one in prepared.data["status_list"]] == [1]
    await asyncio.sleep(5)

    assert ((await row(call))["restore_status"], await call.status(["phone0001"])) == (2, [2])


@in_both_editions
@pytest.mark.emulator(phones=50, jobs=Durations(median=5, sigma=1))
async def test_a_phone_without_its_data_does_not_run(call: SignedClient) -> None:
    everyone = {"instance_ids": [phone.id for phone in call.emulator.phones]}

    async def after(*paths: str) -> set[tuple[RunningState, bool]]:
        for path in paths:
            await call("POST", f"/v1/instances/{path}", everyone)
        await asyncio.sleep(300)
        return {(phone.running, phone.loaded) for phone in call.emulator.phones}

    assert await after("reboot", "backup") == {(RunningState.STOPPED, False)}
    assert await after("batch-reset") == {(RunningState.RUNNING, True)}


@in_both_editions
async def test_a_phone_keeps_running_after_a_failed_backup(call: SignedClient) -> None:
    call.emulator.fault(Fail(), first=1)
    await call("POST", "/v1/instances/backup", ONE)
    prepared = await call("POST", "/v1/instances/prepare", {"user_id": "ann", **ONE})
    assert [one["status"] for one in prepared.data["status_list"]] == [3]
    await asyncio.sleep(5)

    assert (await row(call))["backup_status"] == 3
    assert (await call("POST", "/v1/instances/backup", ONE)).code == "0"
    await asyncio.sleep(60)
    assert ((await row(call))["backup_status"], (await row(call))["running_status"]) == (2, 1)


async def test_an_unassigned_phone_is_wiped(call: SignedClient) -> None:
    await call("POST", "/v1/instances/assign", PAIR)
    again = await call("POST", "/v1/instances/assign", PAIR)
    assert again.code == "0"
    assert ((await row(call))["assign_status"], (await row(call))["assign_user"]) == (1, "ann")
    await call.run(["phone0001"], "touch /sdcard/mine")

    await call("POST", "/v1/instances/unassign", PAIR)
    assert (await row(call))["assign_status"] == 1
    await asyncio.sleep(5)

    assert (await row(call))["assign_status"] == 0
    assert not call.emulator.phones["phone0001"].android.disk.exists("/sdcard/mine")


@in_both_editions
async def test_a_phone_of_another_user_cannot_be_reassigned(call: SignedClient) -> None:
    call.emulator.phones["phone0001"].user = "bob"

    assigned = await call("POST", "/v1/instances/assign", PAIR)
    unassigned = await call("POST", "/v1/instances/unassign", PAIR)

    assert assigned.code == "KPAPI.2209"
    assert (unassigned.status, unassigned.code) == (400, "KOOPHONE.API.2210")
    assert call.emulator.phones["phone0001"].user == "bob"


@in_both_editions
async def test_polling_repeats_no_effect(call: SignedClient) -> None:
    await call("POST", "/v1/instances/reboot", ONE)
    for _ in range(10):
        await asyncio.sleep(1)
        await call.status(["phone0001"])

    assert call.emulator.ledger.executions("koophone.instances.reboot") == {"phone0001": 1}
    assert len(call.emulator.jobs) == 0
