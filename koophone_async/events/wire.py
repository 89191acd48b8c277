"""Wire format of the four documented calls: pure functions, no I/O, no clock, no framework.

Where the document (CPH chapter 6, 2020-07-30) is silent, this module decides: only POST, a content
type of JSON or none, and a refusal is a status with `error_code` and `error_msg`.
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
class InboundCall:
    """One documented call that the service makes to you."""

    name: str
    path: str
    """Path of the call, relative to the address of the receiver."""

    url_property: str
    """The phone property that contains the URL to call."""

    model: type[Access | Event]
    source: str


VERIFY: Final = InboundCall(
    "events.verify", "/verify", "com.cph.cg.sign_check_url", Access, "CPH 6.1 (2020-07-30)"
)
# These two share a URL and an event_type and differ in `status` (CPH 6.2, 6.3).
ENTER: Final = InboundCall(
    "events.enter", "/events", "com.cph.cg.event_notify_url", GameEntered, "CPH 6.2 (2020-07-30)"
)
QUIT: Final = InboundCall(
    "events.quit", "/events", "com.cph.cg.event_notify_url", GameQuit, "CPH 6.3 (2020-07-30)"
)
# Its event_type is "app" in the table and "heartbeat" in the example; it has no status (CPH 6.4).
HEARTBEAT: Final = InboundCall(
    "events.heartbeat", "/heartbeats", "com.cph.cg.heartbeat_url", Heartbeat, "CPH 6.4 (2020-07-30)"
)
INBOUND_CALLS: Final = (VERIFY, ENTER, QUIT, HEARTBEAT)
"""Every call that the service makes to you."""

HEARTBEAT_INTERVAL: Final = "com.cph.cg.heartbeat_interval"
"""The phone property with the seconds between two heartbeats."""

_PATHS: Final = frozenset(inbound.path for inbound in INBOUND_CALLS)
_STATUS: Final = {GameEntered: 0, GameQuit: 1}
_BY_STATUS: Final[Mapping[object, type[Event]]] = {
    0: GameEntered,
    1: GameQuit,
    "0": GameEntered,
    "1": GameQuit,
}
_URL: Final = re.compile(r"https?://[A-Za-z0-9_./:-]{1,248}")


def properties(address: str, heartbeat_interval: int) -> dict[str, str]:
    """Return the phone properties that make a phone call a receiver.

    Args:
        address: URL of the receiver, such as `https://games.example.com/cph`.
        heartbeat_interval: Seconds between two heartbeats.

    Raises:
        InvalidRequest: A URL would be longer than 256 characters or contain an undocumented character.
    """
    urls = {inbound.url_property: address.rstrip("/") + inbound.path for inbound in INBOUND_CALLS}
    if not all(_URL.fullmatch(url) for url in urls.values()):
        raise InvalidRequest(
            "",
            "address",
            "must result in http or https URLs of at most 256 characters from A-Z a-z 0-9 _ . / : -",
        )
    return {**urls, HEARTBEAT_INTERVAL: str(heartbeat_interval)}


@frozen
class RequestHead:
    """Method, path and headers of a request."""

    method: str
    path: str
    """Relative to the address of the receiver."""

    headers: Mapping[str, str] = field(repr=False)
    """Header values by lower-case name."""


@frozen
class Answer:
    """The response to a call."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str]


def route(head: RequestHead, max_bytes: int) -> str:
    """Return the path of a call, without a trailing slash.

    Raises:
        Rejected: The method, path, content type, content encoding or content length is not accepted.
    """
    path = head.path.rstrip("/")
    if path not in _PATHS:
        raise Rejected(Reason.PATH)
    if head.method != "POST":
        raise Rejected(Reason.METHOD)
    if not _is_json(head.headers.get("content-type", "")):
        raise Rejected(Reason.CONTENT_TYPE)
    if head.headers.get("content-encoding", "identity").lower() != "identity":
        raise Rejected(Reason.CONTENT_TYPE)
    if _content_length(head.headers.get("content-length", "")) > max_bytes:
        raise Rejected(Reason.SIZE)
    return path


def _is_json(content_type: str) -> bool:
    name = content_type.partition(";")[0].strip().lower()
    return not name or name in ("application/json", "text/json") or name.endswith("+json")


def _content_length(text: str) -> int:
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else 0


def parse_event(body: bytes) -> Event:
    """Parse an enter, quit or heartbeat event.

    Raises:
        Rejected: The body is none of these, or not as documented.
    """
    envelope = _parse_object(body)
    event = envelope.get("event")
    if not isinstance(event, dict):
        raise Rejected(Reason.FIELDS)
    event = cast("Json", event)
    return _parse(_model(envelope.get("event_type"), event), event)


def _model(event_type: object, event: Json) -> type[Event]:
    if event_type == "heartbeat" or (event_type == "app" and "status" not in event):
        return Heartbeat
    status = event.get("status")
    if not isinstance(event_type, str) or isinstance(status, bool | list | dict):
        raise Rejected(Reason.FIELDS)
    if event_type != "app" or status not in _BY_STATUS:
        raise Rejected(Reason.UNKNOWN_EVENT)
    return _BY_STATUS[status]


def parse_access(body: bytes) -> Access:
    """Parse a request to verify an access.

    Raises:
        Rejected: The body is not as documented.
    """
    return _parse(Access, _parse_object(body))


def _parse_object(body: bytes) -> Json:
    try:
        value = decode(body)
    except (
        msgspec.MsgspecError,
        ValueError,
        RecursionError,
    ):  # ValueError: a truncated UTF-8 sequence
        raise Rejected(Reason.JSON) from None
    if not isinstance(value, dict):
        raise Rejected(Reason.FIELDS)
    return cast("Json", value)


def _parse(model: type[T], wire: Json) -> T:
    # The converter would accept true as "True" or as 1; no documented field is a boolean.
    if any(isinstance(wire.get(spelling(attribute).name), bool) for attribute in fields(model)):
        raise Rejected(Reason.FIELDS)
    try:
        return from_wire(model, wire)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError, RecursionError):
        raise Rejected(Reason.FIELDS) from None  # the cause would expose the values


def serialize(call: Access | Event) -> bytes:
    """Return the body that the service sends: the inverse of `parse_event` and `parse_access`."""
    if isinstance(call, Access):
        return encode(to_wire(call))
    event = to_wire(call)
    if isinstance(call, Heartbeat):
        return encode({"event_type": "heartbeat", "event": event})
    return encode({"event_type": "app", "event": {"status": _STATUS[type(call)], **event}})


def format_answer(request_id: str, content: Mapping[str, str]) -> Answer:
    """Return the answer to an accepted call."""
    return Answer(200, encode({"request_id": request_id, **content}), {"Content-Type": "application/json"})


def format_refusal(request_id: str, reason: Reason) -> Answer:
    """Return the answer to a refused call; it quotes nothing of the call."""
    refusal = reason.refusal
    body = {"request_id": request_id, "error_code": refusal.code, "error_msg": refusal.message}
    return Answer(refusal.status, encode(body), {"Content-Type": "application/json", **refusal.headers})
