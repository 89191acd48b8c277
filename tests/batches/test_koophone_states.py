"""Waits for states of instances: each ends, and claims only what happened."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from koophone_async import KooPhone, State
from koophone_async.polling.policy import PollPolicy
from koophone_async.virtual_time import VirtualTimeLoop
from tests.batches.koophone_service import After, KooPhoneService
from tests.fake_server import FakeServer, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytestmark = pytest.mark.virtual_time

HOUR = 3600.0
DEFAULT = PollPolicy()
RARE_POLLS = PollPolicy(max_interval=600)
"""For tests of hours, whose polls would take seconds of CPU."""


@asynccontextmanager
async def serving(
    service: KooPhoneService, edition: str = "china", policy: PollPolicy = DEFAULT
) -> AsyncGenerator[KooPhone]:
    now = VirtualTimeLoop.running().now
    handling = FakeServer.handling(service.handle)
    async with handling as server, server.session(edition=edition, now=now) as session:
        session.poll_scheduler.policy = policy
        yield KooPhone(session)


def now() -> float:
    return asyncio.get_running_loop().time()


CHINA_PREPARATIONS = [
    # prepare, status, progress, outcome, part of its message
    (1, 2, 0, State.SUCCEEDED, None),
    (0, 2, 0, State.SUCCEEDED, None),
    (1, 2, After(50, 0, 2), State.SUCCEEDED, None),
    (1, After(50, 2, 4), 0, State.SUCCEEDED, None),
    (0, 2, After(50, 0, 2), State.SUCCEEDED, None),
    (1, After(200, 2, 5), After(200, 0, 1), State.SUCCEEDED, None),  # waits for a machine
    (1, 2, 2, State.UNFINISHED, "its progress is RESTORING"),
    (0, 2, 2, State.UNFINISHED, "its progress is RESTORING"),
    (1, 2, -1, State.FAILED, "its progress is FAILED"),
    (1, 4, -1, State.FAILED, "its progress is FAILED"),
    (1, 0, -1, State.FAILED, "its progress is FAILED"),
    (1, 5, 6, State.FAILED, "SHUT_DOWN"),
    (1, 5, 2, State.FAILED, "SHUT_DOWN"),
    (1, 5, 0, State.FAILED, "SHUT_DOWN"),
    (1, 0, 2, State.FAILED, "UNKNOWN"),
    (1, 4, 1, State.UNFINISHED, "its state is STARTING"),
    (1, 77, 88, State.UNFINISHED, "its state is 77, its progress is 88"),
    (42, 2, 0, State.SUCCEEDED, None),
    (42, 4, 1, State.UNFINISHED, "its state is STARTING"),
    (1, 2, Reply({"error_code": "KOOPHONE.API.1003"}, 401), State.UNFINISHED, "KOOPHONE.API.1003"),
    (9, 2, 0, State.FAILED, "could not be restored"),
]


@pytest.mark.parametrize("prepare, status, progress, state, message", CHINA_PREPARATIONS, ids=str)
async def test_a_preparation_in_china_ends_by_its_progress(
    prepare: int, status: object, progress: object, state: State, message: str | None
) -> None:
    service = KooPhoneService(prepare, status, progress)
    async with serving(service) as koophone:
        outcome = (await koophone.fleet(["p1"], deadline=900).prepare("user"))["p1"]

    assert (outcome.state, outcome.job_id, outcome.resume_token) == (state, None, None)
    assert message is None or message in (outcome.error_message or "")
    assert now() <= 960


RUNNING = {"running_status": 2, "assign_status": 1, "backup_status": 2, "backup_time": "2020-01-01 00:00:00"}


@pytest.mark.parametrize(
    "edition, prepare, row, progress, state",
    [
        ("china", 2, RUNNING | {"assign_status": 0}, 1, State.UNFINISHED),
        ("china", 2, RUNNING | {"assign_status": After(90, 1, 0)}, After(90, 0, 1), State.SUCCEEDED),
        ("china", 3, RUNNING | {"running_status": After(60, 1, 2)}, After(60, 6, 3), State.FAILED),
        ("china", 3, RUNNING | {"running_status": After(60, 5, 2)}, After(60, 6, 3), State.FAILED),
        ("china", 3, RUNNING | {"backup_status": After(90, 2, 1)}, After(90, 0, 3), State.SUCCEEDED),
        ("international", 3, RUNNING | {"running_status": After(60, 1, 2)}, After(60, 2, 3), State.FAILED),
        ("international", 5, RUNNING | {"restore_status": 3}, 2, State.FAILED),
        ("international", 6, RUNNING | {"restore_status": After(30, 3, 1)}, 2, State.FAILED),
        ("international", 6, RUNNING | {"restore_status": After(30, 2, 1)}, After(30, 0, 2), State.SUCCEEDED),
        ("international", 10, RUNNING | {"running_status": 3}, 2, State.UNFINISHED),
    ],
    ids=str,
)
async def test_a_preparation_for_more_than_data_ends_by_the_list(
    edition: str, prepare: int, row: dict[str, object], progress: object, state: State
) -> None:
    async with serving(KooPhoneService(prepare, progress=progress, row=row), edition) as koophone:
        report = await koophone.fleet(["p1"], deadline=900).prepare("user")

    assert (report["p1"].state, report["p1"].job_id) == (state, None)
    assert now() <= 960


@pytest.mark.parametrize(
    "content, progress, state",
    [
        (2, 2, State.SUCCEEDED),
        (7, 2, State.SUCCEEDED),
        (After(100, 3, 1), 2, State.SUCCEEDED),
        (0, 0, State.UNFINISHED),
        (0, 2, State.UNFINISHED),
        (0, -1, State.FAILED),
        (1, -1, State.FAILED),
        (5, 2, State.FAILED),
        (6, 2, State.FAILED),
        (99, 99, State.UNFINISHED),
    ],
    ids=str,
)
async def test_an_international_preparation_ends_by_its_content(
    content: object, progress: int, state: State
) -> None:
    service = KooPhoneService(1, content, progress)
    async with serving(service, "international") as koophone:
        report = await koophone.fleet(["p1"], deadline=900).prepare("user")

    assert (report["p1"].state, report["p1"].job_id) == (state, None)
    assert now() <= 960


async def test_each_instance_is_asked_for_its_progress_once_where_it_is_good() -> None:
    service = KooPhoneService(prepare=1, status=After(20, 2, 4), progress=0)
    async with serving(service) as koophone:
        report = await koophone.fleet([f"p{n}" for n in range(100)]).prepare("user")

    assert report.counts == {State.SUCCEEDED: 100}
    assert 100 <= service.calls["prepare-progress"] <= 200
    assert service.calls["batch-query-status"] < 40


async def test_a_long_preparation_is_asked_for_its_progress_less_often() -> None:
    service = KooPhoneService(prepare=1, status=2, progress=After(HOUR, 0, 2))
    async with serving(service) as koophone:
        report = await koophone.fleet(["p1"]).prepare("user")

    assert report.counts == {State.SUCCEEDED: 1}
    assert service.calls["prepare-progress"] < 80


@pytest.mark.parametrize("verb", ["reset", "reboot"])
@pytest.mark.parametrize(
    "status, state",
    [
        (2, State.SUCCEEDED),
        (After(100, 2, 5), State.SUCCEEDED),
        (After(30, 0, 3), State.FAILED),
        (After(30, 5, 3), State.FAILED),
        (3, State.UNFINISHED),
        (77, State.UNFINISHED),
    ],
    ids=str,
)
async def test_a_restart_in_china_ends_by_its_state(verb: str, status: object, state: State) -> None:
    async with serving(KooPhoneService(status=status)) as koophone:
        report = await getattr(koophone.fleet(["p1"], deadline=900), verb)()

    assert (report["p1"].state, report["p1"].job_id) == (state, None)
    assert now() <= 960


def text_of(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S")


OLD = "2020-01-01 00:00:00"


@pytest.mark.parametrize("hours", [0, -1, 1, 8, -8], ids="service ahead {}h".format)
@pytest.mark.parametrize("edition", ["china", "international"])
async def test_only_a_backup_newer_than_the_call_counts(edition: str, hours: int) -> None:
    begun = text_of(VirtualTimeLoop.running().now().timestamp() + 30 + hours * HOUR)
    row = {"backup_status": After(120, 2, After(30, 1, 2)), "backup_time": After(120, begun, OLD)}
    async with serving(KooPhoneService(row=row), edition) as koophone:
        report = await koophone.fleet(["p1"], deadline=900).backup()

    assert (report["p1"].state, report["p1"].job_id) == (State.SUCCEEDED, None)
    assert 120 <= now() <= 180


@pytest.mark.parametrize(
    "row, state",
    [
        ({"backup_status": 2, "backup_time": OLD}, State.UNFINISHED),
        ({"backup_status": 2, "backup_time": None}, State.UNFINISHED),
        ({"backup_status": 0}, State.UNFINISHED),
        ({"backup_status": 4}, State.UNFINISHED),
        ({"backup_status": None}, State.UNFINISHED),
        ({"backup_status": 3, "backup_time": OLD}, State.FAILED),
    ],
    ids=str,
)
async def test_a_backup_that_never_ends_is_unfinished(row: dict[str, object], state: State) -> None:
    async with serving(KooPhoneService(row=row)) as koophone:
        report = await koophone.fleet(["p1"], deadline=900).backup()

    assert (report["p1"].state, report["p1"].job_id) == (state, None)
    assert now() <= 960


@pytest.mark.parametrize("hours_ago", [0.1, 1, 7, 9, 24])
@pytest.mark.parametrize("zone", [0, 8, -5])
async def test_an_earlier_backup_does_not_count_in_any_zone(hours_ago: float, zone: int) -> None:
    earlier = text_of(VirtualTimeLoop.running().now().timestamp() + (zone - hours_ago) * HOUR)
    async with serving(KooPhoneService(row={"backup_status": 2, "backup_time": earlier})) as koophone:
        report = await koophone.fleet(["p1"], deadline=600).backup()

    assert report["p1"].state is State.UNFINISHED


async def test_states_that_cannot_be_read_end_as_unknown() -> None:
    service = KooPhoneService(status=Reply(b"<html>Maintenance</html>"))
    async with serving(service) as koophone:
        report = await koophone.fleet(["p1"], deadline=900).reboot()

    assert report["p1"].state is State.UNKNOWN
    assert "koophone.instances.status" in (report["p1"].error_message or "")


@pytest.mark.parametrize("verb, hours", [("reset", 0.5), ("reboot", 0.5), ("backup", 6)])
async def test_a_state_that_never_comes_ends_at_the_default_deadline(verb: str, hours: float) -> None:
    service = KooPhoneService(status=3, row={"backup_status": 0})
    async with serving(service, policy=RARE_POLLS) as koophone:
        report = await getattr(koophone.fleet(["p1"]), verb)()

    assert report["p1"].state is State.UNFINISHED
    assert now() == pytest.approx(hours * HOUR, abs=60)


async def test_none_is_no_deadline() -> None:
    async with serving(KooPhoneService(status=After(2 * HOUR, 2, 3))) as koophone:
        report = await koophone.fleet(["p1"], deadline=None).reboot()

    assert report["p1"].state is State.SUCCEEDED
