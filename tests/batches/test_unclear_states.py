"""Waits for states that cannot be read, or that do not show whether a task has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from koophone_async import State
from koophone_async.errors import InvalidRequest, NotFound, Refused
from koophone_async.virtual_time import VirtualTimeLoop
from tests.batches.koophone_service import After, KooPhoneService, ok
from tests.batches.test_bare_ids import REFUSALS, UNKNOWN_TASK
from tests.batches.test_koophone_states import DEFAULT, RARE_POLLS, serving
from tests.fake_server import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.virtual_time

UNREADABLE_STATUSES: Final[list[tuple[object, str]]] = [
    (None, "status is null"),
    ("yesterday", 'status is "yesterday"'),
    ({}, "status is an object"),
    (ok({"status_results": [{"instance_id": "p1"}]}), "status is missing"),
    (ok({"status_results": [{"instance_id": None, "status": 2}]}), "instance_id is null"),
    (ok({"status_results": [7]}), "a row is a number, not an object"),
]


@pytest.mark.parametrize("status, reason", UNREADABLE_STATUSES, ids=str)
@pytest.mark.parametrize("verb", ["reset", "reboot", "prepare"])
async def test_an_unreadable_state_ends_with_its_reason(verb: str, status: object, reason: str) -> None:
    async with serving(KooPhoneService(status=status)) as koophone:
        arguments = ("user",) if verb == "prepare" else ()
        report = await getattr(koophone.fleet(["p1"]), verb)(*arguments)

    assert [(outcome.state, outcome.job_id) for outcome in report] == [(State.UNKNOWN, None)]
    assert reason in (report["p1"].error_message or "")


@pytest.mark.parametrize("row", [{"instance_id": None}, {"instance_id": []}, {"instance_id": {}}], ids=str)
async def test_an_unreadable_listed_state_ends_with_its_reason(row: Mapping[str, object]) -> None:
    async with serving(KooPhoneService(row=row), "international") as koophone:
        report = await koophone.fleet(["p1"]).reboot()

    assert report["p1"].state is State.UNKNOWN
    assert "its state cannot be read: instance_id is" in (report["p1"].error_message or "")


async def test_a_state_that_is_unreadable_for_a_while_counts_later() -> None:
    async with serving(KooPhoneService(status=After(60, 2, None))) as koophone:
        report = await koophone.fleet(["p1"]).reboot()

    assert report["p1"].state is State.SUCCEEDED


IDLE = {"running_status": 2, "assign_status": 1}
BACKED_UP_LONG_AGO = {"backup_status": 2, "backup_time": "2020-01-01 00:00:00"}
ENDS: Final[dict[str, tuple[Mapping[str, object], State]]] = {
    "reset": (IDLE | {"running_status": After(20, 2, After(5, 4, 2))}, State.SUCCEEDED),
    "reset that ends shut down": (IDLE | {"running_status": After(20, 5, After(5, 4, 2))}, State.UNKNOWN),
    "unassign": (IDLE | {"assign_status": After(20, 0, 1)}, State.SUCCEEDED),
    "backup": (
        IDLE | {"backup_status": After(20, 2, 1), "backup_time": "now", "running_status": After(20, 1, 2)},
        State.SUCCEEDED,
    ),
    "failed backup": (IDLE | {"backup_status": After(20, 3, 1)}, State.FAILED),
    "failed at once": (IDLE | {"backup_status": After(20, 3, 2)}, State.FAILED),
    "failed long ago": (IDLE | {"backup_status": 3}, State.UNKNOWN),
    "backed up long ago": (IDLE | BACKED_UP_LONG_AGO, State.UNKNOWN),
    "no change": (IDLE, State.UNKNOWN),
    "never assigned": (IDLE | {"assign_status": 0}, State.UNKNOWN),
    "never ends": (IDLE | {"running_status": 4}, State.UNFINISHED),
}


@pytest.mark.parametrize("edition", ["china", "international"])
@pytest.mark.parametrize("end", ENDS)
async def test_a_hidden_task_ends_by_what_it_changes(end: str, edition: str) -> None:
    row, state = ENDS[end]
    now = f"{VirtualTimeLoop.running().now():%Y-%m-%d %H:%M:%S}"
    row = {name: now if value == "now" else value for name, value in row.items()}
    policy = RARE_POLLS if state is State.UNFINISHED else DEFAULT
    async with serving(KooPhoneService(row=row, jobs=UNKNOWN_TASK), edition, policy) as koophone:
        report = await koophone.jobs.wait("RM_1", ids=["p1"])

    outcome = report["p1"]
    assert (outcome.state, outcome.job_id, outcome.resume_token) == (state, None, None)
    assert state is State.SUCCEEDED or "its state is" in (outcome.error_message or "")


@pytest.mark.parametrize("answer", REFUSALS, ids=str)
async def test_a_hidden_task_without_operation_is_awaited_by_state(answer: object) -> None:
    row = {"running_status": 2, "assign_status": After(30, 0, 1)}
    async with serving(KooPhoneService(row=row, jobs=answer)) as koophone:
        report = await koophone.jobs.wait("RM_1", ids=["p1", "p2"])

    assert report.counts == {State.SUCCEEDED: 2}


@pytest.mark.parametrize("task, ids", [("RM_1", ()), ("6837531f", ("p1",)), ("ZGCA1", ("p1",))])
async def test_other_tasks_are_not_awaited_by_state(task: str, ids: tuple[str, ...]) -> None:
    async with serving(KooPhoneService(jobs=UNKNOWN_TASK)) as koophone:
        with pytest.raises(NotFound):
            await koophone.jobs.wait(task, ids=ids)


async def test_a_busy_service_is_no_reason_to_await_states() -> None:
    busy = Reply({"error_code": "KOOPHONE.API.5005", "error_msg": "busy"}, 400)
    async with serving(KooPhoneService(jobs=busy)) as koophone:
        with pytest.raises(Refused, match="5005"):
            await koophone.jobs.wait("RM_1", ids=["p1"])


async def test_a_listed_hidden_task_must_have_a_job_for_each_id() -> None:
    async with serving(KooPhoneService(jobs=[{"job_id": "j1", "status": 2}])) as koophone:
        with pytest.raises(InvalidRequest, match="are 2, but the task has 1 jobs"):
            await koophone.jobs.wait("RM_1", ids=["p1", "p2"])
