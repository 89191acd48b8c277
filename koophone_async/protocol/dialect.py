"""How each service wraps its answers, said once for client and emulator.

KooPhone answers `{error_code, error_msg, data}` and means a failure by any code but "0", also
with HTTP 200 (KooPhone 4.1, 2025-12-31). CPH answers the result itself and an `error_code` only
on failure (CPH 8.1.1, 2025-02-08). IAM answers `{error: {code, message}}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

PAGING: Final = ("page_no", "page_size", "total_count")
"""What KooPhone puts beside a list or beside its `data`."""


@frozen
class Opened:
    """What an envelope held: a payload, or the service's code and words."""

    payload: Any = None
    code: str | None = None
    message: str = ""
    request_id: str | None = None
    failures: tuple[Json, ...] = ()
    """What single servers were refused for, as cloud mobile gaming lists it (CPH 7.1.1, 2020-07-30)."""


class Dialect(Protocol):
    """One service's envelope."""

    def open(self, answer: Any) -> Opened:
        """Read a decoded answer; `code` is None where it tells no failure.

        Raises:
            ValueError: The answer is not an envelope of this service.
        """
        ...

    def seal(self, payload: Json, request_id: str) -> Json:
        """Wrap the payload of a success."""
        ...

    def refuse(self, code: str, message: str, request_id: str) -> Json:
        """Wrap a failure."""
        ...


def _words(answer: Mapping[str, Any]) -> str:
    return str(answer.get("error_msg") or answer.get("error_info") or "")


def _paging(answer: Mapping[str, Any]) -> Json:
    return {k: answer[k] for k in PAGING if k in answer}


def _failures(answer: Json) -> tuple[Json, ...]:
    listed = answer.get("failures")
    rows = cast("list[object]", listed) if isinstance(listed, list) else []
    return tuple(cast("Json", row) for row in rows if isinstance(row, dict))


def _envelope(answer: Any) -> Json:
    if not isinstance(answer, dict):
        raise ValueError(f"expected a JSON object, not {type(answer).__name__}")  # noqa: TRY004 - as documented
    return cast("Json", answer)


@frozen
class _KooPhone:
    """`error_code`, `error_msg` and `data`; some operations nest `data` twice or page beside it."""

    def open(self, answer: Any) -> Opened:
        answer = _envelope(answer)
        data = answer.get("data")
        inside: Json = cast("Json", data) if isinstance(data, dict) else {}
        code = answer.get("error_code")
        code = inside.get("error_code") if code in (None, "") else code
        if code not in (None, "", "0", 0):
            # The gateway before the service gives its request id; the service itself does not.
            words = _words(answer) or _words(inside)
            return Opened(code=str(code), message=words, request_id=answer.get("request_id"))
        if code is None and data is None:
            raise ValueError("neither error_code nor data")
        if isinstance(data, list):
            return Opened({"data": data} | _paging(answer))
        nested = inside.get("data")
        payload = cast("Json", nested) if isinstance(nested, dict) else inside
        return Opened(_paging(answer) | _paging(inside) | payload)

    def seal(self, payload: Json, request_id: str) -> Json:
        inside = {k: v for k, v in payload.items() if k not in PAGING}
        data: Json = {"data": inside} if inside else {}
        return data | _paging(payload) | {"error_code": "0", "error_msg": "OK"}

    def refuse(self, code: str, message: str, request_id: str) -> Json:
        return {"error_code": code, "error_msg": message}


@frozen
class _Cph:
    """The result itself, with a `request_id` beside it."""

    def open(self, answer: Any) -> Opened:
        answer = _envelope(answer) if answer is not None else {}
        request_id = answer.get("request_id")
        code = answer.get("error_code")
        # A job that failed is shown with its own code, which is not one of the look (CPH 5.4.1). Where a call
        # that answers with one job is refused, that job may be there as null (CPH 5.1.6).
        if code not in (None, "", "0", 0) and not answer.get("job_id"):
            return Opened(None, str(code), _words(answer), request_id, _failures(answer))
        return Opened(answer, request_id=request_id)

    def seal(self, payload: Json, request_id: str) -> Json:
        return {"request_id": request_id} | payload

    def refuse(self, code: str, message: str, request_id: str) -> Json:
        return {"request_id": request_id, "error_code": code, "error_msg": message}


@frozen
class _Iam:
    """The result itself; failures in `error`, or as the general example of the documents has them."""

    def open(self, answer: Any) -> Opened:
        answer = _envelope(answer)
        error: Json | None = answer.get("error")
        if isinstance(error, dict):
            return Opened(code=str(error.get("code") or ""), message=str(error.get("message") or ""))
        if answer.get("error_code"):
            return Opened(code=str(answer["error_code"]), message=_words(answer))
        return Opened(answer)

    def seal(self, payload: Json, request_id: str) -> Json:
        return payload

    def refuse(self, code: str, message: str, request_id: str) -> Json:
        return {"error": {"code": int(code) if code.isdigit() else code, "message": message}}


DIALECTS: Final[Mapping[str, Dialect]] = {
    "koophone": _KooPhone(),
    "cph": _Cph(),
    "gaming": _Cph(),
    "iam": _Iam(),
}
"""The envelope of each service, by the first part of an operation's name."""
