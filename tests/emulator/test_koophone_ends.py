"""Every end that the documents name can be brought about, and their preconditions are required."""

from __future__ import annotations

import asyncio
from typing import Any, Final, TypeAlias

import pytest

from koophone_async import Edition
from koophone_async.emulator import Distort, Durations, Fail, Lose, Stick
from koophone_async.emulator.server.faults import from_json
from koophone_async.services.koophone import instances, streaming
from koophone_async.services.koophone.instances import RunningState
from koophone_async.services.koophone.streaming import PrepareState
from tests.emulator.signed_client import SignedClient, in_both_editions

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=2, jobs=Durations(fixed=5))]

Json: TypeAlias = Any

ID: Final = "phone0001"
ONE: Final = {"instance_ids": [ID]}
USER: Final = {"user_id": "ann", "instance_id": ID}
FOR_EVER: Final = 10**6
"""Seconds."""

international = pytest.mark.emulator(edition="international")


async def listed(call: SignedClient) -> Json:
    """Return the phone's row in the list of instances."""
    query = (("instance_id", ID), ("page_no", "1"), ("page_size", "1"))
    (row,) = (await call("GET", "/v1/instances/batch-query", query=query)).data["result"]
    return row


async def prepare(call: SignedClient) -> int:
    response = await call("POST", "/v1/instances/prepare", {"user_id": "ann", **ONE})
    return int(response.data["status_list"][0]["status"])


async def progress(call: SignedClient) -> int:
    return int((await call("POST", "/v1/instances/prepare-progress", USER)).data["status"])


async def backed_up(call: SignedClient) -> None:
    await call("POST", "/v1/instances/backup", ONE)
    await asyncio.sleep(5)


@in_both_editions
async def test_a_restore_fails(call: SignedClient) -> None:
    await backed_up(call)
    call.emulator.fault(Fail(), streaming.PREPARE, first=1)

    assert await prepare(call) == PrepareState.TO_BE_RESTORED
    assert await progress(call) == 2
    await asyncio.sleep(5)

    assert await progress(call) == -1
    assert (await listed(call))["restore_status"] == 3
    expected = RunningState.STOPPED if call.emulator.world.china else instances.ContentState.RESTORE_FAILED
    assert await call.status([ID]) == [expected]
    await prepare(call)  # the next attempt
    await asyncio.sleep(5)
    assert (await progress(call), (await listed(call))["restore_status"]) == (0, 2)


@in_both_editions
async def test_a_phone_shuts_down_while_it_is_prepared(call: SignedClient) -> None:
    call.emulator.phones[ID].user = "ann"
    call.emulator.phones[ID].running = RunningState.SHUT_DOWN
    call.emulator.fault(Fail(), streaming.PREPARE)

    await prepare(call)
    await asyncio.sleep(FOR_EVER)

    assert await progress(call) == -1
    assert (await listed(call))["running_status"] == RunningState.SHUT_DOWN


@in_both_editions
async def test_nobody_assigns_a_phone(call: SignedClient) -> None:
    call.emulator.fault(Stick(), streaming.PREPARE)

    for _ in range(2):
        assert await prepare(call) == PrepareState.TO_BE_ASSIGNED
        await asyncio.sleep(FOR_EVER)

    assert await progress(call) == 1
    assert (await listed(call))["assign_status"] == 0


@in_both_editions
async def test_an_assignment_fails(call: SignedClient) -> None:
    call.emulator.fault(Fail(), streaming.PREPARE)

    await prepare(call)
    await asyncio.sleep(5)

    assert await progress(call) == -1


@in_both_editions
async def test_a_phone_that_is_backed_up_meanwhile_stays_stopped(call: SignedClient) -> None:
    call.emulator.fault(Lose(), streaming.PREPARE, first=2)
    await call("POST", "/v1/instances/backup", ONE)
    assert await prepare(call) == PrepareState.BACKING_UP
    await asyncio.sleep(FOR_EVER)

    row = await listed(call)
    assert (row["running_status"], row["backup_status"], row["restore_status"]) == (1, 2, 0)
    assert await prepare(call) == PrepareState.TO_BE_RESTORED
    await asyncio.sleep(5)
    assert await progress(call) == 0


@in_both_editions
async def test_a_phone_that_is_prepared_during_its_backup_is_restored(call: SignedClient) -> None:
    await call("POST", "/v1/instances/backup", ONE)
    for _ in range(2):
        assert await prepare(call) == PrepareState.BACKING_UP
    await asyncio.sleep(10)

    row = await listed(call)
    assert (row["running_status"], row["restore_status"], row["assign_user"]) == (2, 2, "ann")
    assert await progress(call) == 0


@in_both_editions
async def test_each_user_who_prepares_is_heard(call: SignedClient) -> None:
    call.emulator.fault(Stick(), streaming.PREPARE, first=1)
    await call("POST", "/v1/instances/prepare", {"user_id": "bob", **ONE})

    await prepare(call)
    await asyncio.sleep(5)

    assert (await listed(call))["assign_user"] == "ann"


@pytest.mark.parametrize("state", PrepareState)
@pytest.mark.parametrize(
    "call, first_hidden",
    [
        pytest.param("china", PrepareState.RESETTING),
        pytest.param("newer", 11, marks=pytest.mark.emulator(newer=True)),
        pytest.param("international", 11, marks=international),
    ],
    indirect=["call"],
)
async def test_prepare_has_the_states_of_the_edition(
    call: SignedClient, state: PrepareState, first_hidden: int
) -> None:
    call.emulator.phones[ID].prepare_state = state

    shown = state if state < first_hidden else PrepareState.TO_BE_RESTORED
    assert await prepare(call) == shown


