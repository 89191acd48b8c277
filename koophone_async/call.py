"""One call on its way: whether it has left, and what a failure to answer means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

import aiohttp
from attrs import define

from koophone_async.errors import (
    AnswerTimedOut,
    BadEndpoint,
    ConnectionLost,
    ConnectTimedOut,
    KooPhoneError,
    NotConnected,
)
from koophone_async.operation import Answer, Operation
from koophone_async.protocol.redaction import redact

if TYPE_CHECKING:
    from types import SimpleNamespace

    from yarl import URL

    from koophone_async import wire
    from koophone_async.credentials import AccessKey
    from koophone_async.limits import Permit
    from koophone_async.services.iam import Token
    from koophone_async.wire import Edition


@define(eq=False)
class SendTracker:
    """What a caller learns of a call while it is under way, and still knows when it is cancelled."""

    sent: bool = False
    """Whether anything may have left this machine that is not known to have come to nothing."""

    permit: Permit | None = None
    """What the quota granted for the attempt under way."""

    halves: bool = False
    """Whether the caller halves a batch that is refused for its ids; such a refusal is not repeated."""

    def leave(self) -> None:
        """Note that the request's head goes out now."""
        self.sent = True
        if self.permit is not None:
            self.permit.sent()


@define(eq=False)
class Call(Generic[Answer]):
    """One call on its way."""

    operation: Operation[Any, Answer]
    placed: wire.Placed
    request_id: str
    edition: Edition
    tracker: SendTracker
    origin: URL
    project: str | None
    """The project that the path names."""

    proof: AccessKey | Token | None = None
    """What the attempt under way was signed with."""

    queued: float = 0.0
    """Seconds that its attempts waited for the quota."""

    is_renewed: bool = False
    is_in_doubt: bool = False
    """Whether an earlier attempt may have happened."""

    def begin(self, permit: Permit) -> None:
        """Start another attempt."""
        self.tracker.permit = permit
        self.is_in_doubt = self.tracker.sent

    def mark_not_executed(self) -> None:
        """Note that the attempt under way has done nothing for certain."""
        self.tracker.sent = self.is_in_doubt

    def timed_out(self, reason: str) -> KooPhoneError:
        """The time was over, before or after the request had left."""
        if self.tracker.sent:
            return AnswerTimedOut(self.operation.name, reason, self.request_id, self.operation.repeatable)
        return ConnectTimedOut(self.operation.name, reason)

    def failure(self, error: Exception) -> KooPhoneError:
        """Say what a failed exchange means. The kind of exception alone does not tell.

        Whether something left is known from the trace. One more case is sure: a write that met a
        closing transport, because head and body go out in one piece.
        """
        name, reason = self.operation.name, _reason(error)
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.InvalidURL | UnicodeError):
            return BadEndpoint(name, reason)
        if any(isinstance(e, aiohttp.ClientConnectionResetError) for e in (error, error.__cause__)):
            self.mark_not_executed()
        if isinstance(error, TimeoutError):
            return self.timed_out(reason)
        if not self.tracker.sent:
            return NotConnected(name, reason)
        return ConnectionLost(name, reason, self.request_id, self.operation.repeatable)


def install_send_trace(http: aiohttp.ClientSession) -> None:
    """Learn when a request leaves, and keep aiohttp from sending GET, PUT and DELETE twice."""

    async def left(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        if isinstance(context.trace_request_ctx, SendTracker):
            context.trace_request_ctx.leave()

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(left)
    trace.freeze()
    http.trace_configs.append(trace)
    # aiohttp repeats them on a broken connection also where the service has acted already, and
    # offers no public switch.
    http._retry_connection = False  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}"
    if isinstance(error, aiohttp.ClientResponseError):
        return "what came back is not HTTP"  # its text would quote it
    return redact(str(error)) or type(error).__name__
