"""A service that deploys a game and shows who plays it, from the first call to the last."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from aiohttp.test_utils import TestClient, TestServer, unused_port

from examples.who_plays import make_app
from koophone_async import CloudPhone
from koophone_async.emulator import Emulator, Fail
from koophone_async.emulator.gaming import Player, TurnedAway
from koophone_async.gaming import NewVersion
from koophone_async.session import utc_now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from koophone_async import Session

Client: TypeAlias = "TestClient[web.Request, web.Application]"

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=6, servers=2, now=utc_now)]


@pytest.fixture
async def service(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setenv("KOOPHONE_CPH_ENDPOINT", emulator.cph_endpoint)
    monkeypatch.setenv("HUAWEICLOUD_SDK_PROJECT_ID", emulator.project_id)
    monkeypatch.setenv("HUAWEICLOUD_SDK_AK", emulator.access_key.access_key)
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", emulator.access_key.secret_key)
    port = unused_port()
    app = make_app(f"http://127.0.0.1:{port}/unguessable")
    async with TestClient(TestServer(app, port=port)) as client:
        yield client


@pytest.fixture
async def game(session: Session) -> tuple[str, str]:
    """Make an application with one version."""
    gaming = CloudPhone(session).gaming
    application = (await gaming.applications.create("chess", "com.example.chess")).id
    new = NewVersion(application, "1", "1.0", "com.example.chess.Main", "games", "chess.tar")
    return application, (await gaming.versions.create(new)).id


async def json(service: Client, path: str, body: object = None) -> Any:  # noqa: ANN401 - what JSON holds
    answer = await (service.get(path) if body is None else service.post(path, json=body))
    return await answer.json()


async def player(service: Client, name: str) -> tuple[str, Player]:
    ticket = await json(service, "/tickets", {"player": name})
    return ticket["session"], Player(ticket["ticket"], bytes.fromhex(ticket["key"]))


async def test_players_are_listed_until_they_quit(
    emulator: Emulator, service: Client, game: tuple[str, str]
) -> None:
    application, version = game
    done = await service.post("/deploy", json={"version": version})
    (ann, ben), games = [phone.cph_id for phone in emulator.phones][:2], emulator.games
    for phone, name in ((ann, "ann"), (ben, "ben")):
        session, brought = await player(service, name)
        await games.start(phone, application, brought, session=session)
    await asyncio.sleep(65)
    both = await json(service, "/playing")
    await games.stop(ann)

    assert done.status == 200
    assert {(row["player"], row["phone"]) for row in both} == {("ann", ann), ("ben", ben)}
    assert [row["player"] for row in await json(service, "/playing")] == ["ben"]
    assert [call.inbound.name for call in games.calls].count("events.heartbeat") == 4
    assert {call.status for call in games.calls} == {200}


async def test_a_ticket_of_another_session_is_refused(
    emulator: Emulator, service: Client, game: tuple[str, str]
) -> None:
    application, version = game
    await service.post("/deploy", json={"version": version})
    phone = next(iter(emulator.phones)).cph_id
    session, _ = await player(service, "ann")
    _, brought = await player(service, "ben")

    with pytest.raises(TurnedAway):
        await emulator.games.start(phone, application, brought, session=session)

    assert await json(service, "/playing") == []


async def test_a_failed_server_is_reported(
    emulator: Emulator, service: Client, game: tuple[str, str]
) -> None:
    failing, _ = (server.id for server in emulator.world.cph.servers)
    emulator.fault(Fail("CPS.0003", "No space."), "gaming.deployments.deploy", phone=failing)

    done = await service.post("/deploy", json={"version": game[1]})
    wrong = await service.post("/deploy", json={"version": ""})

    rows = (await done.json())["servers"]
    assert (done.status, wrong.status) == (207, 400)
    assert {row["id"]: row["state"] for row in rows}[failing] == "failed"
