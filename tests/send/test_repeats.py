"""How often and how long: attempts, waits, the budget, the deadline; and what the quota learns on the way."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Final

import pytest

from koophone_async import Quota, Retries
from koophone_async.call import SendTracker
from koophone_async.errors import (
    Busy,
    ConnectionLost,
    InvalidRequest,
    KooPhoneError,
    NotFound,
    QuotaTooSlow,
    Throttled,
    Unavailable,
    UnreadableAnswer,
)
from koophone_async.operation import Batch, Operation
from tests.fake_server import (
    Behaviour,
    FakeServer,
    accept,
    cut,
    replies,
    reset_after_request,
    reset_unread,
    stall,
    stay_silent,
)
from tests.send.operations import READ, RUN, SET, Answer, Note, session

LIMIT: Final = "The throttling threshold has been reached: policy user over ratelimit,limit:1,time:1 minute"
AWAY: Final = replies(503, executed=True)


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_call_has_at_most_three_attempts() -> None:
    async with FakeServer(default=AWAY) as server, session(server.url) as ours:
        with pytest.raises(Unavailable):
            await ours.send(READ, Note())

    assert server.request_count == 3


async def test_an_outage_costs_at_most_a_tenth_more_calls() -> None:
    calls = 1_000
    async with FakeServer(default=AWAY) as server, session(server.url) as ours:
        ends = await asyncio.gather(*(ours.send(READ, Note()) for _ in range(calls)), return_exceptions=True)

    assert all(isinstance(end, Unavailable) for end in ends)
    assert calls < server.request_count <= 1.1 * calls


async def test_a_throttled_crowd_costs_at_most_a_tenth_more_calls() -> None:
    calls = 1_100
    async with FakeServer(default=replies(200, "KOOPHONE.API.2005")) as server, session(server.url) as ours:
        ends = await asyncio.gather(*(ours.send(RUN, Note()) for _ in range(calls)), return_exceptions=True)

    assert all(isinstance(end, Busy) for end in ends)
    assert calls < server.request_count <= 1.1 * calls


@pytest.mark.parametrize("successes, is_sent_again", [(14, True), (13, False)])
async def test_successes_refill_the_budget(successes: int, *, is_sent_again: bool) -> None:
    behaviours = [reset_unread, *[accept] * successes, reset_unread]
    async with FakeServer(behaviours) as server, session(server.url, retries=Retries(budget=14)) as ours:
        for _ in range(successes):
            await ours.send(READ, Note())
        await asyncio.gather(ours.send(READ, Note()), return_exceptions=True)

    assert server.request_count == successes + is_sent_again


async def test_delays_are_longer_after_busy_than_after_a_failure() -> None:
    busy = replies(200, "KOOPHONE.API.2005")
    async with FakeServer([AWAY, AWAY, accept, busy, busy]) as server, session(server.url) as ours:
        await ours.send(READ, Note())
        transient = now()
        await ours.send(READ, Note())

    assert server.request_count == 6
    assert 0 < transient < 0.15
    assert 0.15 < now() - transient < 3


async def test_retry_after_is_kept() -> None:
    async with FakeServer([replies(503, Retry_After="40")]) as server, session(server.url) as ours:
        await ours.send(RUN, Note())

    assert 40 <= now() < 41


async def test_a_retry_is_logged_with_its_delay_and_attempt(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "koophone_async")
    async with FakeServer([replies(503, Retry_After="9")]) as server, session(server.url) as ours:
        await ours.send(RUN, Note())

    (line,) = [record.getMessage() for record in caplog.records if record.name == "koophone_async"]
    assert re.match(rf"retrying {RUN.name} in 9\.\d\d s \(attempt 2\): {RUN.name}: ", line)


async def test_a_retry_is_logged_with_its_wait_for_the_quota(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "koophone_async")
    async with FakeServer([replies(429, "APIGW.0308", LIMIT)]) as server, session(server.url) as ours:
        await ours.send(RUN, Note())

    logged = [record.getMessage() for record in caplog.records if record.getMessage().startswith("retrying")]
    assert [float(line.split()[3]) for line in logged] == [pytest.approx(now(), abs=1)]
    assert now() > 59


async def test_an_invalid_retry_after_is_ignored() -> None:
    async with FakeServer([replies(429, Retry_After="9" * 400)]) as server, session(server.url) as ours:
        async with asyncio.timeout(60):
            await ours.send(RUN, Note())

    assert server.request_count == 2


async def test_no_attempt_starts_after_the_deadline() -> None:
    async with (
        FakeServer([replies(503, Retry_After="40")]) as server,
        session(server.url, retries=Retries(deadline=39)) as ours,
    ):
        with pytest.raises(Unavailable) as caught:
            await ours.send(RUN, Note())

    assert (server.request_count, caught.value.retry_after) == (1, 40)
    assert now() < 1


async def test_quota_waits_do_not_count_for_the_retry_deadline() -> None:
    quotas = {RUN.name: (Quota(1, 600),)}
    async with (
        FakeServer([accept, replies(200, "KOOPHONE.API.2005")]) as server,
        session(server.url, quotas=quotas) as ours,
    ):
        await ours.send(RUN, Note())
        await ours.send(RUN, Note())

    assert (server.request_count, server.executions) == (3, 2)


async def test_an_unsent_retry_does_not_hide_the_doubt() -> None:
    quotas = {SET.name: (Quota(1, 60),)}
    async with (
        FakeServer([reset_after_request]) as server,
        session(server.url, quotas=quotas, max_quota_wait=5) as ours,
    ):
        with pytest.raises(ConnectionLost):
            await ours.send(SET, Note())

    assert (server.request_count, server.executions) == (1, 1)


async def test_a_stated_quota_applies_to_its_operation_alone() -> None:
    async with FakeServer([replies(429, "APIG.0308", LIMIT)]) as server, session(server.url) as ours:
        await ours.send(RUN, Note())
        throttled = now()
        await ours.send(SET, Note())

    assert throttled >= 60
    assert now() - throttled < 1


async def test_a_quota_that_takes_too_long_fails_at_once() -> None:
    quotas = {RUN.name: (Quota(1, 600),)}
    async with FakeServer() as server, session(server.url, quotas=quotas, max_quota_wait=5) as ours:
        await ours.send(RUN, Note())
        with pytest.raises(QuotaTooSlow) as caught:
            await ours.send(RUN, Note())

    assert caught.value.retry_after == pytest.approx(600, abs=1)
    assert (server.request_count, now() < 1) == (1, True)


async def test_every_attempt_takes_a_permit() -> None:
    quotas = {SET.name: (Quota(1, 60),)}
    async with FakeServer([reset_after_request]) as server, session(server.url, quotas=quotas) as ours:
        await ours.send(SET, Note())

    assert server.request_count == 2
    assert now() >= 60


async def test_doubt_about_an_earlier_attempt_remains() -> None:
    tracker = SendTracker()
    async with (
        FakeServer([reset_after_request, replies(429, Retry_After="50")]) as server,
        session(server.url) as ours,
    ):
        call = asyncio.create_task(ours.send(SET, Note(), tracker=tracker))
        await asyncio.sleep(10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert (server.request_count, server.executions, tracker.sent) == (2, 1, True)


async def test_a_refusal_of_ids_is_not_retried_when_bisecting() -> None:
    async with FakeServer(default=replies(200, "KOOPHONE.API.2005")) as server, session(server.url) as ours:
        with pytest.raises(Busy) as caught:
            await ours.send(RUN, Note(), tracker=SendTracker(bisects=True))

    assert (server.request_count, caught.value.blames_ids) == (1, True)


async def test_an_error_has_operation_code_message_and_request_id() -> None:
    refusal = replies(200, "KOOPHONE.API.4001", "instance not exist.")
    async with FakeServer([refusal]) as server, session(server.url) as ours:
        with pytest.raises(NotFound) as caught:
            await ours.send(RUN, Note())

    request = server.received[0].headers["x-request-id"]
    assert str(caught.value) == (
        f"koophone.notes.run: KOOPHONE.API.4001: instance not exist. (HTTP 200, request {request})"
    )


@pytest.mark.parametrize("behaviour", [reset_after_request, stall, cut(200, then=stay_silent)])
async def test_no_answer_has_the_request_id(behaviour: Behaviour) -> None:
    async with FakeServer([behaviour]) as server, session(server.url) as ours:
        with pytest.raises(KooPhoneError) as caught:
            await ours.send(RUN, Note())

    assert server.received[0].headers["x-request-id"] in str(caught.value)


async def test_an_unreadable_answer_keeps_the_body() -> None:
    async with FakeServer([replies(200, message="<html>")]) as server, session(server.url) as ours:
        with pytest.raises(UnreadableAnswer) as caught:
            await ours.send(RUN, Note())

    assert caught.value.answer == b"<html>"


async def test_a_call_has_at_most_the_documented_items() -> None:
    listed: Operation[Note, Answer] = Operation(
        "koophone.notes.list",
        "POST",
        "/v1/notes",
        Note,
        Answer,
        source="made up",
        repeatable=True,
        batch=Batch("id", 3),
    )
    async with FakeServer() as server, session(server.url) as ours:
        await ours.send(listed, Note("abc"))
        with pytest.raises(InvalidRequest, match="id: has 4 items; a call may have at most 3"):
            await ours.send(listed, Note("abcd"))

    assert server.request_count == 1


async def test_a_throttle_ends_after_three_attempts() -> None:
    async with FakeServer(default=replies(429)) as server, session(server.url) as ours:
        with pytest.raises(Throttled):
            await ours.send(RUN, Note())

    assert (server.request_count, server.executions) == (3, 0)
