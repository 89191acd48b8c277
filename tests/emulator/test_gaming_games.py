"""Games that are played: what phones tell the receiver whose URLs are in their properties."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest
from aiohttp.test_utils import unused_port
from attrs import define, field

from koophone_async.emulator import Durations
from koophone_async.emulator.fleet import RunningState
from koophone_async.emulator.gaming.player import Player, TurnedAway
from koophone_async.errors import InvalidRequest
from koophone_async.events import (
    Access,
    Cipher,
    Encoding,
    Event,
    GameEntered,
    GameQuit,
    Grant,
    Heartbeat,
    Mode,
    Receiver,
    properties,
    serve,
)
from koophone_async.virtual_time import VirtualTimeLoop
from tests.fake_server import FakeServer, ReceivedRequest, Reply, replies_with

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.emulator.scenes import GamingScene

pytestmark = [
    pytest.mark.virtual_time,
    pytest.mark.emulator(phones=6, servers=2, jobs=Durations(fixed=5)),
]

KEY: Final = bytes(range(32))
PLAYER: Final = Player("a-ticket", KEY, b"sealed")
GRANT: Final = Grant(KEY, "a-ticket", b"sealed")


@define
class Listener:
    """A receiver, and what it events."""

    receiver: Receiver
    events: list[Event] = field(factory=list[Event])

    async def note(self, event: Event) -> None:
        self.events.append(event)

    @property
    def beats(self) -> list[tuple[str, str]]:
        return [(one.app, one.session) for one in self.events if isinstance(one, Heartbeat)]


@asynccontextmanager
async def listening(
    gaming_scene: GamingScene, cipher: Cipher | None = None, interval: int = 30
) -> AsyncGenerator[Listener]:
    """Run a receiver that every phone of the scene sends its events to."""
    listener = Listener(Receiver(now=VirtualTimeLoop.running().now, cipher=cipher or Cipher()))
    listener.receiver.on_enter(listener.note)
    listener.receiver.on_quit(listener.note)
    listener.receiver.on_heartbeat(listener.note)
    async with serve(listener.receiver) as address:
        settings = properties(address, interval)
        await gaming_scene.cph.fleet(gaming_scene.phones).restart(properties=settings)
        yield listener


def granting(listener: Listener, grant: Grant | None = GRANT) -> None:
    @listener.receiver.on_verify
    async def look_up(access: Access) -> Grant | None:
        assert access.session
        return grant


def silent(*names: str) -> dict[str, str]:
    """Return the properties of a phone without some of the URLs; nobody listens at the others."""
    settings = properties(f"http://127.0.0.1:{unused_port()}", 30)
    return {name: value for name, value in settings.items() if not name.endswith(names)}


async def test_a_game_sends_events_from_start_to_stop(gaming_scene: GamingScene) -> None:
    application, _ = await gaming_scene.deployed()
    games, phone = gaming_scene.emulator.games, gaming_scene.phones[0]
    async with listening(gaming_scene) as listener:
        granting(listener)
        began = await games.start(phone, application, PLAYER, session="s1")
        assert games.playing == (began,)
        assert [one.session for one in listener.receiver.presence.playing()] == ["s1"]
        await asyncio.sleep(95)
        ended = await games.stop(phone, "tired")
        await asyncio.sleep(1)

    entered, *beats, quitted = listener.events
    assert isinstance(entered, GameEntered)
    assert isinstance(quitted, GameQuit)
    assert (entered.phone, entered.app, entered.session) == (phone, application, "s1")
    assert [(beat.at - entered.at).seconds for beat in beats] == [30, 60, 90]
    assert listener.beats == [(application, "s1")] * 3
    assert (quitted.played, quitted.error, quitted.session) == (95, "tired", "s1")
    assert ended == began
    assert games.on(phone) is None
    assert entered.ticket == quitted.ticket == "a-ticket"


async def test_a_phone_without_a_game_keeps_sending_heartbeats(gaming_scene: GamingScene) -> None:
    application, _ = await gaming_scene.deployed()
    games, phone = gaming_scene.emulator.games, gaming_scene.phones[0]
    async with listening(gaming_scene) as listener:
        granting(listener)
        await games.start(phone, application, PLAYER)
        await games.stop(phone)
        await asyncio.sleep(61)

    assert listener.beats == [("", "")] * 2


async def test_a_stopped_phone_sends_no_heartbeats(gaming_scene: GamingScene) -> None:
    application, _ = await gaming_scene.deployed()
    games, (phone, other, *_) = gaming_scene.emulator.games, gaming_scene.phones
    async with listening(gaming_scene) as listener:
        granting(listener, Grant(KEY))
        await games.start(phone, application, PLAYER)
        await games.start(other, application, Player("another", KEY))
        gaming_scene.emulator.phones.by_cph_id(phone).running = RunningState.STOPPED
        gaming_scene.emulator.phones.remove(gaming_scene.emulator.phones.by_cph_id(other).id)
        await asyncio.sleep(100)

        assert games.playing == ()
    assert listener.beats == []


async def test_a_game_ends_with_its_process(gaming_scene: GamingScene) -> None:
    application, _ = await gaming_scene.deployed()
    games, phone = gaming_scene.emulator.games, gaming_scene.phones[0]
    await games.start(phone, application)
    running = (await gaming_scene.cph.commands.run_sync([phone], "ps -A")).results[0].output or ""
    await gaming_scene.cph.commands.run_sync([phone], "am force-stop com.example.chess")

    assert "com.example.chess" in running
    assert games.on(phone) is None
    with pytest.raises(InvalidRequest, match="is not playing a game"):
        await games.stop(phone)
    await games.start(phone, application)
    assert games.on(phone)


@pytest.mark.parametrize("encoding", [Encoding.BASE64, Encoding.HEX])
@pytest.mark.parametrize("mode", list(Mode))
async def test_players_encrypt_as_the_receiver_expects(
    gaming_scene: GamingScene, mode: Mode, encoding: Encoding
) -> None:
    cipher = Cipher(mode, encoding, Encoding.HEX)

    application, _ = await gaming_scene.deployed()
    gaming_scene.emulator.games.cipher = cipher
    async with listening(gaming_scene, cipher) as listener:
        granting(listener)
        await gaming_scene.emulator.games.start(gaming_scene.phones[0], application, PLAYER)

    assert listener.receiver.counts.verified == 1


async def test_an_unverified_player_cannot_play(gaming_scene: GamingScene) -> None:
    application, _ = await gaming_scene.deployed()
    games, phone = gaming_scene.emulator.games, gaming_scene.phones[0]
    async with listening(gaming_scene) as listener:
        granting(listener)
        with pytest.raises(InvalidRequest, match="player: is needed"):
            await games.start(phone, application)
        with pytest.raises(TurnedAway, match=r"events\.verify: turned away with status 403"):
            await games.start(phone, application, Player("a-ticket", KEY[::-1], b"sealed"))
        with pytest.raises(TurnedAway):
            await games.start(phone, application, Player("a-ticket", KEY, b"sealed", stamp=-60))
        await asyncio.sleep(100)

    assert (listener.events, games.playing) == ([], ())
    assert [call.status for call in games.calls] == [403, 403]


@pytest.mark.parametrize(
    "reply", [Reply({"aes_key": "another"}), Reply(b"welcome"), Reply([])], ids=["wrong key", "text", "list"]
)
async def test_verification_needs_the_key_in_the_answer(gaming_scene: GamingScene, reply: Reply) -> None:
    application, _ = await gaming_scene.deployed()
    async with FakeServer(default=replies_with(reply)) as server:
        settings = properties(server.url, 30)
        await gaming_scene.cph.fleet(gaming_scene.phones).restart(properties=settings)
        with pytest.raises(TurnedAway, match="200"):
            await gaming_scene.emulator.games.start(gaming_scene.phones[0], application, PLAYER)


async def test_a_game_runs_without_a_receiver(gaming_scene: GamingScene) -> None:
    application, _ = await gaming_scene.deployed()
    games, phone = gaming_scene.emulator.games, gaming_scene.phones[0]
    await gaming_scene.cph.fleet(gaming_scene.phones).restart(properties=silent("sign_check_url"))

    await games.start(phone, application)
    await asyncio.sleep(31)
    await games.stop(phone)

    assert [(call.inbound.name, call.status) for call in games.calls] == [
        ("events.enter", 0),
        ("events.heartbeat", 0),
        ("events.quit", 0),
    ]


async def test_a_phone_calls_only_the_urls_read_at_its_start(gaming_scene: GamingScene) -> None:
    application, _ = await gaming_scene.deployed()
    games, (phone, other, *_) = gaming_scene.emulator.games, gaming_scene.phones
    await gaming_scene.cph.fleet([phone]).update_properties(silent())
    await gaming_scene.cph.fleet([other]).restart(
        properties=silent("sign_check_url", "event_notify_url", "interval")
    )

    await games.start(phone, application)
    await games.start(other, application)
    await asyncio.sleep(100)

    assert list(games.calls) == []


async def test_a_game_starts_only_where_deployed_and_idle(gaming_scene: GamingScene) -> None:
    application, _ = await gaming_scene.deployed()
    games, (phone, still, *_) = gaming_scene.emulator.games, gaming_scene.phones
    gaming_scene.emulator.phones.by_cph_id(still).running = RunningState.STOPPED
    other = await gaming_scene.application("go")
    await games.start(phone, application)

    with pytest.raises(InvalidRequest, match="is already playing a game"):
        await games.start(phone, application)
    with pytest.raises(InvalidRequest, match="is not running"):
        await games.start(still, application)
    with pytest.raises(InvalidRequest, match="is not on the phone"):
        await games.start(gaming_scene.phones[2], other)
    with pytest.raises(InvalidRequest, match="is not running"):
        await games.start("nobody", application)


async def test_one_of_two_concurrent_players_plays(gaming_scene: GamingScene) -> None:
    application, _ = await gaming_scene.deployed()
    games, phone = gaming_scene.emulator.games, gaming_scene.phones[0]
    async with listening(gaming_scene) as listener:
        granting(listener, Grant(KEY))
        players = [Player("one", KEY), Player("two", KEY)]
        done = await asyncio.gather(
            *(games.start(phone, application, player) for player in players), return_exceptions=True
        )

    assert sorted(type(one).__name__ for one in done) == ["InvalidRequest", "Round"]


async def test_a_phone_can_be_deleted_during_its_callback(gaming_scene: GamingScene) -> None:
    application, _ = await gaming_scene.deployed()
    phone, phones = gaming_scene.phones[0], gaming_scene.emulator.phones

    async def remove(_: ReceivedRequest) -> Reply:
        phones.remove(phones.by_cph_id(phone).id)
        return Reply({})

    async with FakeServer.handling(remove) as server:
        settings = properties(server.url, 30)
        del settings["com.cph.cg.sign_check_url"]
        await gaming_scene.cph.fleet([phone]).restart(properties=settings)
        await gaming_scene.emulator.games.start(phone, application)
        await asyncio.sleep(100)

    assert [call.inbound.name for call in gaming_scene.emulator.games.calls] == ["events.enter"]


async def test_a_reset_cancels_callbacks(gaming_scene: GamingScene) -> None:
    application, _ = await gaming_scene.deployed()
    asked = asyncio.Event()

    async def hang(_: ReceivedRequest) -> Reply:
        asked.set()
        await asyncio.sleep(9)
        return Reply({})

    async with FakeServer.handling(hang) as server:
        settings = properties(server.url, 30)
        heart = {name: value for name, value in settings.items() if "heartbeat" in name}
        await gaming_scene.cph.fleet(gaming_scene.phones).restart(properties=heart)
        games = gaming_scene.emulator.games
        await games.start(gaming_scene.phones[0], application)
        await asked.wait()
        gaming_scene.emulator.reset()
        await asyncio.sleep(100)

    assert list(games.calls) == []
    assert gaming_scene.emulator.games.playing == ()


def test_tickets_and_keys_are_not_shown() -> None:
    assert "a-ticket" not in repr(PLAYER)
    assert repr(KEY) not in repr(PLAYER)
