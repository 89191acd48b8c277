"""The fallback decoder: reads every answer, also those that differ from the documents, and raises errors."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from koophone_async import wire
from koophone_async.errors import UnreadableAnswer
from koophone_async.protocol.decoders import rows
from koophone_async.protocol.dialect import DIALECTS, NotAnEnvelopeError, Unwrapped
from koophone_async.protocol.refusals import refusal

if TYPE_CHECKING:
    from koophone_async.operation import Answer, AnyOperation, Operation
    from koophone_async.protocol.response import RawResponse
    from koophone_async.wire import Edition


_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


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
        body = decode_json(response.body) if response.body else None
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
        return rows.build(operation.answer, unwrapped.payload | headers, edition, operation.name)
    except rows.UnreadableRow as error:
        raise _unreadable(operation, response, error, request_id) from None


def decode_json(body: bytes) -> Any:
    """Decode JSON, also with texts that JSON does not allow.

    The services cut outputs at 1,024 bytes, also in the middle of a character, and may leave control
    characters unescaped. What is no character is replaced by U+FFFD.

    Raises:
        ValueError: The body is not JSON, apart from its texts.
        RecursionError: It is nested too deeply.
    """
    try:
        return wire.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = body.decode("utf-8-sig", errors="replace")
        decoded = json.loads(text, strict=False, parse_int=_integer, parse_constant=_no_number)
        return _without_surrogates(decoded) if "\\u" in text else decoded


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # more digits than Python converts
        return float(digits)


def _no_number(_: str) -> None:
    """Return None for NaN and Infinity, which are no JSON."""


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return _LONE_SURROGATE.sub(_REPLACEMENT, value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return {_LONE_SURROGATE.sub(_REPLACEMENT, key): _without_surrogates(item) for key, item in items}
    return value


def _problem(error: Exception) -> str:
    if isinstance(error, NotAnEnvelopeError):
        return str(error)
    return "it is nested too deeply" if isinstance(error, RecursionError) else "it is not JSON"


def _unreadable(
    operation: AnyOperation, response: RawResponse, error: Exception, request_id: str | None
) -> UnreadableAnswer:
    # The error of a decoder may quote the answer, which may contain a secret: its text is not reported, also
    # not in tracebacks. The value of an unreadable row has no secret.
    if isinstance(error, rows.UnreadableRow):
        reason = str(error)
    else:
        problem = _problem(error) if response.body else None
        reason = ", ".join(filter(None, (problem, response.peculiarity)))
    return UnreadableAnswer(operation.name, response.status, reason, response.body, request_id)
