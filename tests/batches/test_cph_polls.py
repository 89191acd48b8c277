"""Poll quotas of CPH, and polls that several calls share."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count, pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async import Quota, State
from koophone_async.cph import JobEntry, Started
from koophone_async.polling import PollLimiter, PollScheduler
from koophone_async.services.cph.completion import JobPoller, find_jobs
from tests.fake_server import FakeServer, Reply

if TYPE_CHECKING:
    from koophone_async import CloudPhone
    from tests.batches.cph_service import CloudPhoneService
    from tests.fake_server import ReceivedRequest

pytestmark = pytest.mark.virtual_time


def poll_times(quota: Quota, wanted: list[float]) -> list[float]:
    """Return when requests are sent, each wanted so many seconds after the one before."""
    limiter, now, times = PollLimiter(quota), 0.0, list[float]()
    for after in wanted:
        now = max(now + after, limiter.free_at)
        limiter.record(now)
        times.append(now)
    return times


@given(
    quota=st.builds(Quota, st.integers(2, 80), st.sampled_from([10.0, 60.0])),
    wanted=st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.5, 2.0, 30.0]), min_size=1, max_size=200),
)
def test_no_window_has_more_polls_than_the_quota(quota: Quota, wanted: list[float]) -> None:
    times = poll_times(quota, wanted)

    assert max(sum(0 <= other - at < quota.seconds for other in times) for at in times) <= quota.permits


def test_a_sixth_of_the_polls_is_a_burst_the_rest_is_even() -> None:
    times = poll_times(Quota(60, 60), [0.0] * 60)

    assert times[:10] == pytest.approx([0.0] * 10)
    assert [later - sooner for sooner, later in pairwise(times[9:])] == pytest.approx([1.2] * 50)


async def test_the_poll_rate_does_not_depend_on_the_waits(
    service: CloudPhoneService, cph: CloudPhone
) -> None:
    for _ in range(40):
        await cph.jobs.wait(await cph.commands.run(["s1-1"], "id"))

    times = [at for at, _, _ in service.polls]
    assert max(sum(0 <= other - at < 60 for other in times) for at in times) <= 60


async def test_a_further_page_counts_as_a_poll(service: CloudPhoneService, cph: CloudPhone) -> None:
    phones = [f"s1-{n}" for n in range(250)]
    calls = [await cph.commands.run(phones[n : n + 100], "id") for n in (0, 100, 200)]
    limiter, wanted = PollLimiter(Quota(60, 60)), [job for call in calls for job in call.targets_by_job]
    sender = cph._sender  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    found = await find_jobs(sender, limiter, [call.request or "" for call in calls], wanted)

    assert [rows for _, _, rows in service.polls] == [100, 100, 50]
    assert limiter.free_at == pytest.approx(asyncio.get_running_loop().time() - 7 * 1.2)
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize("max_rows", [1, 7, 50, 99])
async def test_jobs_of_short_pages_are_found(
    service: CloudPhoneService, cph: CloudPhone, max_rows: int
) -> None:
    service.max_rows = max_rows

    report = await cph.fleet([f"s1-{n}" for n in range(100)], max_per_server=1000).run("id")

    assert report.counts == {State.SUCCEEDED: 100}


@pytest.mark.parametrize(
    "past_the_end", [Reply({"jobs": []}), Reply({"error_code": "CPS.0004"}, 400)], ids=str
)
async def test_a_lost_job_does_not_hide_others(
    service: CloudPhoneService, cph: CloudPhone, past_the_end: Reply
) -> None:
    service.max_rows, service.past_the_end, service.unlisted = 3, past_the_end, {"s1-4"}

    report = await cph.fleet([f"s1-{n}" for n in range(10)]).run("id")

    assert report.counts == {State.SUCCEEDED: 9, State.UNKNOWN: 1}
    assert report["s1-4"].state is State.UNKNOWN


async def test_jobs_are_matched_to_their_call(service: CloudPhoneService, cph: CloudPhone) -> None:
    service.seconds = lambda: 20.0
    calls = [await cph.commands.run([f"s{n}-1", f"s{n}-2"], "id") for n in range(30)]

    reports = await asyncio.gather(*map(cph.jobs.wait, calls))

    assert [list(report.outcomes) for report in reports] == [[f"s{n}-1", f"s{n}-2"] for n in range(30)]
    assert max(requests for _, requests, _ in service.polls) == 20


async def test_an_unknown_call_fails_the_poll_of_others_once(
    service: CloudPhoneService, cph: CloudPhone
) -> None:
    service.seconds = lambda: 40.0
    calls = [await cph.commands.run([f"s{n}-1"], "id") for n in range(20)]
    service.forgotten = {calls[7].request or ""}

    reports = await asyncio.gather(*map(cph.jobs.wait, calls))

    assert Counter(outcome.state for report in reports for outcome in report) == {
        State.SUCCEEDED: 19,
        State.UNKNOWN: 1,
    }
    refused = [requests for _, requests, rows in service.polls if not rows]
    assert [requests for requests in refused if requests > 1] == [20]


async def test_no_jobs_are_pending_for_an_unknown_handle(cph: CloudPhone) -> None:
    requests = JobPoller(cph._sender)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    assert not PollScheduler().pending(requests, "r1")


async def test_an_entry_without_an_id_is_of_the_only_phone(cph: CloudPhone) -> None:
    requests = JobPoller(cph._sender)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    started = Started("r", (JobEntry(id="j"), JobEntry(error_code="CPS.0005")))

    one, two = requests.read_started(started, ["p"]), requests.read_started(started, ["p", "q"])

    assert one.wait is not None
    assert two.wait is not None
    assert (dict(one.wait.jobs), [end.id for end in one.outcomes]) == ({"j": "p"}, ["p"])
    assert (dict(two.wait.jobs), [end.id for end in two.outcomes]) == ({"j": ""}, ["", "p", "q"])


@pytest.mark.parametrize("total", [None, 1, 1000])
@pytest.mark.parametrize("period", [1, 2, 5])
@pytest.mark.parametrize("odd", [{}, {"job_id": None}, {"job_id": "j9", "status": None}], ids=str)
async def test_a_poll_ends_where_pages_come_round_again(
    odd: dict[str, object], period: int, total: int | None
) -> None:
    polls = count()

    def handle(_: ReceivedRequest) -> Reply:
        number = next(polls)
        rows: list[dict[str, object]] = [{"job_id": f"j{number % period}", "status": number % 3 or -1}]
        return Reply({"jobs": [*rows, *([odd] if odd else [])], "count": total})

    async with FakeServer.handling(handle) as server, server.session() as session:
        bound = session.bind(project_id="P")
        jobs = await find_jobs(bound, PollLimiter(Quota(60, 60)), ["r1"], ["missing", "j0"])

    assert "j0" in jobs
    assert server.request_count <= period + 1
