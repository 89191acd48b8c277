"""ADB work, and the jobs that tell of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from koophone_async import CloudPhone
from koophone_async.cph import JobState, OnServers
from koophone_async.emulator import Durations, Fail, Lose, Reset, Stick
from koophone_async.emulator.fleet import RunningState
from koophone_async.errors import NoAnswer, NotFound
from koophone_async.services.cph import commands
from koophone_async.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from tests.emulator.scenes import Scene
    from tests.emulator.signed_client import SignedClient

pytestmark = [
    pytest.mark.virtual_time,
    pytest.mark.emulator(phones=6, servers=2, jobs=Durations(fixed=5)),
]


async def test_commands_of_one_server_run_one_after_the_other(
    scene: Scene,
) -> None:
    started = await scene.cph.commands.run(scene.phones, "echo hi")

    early = await scene.end(started, 6)
    late = await scene.end(started, 9)

    assert [job.state for job in early.values()].count(JobState.SUCCEEDED) == 2
    assert all(job.output == "hi\n" for job in late.values())
    first, second, third, *_ = (late[phone] for phone in scene.phones)
    assert [first.ended_at, second.ended_at] == [second.began_at, third.began_at]
    assert scene.ledger("cph.commands.run") == dict.fromkeys(scene.phones, 1)


async def test_a_waiting_job_is_shown_as_running_and_has_no_effect(scene: Scene) -> None:
    started = await scene.cph.commands.run(scene.phones[:2], "setprop debug.color blue")

    jobs = await scene.jobs(started)

    waiting = jobs[scene.phones[1]]
    assert (waiting.state, waiting.began_at, waiting.output) == (JobState.RUNNING, None, None)
    assert scene.ledger("cph.commands.run") == {scene.phones[0]: 1}
    assert "debug.color" not in scene.emulator.phones["phone0002"].android.properties


async def test_sleep_delays_the_next_job_of_the_server(scene: Scene) -> None:
    started = await scene.cph.commands.run(scene.phones[:2], "sleep 60")

    assert not (await scene.end(started, 64))[scene.phones[0]].ended
    late = await scene.end(started, 66)

    assert all(job.succeeded for job in late.values())


async def test_other_jobs_wait_for_adb_commands_and_run_in_parallel(scene: Scene) -> None:
    await scene.cph.commands.run(scene.phones[:1], "echo hi")
    restarted = await scene.cph.phones.restart(scene.phones[:3])

    assert {job.began_at for job in (await scene.jobs(restarted)).values()} == {None}
    late = await scene.end(restarted, 10)

    assert all(job.succeeded for job in late.values())
    assert len({job.began_at for job in late.values()}) == 1


async def test_unknown_frozen_and_stopped_phones_are_refused_alone(scene: Scene) -> None:
    good, stopped, frozen, *_ = scene.phones
    scene.emulator.phones["phone0002"].running = RunningState.STOPPED
    scene.emulator.phones["phone0003"].frozen = True

    started = await scene.cph.commands.run([good, stopped, frozen, "0" * 32, "phone0001"], "id")

    codes = {entry.target: entry.error_code for entry in started.jobs}
    assert codes == {
        good: None, stopped: "CPS.0141", frozen: "CPS.0053", "0" * 32: "CPS.0005", "phone0001": "CPS.0004",
    }  # fmt: skip
    assert set(await scene.end(started)) == {good}


async def test_a_phone_that_stops_before_its_turn_runs_nothing(scene: Scene) -> None:
    first, second, *_ = scene.phones
    started = await scene.cph.commands.run([first, second], "id")
    installed = await scene.cph.commands.install([second], "obs://bucket/com.a.b.apk")
    scene.emulator.phones["phone0002"].running = RunningState.STOPPED

    await asyncio.sleep(20)

    for call in (started, installed):
        job = (await scene.jobs(call))[second]
        assert (job.state, job.error_code) == (JobState.FAILED, "CPS.0141")
    assert scene.ledger("cph.commands.run") == {first: 1}
    assert scene.ledger("cph.commands.install") == {}


async def test_a_command_can_name_servers_instead_of_phones(
    scene: Scene,
) -> None:
    started = await scene.cph.commands.run(OnServers(scene.servers[:1]), "id")

    assert [entry.phone for entry in started.jobs] == scene.phones[:3]
    with pytest.raises(NotFound):
        await scene.cph.commands.run(OnServers(["0" * 32]), "id")


async def test_servers_are_ignored_if_phones_are_named(call: SignedClient) -> None:
    phone = call.emulator.phones["phone0001"].cph_id
    path = f"/v1/{call.emulator.project_id}/cloud-phone/phones/commands"
    body = {"command": "shell", "content": "id", "phone_ids": [phone], "server_ids": ["0" * 32]}

    assert [job["phone_id"] for job in (await call("POST", path, body)).body["jobs"]] == [phone]
    none = await call("POST", path, {"command": "shell", "content": "id"})
    assert (none.status, none.code) == (400, "CPS.0081")


@pytest.mark.parametrize(
    "body, code",
    [
        (b'{"command": "reboot", "content": "id", "phone_ids": ["a"]}', "CPS.0117"),
        (b'{"content": "obs://bucket/a.tar", "phone_ids": ["a"]}', "CPS.0117"),
        (b'{"command": "shell", "phone_ids": ["a"]}', "CPS.0118"),
        (b'{"command": "push", "content": "/a.tar", "phone_ids": ["a"]}', "CPS.0118"),
        (b'{"command": "shell", "content": "id", "phone_ids": "a"}', "CPS.0080"),
        (b'{"command": "shell", "content": "id"', "CPS.0078"),
        (b"[]", "CPS.0078"),
    ],
)
async def test_an_unreadable_body_is_refused_with_a_code(call: SignedClient, body: bytes, code: str) -> None:
    path = f"/v1/{call.emulator.project_id}/cloud-phone/phones/commands"
    assert (await call("POST", path, body)).code == code


async def test_installs_uninstalls_and_pushes_run_in_order(scene: Scene) -> None:
    cph, one = scene.cph, scene.phones[:1]
    first = await cph.commands.install(one, "obs://bucket/com.a.b-2.1.apk", "-t -r")
    split = await cph.commands.install_split(one, ["obs://bucket/com.c.d.apk", "obs://bucket/split.apk"])
    pushed = await cph.commands.push(one, "obs://bucket/files/data.tar")
    removed = await cph.commands.uninstall(one, "com.a.b")
    again = await cph.commands.uninstall(one, "com.a.b")
    await asyncio.sleep(25)

    assert (await scene.jobs(first))[one[0]].output == "Success\n"
    assert (await scene.jobs(split))[one[0]].succeeded
    assert (await scene.jobs(pushed))[one[0]].succeeded
    assert (await scene.jobs(removed))[one[0]].succeeded
    assert (await scene.jobs(again))[one[0]].error_code == "CPS.0191"
    android = scene.emulator.phones["phone0001"].android
    assert (android.apps.get("com.a.b"), android.apps["com.c.d"]) == (None, "1.0")
    assert await scene.show(one[0], "ls /data/local/tmp") == "data\n"


async def test_a_package_without_a_name_is_not_installed(scene: Scene) -> None:
    job = await scene.end(await scene.cph.commands.install(scene.phones[:1], "obs://bucket/.apk"))

    assert job[scene.phones[0]].error_code == "CPS.0191"


async def test_a_synchronous_command_returns_each_output(scene: Scene) -> None:
    answer = await scene.cph.commands.run_sync([*scene.phones[:2], "0" * 32], "getprop; getprop")

    good, _, unknown = answer.results
    assert (good.state, len(good.output or "")) == (JobState.SUCCEEDED, 1024)
    assert (unknown.state, unknown.error_code) == (JobState.FAILED, "CPS.0005")
    failed = (await scene.cph.commands.run_sync(scene.phones[:1], "ls /nowhere")).results[0]
    assert (failed.error_code, failed.error_message) == ("CPS.0191", "Run command failed.")


async def test_a_phone_that_takes_over_2_s_is_reported_as_running(scene: Scene) -> None:
    began = VirtualTimeLoop.running().time()
    one, other = scene.phones[0], scene.phones[3]

    answer = await scene.cph.commands.run_sync([one, other], "sleep 10; echo hi")

    assert [result.state for result in answer.results] == [JobState.RUNNING, JobState.RUNNING]
    assert VirtualTimeLoop.running().time() - began == pytest.approx(2, abs=0.1)
    await asyncio.sleep(10)
    assert (await scene.cph.jobs.show(answer.results[0].id or "")).output == "hi\n"


@pytest.mark.emulator(jobs=Durations(fixed=100))
async def test_a_synchronous_command_returns_after_30_s(scene: Scene) -> None:
    await scene.cph.commands.run(scene.phones[:1], "id")
    began = VirtualTimeLoop.running().time()

    answer = await scene.cph.commands.run_sync(scene.phones[:1], "id")

    assert answer.results[0].state is JobState.RUNNING
    assert VirtualTimeLoop.running().time() - began == pytest.approx(30, abs=0.1)


async def test_synchronous_commands_have_a_maximum_and_a_quota(call: SignedClient) -> None:
    path = f"/v1/{call.emulator.project_id}/cloud-phone/phones/sync-commands"
    body = {"command": "shell", "content": "id"}
    phones = [phone.cph_id for phone in call.emulator.phones]

    many = await call("POST", path, {**body, "phone_ids": [str(n) for n in range(16)]})
    response = [await call("POST", path, {**body, "phone_ids": phones}) for _ in range(6)]

    assert (many.status, many.code) == (400, "CPS.0209")
    assert [one.status for one in response] == [200, 200, 200, 200, 200, 429]
    assert response[-1].body["error_msg"].endswith("policy user over ratelimit,limit:6,time:1 minute")


async def test_jobs_can_stick_disappear_and_fail(scene: Scene) -> None:
    stuck, lost, failed = scene.phones[0], scene.phones[1], scene.phones[3]
    for action, phone in (
        (Stick(), stuck),
        (Lose(), lost),
        (Fail("CPS.0054", "Handle job timeout."), failed),
    ):
        scene.emulator.fault(action, commands.RUN, phone=phone)
    started = await scene.cph.commands.run([stuck, lost, failed], "id")

    jobs = await scene.end(started, 1000)

    assert set(jobs) == {stuck, failed}
    assert (jobs[stuck].state, jobs[failed].error_code) == (JobState.RUNNING, "CPS.0054")
    with pytest.raises(NotFound):
        await scene.cph.jobs.show(started.jobs[1].id or "")


async def test_unknown_jobs_are_not_found(scene: Scene) -> None:
    with pytest.raises(NotFound) as job:
        await scene.cph.jobs.show("nobody")
    with pytest.raises(NotFound) as jobs:
        [one async for one in scene.cph.jobs.list(["nobody"])]

    assert (job.value.code, jobs.value.code) == ("CPS.0011", "CPS.0050")


@pytest.mark.emulator(phones=120, servers=1)
async def test_jobs_are_paged_in_the_order_of_the_calls(scene: Scene) -> None:
    calls = [await scene.cph.commands.run(scene.phones[n : n + 60], "id") for n in (0, 60)]

    jobs = [job.phone async for job in scene.cph.jobs.list([call.request or "" for call in calls])]

    assert jobs == scene.phones


async def test_more_than_twenty_request_ids_are_refused(call: SignedClient) -> None:
    path = f"/v1/{call.emulator.project_id}/cloud-phone/jobs"
    ids = ",".join(map(str, range(21)))

    assert (await call("GET", path, query=(("request_ids", ids),))).code == "CPS.0161"
    assert (await call("GET", path)).code == "CPS.0049"


async def test_a_command_with_a_lost_answer_has_run_once(scene: Scene) -> None:
    scene.emulator.fault(Reset(executed=True), commands.RUN, first=1)

    with pytest.raises(NoAnswer):
        await scene.cph.commands.run(scene.phones[:1], "id")

    assert scene.ledger("cph.commands.run") == {scene.phones[0]: 1}


async def test_a_connection_can_be_reset_before_the_body_is_read(scene: Scene) -> None:
    scene.emulator.fault(Reset(), commands.INSTALL)

    await scene.cph.commands.run(scene.phones[:1], "id")
    with pytest.raises(NoAnswer):
        await scene.cph.commands.install(scene.phones[:1], "obs://bucket/a.apk")


async def test_another_project_is_forbidden_after_authentication(call: SignedClient) -> None:
    path = f"/v1/{'0' * 32}/cloud-phone/phones"

    response = await call("GET", path)
    stranger = await call("GET", path, headers={"Authorization": "none", "Content-Type": "application/json"})

    assert (response.status, response.code) == (403, "CPS.0001")
    assert response.body["error_msg"] == "No permission to request resources."
    assert stranger.status == 401
    assert len(response.body["request_id"]) == 32


@pytest.mark.emulator(regions=("cn-north-4", "cn-east-3"))
async def test_a_project_sees_the_phones_and_jobs_of_its_own_region(scene: Scene) -> None:
    east = scene.emulator.accounts.account.projects[1]
    other = CloudPhone(scene.session, project_id=east.id, region=east.name)
    started = await scene.cph.commands.run([*scene.phones[:1], *scene.phones[5:]], "id")

    assert {phone.id async for phone in other.phones.list()} == set(scene.phones[3:])
    assert [entry.error_code for entry in started.jobs] == [None, "CPS.0005"]
    with pytest.raises(NotFound):
        [job async for job in other.jobs.list([started.request or ""])]
