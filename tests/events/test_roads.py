"""The receiver inside real web frameworks, over real sockets and over ASGI."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import httpx
import pytest
from aiohttp import web
from fastapi import FastAPI

from koophone_async.errors import InvalidRequest
from koophone_async.events import (
    HEARTBEAT,
    INBOUND,
    VERIFY,
    Access,
    Asgi,
    Event,
    Grant,
    Inbound,
    Limits,
    Reason,
    Receiver,
    properties,
    serve,
    write,
)
from koophone_async.virtual_time import VirtualTimeLoop
from tests.events.service import KEY, Story, access, beat, entered, quitted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator
    from pathlib import Path

JSON: Final = {"Content-Type": "application/json"}


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def told_to(story: Story) -> Receiver:
    receiver = Receiver(now=VirtualTimeLoop.running().now)
    story.listen(receiver)

    @receiver.on_verify
    async def look_up(_: Access) -> Grant:
        return Grant(KEY)

    return receiver


def each_call(receiver: Receiver) -> Iterator[tuple[Inbound, Access | Event]]:
    told: list[Access | Event] = [access(receiver.cipher), entered(), quitted(), beat()]
    return zip(INBOUND, told, strict=True)


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


async def test_a_phone_with_our_properties_reaches_an_aiohttp_application(
    story: Story, client: aiohttp.ClientSession
) -> None:
    async with mounted(receiver := told_to(story)) as address:
        settings = properties(address, 30)
        for inbound, told in each_call(receiver):
            async with client.post(settings[inbound.setting], data=write(told), headers=JSON) as answer:
                assert (answer.status, answer.content_type) == (200, "application/json")
                assert set(await answer.json()) == (
                    {"request_id", "aes_key"} if inbound is VERIFY else {"request_id"}
                )
        assert len(await story.has(3)) == 3


async def test_the_receiver_runs_as_long_as_its_application(story: Story) -> None:
    async with mounted(receiver := told_to(story)):
        with pytest.raises(InvalidRequest, match="runs already"):
            await receiver.__aenter__()
    async with receiver:
        pass


async def test_a_receiver_can_be_served_alone(story: Story, client: aiohttp.ClientSession) -> None:
    async with (
        serve(told_to(story)) as address,
        client.post(address + HEARTBEAT.path, data=write(beat()), headers=JSON) as answer,
    ):
        assert answer.status == 200
        assert await story.has(1) == [beat()]


async def test_an_address_of_ipv6_can_be_called(story: Story, client: aiohttp.ClientSession) -> None:
    async with (
        serve(told_to(story), "::1") as address,
        client.post(address + HEARTBEAT.path, data=write(beat()), headers=JSON) as answer,
    ):
        assert answer.status == 200


async def test_what_cannot_be_served_leaves_nothing_behind(story: Story, tmp_path: Path) -> None:
    receiver = told_to(story)
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
async def test_aiohttp_and_asgi_refuse_alike(method: str, path: str, body: bytes, status: int) -> None:
    headers = JSON | ({"Content-Encoding": "gzip"} if body.startswith(b"\x1f\x8b") else {})
    receiver = Receiver(bounds=Limits(body=4096))
    async with (
        serve(receiver) as address,
        aiohttp.ClientSession() as client,
        client.request(method, address + path, data=body, headers=headers) as over_sockets,
        over_asgi(receiver.asgi()) as asgi,
    ):
        over_asgi_ = await asgi.request(method, path, content=body, headers=headers)

    assert (over_sockets.status, over_asgi_.status_code) == (status, status)


@pytest.mark.parametrize(
    "body", [b"zz\r\n{}\r\n0\r\n\r\n", b"2\r\n{}zz\r\n0\r\n\r\n", b"ffffffffffffffffffff\r\n"]
)
async def test_a_body_that_breaks_on_the_way_is_refused(body: bytes) -> None:
    """Aiohttp's faster parser does not tell that a body broke: then its time runs out."""
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


async def test_a_caller_that_hangs_up_in_its_body_leaves_nothing(story: Story) -> None:
    receiver = told_to(story)
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

    assert story.told == []
    assert receiver.counts.accepted == 0


@asynccontextmanager
async def over_asgi(app: Any) -> AsyncGenerator[httpx.AsyncClient]:  # noqa: ANN401 - httpx and Starlette differ
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://games") as asgi:
        yield asgi


async def test_a_receiver_is_mounted_in_fastapi(story: Story) -> None:
    receiver = told_to(story)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with receiver:
            yield

    app = FastAPI(lifespan=lifespan)
    app.mount("/games/cph", receiver.asgi())
    async with app.router.lifespan_context(app), over_asgi(app) as asgi:
        for inbound, told in each_call(receiver):
            answer = await asgi.post("/games/cph" + inbound.path, content=write(told), headers=JSON)
            assert answer.status_code == 200
        assert len(await story.has(3)) == 3
        assert (await asgi.post("/games/events", content=b"")).status_code == 404


class Server:
    """An ASGI server that says what it is told to, and remembers what it hears."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.unsaid = list(messages)
        self.heard: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        return self.unsaid.pop(0)

    async def send(self, message: Any) -> None:  # noqa: ANN401 - whatever is sent
        self.heard.append(message)

    async def run(self, app: Asgi, **scope: object) -> list[str]:
        await app(scope, self.receive, self.send)
        return [message["type"] for message in self.heard]


async def test_a_server_that_runs_it_alone_starts_and_ends_it(story: Story) -> None:
    server = Server({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    receiver = told_to(story)

    assert await server.run(receiver.asgi(), type="lifespan") == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert not server.unsaid
    async with receiver:  # ended, so that it can begin again
        pass


async def test_a_server_is_told_that_the_receiver_cannot_start(tmp_path: Path) -> None:
    server = Server({"type": "lifespan.startup"})
    receiver = Receiver(journal=tmp_path / "none" / "events.db")

    assert await server.run(receiver.asgi(), type="lifespan") == ["lifespan.startup.failed"]
    assert "cannot be opened" in server.heard[0]["message"]


async def test_a_caller_that_hangs_up_over_asgi_is_refused() -> None:
    server = Server(
        {"type": "http.request", "body": b'{"event', "more_body": True}, {"type": "http.disconnect"}
    )
    async with Receiver() as receiver:
        await server.run(receiver.asgi(), type="http", method="POST", path="/events", headers=[])

    assert server.heard[0]["status"] == 400
    assert receiver.counts.refused == {Reason.CUT: 1}


async def test_a_body_in_pieces_is_put_together(story: Story) -> None:
    body = write(entered())
    server = Server(
        {"type": "http.request", "body": body[:50], "more_body": True},
        {"type": "http.request", "more_body": True},
        {"type": "http.request", "body": body[50:]},
    )
    async with told_to(story) as receiver:
        await server.run(
            receiver.asgi(), type="http", method="POST", path="/cph/events", root_path="/cph", headers=[]
        )
        assert await story.has(1) == [entered()]


@pytest.mark.parametrize(
    "root, path", [("", "/events"), ("/cph", "/cph/events"), ("/cph/", "/cph/events"), ("/e", "/events")]
)
async def test_only_a_root_that_the_path_has_is_cut_off(story: Story, root: str, path: str) -> None:
    server = Server({"type": "http.request", "body": write(entered())})
    async with told_to(story) as receiver:
        await server.run(receiver.asgi(), type="http", method="POST", path=path, root_path=root, headers=[])

    assert server.heard[0]["status"] == 200


async def test_a_websocket_is_closed() -> None:
    assert await Server().run(Receiver().asgi(), type="websocket") == ["websocket.close"]
