"""The receiver: accept the calls of the service and deliver them to handlers."""

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
from koophone_async.events.access import Cipher, Mode, Validity, digest, milliseconds, verify
from koophone_async.events.asgi import Asgi
from koophone_async.events.callbacks import CallbackFailed, run_callback
from koophone_async.events.counters import Counts
from koophone_async.events.dispatcher import Delivery, Dispatcher
from koophone_async.events.errors import Reason, Rejected
from koophone_async.events.journal import Journal
from koophone_async.events.limits import MIB, Limits
from koophone_async.events.models import Access, Event, GameEntered, GameQuit, Heartbeat, Kind
from koophone_async.events.presence import Presence, utc_now
from koophone_async.events.queues import Memory
from koophone_async.events.used_tickets import UsedTicket, UsedTickets
from koophone_async.events.web import application
from koophone_async.events.wire import (
    VERIFY,
    format_answer,
    format_refusal,
    parse_access,
    parse_event,
    route,
    serialize,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterable
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from aiohttp import web

    from koophone_async.events.access import Grant
    from koophone_async.events.queues import Queue
    from koophone_async.events.wire import Answer, RequestHead

LOG: Final = logging.getLogger(__name__)

OnEnter = TypeVar("OnEnter", bound=Callable[[GameEntered], Awaitable[None]])
OnQuit = TypeVar("OnQuit", bound=Callable[[GameQuit], Awaitable[None]])
OnHeartbeat = TypeVar("OnHeartbeat", bound=Callable[[Heartbeat], Awaitable[None]])
OnVerify = TypeVar("OnVerify", bound="Callable[[Access], Awaitable[Grant | None]]")


@frozen
class _Run:
    """State of a running receiver."""

    queue: Queue
    dispatcher: Dispatcher
    used_tickets: UsedTickets


_WEAK_CIPHER: Final = (
    "AES-CBC does not authenticate the vector: a grant without a ticket cannot stop a replay, "
    "unless its content is the exact bytes"
)


def _presence(receiver: Receiver) -> Presence:
    return Presence(now=receiver.now)


@define(eq=False, kw_only=True)
class Receiver:
    """Accepts the calls that the service makes to you, and calls your handlers.

    ```python
    receiver = Receiver(journal="events.db")

    @receiver.on_enter
    async def entered(event: GameEntered) -> None: ...

    app.add_subapp("/cph", receiver.aiohttp())
    ```
    An event is answered with 200 once it is queued. Its handler is then called until it returns: at least
    once, in no guaranteed order. An event whose kind has no handler is answered with 200 too, updates the
    presence, is counted in `counts.unhandled`, and is not kept, even with a journal. Without a journal the
    queue is in memory. With one, an event is on disk before it is answered, and events that were not handled
    are delivered after a restart.

    Args:
        journal: File for events that are not done, created if it does not exist; one process at a time.
        max_events: Maximum number of events that are not done, by default 10,000 without a journal and
            1,000,000 with one; further ones are answered with 503. `Limits.queue` bounds their size.
        delivery: Concurrency, timeout and retries of handlers.
        limits: Limits on incoming calls, and on the size of what is kept of them.
        cipher: How the data of an access is encrypted; the document does not specify it.
        validity: When a ticket is valid; the document does not specify it.
        presence: Running game sessions; pass your own to change the timeout.
        now: The wall clock.
        rng: Source of the jitter of retries.
        request_id: Creates the request ids of answers.
    """

    journal: Path | str | None = None
    max_events: int | None = field(default=None, validator=optional(gt(0)))
    delivery: Delivery = field(factory=Delivery)
    limits: Limits = field(factory=Limits)
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
    _lookup: Callable[[Access], Awaitable[Grant | None]] | None = field(default=None, init=False, repr=False)
    _run: _Run | None = field(default=None, init=False, repr=False)
    _calls: int = field(default=0, init=False, repr=False)

    def on_enter(self, handler: OnEnter) -> OnEnter:
        """Register the handler for players entering a game. It is called until it returns."""
        self._add(Kind.ENTER, handler)
        return handler

    def on_quit(self, handler: OnQuit) -> OnQuit:
        """Register the handler for players quitting a game. It is called until it returns."""
        self._add(Kind.QUIT, handler)
        return handler

    def on_heartbeat(self, handler: OnHeartbeat) -> OnHeartbeat:
        """Register the handler for heartbeats. It is called until it returns."""
        self._add(Kind.HEARTBEAT, handler)
        return handler

    def on_verify(self, lookup: OnVerify) -> OnVerify:
        """Register the lookup of grants: it returns the `Grant` of a session, or None to refuse the access.

        The receiver then checks that the ticket is valid, unused and the issued one, and that the key
        decrypts the data.
        """
        if self._lookup:
            raise InvalidRequest("", "on_verify", "a lookup is already registered")
        self._lookup = lookup
        return lookup

    def _add(self, kind: Kind, handler: Callable[[Any], Awaitable[None]]) -> None:
        if kind in self._handlers:
            raise InvalidRequest("", f"on_{kind}", "a handler is already registered")
        self._handlers[kind] = handler

    @property
    def waiting(self) -> int:
        """Number of events that are not done; 0 while the receiver is not running."""
        return self._run.queue.size if self._run else 0

    def aiohttp(self) -> web.Application:
        """Return an application to run or to pass to `add_subapp`; it starts and stops the receiver."""
        return application(self)

    def asgi(self) -> Asgi:
        """Return an ASGI application to run, or to mount in FastAPI or Starlette.

        Frameworks do not run the lifespan of a mounted application: enter the receiver
        (`async with receiver:`) in the lifespan of your own. An ASGI server that runs this application
        directly starts and stops the receiver itself.
        """
        return Asgi(self)

    async def __aenter__(self) -> Self:
        """Start accepting calls, and deliver the events that an earlier run left.

        Raises:
            InvalidRequest: The receiver is already running, or its journal cannot be opened.
        """
        if self._run:
            raise InvalidRequest("", "receiver", "is already running")
        queue = self._queue()
        used_tickets = UsedTickets(self.limits.tickets, self.limits.tickets_per_session)
        used_tickets.load(await queue.open())  # before the first call, so that no used ticket is accepted
        dispatcher = Dispatcher(queue, self._deliver, self.delivery, self.rng, self.counts)
        self._run = _Run(queue, dispatcher, used_tickets)
        dispatcher.start()
        if self._lookup is not None and self.cipher.mode is Mode.CBC:
            LOG.warning(_WEAK_CIPHER)
        return self

    def _queue(self) -> Queue:
        limits = self.limits
        if self.journal is None:
            return Memory(self.max_events or 10_000, limits.queue or 64 * MIB)
        return Journal(
            self.journal, self.max_events or 1_000_000, limits.queue or 1024 * MIB, limits.free_disk
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Refuse further calls, wait for running handlers up to `Delivery.grace`, and close the journal."""
        run, self._run = self._run, None
        if run is None:
            return
        try:
            await run.dispatcher.stop()
        finally:
            await run.queue.close()
        if lost := 0 if run.queue.is_persistent else run.queue.size:
            LOG.error("%d undelivered events are lost: the receiver stopped and has no journal", lost)

    async def receive(self, head: RequestHead, chunks: AsyncIterable[bytes]) -> Answer:
        """Answer one call.

        Args:
            head: Method, headers, and path relative to where the receiver is mounted.
            chunks: The body. It is not read if the head is refused.
        """
        request_id = self.request_id()
        self._calls += 1
        try:
            return format_answer(request_id, await self._accept(head, chunks))
        except Rejected as error:
            return self.refuse(error.reason, request_id)
        finally:
            self._calls -= 1

    def refuse(self, reason: Reason, request_id: str | None = None) -> Answer:
        """Count a refused call, and return the answer to it."""
        self.counts.refused[reason] += 1
        return format_refusal(request_id or self.request_id(), reason)

    async def _accept(self, head: RequestHead, chunks: AsyncIterable[bytes]) -> Mapping[str, str]:
        path = route(head, self.limits.body)
        if self._calls > self.limits.calls:
            raise Rejected(Reason.FULL)
        body = await self._read(chunks)
        if path == VERIFY.path:
            return {"aes_key": await self._verify(parse_access(body))}
        await self._enqueue(parse_event(body))
        return {}

    async def _read(self, chunks: AsyncIterable[bytes]) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(self.limits.body_timeout):
                async for chunk in chunks:
                    body += chunk
                    if len(body) > self.limits.body:
                        raise Rejected(Reason.SIZE)
        except TimeoutError:
            raise Rejected(Reason.SLOW) from None
        return bytes(body)

    def _running(self) -> _Run:
        if self._run is None:
            raise Rejected(Reason.CLOSED)
        return self._run

    async def _enqueue(self, event: Event) -> None:
        run = self._running()
        if event.kind in self._handlers:
            await run.queue.put(serialize(event))
            run.dispatcher.wake()
        else:
            if not self.counts.unhandled[event.kind]:
                LOG.info("events of kind %s have no handler: they are accepted and dropped", event.kind)
            self.counts.unhandled[event.kind] += 1
        self.presence.update(event)
        self.counts.accepted += 1

    async def _deliver(self, body: bytes) -> None:
        event = parse_event(body)
        if event.kind not in self._handlers:
            raise InvalidRequest("", f"on_{event.kind}", "no handler is registered")
        await self._handlers[event.kind](event)

    async def _verify(self, access: Access) -> str:
        self.validity.expiry(access.timestamp, self.now())
        try:
            key, ticket = await run_callback(self.limits.lookup_timeout, self._check(access))
        except CallbackFailed as error:
            LOG.warning("the lookup of a grant failed: %s", error)
            raise Rejected(Reason.LOOKUP) from None
        await self._spend(ticket, access)
        self.counts.verified += 1
        return key

    async def _check(self, access: Access) -> tuple[str, UsedTicket]:
        if self._lookup is None:
            raise Rejected(Reason.NO_LOOKUP)
        grant = await self._lookup(access)
        if grant is None:
            raise Rejected(Reason.NOT_GRANTED)
        self.validity.check_issued(access.timestamp, grant, self.now())
        proof = verify(access, grant, self.cipher)
        ticket = UsedTicket(proof, digest(access.session.encode()), self.validity.end(grant))
        return self.cipher.key_encoding.to_text(grant.key), ticket

    async def _spend(self, ticket: UsedTicket, access: Access) -> None:
        run, now = self._running(), self.now()
        self.validity.expiry(access.timestamp, now)  # again: the ticket may have expired during the lookup
        forgotten = run.used_tickets.spend(ticket, milliseconds(now))
        try:
            await run.queue.spend(ticket, forgotten)
        except Rejected:
            run.used_tickets.release(ticket)
            raise
