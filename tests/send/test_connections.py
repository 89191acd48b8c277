"""What connections do beside the table: reuse, silent resending, pools, large bodies, time, cancelling."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest
from attrs import define, field, frozen
from yarl import URL

from koophone_async import Quota, Retries, Timeouts
from koophone_async.call import SendTracker
from koophone_async.errors import (
    AnswerTimedOut,
    ConnectionLost,
    ConnectTimedOut,
    InvalidRequest,
    NotConnected,
)
from koophone_async.operation import AnyOperation, Operation
from tests.fake_server import (
    Behaviour,
    Connection,
    FakeServer,
    accept,
    close_after_request,
    reset_after_request,
    stall,
)
from tests.send.network import FullBacklog, ScriptedResolver
from tests.send.operations import COLUMNS, READ, RUN, SET, Answer, Note, session

if TYPE_CHECKING:
    from types import SimpleNamespace

ERASE: Final = Operation(
    "koophone.notes.erase", "DELETE", "/v1/notes", Note, Answer, source="made up", repeatable=False
)
PUT_ONCE: Final = Operation(
    "koophone.notes.put", "PUT", "/v1/notes", Note, Answer, source="made up", repeatable=False
)
OPEN: Final = Operation(
    "koophone.notes.open", "POST", "/v1/notes/{id}/open", Note, Answer, source="made up", repeatable=False
)
ONCE: Final = Retries(attempts=1)


@frozen
class Long:
    text: str = "x" * 8_000_000


WRITE_LONG: Final = Operation(
    "koophone.notes.long", "POST", "/v1/notes", Long, Answer, source="made up", repeatable=False
)


@pytest.mark.parametrize("operation", [PUT_ONCE, ERASE, READ, SET], ids=lambda o: o.name)
@pytest.mark.parametrize("breaks", [reset_after_request, close_after_request])
@pytest.mark.parametrize("owner", ["ours", "the caller's"])
async def test_aiohttp_resends_nothing_by_itself(
    operation: AnyOperation, breaks: Behaviour, owner: str
) -> None:
    http = aiohttp.ClientSession() if owner == "the caller's" else None
    async with FakeServer([accept, breaks]) as server, session(server.url, http=http, retries=ONCE) as ours:
        await ours.send(operation, Note())
        with pytest.raises(ConnectionLost):
            await ours.send(operation, Note())

    assert (len(server.connections), server.request_count, server.executions) == (1, 2, 2)
    if http:
        await http.close()


async def test_aiohttp_would_resend_by_default() -> None:
    async with FakeServer([accept, reset_after_request]) as server, aiohttp.ClientSession() as http:
        for _ in range(2):
            async with http.put(URL(server.url)) as answer:
                await answer.read()

    assert server.executions == 3


async def test_the_callers_own_http_session_stays_open() -> None:
    async with FakeServer() as server, aiohttp.ClientSession() as http:
        async with session(server.url, http=http) as ours:
            await ours.send(RUN, Note())

        assert not http.closed


async def test_a_closed_http_session_is_an_invalid_request() -> None:
    async with aiohttp.ClientSession() as http:
        pass
    ours = session("http://127.0.0.1:9", http=http)

    with pytest.raises(InvalidRequest, match=r"http: is closed$"):
        await ours.send(RUN, Note())


async def test_the_callers_own_http_session_still_works() -> None:
    async with (
        FakeServer() as server,
        aiohttp.ClientSession() as http,
        session(server.url, http=http) as ours,
    ):
        await ours.send(RUN, Note())
        async with http.get(URL(server.url)) as answer:
            assert answer.status == 200

    assert server.executions == 2


def test_a_call_without_a_permit_is_tracked_too() -> None:
    tracker = SendTracker()

    tracker.mark_sent()

    assert tracker.sent


async def test_calls_share_a_connection() -> None:
    async with FakeServer() as server, session(server.url) as ours:
        for _ in range(3):
            await ours.send(RUN, Note())

    assert (len(server.connections), server.executions) == (1, 3)


async def accept_then_close(connection: Connection) -> bool:
    await accept(connection)
    connection.writer.close()
    return False


@pytest.mark.parametrize("operation", [READ, RUN, OPEN], ids=lambda o: o.name)
async def test_a_closed_idle_connection_is_not_used(
    operation: AnyOperation,
) -> None:
    async with FakeServer([accept_then_close]) as server, session(server.url, retries=ONCE) as ours:
        await ours.send(operation, Note())
        await asyncio.sleep(1)
        await ours.send(operation, Note())

    assert (len(server.connections), server.executions) == (2, 2)


@define(eq=False)
class Closing:
    """Has the server close its first connection just before a second request is written to it."""

    server: FakeServer
    has_body: bool
    is_done: bool = False
    http: aiohttp.ClientSession = field(init=False)

    def __attrs_post_init__(self) -> None:
        trace = aiohttp.TraceConfig()
        if self.has_body:
            trace.on_request_chunk_sent.append(self.close)
        else:
            trace.on_request_headers_sent.append(self.close)
        self.http = aiohttp.ClientSession(trace_configs=[trace])

    async def close(self, _: aiohttp.ClientSession, __: SimpleNamespace, ___: object) -> None:
        if self.server.request_count == 1 and not self.is_done:
            self.is_done = True
            self.server.connections[0].transport.abort()
            (protocol,) = self.http.connector._acquired  # type: ignore[union-attr]  # noqa: SLF001
            while protocol.transport is not None and not protocol.transport.is_closing():  # noqa: ASYNC110 - the loop's own callback
                await asyncio.sleep(0)


@pytest.mark.parametrize("operation", [RUN, OPEN], ids=["with a body", "without a body"])
async def test_a_write_to_a_closing_connection_was_not_sent(operation: AnyOperation) -> None:
    async with FakeServer() as server:
        http = Closing(server, operation is RUN).http
        async with http, session(server.url, http=http) as ours:
            await ours.send(operation, Note())
            await ours.send(operation, Note())

    assert (len(server.connections), server.request_count, server.executions) == (2, 2, 2)


@pytest.mark.parametrize("operation", [RUN, OPEN], ids=["with a body", "without a body"])
async def test_a_write_to_a_closing_connection_is_reported(operation: AnyOperation) -> None:
    tracker = SendTracker()
    async with FakeServer() as server:
        http = Closing(server, operation is RUN).http
        async with http, session(server.url, http=http, retries=ONCE) as ours:
            await ours.send(operation, Note())
            with pytest.raises(NotConnected):
                await ours.send(operation, Note(), tracker=tracker)

    assert not tracker.sent


@pytest.mark.parametrize("operation", [RUN, OPEN], ids=["with a body", "without a body"])
async def test_a_call_cancelled_before_its_first_write_was_not_sent(operation: AnyOperation) -> None:
    tracker, trace, reached = SendTracker(), aiohttp.TraceConfig(), asyncio.Event()

    async def wait(*_: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    trace.on_request_headers_sent.append(wait)
    async with (
        FakeServer() as server,
        aiohttp.ClientSession(trace_configs=[trace]) as http,
        session(server.url, http=http) as ours,
    ):
        call = asyncio.create_task(ours.send(operation, Note(), tracker=tracker))
        await reached.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert (tracker.sent, server.request_count) == (False, 0)


async def reset_within_the_body(connection: Connection) -> bool:
    await connection.head()
    await connection.reader.readexactly(100_000)
    return connection.reset()


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_partly_sent_body_counts_as_sent() -> None:
    tracker = SendTracker()
    async with FakeServer([reset_within_the_body]) as server, session(server.url) as ours:
        with pytest.raises(ConnectionLost):
            await ours.send(WRITE_LONG, Long(), tracker=tracker)

    assert tracker.sent
    assert server.request_count == 1


@pytest.mark.parametrize("column", COLUMNS)
async def test_a_wait_for_a_connection_times_out_and_is_retried(column: str) -> None:
    free = asyncio.Event()

    async def keep_waiting(connection: Connection) -> bool:
        await connection.request(executed=True)
        await free.wait()
        await connection.reply(200, b'{"error_code":"0"}')
        return True

    async with FakeServer([keep_waiting]) as server, session(server.url, connections=1) as ours:
        first = asyncio.create_task(ours.send(RUN, Note()))
        await server.reached.wait()
        second = asyncio.create_task(ours.send(COLUMNS[column], Note()))
        await asyncio.sleep(2.01)
        free.set()
        ends = await asyncio.gather(first, second, return_exceptions=True)

    is_order = column == "order"
    assert type(ends[1]) is (ConnectTimedOut if is_order else Answer)
    assert server.executions == (1 if is_order else 2)


async def test_a_call_without_a_free_connection_is_not_sent() -> None:
    async with (
        FakeServer([stall]) as server,
        session(server.url, connections=1, timeouts=Timeouts(connect=1)) as ours,
    ):
        first = asyncio.create_task(ours.send(RUN, Note()))
        await server.reached.wait()
        with pytest.raises(ConnectTimedOut):
            await ours.send(RUN, Note())
        first.cancel()

    assert server.request_count == 1


async def test_the_total_timeout_after_sending_leaves_doubt() -> None:
    tracker = SendTracker()
    async with FakeServer([stall]) as server, session(server.url, timeouts=Timeouts(total=3)) as ours:
        with pytest.raises(AnswerTimedOut, match="not finished within 3 s"):
            await ours.send(RUN, Note(), tracker=tracker)

        assert asyncio.get_running_loop().time() == pytest.approx(3, abs=0.1)
    assert (tracker.sent, server.executions) == (True, 1)


async def test_the_total_timeout_before_connecting_leaves_no_doubt() -> None:
    tracker = SendTracker()
    slow = Timeouts(connect=None, total=3)
    async with (
        FakeServer() as server,
        FullBacklog("127.0.0.3", server.port),
        ScriptedResolver(["127.0.0.3"]).session() as http,
        session(server.url, http=http, timeouts=slow) as ours,
    ):
        with pytest.raises(ConnectTimedOut):
            await ours.send(RUN, Note(), tracker=tracker)

    assert (tracker.sent, server.request_count) == (False, 0)


async def test_the_total_timeout_in_the_quota_leaves_no_doubt() -> None:
    quotas = {RUN.name: (Quota(1, 600),)}
    async with FakeServer() as server, session(server.url, quotas=quotas, timeouts=Timeouts(total=3)) as ours:
        await ours.send(RUN, Note())
        with pytest.raises(ConnectTimedOut):
            await ours.send(RUN, Note())

    assert server.request_count == 1


@pytest.mark.parametrize("operation", COLUMNS.values(), ids=COLUMNS)
async def test_a_call_cancelled_before_sending_was_not_sent(
    operation: AnyOperation,
) -> None:
    tracker = SendTracker()
    async with (
        FakeServer() as server,
        FullBacklog("127.0.0.3", server.port),
        ScriptedResolver(["127.0.0.3"]).session() as http,
        session(server.url, http=http) as ours,
    ):
        call = asyncio.create_task(ours.send(operation, Note(), tracker=tracker))
        await asyncio.sleep(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert (tracker.sent, server.request_count) == (False, 0)


async def test_a_call_cancelled_before_sending_frees_its_permit() -> None:
    quotas = {RUN.name: (Quota(1, 600),)}
    async with (
        FakeServer() as server,
        FullBacklog("127.0.0.3", server.port),
        ScriptedResolver(["127.0.0.3"]).session() as http,
    ):
        async with session(server.url, http=http, quotas=quotas) as ours:
            call = asyncio.create_task(ours.send(RUN, Note()))
            await asyncio.sleep(1)
            call.cancel()
            await ours.send(RUN, Note())

        assert asyncio.get_running_loop().time() < 2
    assert server.executions == 1


@pytest.mark.parametrize("operation", COLUMNS.values(), ids=COLUMNS)
async def test_a_call_cancelled_after_sending_counts_as_sent(operation: AnyOperation) -> None:
    tracker = SendTracker()
    async with FakeServer([stall]) as server, session(server.url) as ours:
        call = asyncio.create_task(ours.send(operation, Note(), tracker=tracker))
        await server.reached.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert (tracker.sent, server.request_count) == (True, 1)


async def test_a_closed_session_can_be_reopened() -> None:
    async with FakeServer() as server:
        ours = session(server.url)
        for _ in range(2):
            async with ours:
                await ours.send(RUN, Note())

    assert server.executions == 2


async def test_a_closed_session_sends_nothing() -> None:
    async with FakeServer() as server:
        async with session(server.url) as ours:
            await ours.send(RUN, Note())
        with pytest.raises(InvalidRequest, match="session: is closed"):
            await ours.send(RUN, Note())

    assert (len(server.connections), server.executions) == (1, 1)


@pytest.mark.parametrize("operation", [RUN, SET], ids=lambda o: o.name)
async def test_closing_the_session_leaves_calls_in_flight_in_doubt(
    operation: AnyOperation,
) -> None:
    async with FakeServer([stall]) as server:
        async with session(server.url) as ours:
            call = asyncio.create_task(ours.send(operation, Note()))
            await server.reached.wait()
        with pytest.raises(ConnectionLost):
            await call

    assert (len(server.connections), server.executions) == (1, 1)
