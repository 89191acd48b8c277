"""What serves: the emulator, and the receiver of game events."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, assert_type

from aiohttp import web

from koophone_async import AccessKey, Session
from koophone_async.emulator import Durations, Emulator, Fail, Fault, Reset
from koophone_async.events import (
    Access,
    Asgi,
    Delivery,
    GameEntered,
    GameQuit,
    GameSession,
    Grant,
    Heartbeat,
    Presence,
    Receiver,
    serve,
)
from koophone_async.testing import run_virtually

if TYPE_CHECKING:
    from fastapi import FastAPI


async def an_emulator() -> None:
    async with Emulator(10, edition="international", jobs=Durations(fixed=1)) as emulator:
        assert_type(emulator, Emulator)
        assert_type(emulator.endpoint, str)
        assert_type(emulator.access_key, AccessKey)
        assert_type([phone.id for phone in emulator.phones], list[str])
        assert_type(emulator.ledger.executions("koophone.commands.run"), dict[str, int])
        async with emulator.session(max_quota_wait=1) as session:
            assert_type(session, Session)


async def an_emulator_with_faults(emulator: Emulator) -> None:
    Emulator(faults=[Fault(Fail("CPS.0005"), phone="phone0001")])
    emulator.fault(Reset(executed=True), "koophone.commands.run", first=1)
    assert_type(emulator.heal(), None)


def virtual_time() -> None:
    async def answer() -> int:
        return 42

    assert_type(run_virtually(answer()), int)


async def a_receiver() -> None:
    receiver = Receiver(journal=Path("events.db"), delivery=Delivery(workers=2))

    @receiver.on_enter
    async def entered(event: GameEntered) -> None:
        assert_type(event.ticket, str | None)

    @receiver.on_quit
    async def quitted(event: GameQuit) -> None:
        assert_type(event.played, int)

    @receiver.on_heartbeat
    async def beat(event: Heartbeat) -> None:
        assert_type(event.phone, str)

    @receiver.on_verify
    async def verify(access: Access) -> Grant | None:
        return Grant(b"key" * 8, ticket="ticket") if access.session else None

    assert_type(receiver.presence, Presence)
    assert_type(receiver.presence.playing(), tuple[GameSession, ...])
    async with serve(receiver) as address:
        assert_type(address, str)


def a_receiver_in_a_web_application(receiver: Receiver, app: FastAPI) -> None:
    assert_type(receiver.aiohttp(), web.Application)
    assert_type(receiver.asgi(), Asgi)
    app.mount("/cph", receiver.asgi())