@pytest.mark.parametrize(
    "call, states",
    [
        pytest.param("china", {-1, 0, 1, 2, 3, 4, 5, 6}),
        pytest.param("newer", {-1, 0, 1, 2, 3}, marks=pytest.mark.emulator(newer=True)),
        pytest.param("international", {-1, 0, 1, 2, 3}, marks=international),
    ],
    indirect=["call"],
)
async def test_progress_has_the_states_of_the_edition(call: SignedClient, states: set[int]) -> None:
    phone = call.emulator.phones[ID]
    phone.user = "ann"
    await prepare(call)
    found = set[int]()
    for state in PrepareState:
        phone.prepare_state = state
        found.add(await progress(call))

    assert found == states


@in_both_editions
@pytest.mark.parametrize("field", ["backup_status", "restore_status", "running_status"])
@pytest.mark.parametrize("value", range(5))
async def test_a_listed_state_stays_for_ever(call: SignedClient, field: str, value: int) -> None:
    before = await listed(call)
    call.emulator.fault(Distort(value, field), instances.LIST)

    await backed_up(call)
    await asyncio.sleep(FOR_EVER)

    row = await listed(call)
    assert row[field] == value
    assert {name for name in row if row[name] != before[name]} - {field} <= {
        *("backup_status", "backup_time", "running_status")
    }


@in_both_editions
@pytest.mark.parametrize("value", range(8))
async def test_a_status_stays_for_ever(call: SignedClient, value: int) -> None:
    call.emulator.fault(Distort(value), instances.STATUS, phone=ID)

    await asyncio.sleep(FOR_EVER)

    assert await call.status([ID, "phone0002"]) == [value, 2]


@in_both_editions
async def test_a_backup_never_ends(call: SignedClient) -> None:
    call.emulator.fault(Stick(), instances.BACKUP)

    await backed_up(call)
    await asyncio.sleep(FOR_EVER)

    assert (await listed(call))["backup_status"] == 1
    assert await prepare(call) == PrepareState.BACKING_UP


@pytest.mark.parametrize("leaves, ends", [(None, 0), (0, 0), (1, 1), (5, 5)])
async def test_a_failed_reset_ends_in_a_state(call: SignedClient, leaves: int | None, ends: int) -> None:
    call.emulator.fault(Fail(leaves=leaves), instances.RESET)

    await call("POST", "/v1/instances/batch-reset", ONE)
    assert await call.status([ID]) == [RunningState.STARTING]
    await asyncio.sleep(FOR_EVER)

    assert await call.status([ID]) == [ends]


@pytest.mark.parametrize("leaves, ends", [(None, 5), (0, 0), (3, 3)])
async def test_a_failed_reboot_ends_in_a_state(call: SignedClient, leaves: int | None, ends: int) -> None:
    call.emulator.fault(Fail(leaves=leaves), instances.REBOOT)

    await call("POST", "/v1/instances/reboot", ONE)
    await asyncio.sleep(FOR_EVER)

    assert await call.status([ID]) == [ends]


def test_the_ends_can_be_planned_as_data() -> None:
    plan = [
        {
            "operation": "koophone.instances.list",
            "action": {"kind": "distort", "value": 3, "field": "restore_status"},
        },
        {"operation": "koophone.instances.reset", "action": {"kind": "fail", "leaves": 5}},
    ]

    assert [fault.action for fault in from_json(plan)] == [Distort(3, "restore_status"), Fail(leaves=5)]


@in_both_editions
async def test_a_phone_without_its_data_cannot_be_backed_up(call: SignedClient) -> None:
    await backed_up(call)

    response = await call("POST", "/v1/instances/backup", ONE)

    assert (response.status, response.code) == (400, "KOOPHONE.API.1000")
    assert call.emulator.ledger.executions("koophone.instances.backup") == {ID: 1}


@in_both_editions
async def test_progress_needs_a_preparation_of_the_same_user(call: SignedClient) -> None:
    path = "/v1/instances/prepare-progress"
    before = await call("POST", path, USER)
    await prepare(call)
    other = await call("POST", path, USER | {"user_id": "bob"})

    assert [one.code for one in (before, other)] == ["KOOPHONE.API.1000"] * 2
    assert (await call("POST", path, USER)).code == "0"


@in_both_editions
async def test_messages_are_in_the_language_of_the_edition(call: SignedClient) -> None:
    call.emulator.phones[ID].frozen = True
    call.emulator.fault(Fail("KOOPHONE.API.62021"), phone="phone0002")

    refused = await call.run([ID])
    unknown = await call.run(["nobody"])
    started = await call.run(["phone0002"])
    await asyncio.sleep(5)
    (job,) = (await call.task(started.data["task_id"])).data["jobs"]

    messages = [refused.body["error_msg"], unknown.body["error_msg"], job["error_msg"]]
    if call.emulator.world.edition is Edition.CHINA:
        unknown_instance = "租户没有实例对应的权限，需要检查请求传入的实例ID是否正确"  # noqa: RUF001 - as documented
        assert messages == ["实例已冻结", unknown_instance, "空间不足"]
    else:
        assert messages[0] == "the instance already frozen."
        assert all(message.isascii() for message in messages)


async def test_the_codes_of_cph_stay_english_in_china(call: SignedClient) -> None:
    call.emulator.phones[ID].running = RunningState.STOPPED

    response = await call("POST", "/v1/instances/sync-command", {**ONE, "command": "id"})

    assert response.data["cmd_results"][0]["error_msg"] == "Phone is not in running status."
