"""The receiver inside real web frameworks, over real sockets and over ASGI."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import httpx2
import pytest
from aiohttp import web
from fastapi import FastAPI

from koophone_async.errors import InvalidRequest
from koophone_async.events import (
    HEARTBEAT,
    INBOUND_CALLS,
    VERIFY,
    Access,
    Asgi,
    Event,
    Grant,
    InboundCall,
    Limits,
    Reason,
    Receiver,
    properties,
    serialize,
    serve,
)
from koophone_async.virtual_time import VirtualTimeLoop
from tests.events.samples import KEY, Recorder, access, beat, entered, quit_event

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator
    from pathlib import Path

JSON: Final = {"Content-Type": "application/json"}


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def receiver_for(recorder: Recorder) -> Receiver:
    receiver = Receiver(now=VirtualTimeLoop.running().now)
    recorder.attach(receiver)

    @receiver.on_verify
    async def lookup(_: Access) -> Grant:
        return Grant(KEY)

    return receiver


def calls_of(receiver: Receiver) -> Iterator[tuple[InboundCall, Access | Event]]:
    calls: list[Access | Event] = [access(receiver.cipher), entered(), quit_event(), beat()]
    return zip(INBOUND_CALLS, calls, strict=True)


@asynccontextmanager
async def mounted(receiver: Receiver) -> AsyncGenerator[str]:
    app = web.Application()
    app.add_subapp("/games/cph", receiver.aiohttp())
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/games/cph"
    await runner.cleanup()


async def test_phone_properties_lead_to_an_aiohttp_application(
    recorder: Recorder, client: aiohttp.ClientSession
) -> None:
    async with mounted(receiver := receiver_for(recorder)) as address:
        settings = properties(address, 30)
        for inbound, call in calls_of(receiver):
            async with client.post(
                settings[inbound.url_property], data=serialize(call), headers=JSON
            ) as answer:
                assert (answer.status, answer.content_type) == (200, "application/json")
                assert set(await answer.json()) == (
                    {"request_id", "aes_key"} if inbound is VERIFY else {"request_id"}
                )
        assert len(await recorder.wait_for(3)) == 3


async def test_an_application_starts_and_stops_its_receiver(recorder: Recorder) -> None:
    async with mounted(receiver := receiver_for(recorder)):
        with pytest.raises(InvalidRequest, match="is already running"):
            await receiver.__aenter__()
    async with receiver:
        pass


async def test_a_receiver_can_be_served_without_an_application(
    recorder: Recorder, client: aiohttp.ClientSession
) -> None:
    async with (
        serve(receiver_for(recorder)) as address,
        client.post(address + HEARTBEAT.path, data=serialize(beat()), headers=JSON) as answer,
    ):
        assert answer.status == 200
        assert await recorder.wait_for(1) == [beat()]


async def test_an_ipv6_address_can_be_called(recorder: Recorder, client: aiohttp.ClientSession) -> None:
    async with (
        serve(receiver_for(recorder), "::1") as address,
        client.post(address + HEARTBEAT.path, data=serialize(beat()), headers=JSON) as answer,
    ):
        assert answer.status == 200


async def test_a_failed_start_is_cleaned_up(recorder: Recorder, tmp_path: Path) -> None:
    receiver = receiver_for(recorder)
    receiver.journal = tmp_path / "none" / "events.db"
    with pytest.raises(InvalidRequest, match="cannot be opened"):
        async with serve(receiver):
            raise AssertionError


@pytest.mark.parametrize(
    "method, path, body, status",
    [
        ("POST", "/events", b"{", 400),
        ("POST", "/events", b"x" * 5000, 413),
        ("POST", "/events", gzip.compress(b"x" * 10_000_000), 415),
        ("GET", "/events", b"", 405),
        ("POST", "/", b"{}", 404),
        ("POST", "/events%2Fmore", b"{}", 404),
    ],
)
async def test_aiohttp_and_asgi_refuse_with_the_same_status(
    method: str, path: str, body: bytes, status: int
) -> None:
    headers = JSON | ({"Content-Encoding": "gzip"} if body.startswith(b"\x1f\x8b") else {})
    receiver = Receiver(limits=Limits(body=4096))
    async with (
        serve(receiver) as address,
        aiohttp.ClientSession() as client,
        client.request(method, address + path, data=body, headers=headers) as socket_answer,
        over_asgi(receiver.asgi()) as asgi,
    ):
        asgi_answer = await asgi.request(method, path, content=body, headers=headers)

    assert (socket_answer.status, asgi_answer.status_code) == (status, status)


@pytest.mark.parametrize(
    "body", [b"zz\r\n{}\r\n0\r\n\r\n", b"2\r\n{}zz\r\n0\r\n\r\n", b"ffffffffffffffffffff\r\n"]
)
async def test_a_malformed_chunked_body_is_refused(body: bytes) -> None:
    """Aiohttp's C parser does not report a malformed body; then the body times out."""
    async with serve(receiver := Receiver()) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(body)
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()

    assert line.split()[1] in (b"400", b"408")
    assert set(receiver.counts.refused) in ({Reason.CUT}, {Reason.SLOW})


