"""The receiver: the service's calls in, your handlers called."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from attrs import Factory, define, field, frozen
from attrs.validators import gt, optional

from koophone_async.errors import InvalidRequest
from koophone_async.events.access import Cipher, UsedTickets, Validity, digest, prove
from koophone_async.events.asgi import Asgi
from koophone_async.events.callbacks import Failed, within
from koophone_async.events.counters import Counts
from koophone_async.events.dispatcher import Delivery, Dispatcher
from koophone_async.events.errors import Reason, Rejected
from koophone_async.events.journal import Journal
from koophone_async.events.models import Access, Event, GameEntered, GameQuit, Heartbeat, Kind
from koophone_async.events.presence import Presence, utc_now
from koophone_async.events.queues import Memory
from koophone_async.events.web import application
from koophone_async.events.wire import VERIFY, answered, read_access, read_event, refused, route, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterable
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from aiohttp import web

    from koophone_async.events.access import Grant
    from koophone_async.events.queues import Queue
    from koophone_async.events.wire import Answer, Head

LOG: Final = logging.getLogger(__name__)

OnEnter = TypeVar("OnEnter", bound=Callable[[GameEntered], Awaitable[None]])
OnQuit = TypeVar("OnQuit", bound=Callable[[GameQuit], Awaitable[None]])
OnHeartbeat = TypeVar("OnHeartbeat", bound=Callable[[Heartbeat], Awaitable[None]])
OnVerify = TypeVar("OnVerify", bound="Callable[[Access], Awaitable[Grant | None]]")


@frozen
class Limits:
    """How much a receiver takes."""

    body: int = field(default=64 * 1024, validator=gt(0))
    """Bytes of a body."""

    body_seconds: float = field(default=10.0, validator=gt(0))
    """Seconds that a body may take to come."""

    look_up_seconds: float = field(default=5.0, validator=gt(0))
    """Seconds that the look-up of a secret may take."""

    calls: int = field(default=1_024, validator=gt(0))
    """Calls in progress; further ones are answered 503."""

    tickets: int = field(default=100_000, validator=gt(0))
    """Used tickets that are still valid; further accesses are answered 503."""


@frozen
class _Run:
    """What there is from the start of a receiver to its end."""

    queue: Queue
    courier: Dispatcher
    spent: UsedTickets


def _presence(receiver: Receiver) -> Presence:
    return Presence(now=receiver.now)


@define(eq=False, kw_only=True)
class Receiver:
    """Takes the calls that the service makes to us, and calls your handlers.

    ```python
    receiver = Receiver(journal="events.db")

    @receiver.on_enter
    async def entered(event: GameEntered) -> None: ...

    app.add_subapp("/cph", receiver.aiohttp())
    ```
    An event is answered with 200 when it is kept; then its handler is called until it returns: at least
    once, with no promise of order. Without a journal it is kept in memory; with one it is on disk before the
    answer, and what is not done is delivered after a restart.

    Args:
        journal: A file for events that are not done, made when it is not there; one process at a time.
        most: The most events that are not done, 10,000 without and 1,000,000 with a journal; further ones
            are answered 503.
        delivery: How handlers are called.
        bounds: How much is taken.
        cipher: How the encrypted data of an access is read; the document leaves it open.
        validity: When a ticket is valid; the document leaves it open.
        presence: Who plays where; one of your own for another timeout.
        now: The wall clock.
        rng: Spreads repeated deliveries.
        request_id: Makes the ids of answers.
    """

    journal: Path | str | None = None
    most: int | None = field(default=None, validator=optional(gt(0)))
    delivery: Delivery = field(factory=Delivery)
    bounds: Limits = field(factory=Limits)
    cipher: Cipher = field(factory=Cipher, repr=False)
    validity: Validity = field(factory=Validity)
    now: Callable[[], datetime] = field(default=utc_now, repr=False)
    presence: Presence = field(default=Factory(_presence, takes_self=True), repr=False)
    counts: Counts = field(factory=Counts)
    rng: random.Random = field(factory=random.Random, repr=False)
    request_id: Callable[[], str] = field(default=lambda: secrets.token_hex(16), repr=False)
    _handlers: dict[Kind, Callable[[Any], Awaitable[None]]] = field(
        factory=dict["Kind", "Callable[[Any], Awaitable[None]]"], init=False, repr=False
    )
    _look_up: Callable[[Access], Awaitable[Grant | None]] | None = field(default=None, init=False, repr=False)
    _run: _Run | None = field(default=None, init=False, repr=False)
    _calls: int = field(default=0, init=False, repr=False)

    def on_enter(self, handler: OnEnter) -> OnEnter:
        """Call this when a player entered a game. It runs again until it returns."""
        self._add(Kind.ENTER, handler)
        return handler

    def on_quit(self, handler: OnQuit) -> OnQuit:
        """Call this when a player quit a game. It runs again until it returns."""
        self._add(Kind.QUIT, handler)
        return handler

    def on_heartbeat(self, handler: OnHeartbeat) -> OnHeartbeat:
        """Call this when a phone says that it is alive. It runs again until it returns."""
        self._add(Kind.HEARTBEAT, handler)
        return handler

    def on_verify(self, look_up: OnVerify) -> OnVerify:
        """Look up with this what was granted to a session: a `Grant`, or None for nothing.

        Whether the ticket is valid, unused and the one that was issued, and whether the key opens
        the data, is then checked here.
        """
        if self._look_up:
            raise InvalidRequest("", "verify", "already has a look-up")
        self._look_up = look_up
        return look_up

    def _add(self, kind: Kind, handler: Callable[[Any], Awaitable[None]]) -> None:
        if kind in self._handlers:
            raise InvalidRequest("", kind.value, "already has a handler")
        self._handlers[kind] = handler

    @property
    def waiting(self) -> int:
        """How many events are kept and not done; 0 while the receiver does not run."""
        return self._run.queue.kept if self._run else 0

    def aiohttp(self) -> web.Application:
        """Give an application for `add_subapp`, or to run; the receiver runs as long as it does."""
        return application(self)

    def asgi(self) -> Asgi:
        """Give an ASGI application to mount in FastAPI or Starlette, or to run.

        Frameworks do not tell a mounted application when they start: enter the receiver
        (`async with receiver:`) in their lifespan. A server that runs this alone needs no more.
        """
        return Asgi(self)

    async def __aenter__(self) -> Self:
        """Begin to take calls, and deliver what an earlier run left.

        Raises:
            InvalidRequest: The receiver runs already, or its journal cannot be opened.
        """
        if self._run:
            raise InvalidRequest("", "receiver", "runs already")
        queue, spent = self._queue(), UsedTickets(self.bounds.tickets)
        spent.load(await queue.open())  # before any call: a used ticket lets nobody in
        courier = Dispatcher(queue, self._deliver, self.delivery, self.rng, self.counts)
        self._run = _Run(queue, courier, spent)
        courier.start()
        return self

    def _queue(self) -> Queue:
        if self.journal is None:
            return Memory(self.most or 10_000)
        return Journal(self.journal, self.most or 1_000_000)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take no more calls, let handlers end for a while, and close the journal."""
        run, self._run = self._run, None
        if run is None:
            return
        try:
            await run.courier.stop()
        finally:
            await run.queue.close()
        if lost := 0 if run.queue.outlives else run.queue.kept:
            LOG.error("%d events had no time to be delivered and are lost", lost)

    async def receive(self, head: Head, chunks: AsyncIterable[bytes]) -> Answer:
        """Take one call.

        Args:
            head: The method, the path below where the receiver is mounted, the headers.
            chunks: The body. Nothing is read of a call that its head already refuses.
        """
        request = self.request_id()
        self._calls += 1
        try:
            return answered(request, await self._take(head, chunks))
        except Rejected as error:
            self.counts.refused[error.reason] += 1
            return refused(request, error.reason)
        finally:
            self._calls -= 1

    async def _take(self, head: Head, chunks: AsyncIterable[bytes]) -> Mapping[str, str]:
        path = route(head, self.bounds.body)
        if self._calls > self.bounds.calls:
            raise Rejected(Reason.FULL)
        body = await self._read(chunks)
        if path == VERIFY.path:
            return {"aes_key": await self._verify(read_access(body))}
        await self._accept(read_event(body))
        return {}

    async def _read(self, chunks: AsyncIterable[bytes]) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(self.bounds.body_seconds):
                async for chunk in chunks:
                    body += chunk
                    if len(body) > self.bounds.body:
                        raise Rejected(Reason.SIZE)
        except TimeoutError:
            raise Rejected(Reason.SLOW) from None
        return bytes(body)

    def _running(self) -> _Run:
        if self._run is None:
            raise Rejected(Reason.CLOSED)
        return self._run

    async def _accept(self, event: Event) -> None:
        run = self._running()
        if event.kind in self._handlers:
            await run.queue.put(write(event))
            run.courier.wake()
        self.presence.see(event)
        self.counts.accepted += 1

    async def _deliver(self, body: bytes) -> None:
        event = read_event(body)
        if event.kind not in self._handlers:
            raise InvalidRequest("", event.kind.value, "has no handler")
        await self._handlers[event.kind](event)

    async def _verify(self, access: Access) -> str:
        self.validity.until(access.stamp, self.now())
        ticket = digest(access.ticket)
        if ticket in self._running().spent:
            raise Rejected(Reason.REPLAYED)
        try:
            key = await within(self.bounds.look_up_seconds, self._key(access))
        except Failed as error:
            LOG.warning("the look-up of a session failed: %s", error)
            raise Rejected(Reason.LOOK_UP) from None
        await self._spend(ticket, access.stamp)
        self.counts.admitted += 1
        return key

    async def _key(self, access: Access) -> str:
        if self._look_up is None:
            raise Rejected(Reason.UNSERVED)
        grant = await self._look_up(access)
        if grant is None:
            raise Rejected(Reason.UNGRANTED)
        prove(access, grant, self.cipher)
        return self.cipher.key_encoding.write(grant.key)

    async def _spend(self, ticket: bytes, stamp: int) -> None:
        run, now = self._running(), self.now()
        until = self.validity.until(stamp, now)  # again: what ended meanwhile would not be remembered
        run.spent.spend(ticket, until, now)
        try:
            await run.queue.spend(ticket, until, int(now.timestamp() * 1000))
        except Rejected:
            run.spent.give_back(ticket)
            raise
