"""Waits for what was started elsewhere, of which only an id of the service is known."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest

from koophone_async import CloudPhone, KooPhone, ResumeToken, State
from koophone_async.emulator import Emulator, Refuse
from koophone_async.errors import InvalidRequest, NotFound
from koophone_async.services.koophone import jobs
from koophone_async.virtual_time import VirtualTimeLoop
from tests.batches.koophone_service import After, KooPhoneService
from tests.batches.test_koophone_states import serving
from tests.fake_server import Reply

if TYPE_CHECKING:
    from tests.batches.cph_service import CloudPhoneService

pytestmark = pytest.mark.virtual_time

UNKNOWN_TASK = Reply({"error_code": "KOOPHONE.API.1323", "error_msg": "no such task"}, 404)
ROWS = [{"job_id": "j1", "status": 2}, {"job_id": "j2", "status": -1, "error_code": "CPS.0005"}]


@pytest.mark.parametrize("task", ["6837531fc1b9411d8d1e8a4ec40cd4ef", "ZGCA123", "FULFILL1", "RM_1"])
@pytest.mark.parametrize("listed", [ROWS, After(8, ROWS, []), After(8, ROWS, UNKNOWN_TASK)], ids=str)
async def test_a_bare_task_id_is_awaited(task: str, listed: object) -> None:
    async with serving(KooPhoneService(jobs=listed)) as koophone:
        report = await koophone.jobs.wait(task)
        named = await koophone.jobs.wait(task, ids=["p1", "p2"])

    assert [(o.id, o.job_id, o.state) for o in report] == [
        ("j1", "j1", State.SUCCEEDED),
        ("j2", "j2", State.FAILED),
    ]
    assert [(o.id, o.job_id, o.state) for o in named] == [
        ("p1", "j1", State.SUCCEEDED),
        ("p2", "j2", State.FAILED),
    ]


async def test_an_unfinished_bare_task_can_be_resumed() -> None:
    async with serving(KooPhoneService(jobs=After(60, ROWS, [{"job_id": "j1", "status": 1}]))) as koophone:
        report = await koophone.jobs.wait("6837531f", timeout=30)
        later = await koophone.jobs.wait(report["j1"].resume_token)

    assert (report["j1"].state, later["j1"].state) == (State.UNFINISHED, State.SUCCEEDED)


async def test_an_unknown_bare_task_is_not_found() -> None:
    async with serving(KooPhoneService(jobs=UNKNOWN_TASK)) as koophone:
        with pytest.raises(NotFound, match="1323"):
            await koophone.jobs.wait("6837531f")

    assert asyncio.get_running_loop().time() < 30


async def test_a_bare_task_without_jobs_is_unknown() -> None:
    async with serving(KooPhoneService(jobs=[])) as koophone:
        report = await koophone.jobs.wait("6837531f")

    assert [(o.id, o.state) for o in report] == [("6837531f", State.UNKNOWN)]


async def test_the_ids_of_a_bare_task_must_be_as_many_as_its_jobs() -> None:
    async with serving(KooPhoneService(jobs=ROWS)) as koophone:
        with pytest.raises(InvalidRequest, match="are 3, but the task has 2 jobs"):
            await koophone.jobs.wait("6837531f", ids=["p1", "p2", "p3"])


REFUSALS: Final[list[object]] = [
    UNKNOWN_TASK,
    Reply({"error_code": "KOOPHONE.API.1000", "error_msg": "wrong parameter"}, 400),
    Reply({"error_code": "KOOPHONE.API.1001", "error_msg": "wrong instance"}, 401),
    Reply({"error_code": "KOOPHONE.API.77777", "error_msg": "?"}, 200),
    [],
]


@pytest.mark.parametrize("answer", REFUSALS, ids=str)
@pytest.mark.parametrize("verb", ["reset", "backup", "unassign"])
async def test_a_task_that_is_not_shown_is_awaited_by_state(verb: str, answer: object) -> None:
    now = VirtualTimeLoop.running().now()
    row = {
        "running_status": 2,
        "assign_status": 0,
        "backup_status": 2,
        "backup_time": f"{now:%Y-%m-%d %H:%M:%S}",
    }
    task = {"task_id": "RM_1", "cmd_jobs": [{"instance_id": "p1", "job_id": "j1"}]}
    arguments = ("user",) if verb == "unassign" else ()
    async with serving(KooPhoneService(row=row, task=task, jobs=answer), "international") as koophone:
        report = await getattr(koophone.fleet(["p1"], deadline=900), verb)(*arguments)
        operation = {"reset": "instances.reset", "backup": "instances.backup", "unassign": "users.unassign"}[
            verb
        ]
        token = ResumeToken(f"koophone.{operation}", "RM_1", {"j1": "p1"}, now)
        resumed = await koophone.jobs.wait(str(token), timeout=900)

    assert [(o.state, o.job_id) for o in (report["p1"], resumed["p1"])] == [(State.SUCCEEDED, "j1")] * 2


async def test_request_and_job_ids_of_cph_are_awaited(service: CloudPhoneService, cph: CloudPhone) -> None:
    service.seconds = lambda: 30.0
    started = await cph.commands.run(["s1-1", "s2-2"], "id")
    job = started.jobs[1].id or ""

    by_request, by_job = await cph.jobs.wait(started.request or ""), await cph.jobs.wait(job)

    assert {(o.id, o.state) for o in by_request} == {("s1-1", State.SUCCEEDED), ("s2-2", State.SUCCEEDED)}
    assert [(o.id, o.job_id, o.state) for o in by_job] == [("s2-2", job, State.SUCCEEDED)]


async def test_an_unfinished_bare_job_of_cph_can_be_resumed(
    service: CloudPhoneService, cph: CloudPhone
) -> None:
    service.seconds = lambda: 60.0
    job = (await cph.commands.run(["s1-1"], "id")).jobs[0].id or ""

    early = await cph.jobs.wait(job, timeout=10)
    later = await cph.jobs.wait(early["s1-1"].resume_token or "")

    assert (early["s1-1"].state, later["s1-1"].state) == (State.UNFINISHED, State.SUCCEEDED)


async def test_an_unknown_id_of_cph_is_not_found(cph: CloudPhone) -> None:
    with pytest.raises(NotFound, match=r"CPS\.0011"):
        await cph.jobs.wait("6837531f")


@pytest.mark.emulator(phones=3, newer=True)
async def test_the_emulator_shows_bare_tasks(emulator: Emulator, koophone: KooPhone) -> None:
    started = await koophone.commands.run([phone.id for phone in emulator.phones], "id")
    emulator.fault(Refuse(404, "KOOPHONE.API.1323"), jobs.LIST, first=2)

    report = await koophone.jobs.wait(started.id)

    assert {o.id for o in report} == {job.id for job in started.jobs}
    assert report.counts == {State.SUCCEEDED: 3}


async def test_deleted_servers_have_an_outcome_each() -> None:
    now = VirtualTimeLoop.running().now
    async with Emulator(servers=3, now=now) as emulator, emulator.session() as session:
        cph = CloudPhone(session, project_id=emulator.project_id)
        servers = [server.id async for server in cph.servers.list()][:2]
        report = await cph.jobs.wait(await cph.servers.delete(servers))

    assert {(outcome.id, outcome.state) for outcome in report} == {(id, State.SUCCEEDED) for id in servers}
