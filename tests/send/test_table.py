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
from tests.fake_server import (
    Behaviour,
    FakeServer,
    close,
    close_after_request,
    cut,
    garbage,
    replies,
    reset_after_head,
    reset_after_request,
    reset_in_handshake,
    reset_unread,
    stall,
    stay_silent,
)
from tests.send.network import NOBODY, Certificate, FullBacklog, ScriptedResolver
from tests.send.operations import COLUMNS, Answer, Note, session

if TYPE_CHECKING:
    from koophone_async import Session
    from koophone_async.operation import AnyOperation
    from tests.fake_server import Connection

AGAIN: Final = None
"""Sent again, and then well."""

LIMIT: Final = "The throttling threshold has been reached: policy user over ratelimit,limit:6,time:1 minute"

End = type[KooPhoneError] | None


@frozen
class Row:
    """A row of the table: what happens, what the server receives, and how calls end, by column."""

    what: str
    behaviour: Behaviour
    arrived: int
    ran: int
    ends: tuple[End, End, End, End]
    """How it ends for a read, a repeatable write, any other write, an order."""

    in_doubt: bool = False
    """Whether it is unknown what was executed."""


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
    Row("2xx cut by an end", cut(200, then=close), 1, 1, LOST),
    Row("2xx cut by stay_silent", cut(200, then=stay_silent), 1, 1, LATE),
    Row("403 cut by an end", cut(403, then=close), 1, 0, never(Forbidden)),
    Row("404 cut by stay_silent", cut(404, then=stay_silent), 1, 0, never(NotFound)),
    Row("429 cut", cut(429, then=close), 1, 0, THROTTLED),
    Row("503 cut", cut(503, then=close), 1, 0, OPEN),
    Row("2xx that is no JSON", replies(200, message="<html>", executed=True), 1, 1, ODD),
    Row("429 with figures", replies(429, "APIG.0308", LIMIT), 1, 0, THROTTLED),
    Row("429 with Retry-After", replies(429, Retry_After="7"), 1, 0, THROTTLED),
    Row("429 bare", replies(429), 1, 0, THROTTLED),
    Row("busy in a 200", replies(200, "KOOPHONE.API.2005"), 1, 0, BUSY),
    Row("busy in a 500", replies(500, "KOOPHONE.API.9002"), 1, 0, BUSY),
    Row("503 with Retry-After", replies(503, Retry_After="7"), 1, 0, AWAY),
    Row("503 not accepted by the gateway", replies(503, "APIG.0613"), 1, 0, AWAY),
    Row("503 bare", replies(503, executed=True), 1, 1, OPEN),
    Row("408", replies(408, executed=True), 1, 1, OPEN),
    Row("500", replies(500, executed=True), 1, 1, OPEN),
    Row("502", replies(502, executed=True), 1, 1, OPEN),
    Row("504", replies(504, executed=True), 1, 1, OPEN),
    Row("no status of HTTP", replies(999, executed=True), 1, 1, OPEN),
    Row("500 with 9999", replies(500, "KOOPHONE.API.9999", executed=True), 1, 1, OPEN),
    Row("500 unlisted", replies(500, "KOOPHONE.API.77777", executed=True), 1, 1, OPEN),
    Row("500 proven", replies(500, "APIG.0606"), 1, 0, (AGAIN, AGAIN, Unavailable, Unavailable)),
    Row("200 proven", replies(200, "KOOPHONE.API.4001"), 1, 0, never(NotFound)),
    Row("200 unproven", replies(200, "KOOPHONE.API.62017"), 1, 0, never(Refused), in_doubt=True),
    Row("200 unlisted", replies(200, "KOOPHONE.API.77777"), 1, 0, never(Refused), in_doubt=True),
    Row("200 with an outage", replies(200, "KOOPHONE.API.9001", executed=True), 1, 1, OPEN),
    Row("401 wrong id", replies(401, "KOOPHONE.API.1001"), 1, 0, never(Forbidden)),
    Row("401 not on the whitelist", replies(401, "KOOPHONE.API.1003"), 1, 0, never(Forbidden)),
    Row("401 of a permanent key", replies(401, "KOOPHONE.API.6001"), 1, 0, never(AuthenticationFailed)),
    Row("400 wrong parameter", replies(400, "KOOPHONE.API.1000"), 1, 0, never(Refused)),
    Row("302", replies(302, Location="/elsewhere"), 1, 0, never(Refused), in_doubt=True),
]


@frozen
class Sent:
    """A call and its result."""

    error: KooPhoneError | None
    tracker: SendTracker

    @classmethod
    async def by(cls, session: Session, operation: AnyOperation) -> Sent:
        tracker = SendTracker()
        try:
            answer = await session.send(operation, Note(), tracker=tracker)
        except KooPhoneError as error:
            return cls(error, tracker)
        assert answer == Answer("done")
        return cls(None, tracker)


