"""Errors of the service as exceptions: which class of error an answer is, and what it proves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from koophone_async.errors import (
    AuthenticationFailed,
    Failure,
    KooPhoneError,
    NoAnswer,
    Refused,
    Unavailable,
)
from koophone_async.protocol.codes import meaning
from koophone_async.protocol.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from koophone_async.operation import AnyOperation
    from koophone_async.protocol.dialect import Unwrapped
    from koophone_async.protocol.response import RawResponse

_MAX_MESSAGE: Final = 500
"""Characters of a message that are kept: enough for each message of the documents, little of a web page."""

_OUTAGES: Final = {408, *range(500, 1000)}
"""Statuses of a failure between client and service, unless the error code is more specific; those from 600 on
are no statuses of HTTP, and prove nothing."""


def refusal(
    operation: AnyOperation, response: RawResponse, unwrapped: Unwrapped, request_id: str | None
) -> KooPhoneError:
    """Return the error for an answer that is not a success.

    It is a `Refused`, or a `NoAnswer` where neither code nor status proves that a write was not executed.
    """
    code, message = unwrapped.code or "", redact(unwrapped.message[:_MAX_MESSAGE])
    if not code:
        # It may be of a gateway, a proxy or a web server instead of the service.
        message = ": ".join(filter(None, (response.peculiarity, " ".join(message.split()))))
    request_id = unwrapped.request_id or request_id
    known, retry_after = meaning(unwrapped.code, response.status), response.retry_after
    retryable = known.retryable or (response.status == 503 and retry_after is not None)
    not_executed = known.not_executed or retryable
    is_outage = issubclass(known.error, Unavailable) or (not not_executed and response.status in _OUTAGES)
    if is_outage and not not_executed and not operation.repeatable:
        return NoAnswer(operation.name, f"HTTP {response.status} {code} {message}".strip(), request_id)
    kind: type[Refused] = Unavailable if is_outage else known.error
    error = kind(
        operation.name,
        response.status,
        code,
        message,
        request_id,
        retryable,
        known.blames_ids,
        retry_after,
        not_executed,
        tuple(map(_failure, unwrapped.failures)),
    )
    if isinstance(error, AuthenticationFailed):
        error.renewable = known.renew
    return error


def _failure(row: Mapping[str, Any]) -> Failure:
    message = redact(str(row.get("error_msg") or "")[:_MAX_MESSAGE])
    return Failure(str(row.get("server_id") or ""), str(row.get("error_code") or ""), message)
