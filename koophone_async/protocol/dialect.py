"""The envelope of each service: how it wraps results and errors. Client and emulator share it.

KooPhone answers `{error_code, error_msg, data}`, and any code but "0" is a failure, also with HTTP 200
(KooPhone 4.1, 2025-12-31). CPH answers with the bare result, and with an `error_code` only on failure
(CPH 8.1.1, 2025-02-08). IAM answers failures with `{error: {code, message}}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from attrs import frozen

from koophone_async.wire import NULL_TEXTS

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

_NO_CODE: Final = (None, "", "0", 0, *NULL_TEXTS)
"""Error codes of answers that are no errors."""

PAGING: Final = ("page_no", "page_size", "total_count")
"""The paging fields, which KooPhone puts beside a list or beside `data`."""


@frozen
class Unwrapped:
    """The content of an envelope: a payload, or the service's error code and message."""

    payload: Any = None
    code: str | None = None
    message: str = ""
    request_id: str | None = None
    failures: tuple[Json, ...] = ()
    """The servers for which cloud mobile gaming refused a call, and why (CPH 7.1.1, 2020-07-30)."""


class NotAnEnvelopeError(ValueError):
    """An answer is JSON, but not what the service answers with. The text quotes nothing of it."""


_KINDS: Final = {
    "NoneType": "null", "bool": "a boolean", "str": "a text", "list": "a list", "dict": "an object",
}  # fmt: skip


def kind_of(value: object) -> str:
    """Return the JSON type of a decoded value, in words."""
    return _KINDS.get(type(value).__name__, "a number")


class Dialect(Protocol):
    """One service's envelope."""

    def unwrap(self, answer: Any) -> Unwrapped:
        """Return payload or error of a decoded answer; `code` is None unless it is an error.

        Raises:
            NotAnEnvelopeError: The answer is not an envelope of this service.
        """
        ...

    def wrap(self, payload: Json, request_id: str) -> Json:
        """Wrap a payload, as the service does on success."""
        ...

    def wrap_error(self, code: str, message: str, request_id: str) -> Json:
        """Wrap an error, as the service does on failure."""
        ...


def _message(answer: Mapping[str, Any]) -> str:
    return str(answer.get("error_msg") or answer.get("error_info") or "")


def _request_id(answer: Mapping[str, Any]) -> str | None:
    value = answer.get("request_id")
    return value if isinstance(value, str) and value not in NULL_TEXTS else None


def _paging(answer: Mapping[str, Any]) -> Json:
    return {k: answer[k] for k in PAGING if k in answer}


def _failures(answer: Json) -> tuple[Json, ...]:
    listed = answer.get("failures")
    rows = cast("list[object]", listed) if isinstance(listed, list) else []
    return tuple(cast("Json", row) for row in rows if isinstance(row, dict))


def _envelope(answer: Any) -> Json:
    if not isinstance(answer, dict):
        raise NotAnEnvelopeError(f"it is {kind_of(answer)}, not a JSON object")
    return cast("Json", answer)


class _KooPhone:
    """`error_code`, `error_msg` and `data`; some operations nest `data` twice or page beside it."""

    def unwrap(self, answer: Any) -> Unwrapped:
        answer = _envelope(answer)
        data = answer.get("data")
        inside: Json = cast("Json", data) if isinstance(data, dict) else {}
        code = answer.get("error_code")
        code = inside.get("error_code") if code in (None, "") else code
        if code not in _NO_CODE:
            # Errors of the API gateway carry a request id; those of the service itself do not.
            message = _message(answer) or _message(inside)
            return Unwrapped(code=str(code), message=message, request_id=_request_id(answer))
        if code is None and data is None:
            raise NotAnEnvelopeError("it has neither error_code nor data")
        if not isinstance(data, dict | None):
            return Unwrapped({"data": data} | _paging(answer))
        nested = inside.get("data")
        payload = cast("Json", nested) if isinstance(nested, dict) else inside
        return Unwrapped(_paging(answer) | _paging(inside) | payload)

    def wrap(self, payload: Json, request_id: str) -> Json:
        inside = {k: v for k, v in payload.items() if k not in PAGING}
        data: Json = {"data": inside} if inside else {}
        return data | _paging(payload) | {"error_code": "0", "error_msg": "OK"}

    def wrap_error(self, code: str, message: str, request_id: str) -> Json:
        return {"error_code": code, "error_msg": message}


class _Cph:
    """The bare result, with a `request_id` in it."""

    def unwrap(self, answer: Any) -> Unwrapped:
        answer = _envelope(answer) if answer is not None else {}
        request_id = _request_id(answer)
        code = answer.get("error_code")
        # A failed job is listed with an error code of its own, which is not that of the query (CPH 5.4.1). A
        # refused call that would have started one job may answer with a null job id (CPH 5.1.6).
        if code not in _NO_CODE and answer.get("job_id") in (None, "", *NULL_TEXTS):
            return Unwrapped(None, str(code), _message(answer), request_id, _failures(answer))
        return Unwrapped(answer, request_id=request_id)

    def wrap(self, payload: Json, request_id: str) -> Json:
        return {"request_id": request_id} | payload

    def wrap_error(self, code: str, message: str, request_id: str) -> Json:
        return {"request_id": request_id, "error_code": code, "error_msg": message}


class _Iam:
    """The bare result; failures in `error`, or as in the general example of the documents."""

    def unwrap(self, answer: Any) -> Unwrapped:
        answer = _envelope(answer)
        error: Json | None = answer.get("error")
        if isinstance(error, dict):
            return Unwrapped(code=str(error.get("code") or ""), message=str(error.get("message") or ""))
        if answer.get("error_code") not in _NO_CODE:
            return Unwrapped(code=str(answer["error_code"]), message=_message(answer))
        return Unwrapped(answer)

    def wrap(self, payload: Json, request_id: str) -> Json:
        return payload

    def wrap_error(self, code: str, message: str, request_id: str) -> Json:
        return {"error": {"code": int(code) if code.isdigit() else code, "message": message}}


DIALECTS: Final[Mapping[str, Dialect]] = {
    "koophone": _KooPhone(),
    "cph": _Cph(),
    "gaming": _Cph(),
    "iam": _Iam(),
}
"""The envelope of each service, by the first part of an operation's name."""
