"""The service, as it calls us, and what our handlers saw of it."""

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
    Head,
    Heartbeat,
    Inbound,
    Receiver,
    write,
)
from koophone_async.virtual_time import EPOCH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

KEY: Final = bytes(range(32))
IV: Final = bytes(range(16))
CONTENT: Final = b"what the client sealed"
TICKET: Final = "a-ticket-that-nobody-may-read"


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def entered(session: str = "s1", phone: str = "p1", *, seconds: float = 0) -> GameEntered:
    return GameEntered(phone, "chess", session, at(seconds), ticket=TICKET)


def quitted(session: str = "s1", phone: str = "p1", *, seconds: float = 60) -> GameQuit:
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
    iv, data = cipher.seal(key, IV, content)
    return Access("s1", ticket, int(at(ends).timestamp() * 1000), data, iv)


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def post(
    receiver: Receiver, path: str, body: bytes, headers: Mapping[str, str] | None = None
) -> Answer:
    return await receiver.receive(Head("POST", path, headers or {}), pieces(body))


async def tell(receiver: Receiver, *events: Event) -> list[int]:
    """Tell some events, all at once."""
    answers = await asyncio.gather(*(post(receiver, "/events", write(event)) for event in events))
    return [answer.status for answer in answers]


async def ask(receiver: Receiver, question: Access, to: Inbound) -> tuple[int, Any]:
    answer = await post(receiver, to.path, write(question))
    return answer.status, json.loads(answer.body)


@define
class Story:
    """What the handlers were told, in order."""

    told: list[Event] = field(factory=list[Event])
    _expected: asyncio.Event = field(factory=asyncio.Event)

    async def __call__(self, event: Event) -> None:
        self.told.append(event)
        self._expected.set()

    def listen(self, receiver: Receiver) -> None:
        receiver.on_enter(self)
        receiver.on_quit(self)
        receiver.on_heartbeat(self)

    async def has(self, count: int) -> list[Event]:
        """Wait until so many events were told."""
        while len(self.told) < count:
            self._expected.clear()
            await self._expected.wait()
        return self.told
