"""Why a call is refused, and what its caller is told."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping


class Reason(StrEnum):
    """Why a call was refused; the receiver counts by it."""

    PATH = "path"
    METHOD = "method"
    CONTENT_TYPE = "content_type"
    SIZE = "size"
    SLOW = "slow"
    """The body did not come in time."""

    CUT = "cut"
    """The body ended early, or is not as its headers say."""

    JSON = "json"
    FIELDS = "fields"
    """JSON, but not with the documented fields and types."""

    UNKNOWN_EVENT = "unknown_event"
    CLOSED = "closed"
    """The receiver does not run."""

    FULL = "full"
    """As many events or calls wait as may; the same call can succeed later."""

    STORAGE = "storage"
    """The journal could not be written."""

    LOOK_UP = "look_up"
    """The look-up of the secret failed, or took too long."""

    UNSERVED = "unserved"
    """Nobody looks up secrets here."""

    EXPIRED = "expired"
    """The ticket's time is over, or too far ahead."""

    REPLAYED = "replayed"
    UNGRANTED = "ungranted"
    """The look-up knows no such session."""

    TICKET = "ticket"
    """Not the ticket that was issued."""

    DATA = "data"
    """The key does not open the data."""

    CONTENT = "content"
    """The key opens the data, and it is not what it must be."""

    UNPROVEN = "unproven"
    """The cipher proves nothing by itself, and the grant does not say what the data must hold."""

    @property
    def verdict(self) -> Verdict:
        """What the caller is told."""
        return _VERDICTS.get(self, _ACCESS)


@frozen
class Verdict:
    """What the caller is told: a status, a code and words."""

    status: int
    code: str
    words: str
    headers: Mapping[str, str] = field(factory=dict[str, str])


_LATER: Final = {"Retry-After": "1"}

# Whoever forges an access learns nothing from the answer: all reasons read alike.
_ACCESS: Final = Verdict(403, "access_refused", "the access is not allowed")
_VERDICTS: Final = {
    Reason.PATH: Verdict(404, "not_found", "nothing is received here"),
    Reason.METHOD: Verdict(405, "not_post", "only POST is received here", {"Allow": "POST"}),
    Reason.CONTENT_TYPE: Verdict(415, "not_json", "only plain JSON is received here"),
    Reason.SIZE: Verdict(413, "too_large", "the body is larger than is received here"),
    Reason.SLOW: Verdict(408, "too_slow", "the body did not come in time"),
    Reason.CUT: Verdict(400, "cut", "the body is not as its headers say"),
    Reason.JSON: Verdict(400, "not_json", "the body is not JSON"),
    Reason.FIELDS: Verdict(400, "wrong_fields", "the body has not the documented fields"),
    Reason.UNKNOWN_EVENT: Verdict(422, "unknown_event", "this event is not known here"),
    Reason.CLOSED: Verdict(503, "closed", "the receiver does not run", _LATER),
    Reason.FULL: Verdict(503, "full", "too much waits here; send it again later", _LATER),
    Reason.STORAGE: Verdict(503, "not_kept", "it could not be kept; send it again later", _LATER),
    Reason.LOOK_UP: Verdict(503, "not_looked_up", "it could not be looked up; ask again later", _LATER),
}


@define(eq=False, slots=False)
class Rejected(Exception):
    """A call is refused. It holds nothing of the call."""

    reason: Reason

    def __str__(self) -> str:
        """Name the reason."""
        return f"refused: {self.reason}"
