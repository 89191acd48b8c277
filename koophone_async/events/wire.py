"""The four documented calls, as bytes in and bytes out: no I/O, no clock, no framework.

Where the document (CPH chapter 6, 2020-07-30) is silent this module decides: only POST, a content
type that is JSON or absent, and a refusal is a status with `error_code` and `error_msg`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar, cast

import msgspec
from attrs import field, fields, frozen

from koophone_async.errors import InvalidRequest
from koophone_async.events.errors import Reason, Rejected
from koophone_async.events.models import Access, Event, GameEntered, GameQuit, Heartbeat
from koophone_async.wire import Json, decode, encode, from_wire, spelling, to_wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attrs import AttrsInstance

T = TypeVar("T", bound="AttrsInstance")


@frozen
class Inbound:
    """One documented call that the service makes to us."""

    name: str
    path: str
    """Where the receiver answers it, below the address it is mounted at."""

    setting: str
    """The phone's property that holds the URL to call."""

    model: type[Access | Event]
    source: str


VERIFY: Final = Inbound(
    "events.verify", "/verify", "com.cph.cg.sign_check_url", Access, "CPH 6.1 (2020-07-30)"
)
# These two share a URL and an event_type: `status` tells them apart (CPH 6.2, 6.3).
ENTER: Final = Inbound(
    "events.enter", "/events", "com.cph.cg.event_notify_url", GameEntered, "CPH 6.2 (2020-07-30)"
)
QUIT: Final = Inbound(
    "events.quit", "/events", "com.cph.cg.event_notify_url", GameQuit, "CPH 6.3 (2020-07-30)"
)
# Its event_type is "app" in the table and "heartbeat" in the example; it has no status (CPH 6.4).
HEARTBEAT: Final = Inbound(
    "events.heartbeat", "/heartbeats", "com.cph.cg.heartbeat_url", Heartbeat, "CPH 6.4 (2020-07-30)"
)
INBOUND: Final = (VERIFY, ENTER, QUIT, HEARTBEAT)
"""Every call that the service makes to us."""

INTERVAL: Final = "com.cph.cg.heartbeat_interval"
"""The phone's property that holds the seconds between two heartbeats."""

_PATHS: Final = frozenset(inbound.path for inbound in INBOUND)
_STATUS: Final = {GameEntered: 0, GameQuit: 1}
_BY_STATUS: Final[Mapping[object, type[Event]]] = {
    0: GameEntered,
    1: GameQuit,
    "0": GameEntered,
    "1": GameQuit,
}
_URL: Final = re.compile(r"https?://[A-Za-z0-9_./:-]{1,248}")


def properties(address: str, heartbeat_interval: int) -> dict[str, str]:
    """Give the properties that make a phone call a receiver.

    Args:
        address: Where the receiver is mounted, such as `https://games.example.com/cph`.
        heartbeat_interval: Seconds between two heartbeats.

    Raises:
        InvalidRequest: A URL would be longer than 256 characters, or hold one that is not documented.
    """
    urls = {inbound.setting: address.rstrip("/") + inbound.path for inbound in INBOUND}
    if not all(_URL.fullmatch(url) for url in urls.values()):
        raise InvalidRequest(
            "", "address", "makes no URL of http or https with at most 256 of A-Z a-z 0-9 _ . / : -"
        )
    return {**urls, INTERVAL: str(heartbeat_interval)}


@frozen
class Head:
    """What comes before a body."""

    method: str
    path: str
    """Below the address that the receiver is mounted at."""

    headers: Mapping[str, str] = field(repr=False)
    """By names in lower case."""


@frozen
class Answer:
    """What the service gets back."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str]


def route(head: Head, most_bytes: int) -> str:
    """Tell which path a call is for, and refuse what needs no look at its body."""
    path = head.path.rstrip("/")
    if path not in _PATHS:
        raise Rejected(Reason.PATH)
    if head.method != "POST":
        raise Rejected(Reason.METHOD)
    if not _is_json(head.headers.get("content-type", "")):
        raise Rejected(Reason.CONTENT_TYPE)
    if head.headers.get("content-encoding", "identity").lower() != "identity":
        raise Rejected(Reason.CONTENT_TYPE)
    if _length(head.headers.get("content-length", "")) > most_bytes:
        raise Rejected(Reason.SIZE)
    return path


def _is_json(content_type: str) -> bool:
    name = content_type.partition(";")[0].strip().lower()
    return not name or name in ("application/json", "text/json") or name.endswith("+json")


def _length(text: str) -> int:
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else 0


def read_event(body: bytes) -> Event:
    """Read an enter, a quit or a heartbeat.

    Raises:
        Rejected: It is none of these, or not as documented.
    """
    told = _json(body)
    event = told.get("event")
    if not isinstance(event, dict):
        raise Rejected(Reason.FIELDS)
    event = cast("Json", event)
    return _read(_model(told.get("event_type"), event), event)


def _model(event_type: object, event: Json) -> type[Event]:
    if event_type == "heartbeat" or (event_type == "app" and "status" not in event):
        return Heartbeat
    status = event.get("status")
    if not isinstance(event_type, str) or isinstance(status, bool | list | dict):
        raise Rejected(Reason.FIELDS)
    if event_type != "app" or status not in _BY_STATUS:
        raise Rejected(Reason.UNKNOWN_EVENT)
    return _BY_STATUS[status]


def read_access(body: bytes) -> Access:
    """Read the question whether an access is genuine.

    Raises:
        Rejected: It is not as documented.
    """
    return _read(Access, _json(body))


def _json(body: bytes) -> Json:
    try:
        told = decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):  # half of a UTF-8 character is a ValueError
        raise Rejected(Reason.JSON) from None
    if not isinstance(told, dict):
        raise Rejected(Reason.FIELDS)
    return cast("Json", told)


def _read(model: type[T], told: Json) -> T:
    # The converter reads true as "True" and as 1; no documented field is a boolean.
    if any(isinstance(told.get(spelling(attribute).name), bool) for attribute in fields(model)):
        raise Rejected(Reason.FIELDS)
    try:
        return from_wire(model, told)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError, RecursionError):
        raise Rejected(Reason.FIELDS) from None  # the cause would show the values


def write(told: Access | Event) -> bytes:
    """Write what the service sends: the other direction of `read_event` and `read_access`."""
    if isinstance(told, Access):
        return encode(to_wire(told))
    event = to_wire(told)
    if isinstance(told, Heartbeat):
        return encode({"event_type": "heartbeat", "event": event})
    return encode({"event_type": "app", "event": {"status": _STATUS[type(told)], **event}})


def answered(request: str, content: Mapping[str, str]) -> Answer:
    """Write the answer to a call that was taken."""
    return Answer(200, encode({"request_id": request, **content}), {"Content-Type": "application/json"})


def refused(request: str, reason: Reason) -> Answer:
    """Write the answer to a call that was not: nothing of the call comes back with it."""
    verdict = reason.verdict
    body = {"request_id": request, "error_code": verdict.code, "error_msg": verdict.words}
    return Answer(verdict.status, encode(body), {"Content-Type": "application/json", **verdict.headers})