async def test_a_disconnect_within_the_body_delivers_nothing(recorder: Recorder) -> None:
    receiver = receiver_for(recorder)
    async with serve(receiver) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b'POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\n\r\n{"event_type"')
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.1)
        del reader

    assert recorder.events == []
    assert receiver.counts.accepted == 0


@asynccontextmanager
async def over_asgi(app: Any) -> AsyncGenerator[httpx2.AsyncClient]:  # noqa: ANN401 - httpx2 and Starlette differ
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://games") as asgi:
        yield asgi


async def test_a_receiver_can_be_mounted_in_fastapi(recorder: Recorder) -> None:
    receiver = receiver_for(recorder)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with receiver:
            yield

    app = FastAPI(lifespan=lifespan)
    app.mount("/games/cph", receiver.asgi())
    async with app.router.lifespan_context(app), over_asgi(app) as asgi:
        for inbound, call in calls_of(receiver):
            answer = await asgi.post("/games/cph" + inbound.path, content=serialize(call), headers=JSON)
            assert answer.status_code == 200
        assert len(await recorder.wait_for(3)) == 3
        assert (await asgi.post("/games/events", content=b"")).status_code == 404


class ScriptedServer:
    """ASGI server that receives scripted messages and records those sent."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = list(messages)
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        return self.messages.pop(0)

    async def send(self, message: Any) -> None:  # noqa: ANN401 - whatever is sent
        self.sent.append(message)

    async def run(self, app: Asgi, **scope: object) -> list[str]:
        await app(scope, self.receive, self.send)
        return [message["type"] for message in self.sent]


async def test_an_asgi_server_starts_and_stops_the_receiver(recorder: Recorder) -> None:
    server = ScriptedServer({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    receiver = receiver_for(recorder)

    assert await server.run(receiver.asgi(), type="lifespan") == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert not server.messages
    async with receiver:  # it was stopped, so it can be started again
        pass


async def test_an_asgi_server_learns_that_the_start_failed(tmp_path: Path) -> None:
    server = ScriptedServer({"type": "lifespan.startup"})
    receiver = Receiver(journal=tmp_path / "none" / "events.db")

    assert await server.run(receiver.asgi(), type="lifespan") == ["lifespan.startup.failed"]
    assert "cannot be opened" in server.sent[0]["message"]


async def test_a_disconnect_over_asgi_is_counted_as_refused() -> None:
    server = ScriptedServer(
        {"type": "http.request", "body": b'{"event', "more_body": True}, {"type": "http.disconnect"}
    )
    async with Receiver() as receiver:
        await server.run(receiver.asgi(), type="http", method="POST", path="/events", headers=[])

    assert server.sent[0]["status"] == 400
    assert receiver.counts.refused == {Reason.CUT: 1}


async def test_a_body_in_several_messages_is_joined(recorder: Recorder) -> None:
    body = serialize(entered())
    server = ScriptedServer(
        {"type": "http.request", "body": body[:50], "more_body": True},
        {"type": "http.request", "more_body": True},
        {"type": "http.request", "body": body[50:]},
    )
    async with receiver_for(recorder) as receiver:
        await server.run(
            receiver.asgi(), type="http", method="POST", path="/cph/events", root_path="/cph", headers=[]
        )
        assert await recorder.wait_for(1) == [entered()]


@pytest.mark.parametrize(
    "root, path", [("", "/events"), ("/cph", "/cph/events"), ("/cph/", "/cph/events"), ("/e", "/events")]
)
async def test_a_root_path_is_removed_from_the_path_if_present(
    recorder: Recorder, root: str, path: str
) -> None:
    server = ScriptedServer({"type": "http.request", "body": serialize(entered())})
    async with receiver_for(recorder) as receiver:
        await server.run(receiver.asgi(), type="http", method="POST", path=path, root_path=root, headers=[])

    assert server.sent[0]["status"] == 200


async def test_a_websocket_is_closed() -> None:
    assert await ScriptedServer().run(Receiver().asgi(), type="websocket") == ["websocket.close"]