def in_the_table(rows: list[Row]) -> pytest.MarkDecorator:
    cases = [
        pytest.param(row, operation, expected, id=f"{row.what} - {column}")
        for row in rows
        for (column, operation), expected in zip(COLUMNS.items(), row.ends, strict=True)
    ]
    return pytest.mark.parametrize("row, operation, expected", cases)


@in_the_table(ROWS)
async def test_a_sent_call_ends_as_in_the_table(row: Row, operation: AnyOperation, expected: End) -> None:
    async with FakeServer([row.behaviour]) as server, session(server.url) as ours:
        sent = await Sent.by(ours, operation)

    again = expected is AGAIN
    assert type(sent.error) is (type(None) if again else expected)
    assert (server.request_count, server.executions) == (row.arrived + again, row.ran + again)
    in_doubt = row.in_doubt or (expected is not None and issubclass(expected, NoAnswer | UnreadableAnswer))
    assert again or sent.tracker.sent is in_doubt


@pytest.mark.parametrize("row", ROWS, ids=[row.what for row in ROWS])
async def test_an_order_is_never_sent_twice(row: Row) -> None:
    async with FakeServer([row.behaviour] * 5) as server, session(server.url) as ours:
        sent = await Sent.by(ours, COLUMNS["order"])

    assert sent.error is not None
    assert (server.request_count, server.executions) == (row.arrived, row.ran)


NOT_SENT: Final[dict[str, type[KooPhoneError]]] = {
    "name not found": NotConnected,
    "connection refused": NotConnected,
    "connect timeout": ConnectTimedOut,
    "TLS reset in the handshake": NotConnected,
}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("what", NOT_SENT)
async def test_an_unsent_call_is_retried_unless_it_is_an_order(
    what: str, column: str, certificate: Certificate
) -> None:
    is_tls = what.startswith("TLS")
    addresses: dict[str, list[str | None]] = {
        "name not found": [None],
        "connection refused": [NOBODY],
        "connect timeout": ["127.0.0.3"],
    }
    server = FakeServer([reset_in_handshake] if is_tls else [], tls=certificate.server if is_tls else None)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(server)
        await stack.enter_async_context(FullBacklog("127.0.0.3", server.port))
        http = await stack.enter_async_context(
            ScriptedResolver(addresses.get(what, [])).session(certificate.trust)
        )
        ours = await stack.enter_async_context(session(server.url, http=http))
        sent = await Sent.by(ours, COLUMNS[column])

    is_order = column == "order"
    assert type(sent.error) is (NOT_SENT[what] if is_order else type(None))
    assert server.executions == server.request_count == (0 if is_order else 1)
    assert sent.tracker.sent is not is_order


@pytest.mark.parametrize("column", COLUMNS)
async def test_nothing_is_sent_to_a_bad_certificate(column: str, certificate: Certificate) -> None:
    async with FakeServer(tls=certificate.server) as server, session(server.url) as ours:
        sent = await Sent.by(ours, COLUMNS[column])

    assert type(sent.error) is BadEndpoint
    assert (len(server.connections), server.request_count, sent.tracker.sent) == (1, 0, False)


@pytest.mark.parametrize("address", ["https://10.0.0.256", "https://a..b", f"https://{'a' * 64}.invalid"])
@pytest.mark.parametrize("column", COLUMNS)
async def test_a_bad_address_is_not_retried(column: str, address: str) -> None:
    async with session(address) as ours:
        sent = await Sent.by(ours, COLUMNS[column])

    assert type(sent.error) is BadEndpoint
    assert not sent.error.repeatable
    assert not sent.tracker.sent


async def close_in_head(connection: Connection) -> bool:
    await connection.request(executed=True)
    connection.writer.write(b"HTTP/1.1 201 Created\r\nX-Private: not to be shown\r\nContent-Le")
    return False


@pytest.mark.parametrize(
    "behaviour, reason",
    [
        (garbage, "the answer is not HTTP"),
        (close_in_head, "the connection was closed within the head of the answer"),
        (close_after_request, "Server disconnected"),
        (stall, "Timeout on reading data from socket"),
    ],
)
async def test_an_error_has_the_reason(behaviour: Behaviour, reason: str) -> None:
    async with FakeServer([behaviour]) as server, session(server.url) as ours:
        sent = await Sent.by(ours, COLUMNS["order"])

    assert isinstance(sent.error, NoAnswer)
    assert sent.error.reason == reason


async def test_an_unknown_host_is_not_connected() -> None:
    async with session("https://nosuch.invalid") as ours:
        sent = await Sent.by(ours, COLUMNS["other write"])

    assert type(sent.error) is NotConnected
    assert sent.error.repeatable
