"""Read a response: return the operation's answer, or raise what the service reported."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from koophone_async.protocol.decoders.fast import NOT_DECODED, fast_decoder

if TYPE_CHECKING:
    from koophone_async.operation import Answer, Operation
    from koophone_async.protocol.response import RawResponse
    from koophone_async.wire import Edition


def read(
    operation: Operation[Any, Answer], response: RawResponse, edition: Edition, request_id: str | None
) -> Answer:
    """Return the answer in a response: by the fast decoder, else by the fallback decoder.

    Raises:
        Refused: The service refused the call; code and status say why.
        NoAnswer: It failed, and neither code nor status proves that a write was not executed.
        UnreadableAnswer: The response is not what the service documents.
    """
    decode = fast_decoder(operation, edition) if response.succeeded else None
    if decode is not None:
        with suppress(*NOT_DECODED):
            return decode(response.body)
    from koophone_async.protocol.decoders import fallback  # noqa: PLC0415 - documented answers do not need it

    return fallback.decode(operation, response, edition, request_id)
