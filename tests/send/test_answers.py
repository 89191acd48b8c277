"""Answers that are too long, never end, or belong to another request."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from attrs import define, field

from koophone_async import Retries, Timeouts
from koophone_async.call import SendTracker
from koophone_async.errors import AnswerTimedOut, NoAnswer, NotConnected, Refused, UnreadableAnswer
from tests.fake_server import FakeServer, accept
from tests.send.operations import BUY, READ, RUN, Answer, Note, session

if TYPE_CHECKING:
    from collections.abc import Callable

    from koophone_async.operation import AnyOperation
    from tests.fake_server import Behaviour, Connection
    from tests.send.network import Certificate

ONCE = Retries(attempts=1)
MAX = 100_000


@define
class Endless:
    """Sends a body that never ends, as fast as the client reads it, or a byte a second."""

    status: int = 200
    compressed: bool = False
    delay: float = 0
    size: int = 0
    chunk: bytes = field(init=False)

    def __attrs_post_init__(self) -> None:
        text = b" " * (1 if self.delay else 50_000_000 if self.compressed else 50_000)
        self.chunk = gzip.compress(text) if self.compressed else text

    async def __call__(self, connection: Connection) -> bool:
        await connection.request(executed=True)
        encoding = b"Content-Encoding: gzip\r\n" if self.compressed else b""
        connection.writer.write(
            b"HTTP/1.1 %d Reply\r\n%bTransfer-Encoding: chunked\r\n\r\n" % (self.status, encoding)
        )
        while True:
            connection.writer.write(b"%x\r\n%b\r\n" % (len(self.chunk), self.chunk))
            self.size += len(self.chunk)
            await connection.writer.drain()
            await asyncio.sleep(self.delay)


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
async def test_a_long_answer_to_a_write_is_unreadable(*, compressed: bool) -> None:
    tracker, endless = SendTracker(), Endless(compressed=compressed)
    async with FakeServer([endless]) as server, session(server.url, max_answer_bytes=MAX) as ours:
        with pytest.raises(
            UnreadableAnswer, match="more than 100,000 bytes, the maximum of the session"
        ) as caught:
            await ours.send(RUN, Note(), tracker=tracker)

    assert (caught.value.status, tracker.sent, server.executions) == (200, True, 1)
    assert endless.size < 10_000_000  # what the kernel buffers, and not the whole answer


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("status", [404, 429, 302])
async def test_a_long_answer_with_an_error_status_is_refused(status: int, *, compressed: bool) -> None:
    async with (
        FakeServer([Endless(status, compressed)]) as server,
        session(server.url, max_answer_bytes=MAX, retries=ONCE) as ours,
    ):
        with pytest.raises(Refused, match="more than 100,000 bytes") as caught:
            await ours.send(RUN, Note())

    assert (caught.value.status, server.request_count) == (status, 1)


async def test_a_long_answer_with_a_server_error_leaves_doubt() -> None:
    async with FakeServer([Endless(500)]) as server, session(server.url, max_answer_bytes=MAX) as ours:
        with pytest.raises(NoAnswer, match=r"HTTP 500 .*more than 100,000 bytes"):
            await ours.send(RUN, Note())

    assert server.request_count == 1


@pytest.mark.parametrize("size", [MAX, MAX + 1])
async def test_the_maximum_is_exact(size: int) -> None:
    body = b'{"error_code":"0","data":{"text":"done"}}'.ljust(size)

    async def reply(connection: Connection) -> bool:
        await connection.request(executed=True)
        await connection.reply(200, body)
        return True

    async with (
        FakeServer([reply]) as server,
        session(server.url, max_answer_bytes=MAX, retries=ONCE) as ours,
    ):
        if size > MAX:
            with pytest.raises(UnreadableAnswer):
                await ours.send(RUN, Note())
        else:
            assert await ours.send(RUN, Note()) == Answer("done")


async def test_an_answer_that_drips_times_out() -> None:
    tracker, timeouts = SendTracker(), Timeouts(read=5, response=30)
    async with FakeServer([Endless(delay=1)]) as server, session(server.url, timeouts=timeouts) as ours:
        with pytest.raises(AnswerTimedOut, match="not complete within 30 s"):
            await ours.send(RUN, Note(), tracker=tracker)

        assert asyncio.get_running_loop().time() == pytest.approx(30, abs=1)
    assert (tracker.sent, server.executions) == (True, 1)


async def test_an_error_that_drips_is_that_of_its_status() -> None:
    timeouts = Timeouts(read=5, response=30)
    async with FakeServer([Endless(404, delay=1)]) as server, session(server.url, timeouts=timeouts) as ours:
        with pytest.raises(Refused) as caught:
            await ours.send(RUN, Note())

    assert caught.value.status == 404


async def test_headers_that_drip_time_out() -> None:
    async def drip(connection: Connection) -> bool:
        await connection.request(executed=True)
        while True:
            connection.writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            await asyncio.sleep(1)

    timeouts = Timeouts(read=5, response=30)
    async with FakeServer([drip]) as server, session(server.url, timeouts=timeouts) as ours:
        with pytest.raises(AnswerTimedOut, match="not complete within 30 s"):
            await ours.send(RUN, Note())


async def test_the_timeout_of_an_answer_can_be_turned_off() -> None:
    async def slow(connection: Connection) -> bool:
        await connection.request(executed=True)
        await asyncio.sleep(10_000)
        await connection.reply(200, b'{"error_code":"0","data":{"text":"done"}}')
        return True

    timeouts = Timeouts(read=None, response=None)
    async with FakeServer([slow]) as server, session(server.url, timeouts=timeouts) as ours:
        assert await ours.send(RUN, Note()) == Answer("done")


def twice(then: Callable[[Connection], Any]) -> Behaviour:
    """Accept, and send the answer a second time."""

    async def behaviour(connection: Connection) -> bool:
        await accept(connection)
        await then(connection)
        await connection.reply(200, b'{"error_code":"0","data":{"text":"late"}}')
        return True

    return behaviour


async def at_once(_: Connection) -> None:
    """Send the duplicate together with the answer."""


async def later(_: Connection) -> None:
    await asyncio.sleep(1)


@pytest.mark.parametrize("operation", [READ, RUN, BUY], ids=lambda o: o.name)
@pytest.mark.parametrize("then", [at_once, later])
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_a_duplicate_is_not_the_answer_to_the_next_request(
    operation: AnyOperation, then: Callable[[Connection], Any], certificate: Certificate, *, tls: bool
) -> None:
    async with (
        FakeServer([twice(then)], tls=certificate.server if tls else None) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=certificate.trust)) as http,
        session(server.url, http=http) as ours,
    ):
        await ours.send(operation, Note())
        await asyncio.sleep(2)
        answer = await ours.send(operation, Note())

    assert answer == Answer("done")
    assert (len(server.connections), server.executions) == (2, 2)


async def test_data_that_the_loop_has_not_read_yet_makes_a_connection_stale() -> None:
    async with FakeServer() as server, session(server.url) as ours:
        await ours.send(RUN, Note())
        # In the socket of the client, but the loop of the client does not run before the next request.
        server.connections[0].write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        answer = await ours.send(RUN, Note())

    assert (answer, len(server.connections), server.executions) == (Answer("done"), 2, 2)


async def speak(connection: Connection) -> bool:
    """Answer before the request was read."""
    connection.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    await connection.request(executed=True)
    return False


async def a_second(*_: object) -> None:
    """Delay a call, at a signal of its trace."""
    await asyncio.sleep(1)


async def test_a_server_that_speaks_first_is_not_connected() -> None:
    trace, tracker = aiohttp.TraceConfig(), SendTracker()
    trace.on_connection_create_end.append(a_second)
    async with (
        FakeServer(default=speak) as server,
        aiohttp.ClientSession(trace_configs=[trace]) as http,
        session(server.url, http=http) as ours,
    ):
        with pytest.raises(NotConnected, match="data was received, before the request was sent"):
            await ours.send(RUN, Note(), tracker=tracker)

    assert (tracker.sent, server.request_count) == (False, 0)


async def test_a_server_that_hangs_up_first_is_not_connected() -> None:
    async def hang_up(connection: Connection) -> bool:
        connection.writer.close()
        return False

    trace, tracker = aiohttp.TraceConfig(), SendTracker()
    trace.on_connection_create_end.append(a_second)
    async with (
        FakeServer(default=hang_up) as server,
        aiohttp.ClientSession(trace_configs=[trace]) as http,
        session(server.url, http=http) as ours,
    ):
        with pytest.raises(NotConnected, match="the connection was closed"):
            await ours.send(RUN, Note(), tracker=tracker)

    assert (tracker.sent, len(server.connections)) == (False, 3)


async def test_a_duplicate_on_a_connection_of_the_caller_is_not_read() -> None:
    async with (
        FakeServer([twice(later)]) as server,
        aiohttp.ClientSession() as http,
        session(server.url, http=http) as ours,
    ):
        async with http.get(server.url) as answer:
            await answer.read()
        await asyncio.sleep(2)
        assert await ours.send(BUY, Note()) == Answer("done")

    assert (len(server.connections), server.executions) == (2, 2)


async def test_an_answer_before_the_request_is_not_read() -> None:
    trace, tracker = aiohttp.TraceConfig(), SendTracker()
    trace.on_request_chunk_sent.append(a_second)
    async with (
        FakeServer(default=speak) as server,
        aiohttp.ClientSession(trace_configs=[trace]) as http,
        session(server.url, http=http) as ours,
    ):
        with pytest.raises(NotConnected, match="an answer was received before the request was sent"):
            await ours.send(RUN, Note(), tracker=tracker)

    assert (tracker.sent, server.request_count) == (False, 0)


@pytest.mark.parametrize("operation", [READ, RUN, BUY], ids=lambda o: o.name)
async def test_a_duplicate_between_taking_a_connection_and_the_write_is_not_read(
    operation: AnyOperation,
) -> None:
    async def send_late(*_: object) -> None:
        if server.request_count == len(server.connections) == 1:
            server.connections[0].write(b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"error_code":"0"}')

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(send_late)
    async with (
        FakeServer() as server,
        aiohttp.ClientSession(trace_configs=[trace]) as http,
        session(server.url, http=http) as ours,
    ):
        await ours.send(operation, Note())
        assert await ours.send(operation, Note()) == Answer("done")

    assert (len(server.connections), server.executions) == (2, 2)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
async def test_a_body_in_another_encoding_than_stated_leaves_doubt(encoding: str) -> None:
    async def reply(connection: Connection) -> bool:
        await connection.request(executed=True)
        await connection.reply(200, b"neither of them", Content_Encoding=encoding)
        return False

    async with FakeServer([reply]) as server, session(server.url) as ours:
        with pytest.raises(NoAnswer, match="is not in the encoding that its header names") as caught:
            await ours.send(RUN, Note())

    assert "\n" not in str(caught.value)
