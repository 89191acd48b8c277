"""A call in flight: whether it was sent, and which error a failed exchange is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic

import aiohttp
from attrs import define

from koophone_async.connection_errors import reason_of
from koophone_async.errors import (
    AnswerTimedOut,
    BadEndpoint,
    ConnectionLost,
    ConnectTimedOut,
    InvalidRequest,
    KooPhoneError,
    NotConnected,
    Rule,
    UnreadableAnswer,
)
from koophone_async.operation import Answer, Operation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from yarl import URL

    from koophone_async import wire
    from koophone_async.credentials import AccessKey
    from koophone_async.limits import Permit
    from koophone_async.services.iam import Token
    from koophone_async.wire import Edition


@define(eq=False, repr=False)
class SendTracker:
    """Tracks whether a call was sent, so that a caller knows it even if the call is cancelled."""

    sent: bool = False
    """Whether the call may have been executed: it was sent, and nothing proves that it was not executed."""

    permit: Permit | None = None
    """The permit of the current attempt."""

    uses_tunnel: bool = False
    """Whether the current attempt goes through a tunnel of a proxy."""

    bisects: bool = False
    """Whether the caller bisects a batch refused because of its ids, which is then not retried itself."""

    before_send: Callable[[], Awaitable[None]] | None = None
    """Awaited right before each attempt is sent, when its quota permits it; nothing is sent if it raises."""

    not_executed: Callable[[], Awaitable[None]] | None = None
    """Awaited before the delay of a retry, if the attempt before it certainly was not executed."""

    @property
    def may_be_sent(self) -> bool:
        """Whether the permit of the current attempt is still valid."""
        return self.permit is None or self.permit.is_valid

    def mark_sent(self) -> None:
        """Record that bytes of the request were written."""
        self.sent = True
        if self.permit is not None:
            self.permit.mark_sent()


@define(eq=False, repr=False)
class Call(Generic[Answer]):
    """A call in flight, with all of its attempts."""

    operation: Operation[Any, Answer]
    encoded: wire.EncodedRequest
    request_id: str
    edition: Edition
    tracker: SendTracker
    url: URL
    project: str | None
    """The project in the path."""

    ids: Collection[str] = ()
    """The ids that the answer may be about, if the operation states `answer_ids`."""

    credentials: AccessKey | Token | None = None
    """The credentials of the current attempt."""

    queued: float = 0.0
    """Seconds that all attempts have waited for the quota."""

    is_renewed: bool = False
    clock_correction: timedelta = timedelta(0)
    """The correction of the clock that the current attempt is signed with."""

    is_clock_corrected: bool = False
    """Whether the clock was corrected after an attempt, once a call."""

    signs_again: bool = False
    """Whether the last attempt had the wrong time, and the next will have the right one."""

    is_signing_in: bool = False
    """Whether the current attempt fetches a token, or has failed to."""

    is_in_doubt: bool = False
    """Whether an earlier attempt may have been executed."""

    is_announced: bool = False
    """Whether the caller was notified of an attempt, and not yet that it was not executed."""

    def begin(self, permit: Permit) -> None:
        """Begin another attempt."""
        self.tracker.permit = permit
        self.is_in_doubt = self.tracker.sent

    async def announce(self) -> None:
        """Notify the caller that an attempt is about to be sent."""
        if self.tracker.before_send is not None:
            await self.tracker.before_send()
            self.is_announced = True

    async def announce_retry(self) -> None:
        """Notify the caller that another attempt follows, if the last one was not executed."""
        if self.is_announced and not self.tracker.sent and self.tracker.not_executed is not None:
            self.is_announced = False
            await self.tracker.not_executed()

    def check_ids(self, answer: Answer, status: int) -> None:
        """Raise `UnreadableAnswer` if the answer names ids, and none of them is of the request.

        The error does not contain the answer, which may hold secrets of somebody else.
        """
        if self.operation.answer_ids is None:
            return
        named = {id for id in self.operation.answer_ids(answer) if id and id != "null"}
        if named and named.isdisjoint(self.ids):
            reason = "it is about other ids, as the answer to another request is"
            raise UnreadableAnswer(self.operation.name, status, reason, b"", self.request_id)

    def mark_not_executed(self) -> None:
        """Record that the current attempt was certainly not executed."""
        self.tracker.sent = self.is_in_doubt

    def timed_out(self, reason: str) -> KooPhoneError:
        """Return the error for a timeout, which depends on whether the request was sent."""
        if self.tracker.sent:
            return AnswerTimedOut(self.operation.name, reason, self.request_id, self.operation.repeatable)
        return ConnectTimedOut(self.operation.name, reason)

    def failure(self, error: Exception) -> KooPhoneError:
        """Return the error for a failed exchange.

        aiohttp's exceptions do not show whether the request was sent, but the connection pool has observed
        it.
        """
        name = self.operation.name
        reason = reason_of(error, no_tunnel=self.tracker.uses_tunnel and not self.tracker.sent)
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.InvalidURL | UnicodeError):
            return BadEndpoint(name, reason)
        if isinstance(error, ValueError) and not isinstance(error, aiohttp.ClientError):
            # aiohttp refuses a header before it writes anything; headers are checked when they are made, so
            # this one is of a trace of the caller's own aiohttp session.
            return InvalidRequest(name, "http", "has a header that cannot be sent", Rule.BAD_FORMAT)
        if isinstance(error, TimeoutError):
            return self.timed_out(reason)
        if not self.tracker.sent:
            return NotConnected(name, reason)
        return ConnectionLost(name, reason, self.request_id, self.operation.repeatable)
