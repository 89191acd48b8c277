"""Answers mocked with aioresponses: nothing shows whether a request was sent, so it counts as sent."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest

from koophone_async import KooPhone
from koophone_async.call import SendTracker
from koophone_async.errors import AnswerTimedOut, ConnectionLost, NoAnswer, Refused, UnreadableAnswer
from koophone_async.testing import mock_aiohttp, mocked_aiohttp
from tests.send.operations import BUY, COLUMNS, READ, RUN, SET, Answer, Note, session

if TYPE_CHECKING:
    from aioresponses import aioresponses

    from koophone_async.operation import AnyOperation

__all__ = ["mocked_aiohttp"]

HOST: Final = "http://localhost:9"
OK: Final = {"error_code": "0", "data": {"text": "done"}}
FAILURES: Final = {
    "disconnected": aiohttp.ServerDisconnectedError(),
    "reset": aiohttp.ClientOSError(104, "reset"),
    "refused": aiohttp.ClientConnectionError("refused"),
    "closing": aiohttp.ClientConnectionResetError("Cannot write to closing transport"),
    "cut": aiohttp.ClientPayloadError("cut"),
    "timed out": TimeoutError("too slow"),
    "read timed out": aiohttp.SocketTimeoutError("too slow"),
}


def add(mocked: aioresponses, operation: AnyOperation, **answer: object) -> None:
    mocked.add(re.compile(rf"{HOST}{operation.path}(\?.*)?$"), method=operation.method, **answer)  # type: ignore[arg-type]


def count(mocked: aioresponses) -> int:
    return sum(map(len, mocked.requests.values()))


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("operation", [RUN, BUY], ids=lambda o: o.name)
async def test_a_mocked_failure_of_a_write_is_sent_once(
    operation: AnyOperation, failure: str, mocked_aiohttp: aioresponses
) -> None:
    tracker = SendTracker()
    add(mocked_aiohttp, operation, exception=FAILURES[failure], repeat=True)
    async with session(HOST) as ours:
        with pytest.raises(AnswerTimedOut if "timed" in failure else ConnectionLost):
            await ours.send(operation, Note(), tracker=tracker)

    assert (count(mocked_aiohttp), tracker.sent) == (1, True)


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("operation", [READ, SET], ids=lambda o: o.name)
async def test_a_mocked_failure_of_a_repeatable_call_is_repeated(
    operation: AnyOperation, failure: str, mocked_aiohttp: aioresponses
) -> None:
    add(mocked_aiohttp, operation, exception=FAILURES[failure], repeat=2)
    add(mocked_aiohttp, operation, payload=OK)
    async with session(HOST) as ours:
        assert await ours.send(operation, Note()) == Answer("done")

    assert count(mocked_aiohttp) == 3


@pytest.mark.parametrize("column", COLUMNS)
async def test_a_mocked_answer_is_read(column: str, mocked_aiohttp: aioresponses) -> None:
    operation = COLUMNS[column]
    add(mocked_aiohttp, operation, payload=OK)
    async with session(HOST) as ours:
        assert await ours.send(operation, Note()) == Answer("done")


@pytest.mark.parametrize(
    "answer, error",
    [
        ({"status": 404, "payload": {"error_code": "KOOPHONE.API.4001", "error_msg": "none"}}, Refused),
        ({"status": 302, "headers": {"Location": "http://elsewhere"}}, Refused),
        ({"status": 500, "body": "<html>"}, NoAnswer),
        ({"body": "<html>"}, UnreadableAnswer),
        ({"body": b"x" * 1001}, UnreadableAnswer),
        ({"payload": [OK]}, UnreadableAnswer),
    ],
    ids=["refused", "redirect", "outage", "page", "too long", "list"],
)
async def test_a_mocked_answer_is_judged_as_a_real_one(
    answer: dict[str, object], error: type[Exception], mocked_aiohttp: aioresponses
) -> None:
    add(mocked_aiohttp, RUN, **answer)
    async with session(HOST, max_answer_bytes=1000) as ours:
        with pytest.raises(error):
            await ours.send(RUN, Note())

    assert count(mocked_aiohttp) == 1


async def test_a_mocked_call_that_is_cancelled_counts_as_sent(mocked_aiohttp: aioresponses) -> None:
    reached, tracker = asyncio.Event(), SendTracker()

    async def wait(*_: object, **__: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    add(mocked_aiohttp, RUN, callback=wait)
    async with session(HOST) as ours:
        call = asyncio.create_task(ours.send(RUN, Note(), tracker=tracker))
        await reached.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert tracker.sent


async def test_the_callers_mocked_session_is_answered_too() -> None:
    with mock_aiohttp() as mocked:
        add(mocked, RUN, payload=OK)
        async with aiohttp.ClientSession() as http, session(HOST, http=http) as ours:
            assert await ours.send(RUN, Note()) == Answer("done")


async def test_an_unmocked_fleet_command_is_unknown(mocked_aiohttp: aioresponses) -> None:
    async with session(HOST) as ours:
        report = await KooPhone(ours).fleet(["a", "b"]).run("id")

    assert dict(report.counts) == {"unknown": 2}
    assert count(mocked_aiohttp) == 1
