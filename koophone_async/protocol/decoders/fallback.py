"""The fallback decoder: reads every answer, also those that differ from the documents, and raises errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from koophone_async import wire
from koophone_async.errors import UnreadableAnswer
from koophone_async.protocol.dialect import DIALECTS, Unwrapped
from koophone_async.protocol.refusals import refusal

if TYPE_CHECKING:
    from koophone_async.operation import Answer, AnyOperation, Operation
    from koophone_async.protocol.response import RawResponse
    from koophone_async.wire import Edition


def decode(
    operation: Operation[Any, Answer], response: RawResponse, edition: Edition, request_id: str | None
) -> Answer:
    """Decode a response into the operation's answer.

    Raises:
        Refused: The service refused the call; code and status say why.
        NoAnswer: It failed, and neither code nor status proves that a write was not executed.
        UnreadableAnswer: The response is not what the service documents.
    """
    try:
        body = wire.decode(response.body) if response.body else None
        unwrapped = DIALECTS[operation.service].unwrap(body)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        if response.succeeded:
            raise _unreadable(operation, response, error, request_id) from None
        unwrapped = Unwrapped(message=response.body.decode(errors="replace"))
    if unwrapped.code is not None or not response.succeeded:
        raise refusal(operation, response, unwrapped, request_id)
    headers = {
        name: response.headers[name] for name in wire.in_headers(operation.answer) if name in response.headers
    }
    try:
        return wire.from_wire(operation.answer, unwrapped.payload | headers, edition)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(operation, response, error, request_id) from None


def _unreadable(
    operation: AnyOperation, response: RawResponse, error: Exception, request_id: str | None
) -> UnreadableAnswer:
    # The cause may quote the answer, which may contain a secret: only its type is reported, also in
    # tracebacks.
    reason = f"missing {error}" if isinstance(error, KeyError) else type(error).__name__
    return UnreadableAnswer(operation.name, response.status, reason, response.body, request_id)
