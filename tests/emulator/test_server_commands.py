"""Commands run on phones, and their jobs end."""

from __future__ import annotations

import asyncio

import pytest

from koophone_async.emulator import Durations, Fail, Lose, Stick
from koophone_async.emulator.fleet import CopyState, RunningState
from koophone_async.services.koophone import commands
from tests.emulator.signed_client import SignedClient, in_both_editions

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=3, jobs=Durations(fixed=5))]


@in_both_editions
async def test_a_command_runs_once_on_every_phone(call: SignedClient) -> None:
    started = await call.run(["phone0001", "phone0002"])
    assert [row["instance_id"] for row in started.data["cmd_jobs"]] == ["phone0001", "phone0002"]

    early = await call.task(started.data["task_id"])
    await asyncio.sleep(5)
    late = await call.task(started.data["task_id"])

    assert [(job["status"], job.get("execute_msg")) for job in early.data["jobs"]] == [(1, None), (1, None)]
    assert [(job["status"], job["execute_msg"]) for job in late.data["jobs"]] == [(2, "hi\n"), (2, "hi\n")]
    assert call.emulator.ledger.executions("koophone.commands.run") == {"phone0001": 1, "phone0002": 1}


async def test_a_command_changes_its_phone_without_polling(call: SignedClient) -> None:
    await call.run(["phone0001"], "setprop debug.color blue")

    assert call.emulator.phones["phone0001"].android.properties["debug.color"] == "blue"


async def test_a_failed_command_is_a_failed_job_with_output(call: SignedClient) -> None:
    started = await call.run(["phone0001"], "ls /nowhere")
    await asyncio.sleep(5)

    (job,) = (await call.task(started.data["task_id"])).data["jobs"]
    assert (job["status"], job["error_code"], job["error_msg"]) == (-1, "CPS.0191", "Run command failed.")
    assert "/nowhere" in job["execute_msg"]


async def test_sleep_makes_a_job_longer(call: SignedClient) -> None:
    started = await call.run(["phone0001"], "sleep 60")

    await asyncio.sleep(64)
    (early,) = (await call.task(started.data["task_id"])).data["jobs"]
    await asyncio.sleep(1)
    (late,) = (await call.task(started.data["task_id"])).data["jobs"]

    assert (early["status"], late["status"]) == (1, 2)


async def test_output_is_cut_at_1024_bytes(call: SignedClient) -> None:
    response = await call(
        "POST",
        "/v1/instances/sync-command",
        {"instance_ids": ["phone0001"], "command": "getprop; getprop"},
    )

    (result,) = response.data["cmd_results"]
    assert len(result["execute_msg"]) == 1024


@in_both_editions
async def test_a_synchronous_command_returns_a_result_per_phone(call: SignedClient) -> None:
    call.emulator.phones["phone0002"].running = RunningState.STOPPED
    body = {"instance_ids": ["phone0001", "phone0002"], "command": "echo hi"}

    response = await call("POST", "/v1/instances/sync-command", body)

    good, bad = response.data["cmd_results"]
    assert (good["status"], good["execute_msg"]) == (2, "hi\n")
    assert (bad["status"], bad["error_code"]) == (-1, "CPS.0141")
    assert call.emulator.ledger.executions(commands.RUN_SYNC.name) == {"phone0001": 1}


async def test_a_duplicate_id_runs_once(call: SignedClient) -> None:
    await call.run(["phone0001", "phone0001"])

    assert call.emulator.ledger.executions("koophone.commands.run") == {"phone0001": 1}


@in_both_editions
async def test_an_unknown_id_refuses_the_call(call: SignedClient) -> None:
    response = await call.run(["phone0001", "stranger"])

    assert (response.status, response.code) == (401, "KOOPHONE.API.1001")
    assert call.emulator.ledger.executions("koophone.commands.run") == {}


@pytest.mark.emulator(regions=("cn-north-4", "cn-east-3"), servers=2, phones=4)
async def test_phones_of_two_regions_refuse_the_call(call: SignedClient) -> None:
    response = await call.run(["phone0001", "phone0004"])

    assert (response.status, response.code) == (400, "KOOPHONE.API.1002")
    assert (await call.run(["phone0001", "phone0002"])).code == "0"


async def test_a_busy_or_frozen_phone_refuses_the_call(call: SignedClient) -> None:
    frozen, restoring, saving = call.emulator.phones
    frozen.frozen = True
    restoring.restore = saving.backup = CopyState.EXECUTING

    codes = [(await call.run([phone.id])).code for phone in (frozen, restoring, saving)]

    assert codes == ["KOOPHONE.API.2004", "KOOPHONE.API.2005", "KOOPHONE.API.2006"]


async def test_faults_make_jobs_stick_disappear_and_fail(call: SignedClient) -> None:
    call.emulator.fault(Stick(), phone="phone0001")
    call.emulator.fault(Lose(), phone="phone0002")
    call.emulator.fault(Fail("CPS.0005"), phone="phone0003")
    started = await call.run(["phone0001", "phone0002", "phone0003"])
    await asyncio.sleep(3600)

    stuck, failed = (await call.task(started.data["task_id"])).data["jobs"]

    assert [row["job_id"] for row in started.data["cmd_jobs"]][::2] == [stuck["job_id"], failed["job_id"]]
    assert (stuck["status"], failed["status"]) == (1, -1)
    assert (failed["error_code"], failed["error_msg"]) == ("CPS.0005", "Phone is not found.")


@in_both_editions
async def test_tasks_without_jobs_are_unknown(call: SignedClient) -> None:
    call.emulator.fault(Lose())
    started = await call.run(["phone0001"])

    for task in (started.data["task_id"], "never"):
        response = await call.task(task)
        assert (response.status, response.code) == (400, "KOOPHONE.API.1323")


@pytest.mark.emulator(phones=2_000)
async def test_two_thousand_concurrent_jobs_end_once_each(call: SignedClient) -> None:
    ids = [phone.id for phone in call.emulator.phones]
    tasks = [(await call.run(ids[i : i + 100])).data["task_id"] for i in range(0, len(ids), 100)]
    await asyncio.sleep(5)

    jobs = [job for task in tasks for job in (await call.task(task)).data["jobs"]]

    assert [job["status"] for job in jobs] == [2] * 2_000
    assert call.emulator.ledger.executions("koophone.commands.run") == dict.fromkeys(ids, 1)


@pytest.mark.emulator(newer=True)
async def test_a_stuck_job_never_ends_and_a_failed_one_does(call: SignedClient) -> None:
    call.emulator.fault(Stick(), phone="phone0001")
    call.emulator.fault(Fail(message="no luck"), phone="phone0002")
    response = await call("POST", "/v1/instances/batch-reset", {"instance_ids": ["phone0001", "phone0002"]})
    await asyncio.sleep(3600)

    stuck, failed = (await call.task(response.data["task_id"])).data["jobs"]

    assert (stuck["status"], failed["status"], failed["error_msg"]) == (1, -1, "no luck")
    assert await call.status(["phone0001", "phone0002"]) == [4, 0]
