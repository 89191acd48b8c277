"""Completion of CPH calls: jobs by request id, refused entries, synchronous results."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from koophone_async import CloudPhone, Quota, ResumeToken, State
from koophone_async.batches import NOT_IN_ANSWER, StartedCall
from koophone_async.cph import Access, ClientType, JobEntry, Listing, Started, StartedOne
from koophone_async.errors import InvalidRequest
from koophone_async.virtual_time import EPOCH
from tests.batches.recording_log import RecordedCall, RecordingLog
from tests.fake_server import FakeServer, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from koophone_async import Report
    from tests.batches.cph_service import CloudPhoneService
    from tests.fake_server import ReceivedRequest

pytestmark = pytest.mark.virtual_time

PHONES = [f"s{n % 5}-{n}" for n in range(150)]


@asynccontextmanager
async def replying(call: dict[str, Any], poll: dict[str, Any]) -> AsyncGenerator[CloudPhone]:
    """Reply to every call with one body, and every poll of jobs with another."""

    def handle(request: ReceivedRequest) -> Reply:
        return Reply(poll if request.method == "GET" else call)

    async with FakeServer.handling(handle) as server, server.session() as session:
        yield CloudPhone(session, project_id="P", region="cn-north-4")


def states(report: Report) -> dict[str, int]:
    return {state.value: count for state, count in report.counts.items() if count}


async def test_refused_entries_are_reported_beside_jobs(service: CloudPhoneService, cph: CloudPhone) -> None:
    service.refused = {"s0-0": "CPS.0099", "s1-1": "CPS.0053"}
    service.failing = {"s2-2": "CPS.0191"}

    report = await cph.fleet(PHONES).run("id")

    assert states(report) == {"succeeded": 147, "refused": 2, "failed": 1}
    assert (report["s0-0"].error_code, report["s0-0"].error_message) == ("CPS.0099", "Not now.")
    assert report["s2-2"].output == "out of s2-2"
    assert set(service.executed.values()) == {1}


async def test_a_call_that_is_refused_for_its_ids_is_halved(
    service: CloudPhoneService, cph: CloudPhone
) -> None:
    service.rejected = {"s0-0": "CPS.0005"}

    report = await cph.fleet(PHONES).stop()

    assert states(report) == {"succeeded": 149, "refused": 1}
    assert report["s0-0"].error_code == "CPS.0005"
    assert len(service.calls) <= 2 + 2 * 7


async def test_an_order_refused_for_its_ids_is_not_halved(
    service: CloudPhoneService, cph: CloudPhone
) -> None:
    service.rejected = {"s0-0": "CPS.0005"}

    report = await cph.fleet(PHONES).expand(50)

    assert states(report) == {"refused": 150}
    assert len(service.calls) == 1


@pytest.mark.parametrize("count", [99, 100, 101])
async def test_a_full_page_is_followed_while_jobs_are_missing(
    service: CloudPhoneService, cph: CloudPhone, count: int
) -> None:

    report = await cph.fleet([f"s9-{n}" for n in range(count)]).expand(50)

    assert states(report) == {"succeeded": count}
    followed = [rows for _, _, rows in service.polls if rows < min(count, 100)]
    assert bool(followed) is (count > 100)


async def test_a_job_that_is_never_listed_is_lost(service: CloudPhoneService, cph: CloudPhone) -> None:
    service.unlisted = {"s0-0"}

    report = await cph.fleet(PHONES[:100]).run("id")

    assert states(report) == {"succeeded": 99, "unknown": 1}
    assert report["s0-0"].state is State.UNKNOWN


async def test_waits_of_one_client_share_polls(service: CloudPhoneService, cph: CloudPhone) -> None:
    for phone in PHONES[:40]:
        await cph.commands.run([phone], "id")
    waits = [cph.jobs.wait(Started(name, (JobEntry(id=jobs[0].id),))) for name, jobs in service.jobs.items()]

    reports = [await wait for wait in waits]

    assert [states(report) for report in reports] == [{"succeeded": 1}] * 40
    assert len(service.polls) <= 60


async def test_polls_keep_to_the_poll_quota_of_the_client(
    service: CloudPhoneService, cph: CloudPhone
) -> None:
    slow = CloudPhone(cph._sender, poll_quota=Quota(6, 60))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    service.seconds = lambda: 3.0

    await slow.fleet(PHONES, server_of=lambda id: id.partition("-")[0]).run("id")

    times = [at for at, _, _ in service.polls]
    assert max(sum(0 <= other - at < 60 for other in times) for at in times) <= 6


async def test_a_truncated_listing_is_read_up_to_the_cut(service: CloudPhoneService, cph: CloudPhone) -> None:
    row = r'"4096\t Jul\t 28\t 15:28\t file%02d "'
    listing = '{"files_in_path": [' + ", ".join(row % n for n in range(60)) + "]}"
    service.output = lambda _: listing[:1024]
    service.failing = {"s2": "CPS.0160"}

    report = await cph.server_fleet(["s1", "s2"]).list_files("/data", limit=50)

    value = report["s1"].value
    assert isinstance(value, Listing)
    assert (value.is_cut, value.files[-1].name) == (True, f"file{len(value.files) - 1:02d}")
    assert (report["s2"].state, report["s2"].value) == (State.FAILED, None)


async def test_a_phone_without_a_connection_is_refused(service: CloudPhoneService, cph: CloudPhone) -> None:
    service.refused = {"s0-0": "CPS.0018"}

    report = await cph.fleet(PHONES[:25]).connections(ClientType.IOS)

    assert states(report) == {"succeeded": 24, "refused": 1}
    assert isinstance(report[PHONES[24]].value, Access)
    assert sorted(len(body["phone_ids"]) for *_, body in service.calls) == [5, 10, 10]


async def test_tags_are_added_one_server_per_call(service: CloudPhoneService, cph: CloudPhone) -> None:
    report = await cph.server_fleet(["s1", "s2"]).add_tags({"team": "shop"})

    assert states(report) == {"accepted": 2}
    assert sorted(path for _, path, _ in service.calls) == [
        "cph-server/s1/tags/action",
        "cph-server/s2/tags/action",
    ]


@pytest.mark.parametrize(
    "row, state",
    [
        ({"status": 2, "job_id": "j"}, State.SUCCEEDED),
        ({"status": -1, "job_id": "j", "error_code": "CPS.0191"}, State.FAILED),
        ({"error_code": "CPS.0005", "error_msg": "None."}, State.REFUSED),
        ({"status": -1, "job_id": None, "error_code": "CPS.0141"}, State.REFUSED),
        ({"status": -1, "error_code": "CPS.0191", "execute_msg": "not found"}, State.FAILED),
        ({"status": 7, "job_id": "j"}, State.UNKNOWN),
        ({"status": 1}, State.UNKNOWN),
    ],
)
async def test_a_synchronous_result_is_the_outcome(row: dict[str, Any], state: State) -> None:
    async with replying({"request_id": "r", "jobs": [{"phone_id": "p", **row}]}, {}) as cph:
        report = await cph.fleet(["p"]).run_sync("id")

    assert report["p"].state is state


async def test_a_command_that_outlasts_a_synchronous_call_is_polled() -> None:
    jobs = [{"job_id": "j", "status": 1}]
    later = {"jobs": [{"job_id": "j", "status": 2, "execute_msg": "late", "phone_id": "p"}]}
    async with replying({"request_id": "r", "jobs": jobs}, later) as cph:
        report = await cph.fleet(["p"]).run_sync("sleep 3")

    assert (report["p"].state, report["p"].output) == (State.SUCCEEDED, "late")


async def test_a_synchronous_call_of_another_process_is_polled() -> None:
    later = {"jobs": [{"job_id": "j", "status": 2, "execute_msg": "late", "phone_id": "p"}]}
    log = RecordingLog()
    entry = RecordedCall(log, ("p",), ["sending", "started"])
    call = StartedCall(entry, "r", {"j": "p"}, has_jobs=True, started_at=EPOCH)
    async with replying({}, later) as cph:
        report = await cph.fleet([]).run_sync("sleep 3").log_calls_to(log, [call])

    assert (report["p"].state, report["p"].output) == (State.SUCCEEDED, "late")
    assert entry.outcomes == report.outcomes


@pytest.mark.parametrize("entry", [{"phone_id": "p"}, {"phone_id": "q", "job_id": "j"}])
async def test_a_phone_missing_from_the_answer_is_unknown(entry: dict[str, str]) -> None:
    async with replying({"request_id": "r", "jobs": [entry]}, {"jobs": []}) as cph:
        report = await cph.fleet(["p"]).run("id")

    assert report["p"].state is State.UNKNOWN


async def test_jobs_are_awaited_by_answer_token_and_string(cph: CloudPhone) -> None:
    started = await cph.servers.restart(["s1"])
    resume_token = ResumeToken("", started.request or "", started.targets_by_job)

    nameless = StartedOne(started.request, None, started.jobs[0].id)
    reports = [await cph.jobs.wait(what) for what in (started, resume_token, str(resume_token), nameless)]

    assert [states(report) for report in reports] == [{"succeeded": 1}] * 4
    assert [id for report in reports for id in report.outcomes] == ["s1"] * 3 + [nameless.id]


async def test_jobs_without_a_request_id_cannot_be_awaited(cph: CloudPhone) -> None:
    with pytest.raises(InvalidRequest, match="has no request id"):
        await cph.jobs.wait(Started(None, (JobEntry(phone="p", id="j"),)))


async def test_an_entry_with_neither_job_nor_error_is_unknown(cph: CloudPhone) -> None:
    report = await cph.jobs.wait(Started("r", (JobEntry(phone="p"),)))

    assert [(o.id, o.state, o.error_message) for o in report] == [("p", State.UNKNOWN, NOT_IN_ANSWER)]


async def test_refusals_alone_need_no_poll(service: CloudPhoneService, cph: CloudPhone) -> None:
    service.refused = {"s1": "CPS.0053"}

    report = await cph.jobs.wait(await cph.servers.restart(["s1"]))

    assert states(report) == {"refused": 1}
    assert not service.polls
