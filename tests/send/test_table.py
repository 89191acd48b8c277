"""Who is sent again: the service breaks at one point, then is well. What arrived and what ran is counted."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import pytest
from attrs import frozen

from koophone_async.call import SendTracker
from koophone_async.errors import (
    AnswerTimedOut,
    AuthenticationFailed,
    BadEndpoint,
    Busy,
    ConnectionLost,
    ConnectTimedOut,
    Forbidden,
    KooPhoneError,
    NoAnswer,
    NotConnected,
    NotFound,
    Refused,
    Throttled,
    Unavailable,
    UnreadableAnswer,
)
from tests.send.far_end import (
    FarEnd,
    Turn,
    close_after_request,
    cut,
    end,
    garbage,
    reset_after_head,
    reset_after_request,
    reset_in_handshake,
    reset_unread,
    says,
    silence,
    stall,
)
from tests.send.operations import COLUMNS, Note, Said, session
from tests.send.roads import NOBODY, Certificate, Crowd, Road

if TYPE_CHECKING:
    from koophone_async import Session
    from koophone_async.operation import AnyOperation

AGAIN: Final = None
"""Sent again, and then well."""

LIMIT: Final = "The throttling threshold has been reached: policy user over ratelimit,limit:6,time:1 minute"

End = type[KooPhoneError] | None


@frozen
class Row:
    """What happened, how much of it the far end saw, and how the call ends by column."""

    what: str
    turn: Turn
    arrived: int
    ran: int
    ends: tuple[End, End, End, End]
    """For a read, a repeatable write, any other write, an order."""

    in_doubt: bool = False
    """Whether the refusal leaves open what ran."""


LOST = (AGAIN, AGAIN, ConnectionLost, ConnectionLost)
LATE = (AGAIN, AGAIN, AnswerTimedOut, AnswerTimedOut)
ODD = (AGAIN, AGAIN, UnreadableAnswer, UnreadableAnswer)
OPEN = (AGAIN, AGAIN, NoAnswer, NoAnswer)
THROTTLED = (AGAIN, AGAIN, AGAIN, Throttled)
BUSY = (AGAIN, AGAIN, AGAIN, Busy)
AWAY = (AGAIN, AGAIN, AGAIN, Unavailable)


def never(error: type[KooPhoneError]) -> tuple[End, End, End, End]:
    return error, error, error, error


ROWS: Final = [
    # what happened, how, arrived, ran, ends
    Row("reset before anything was read", reset_unread, 0, 0, LOST),
    Row("reset after the head", reset_after_head, 1, 0, LOST),
    Row("reset after the request", reset_after_request, 1, 1, LOST),
    Row("closed without an answer", close_after_request, 1, 1, LOST),
    Row("garbage before the status", garbage, 1, 1, LOST),
    Row("no answer in time", stall, 1, 1, LATE),
    Row("2xx cut by an end", cut(200, then=end), 1, 1, LOST),
    Row("2xx cut by silence", cut(200, then=silence), 1, 1, LATE),
    Row("403 cut by an end", cut(403, then=end), 1, 0, never(Forbidden)),
    Row("404 cut by silence", cut(404, then=silence), 1, 0, never(NotFound)),
    Row("429 cut", cut(429, then=end), 1, 0, THROTTLED),
    Row("503 cut", cut(503, then=end), 1, 0, OPEN),
    Row("2xx that is no JSON", says(200, message="<html>", executed=True), 1, 1, ODD),
    Row("429 with figures", says(429, "APIG.0308", LIMIT), 1, 0, THROTTLED),
    Row("429 with Retry-After", says(429, Retry_After="7"), 1, 0, THROTTLED),
    Row("429 bare", says(429), 1, 0, THROTTLED),
    Row("busy in a 200", says(200, "KOOPHONE.API.2005"), 1, 0, BUSY),
    Row("busy in a 500", says(500, "KOOPHONE.API.9002"), 1, 0, BUSY),
    Row("503 with Retry-After", says(503, Retry_After="7"), 1, 0, AWAY),
    Row("503 not accepted by the gateway", says(503, "APIG.0613"), 1, 0, AWAY),
    Row("503 bare", says(503, executed=True), 1, 1, OPEN),
    Row("408", says(408, executed=True), 1, 1, OPEN),
    Row("500", says(500, executed=True), 1, 1, OPEN),
    Row("502", says(502, executed=True), 1, 1, OPEN),
    Row("504", says(504, executed=True), 1, 1, OPEN),
    Row("500 with 9999", says(500, "KOOPHONE.API.9999", executed=True), 1, 1, OPEN),
    Row("500 unlisted", says(500, "KOOPHONE.API.77777", executed=True), 1, 1, OPEN),
    Row("500 proven", says(500, "APIG.0606"), 1, 0, (AGAIN, AGAIN, Unavailable, Unavailable)),
    Row("200 proven", says(200, "KOOPHONE.API.4001"), 1, 0, never(NotFound)),
    Row("200 unproven", says(200, "KOOPHONE.API.62017"), 1, 0, never(Refused), in_doubt=True),
    Row("200 unlisted", says(200, "KOOPHONE.API.77777"), 1, 0, never(Refused), in_doubt=True),
    Row("200 with an outage", says(200, "KOOPHONE.API.9001", executed=True), 1, 1, OPEN),
    Row("401 wrong id", says(401, "KOOPHONE.API.1001"), 1, 0, never(Forbidden)),
    Row("401 not on the whitelist", says(401, "KOOPHONE.API.1003"), 1, 0, never(Forbidden)),
    Row("401 of a permanent key", says(401, "KOOPHONE.API.6001"), 1, 0, never(AuthenticationFailed)),
    Row("400 wrong parameter", says(400, "KOOPHONE.API.1000"), 1, 0, never(Refused)),
    Row("302", says(302, Location="/elsewhere"), 1, 0, never(Refused), in_doubt=True),
]


@frozen
class Sent:
    """A call and what became of it."""

    error: KooPhoneError | None
    tracker: SendTracker

    @classmethod
    async def by(cls, session: Session, operation: AnyOperation) -> Sent:
        tracker = SendTracker()
        try:
            answer = await session.send(operation, Note(), tracker=tracker)
        except KooPhoneError as error:
            return cls(error, tracker)
        assert answer == Said("done")
        return cls(None, tracker)


def in_the_table(rows: list[Row]) -> pytest.MarkDecorator:
    cases = [
        pytest.param(row, operation, expected, id=f"{row.what} - {column}")
        for row in rows
        for (column, operation), expected in zip(COLUMNS.items(), row.ends, strict=True)
    ]
    return pytest.mark.parametrize("row, operation, expected", cases)


@in_the_table(ROWS)
async def test_what_left_ends_as_the_table_says(row: Row, operation: AnyOperation, expected: End) -> None:
    async with FarEnd([row.turn]) as far, session(far.url) as ours:
        sent = await Sent.by(ours, operation)

    again = expected is AGAIN
    assert type(sent.error) is (type(None) if again else expected)
    assert (far.requests, far.executions) == (row.arrived + again, row.ran + again)
    in_doubt = row.in_doubt or (expected is not None and issubclass(expected, NoAnswer | UnreadableAnswer))
    assert again or sent.tracker.sent is in_doubt


@pytest.mark.parametrize("row", ROWS, ids=[row.what for row in ROWS])
async def test_an_order_is_never_sent_twice(row: Row) -> None:
    async with FarEnd([row.turn] * 5) as far, session(far.url) as ours:
        sent = await Sent.by(ours, COLUMNS["order"])

    assert sent.error is not None
    assert (far.requests, far.executions) == (row.arrived, row.ran)


NOT_SENT: Final[dict[str, type[KooPhoneError]]] = {
    "name not found": NotConnected,
    "connection refused": NotConnected,
    "connect timeout": ConnectTimedOut,
    "TLS reset in the handshake": NotConnected,
}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("what", NOT_SENT)
async def test_what_never_left_is_sent_again_unless_it_is_an_order(
    what: str, column: str, certificate: Certificate
) -> None:
    is_tls = what.startswith("TLS")
    detours: dict[str, list[str | None]] = {
        "name not found": [None],
        "connection refused": [NOBODY],
        "connect timeout": ["127.0.0.3"],
    }
    far = FarEnd([reset_in_handshake] if is_tls else [], tls=certificate.server if is_tls else None)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(far)
        await stack.enter_async_context(Crowd("127.0.0.3", far.port))
        http = await stack.enter_async_context(Road(detours.get(what, [])).session(certificate.trust))
        ours = await stack.enter_async_context(session(far.url, http=http))
        sent = await Sent.by(ours, COLUMNS[column])

    is_order = column == "order"
    assert type(sent.error) is (NOT_SENT[what] if is_order else type(None))
    assert far.executions == far.requests == (0 if is_order else 1)
    assert sent.tracker.sent is not is_order


@pytest.mark.parametrize("column", COLUMNS)
async def test_a_bad_certificate_is_never_sent_to(column: str, certificate: Certificate) -> None:
    async with FarEnd(tls=certificate.server) as far, session(far.url) as ours:
        sent = await Sent.by(ours, COLUMNS[column])

    assert type(sent.error) is BadEndpoint
    assert (len(far.connections), far.requests, sent.tracker.sent) == (1, 0, False)


@pytest.mark.parametrize("address", ["https://10.0.0.256", "https://a..b", f"https://{'a' * 64}.invalid"])
@pytest.mark.parametrize("column", COLUMNS)
async def test_a_bad_address_is_never_tried_again(column: str, address: str) -> None:
    async with session(address) as ours:
        sent = await Sent.by(ours, COLUMNS[column])

    assert type(sent.error) is BadEndpoint
    assert not sent.error.repeatable
    assert not sent.tracker.sent


@pytest.mark.parametrize(
    "turn, reason",
    [
        (garbage, "what came back is not HTTP"),
        (close_after_request, "Server disconnected"),
        (stall, "Timeout on reading data from socket"),
    ],
)
async def test_an_error_says_what_broke(turn: Turn, reason: str) -> None:
    async with FarEnd([turn]) as far, session(far.url) as ours:
        sent = await Sent.by(ours, COLUMNS["order"])

    assert isinstance(sent.error, NoAnswer)
    assert sent.error.reason == reason


async def test_a_host_that_does_not_exist_is_not_connected() -> None:
    async with session("https://nosuch.invalid") as ours:
        sent = await Sent.by(ours, COLUMNS["other write"])

    assert type(sent.error) is NotConnected
    assert sent.error.repeatable
