"""Reasons for refusing a call, and the response to each."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping


class Reason(StrEnum):
    """Why a call was refused; `Counts.refused` counts by it."""

    REQUEST = "request"
    """Not HTTP, or with a head beyond the limits."""

    FAILED = "failed"
    """An unexpected error; the log has its type and location."""

    PATH = "path"
    METHOD = "method"
    CONTENT_TYPE = "content_type"
    SIZE = "size"
    SLOW = "slow"
    """The body did not arrive in time."""

    CUT = "cut"
    """The body ended early or contradicts its headers."""

    JSON = "json"
    FIELDS = "fields"
    """JSON, but without the documented fields and types."""

    UNKNOWN_EVENT = "unknown_event"
    CLOSED = "closed"
    """The receiver is not running."""

    FULL = "full"
    """A maximum of `Limits` is reached, or the disk is nearly full; the same call can succeed later."""

    STORAGE = "storage"
    """The journal could not be written."""

    LOOKUP = "lookup"
    """The lookup of the grant failed or timed out."""

    NO_LOOKUP = "no_lookup"
    """No lookup is registered with `on_verify`."""

    EXPIRED = "expired"
    """The ticket has expired, or expires too far in the future, or the session has ended."""

    TIMESTAMP = "timestamp"
    """The timestamp is not the issued one."""

    REPLAYED = "replayed"
    NOT_GRANTED = "not_granted"
    """The lookup returned no grant for the session."""

    TICKET = "ticket"
    """Not the issued ticket."""

    DATA = "data"
    """The data cannot be decrypted with the key."""

    CONTENT = "content"
    """The plaintext is not the expected one."""

    UNPROVEN = "unproven"
    """The cipher does not authenticate the data, and the grant has no expected content."""

    @property
    def refusal(self) -> Refusal:
        """The response to the caller."""
        return _REFUSALS.get(self, _ACCESS_REFUSED)


@frozen
class Refusal:
    """The response to a refused call."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(factory=dict[str, str])


_RETRY_LATER: Final = {"Retry-After": "1"}

# Whoever forges an access learns nothing from the response: all reasons read alike.
_ACCESS_REFUSED: Final = Refusal(403, "access_refused", "the access is not allowed")
_REFUSALS: Final = {
    Reason.REQUEST: Refusal(400, "bad_request", "the request is malformed"),
    Reason.FAILED: Refusal(500, "failed", "the call could not be answered"),
    Reason.PATH: Refusal(404, "not_found", "no such path"),
    Reason.METHOD: Refusal(405, "not_post", "only POST is allowed", {"Allow": "POST"}),
    Reason.CONTENT_TYPE: Refusal(415, "not_json", "the body must be JSON without a content encoding"),
    Reason.SIZE: Refusal(413, "too_large", "the body is too large"),
    Reason.SLOW: Refusal(408, "too_slow", "the body did not arrive in time"),
    Reason.CUT: Refusal(400, "cut", "the body is incomplete or malformed"),
    Reason.JSON: Refusal(400, "not_json", "the body is not JSON"),
    Reason.FIELDS: Refusal(400, "wrong_fields", "the body does not have the documented fields"),
    Reason.UNKNOWN_EVENT: Refusal(422, "unknown_event", "unknown event"),
    Reason.CLOSED: Refusal(503, "closed", "the receiver is not running", _RETRY_LATER),
    Reason.FULL: Refusal(503, "full", "too many events are waiting; retry later", _RETRY_LATER),
    Reason.STORAGE: Refusal(503, "not_stored", "the event could not be stored; retry later", _RETRY_LATER),
    Reason.LOOKUP: Refusal(503, "lookup_failed", "the access could not be checked", _RETRY_LATER),
}


@define(eq=False, slots=False)
class Rejected(Exception):
    """A call is refused. The error contains nothing of the call."""

    reason: Reason

    def __str__(self) -> str:
        """Name the reason."""
        return f"refused: {self.reason}"
