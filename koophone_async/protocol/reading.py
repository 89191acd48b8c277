"""What an answer of the service means: a model, or an error that says what to do next."""

from __future__ import annotations

from contextlib import suppress
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attrs import frozen

from koophone_async import wire
from koophone_async.errors import (
    AuthenticationFailed,
    Failure,
    KooPhoneError,
    NoAnswer,
    Unavailable,
    UnreadableAnswer,
)
from koophone_async.protocol.codes import meaning
from koophone_async.protocol.dialect import DIALECTS, Opened
from koophone_async.protocol.fast_decoder import ODD, quick_reader
from koophone_async.protocol.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from koophone_async.operation import Answer, AnyOperation, Operation
    from koophone_async.wire import Edition

_MOST_WORDS: Final = 500
"""How much of a message is kept: enough for every message of the documents, little of a web page."""


_OUTAGES: Final = {408, *range(500, 600)}
"""Statuses that tell of a failure on the way, unless the code tells more."""


@frozen
class Received:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def read(
    operation: Operation[Any, Answer], received: Received, edition: Edition, request_id: str | None
) -> Answer:
    """Turn an answer into the operation's model.

    Raises:
        Refused: The service answered no, and the code or the status says why.
        NoAnswer: The status or the code does not prove that a write came to nothing.
        UnreadableAnswer: The answer is not what the service documents.
    """
    quick = quick_reader(operation, edition) if received.status < 300 else None
    if quick is not None:
        with suppress(*ODD):
            return quick(received.body)
    return read_patiently(operation, received, edition, request_id)


def read_patiently(
    operation: Operation[Any, Answer], received: Received, edition: Edition, request_id: str | None
) -> Answer:
    """Turn an answer of any form into the operation's model; raises as `read` does."""
    succeeded = received.status < 300
    try:
        opened = DIALECTS[operation.service].open(wire.decode(received.body) if received.body else None)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        if succeeded:
            raise _unreadable(operation, received, error, request_id) from None
        opened = Opened(message=received.body.decode(errors="replace"))
    if opened.code is not None or not succeeded:
        raise _refusal(operation, received, opened, request_id)
    placed = wire.in_headers(operation.answer)
    payload = opened.payload | {name: received.headers[name] for name in placed if name in received.headers}
    try:
        return wire.from_wire(operation.answer, payload, edition)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(operation, received, error, request_id) from None


def _unreadable(
    operation: AnyOperation, received: Received, error: Exception, request_id: str | None
) -> UnreadableAnswer:
    # The cause may quote the answer, which may hold a secret: only its kind is told, here and in tracebacks.
    what = f"missing {error}" if isinstance(error, KeyError) else type(error).__name__
    return UnreadableAnswer(operation.name, received.status, what, received.body, request_id)


def _refusal(
    operation: AnyOperation, received: Received, opened: Opened, request_id: str | None
) -> KooPhoneError:
    known = meaning(opened.code, received.status)
    seconds = _retry_after(received.headers)
    words = redact(opened.message[:_MOST_WORDS])
    request_id = opened.request_id or request_id
    retryable = known.retryable or (received.status == 503 and seconds is not None)
    is_unproven = not (known.not_executed or retryable)
    is_outage = issubclass(known.error, Unavailable) or (is_unproven and received.status in _OUTAGES)
    if is_outage and is_unproven and not operation.repeatable:
        said = f"HTTP {received.status} {opened.code or ''} {words}".strip()
        return NoAnswer(operation.name, said, request_id)
    kind = Unavailable if is_outage else known.error
    refusal = kind(
        operation.name,
        received.status,
        opened.code or "",
        words,
        request_id,
        retryable,
        known.blames_ids,
        seconds,
    )
    refusal.not_executed = known.not_executed or retryable
    refusal.failures = tuple(map(_failure, opened.failures))
    if isinstance(refusal, AuthenticationFailed):
        refusal.renewable = known.renew
    return refusal


def _failure(listed: Mapping[str, Any]) -> Failure:
    words = redact(str(listed.get("error_msg") or "")[:_MOST_WORDS])
    return Failure(str(listed.get("server_id") or ""), str(listed.get("error_code") or ""), words)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After, which is seconds or a date, in seconds from the answer's own date."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    if value.isdecimal() and isfinite(seconds := float(value)):
        return seconds
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError, OverflowError):  # no date, one without a zone, one out of bounds
        return None
    return max(0.0, wait.total_seconds())
