"""Jobs with odd statuses, and tasks with several jobs of one instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from koophone_async import CloudPhone, KooPhone, ResumeToken, State
from tests.batches.koophone_service import After, KooPhoneService
from tests.batches.test_koophone_states import serving
from tests.fake_server import FakeServer, Reply

if TYPE_CHECKING:
    from tests.fake_server import ReceivedRequest

pytestmark = pytest.mark.virtual_time

STATUSES = [
    # status, error code, outcome, its code, part of its message
    (2, "", State.SUCCEEDED, None, ""),
    (2, "0", State.SUCCEEDED, None, ""),
    (-1, "CPS.0005", State.FAILED, "CPS.0005", ""),
    (-1, "0", State.FAILED, None, ""),
    (1, "", State.UNFINISHED, None, "still running"),
    (9, "", State.UNFINISHED, None, "its status is 9"),
    (9, "CPS.0005", State.UNFINISHED, None, "its status is 9, which is not documented (CPS.0005)"),
    (0, "", State.UNFINISHED, None, "its status is 0"),
    (3, "", State.UNFINISHED, None, "its status is 3"),
    (3, "0", State.UNFINISHED, None, "its status is 3"),
]


@pytest.mark.parametrize("status, code, state, shown_code, message", STATUSES)
async def test_an_odd_status_spoils_no_other_job(
    status: int, code: str, state: State, shown_code: str | None, message: str
) -> None:
    rows = [{"job_id": "j1", "status": status, "error_code": code}, {"job_id": "j2", "status": 2}]
    started = {"task_id": "t", "cmd_jobs": [{"instance_id": f"p{n}", "job_id": f"j{n}"} for n in (1, 2)]}
    async with serving(KooPhoneService(task=started, jobs=rows)) as koophone:
        task = (await koophone.commands.run(["p1", "p2"], "id")).task
        reports = [
            await koophone.fleet(["p1", "p2"], deadline=900).run("id"),
            await koophone.jobs.wait(task, timeout=900),
        ]

    for report in reports:
        assert (report["p1"].state, report["p1"].error_code) == (state, shown_code)
        assert message in (report["p1"].error_message or "")
        assert report["p2"].state is State.SUCCEEDED


async def test_a_failure_may_have_status_3() -> None:
    rows = [{"job_id": "j1", "status": 3, "error_code": "CPS.0005"}]
    started = {"task_id": "t", "cmd_jobs": [{"instance_id": "p1", "job_id": "j1"}]}
    async with serving(KooPhoneService(task=started, jobs=rows)) as koophone:
        report = await koophone.fleet(["p1"]).run("id")

    assert (report["p1"].state, report["p1"].error_code) == (State.FAILED, "CPS.0005")


@pytest.mark.parametrize("status, code, state, shown_code, message", STATUSES)
async def test_an_odd_status_in_cph_spoils_no_other_job(
    status: int, code: str, state: State, shown_code: str | None, message: str
) -> None:
    rows = [{"job_id": "j1", "status": status, "error_code": code}, {"job_id": "j2", "status": 2}]

    def handle(request: ReceivedRequest) -> Reply:
        if request.method == "GET":
            return Reply({"jobs": rows if request.query["offset"] == "0" else []})
        return Reply({"request_id": "r", "jobs": [{"phone_id": f"p{n}", "job_id": f"j{n}"} for n in (1, 2)]})

    async with FakeServer.handling(handle) as server, server.session() as session:
        cph = CloudPhone(session, project_id="P", region="cn-north-4")
        report = await cph.fleet(["p1", "p2"], deadline=900).run("id")

    assert (report["p1"].state, report["p1"].error_code) == (state, shown_code)
    assert message in (report["p1"].error_message or "")
    assert report["p2"].state is State.SUCCEEDED


@pytest.mark.parametrize(
    "second, state, code",
    [
        ({"status": 2}, State.SUCCEEDED, None),
        ({"status": -1, "error_code": "CPS.0005"}, State.FAILED, "CPS.0005"),
        ({"status": 1}, State.UNFINISHED, None),
    ],
    ids=str,
)
@pytest.mark.parametrize("waits", ["fleet", "jobs"])
async def test_two_jobs_of_one_instance_are_one_outcome(
    second: dict[str, Any], state: State, code: str | None, waits: str
) -> None:
    first, later = {"job_id": "j1", "status": 2}, {"job_id": "j2", "status": 1}
    service = KooPhoneService(
        task={"task_id": "t", "cmd_jobs": [{"instance_id": "p1", "job_id": job} for job in ("j1", "j2")]},
        jobs=After(60, [first, later | second], [first, later]),
    )
    async with serving(service) as koophone:
        report = await ended(koophone, waits)
        outcome = report["p1"]

    assert report.counts == {state: 1}
    assert (outcome.error_code, set((outcome.job_id or "").split(","))) == (code, {"j1", "j2"})
    assert outcome.seconds >= 60
    if state is State.UNFINISHED:
        assert ResumeToken.parse(outcome.resume_token or "").jobs == {"j2": "p1"}


async def ended(koophone: KooPhone, waits: str) -> Any:  # noqa: ANN401 - a report
    if waits == "fleet":
        return await koophone.fleet(["p1"], deadline=300).run("id")
    return await koophone.jobs.wait((await koophone.commands.run(["p1"], "id")).task, timeout=300)
