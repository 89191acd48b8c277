"""Calls of the service, and a handler that records events."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from koophone_async.events import (
    Access,
    Answer,
    Cipher,
    Event,
    GameEntered,
    GameQuit,
    Heartbeat,
    InboundCall,
    Receiver,
    RequestHead,
    serialize,
)
from koophone_async.virtual_time import EPOCH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

KEY: Final = bytes(range(32))
IV: Final = bytes(range(16))
CONTENT: Final = b"encrypted by the client"
TICKET: Final = "a-secret-ticket"


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def entered(session: str = "s1", phone: str = "p1", *, seconds: float = 0) -> GameEntered:
    return GameEntered(phone, "chess", session, at(seconds), ticket=TICKET)


def quit_event(session: str = "s1", phone: str = "p1", *, seconds: float = 60) -> GameQuit:
    return GameQuit(phone, "chess", session, at(seconds), played=60, ticket=TICKET)


def beat(session: str = "s1", phone: str = "p1", *, seconds: float = 30) -> Heartbeat:
    return Heartbeat(phone=phone, at=at(seconds), app="chess" if session else "", session=session)


def access(
    cipher: Cipher,
    *,
    ticket: str = TICKET,
    ends: float = 60,
    key: bytes = KEY,
    content: bytes = CONTENT,
) -> Access:
    iv, data = cipher.encrypt(key, IV, content)
    return Access("s1", ticket, int(at(ends).timestamp() * 1000), data, iv)


async def chunks_of(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def post(
    receiver: Receiver, path: str, body: bytes, headers: Mapping[str, str] | None = None
) -> Answer:
    return await receiver.receive(RequestHead("POST", path, headers or {}), chunks_of(body))


async def send_events(receiver: Receiver, *events: Event) -> list[int]:
    """Send events concurrently; return the statuses of the answers."""
    answers = await asyncio.gather(*(post(receiver, "/events", serialize(event)) for event in events))
    return [answer.status for answer in answers]


async def send_access(receiver: Receiver, request: Access, to: InboundCall) -> tuple[int, Any]:
    answer = await post(receiver, to.path, serialize(request))
    return answer.status, json.loads(answer.body)


@define
class Recorder:
    """Handler that records the events in order, once its gate is open."""

    events: list[Event] = field(factory=list[Event])
    gate: asyncio.Event | None = None
    _new_event: asyncio.Event = field(factory=asyncio.Event)

    async def __call__(self, event: Event) -> None:
        if self.gate:
            await self.gate.wait()
        self.events.append(event)
        self._new_event.set()

    def attach(self, receiver: Receiver) -> None:
        receiver.on_enter(self)
        receiver.on_quit(self)
        receiver.on_heartbeat(self)

    async def wait_for(self, count: int) -> list[Event]:
        """Wait until `count` events are recorded."""
        while len(self.events) < count:
            self._new_event.clear()
            await self._new_event.wait()
        return self.events
