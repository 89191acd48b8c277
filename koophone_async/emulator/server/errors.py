"""Error answers: the service's own messages, with the HTTP statuses that the documents state."""

from __future__ import annotations

from collections.abc import Mapping
from csv import DictReader
from http import HTTPStatus
from importlib.resources import files
from typing import Final

from attrs import define, field, frozen

from koophone_async.operation import AnyOperation
from koophone_async.protocol.dialect import DIALECTS, Json
from koophone_async.services.koophone import commands
from koophone_async.wire import Edition

_GATEWAY: Final = "APIGW."


@frozen
class _Row:
    status: int
    message: str
    in_china: str


def _read_table() -> Mapping[str, _Row]:
    """Return the tables of errors (KooPhone 6.2 of 2025-12-31, CPH 8.2 of 2025-02-08).

    CPS.0191 is from the page of a command (CPH 5.7.5), as the table uses the code for subnets. KooPhone's
    table lacks some codes of the pages of operations, which list 400 and 500 for all of their codes alike;
    400 is used for these. The Chinese messages are those of the China edition (5.2 of 2025-08-27), which
    lacks these codes too.
    """
    text = files("koophone_async.emulator.server").joinpath("errors.csv").read_text("utf-8")
    rows = DictReader(text.splitlines())
    return {row["code"]: _Row(int(row["status"]), row["message"], row["in_china"]) for row in rows}


_TABLE: Final = _read_table()

ERRORS: Final = {code: (row.status, row.message) for code, row in _TABLE.items()}
"""HTTP status and message of every code that the emulator answers."""


@define(eq=False, slots=False)
class Refusal(Exception):
    """An error answer."""

    status: int
    code: str
    message: str
    """The service's own."""

    reason: str = ""
    """What is wrong in more detail than the service states; shown in the list of requests only."""

    headers: Mapping[str, str] = field(factory=dict[str, str])

    def body(self, operation: AnyOperation | None, edition: Edition, request_id: str) -> Json:
        """Return the answer's body, in the envelope of the service or of the gateway in front of it."""
        if operation is None or self.code.startswith(_GATEWAY):
            return {"error_msg": self.message, "error_code": self.code, "request_id": request_id}
        code = self.code or str(self.status)
        message = self.message
        if edition is Edition.CHINA and message == message_of(code):
            message = message_of(code, edition)
        body = DIALECTS[operation.service].wrap_error(code, message, request_id)
        # One page of one edition has another name for the field (KooPhone 4.1.1, 2025-12-31).
        if operation is commands.RUN_SYNC and edition is Edition.INTERNATIONAL and self.status in (400, 500):
            body["error_info"] = body.pop("error_msg")
        return body


def message_of(code: str, edition: Edition = Edition.INTERNATIONAL) -> str:
    """Return the service's message for a code; empty if there is none.

    KooPhone's own messages are in Chinese in the China edition.
    """
    row = _TABLE.get(code)
    if row is None:
        return ""
    return (edition is Edition.CHINA and row.in_china) or row.message


def refusal(code: str, reason: str = "", *, detail: str = "") -> Refusal:
    """Return the error answer for a documented code.

    Args:
        code: As the service writes it.
        reason: Shown in the list of requests only.
        detail: Appended to the message after a colon, as the gateway does.
    """
    status, message = ERRORS[code]
    return Refusal(status, code, f"{message}: {detail}" if detail else message, reason)


def koophone_refusal(number: str, reason: str = "") -> Refusal:
    """Return KooPhone's error answer for the number of a code."""
    return refusal(f"KOOPHONE.API.{number}", reason)


def cph_refusal(code: str, *figures: object, reason: str = "") -> Refusal:
    """Return CPH's error answer for a code, with the figures that its message has placeholders for."""
    status, message = ERRORS[code]
    return Refusal(status, code, message.format(*figures) if figures else message, reason)


def throttled(limit: int, per: str, retry_after: float | None = None, *, figures: bool = True) -> Refusal:
    """Return the gateway's error answer for a call that exceeds a quota.

    Args:
        limit: The number of calls that the quota allows.
        per: The period of the quota, such as `1 minute`.
        retry_after: Seconds for the header `Retry-After`, which no document mentions.
        figures: Whether the message states the quota.
    """
    quota = f": policy user over ratelimit,limit:{limit},time:{per}" if figures else ""
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    message = f"The throttling threshold has been reached{quota}"
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, "APIGW.0308", message, headers=headers)


def unauthorized() -> Refusal:
    """Return IAM's error answer for wrong credentials."""
    return Refusal(HTTPStatus.UNAUTHORIZED, "", "The username or password is wrong.")


def invalid_body(reason: str) -> Refusal:
    """Return IAM's error answer for a body that cannot be read."""
    return Refusal(HTTPStatus.BAD_REQUEST, "", "Request body is invalid.", reason)
