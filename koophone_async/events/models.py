"""Game events and accesses: a player entered or quit a game, a heartbeat, a request to verify an access."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar, Final, TypeAlias

from attrs import field, frozen

from koophone_async.checks import Between, Text
from koophone_async.wire import Json, to_wire, wire


class Kind(StrEnum):
    """The kind of an event."""

    ENTER = "enter"
    QUIT = "quit"
    HEARTBEAT = "heartbeat"


MAX_ID_LENGTH: Final = 128
"""Maximum length of an id, in characters. No document states one; the ids of the examples have 32."""

MAX_TICKET_LENGTH: Final = 4_096
"""Maximum length of a ticket, in characters. No document states one; the tickets of the examples have 61."""

MAX_ERROR_LENGTH: Final = 32_768
"""Maximum length of an error message, in characters. No document states one."""

_TICKET: Final = Text(MAX_TICKET_LENGTH)
_TICKET_OR_NONE: Final = Text(MAX_TICKET_LENGTH, min=0)
_ERROR: Final = Text(MAX_ERROR_LENGTH, min=0)
_ID: Final = Text(MAX_ID_LENGTH)
_ID_OR_NONE: Final = Text(MAX_ID_LENGTH, min=0)
_SECONDS: Final = Between(0, 1e10, unit="seconds")


def _format(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


@frozen
class PhoneEvent:
    """Fields of all events: phone, game, session and time."""

    kind: ClassVar[Kind]

    phone: str = field(validator=_ID, metadata=wire("phone_id"))
    app: str = field(validator=_ID, metadata=wire("app_id"))
    session: str = field(validator=_ID, metadata=wire("session_id"))
    at: datetime = field(converter=_utc, metadata=wire("time", as_text=_format))
    """Time of the event by the phone's clock, in UTC."""

    @property
    def key(self) -> str:
        """Idempotency key: the same for every delivery of this event."""
        parts = (self.kind, self.phone, self.app, self.session, self.at.isoformat())
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def public(self) -> Json:
        """Return the event as a JSON object, with its kind and without its ticket."""
        fields = to_wire(self)
        fields.pop("ticket", None)
        return {"event": self.kind.value, **fields}


@frozen
class GameEntered(PhoneEvent):
    """A player entered a game (CPH 6.2, 2020-07-30)."""

    kind: ClassVar[Kind] = Kind.ENTER

    error: str | None = field(default=None, validator=_ERROR, metadata=wire("error_msg"))
    ticket: str | None = field(default=None, repr=False, validator=_TICKET_OR_NONE)


@frozen
class GameQuit(PhoneEvent):
    """A player quit a game (CPH 6.3, 2020-07-30)."""

    kind: ClassVar[Kind] = Kind.QUIT

    played: int = field(validator=_SECONDS, metadata=wire("run_time"))
    """Seconds by the document's table; its example, 41000, looks like milliseconds. Not converted."""

    error: str | None = field(default=None, validator=_ERROR, metadata=wire("error_msg"))
    ticket: str | None = field(default=None, repr=False, validator=_TICKET_OR_NONE)


@frozen
class Heartbeat(PhoneEvent):
    """A phone is alive and reports its game session (CPH 6.4, 2020-07-30)."""

    kind: ClassVar[Kind] = Kind.HEARTBEAT

    app: str = field(default="", validator=_ID_OR_NONE, metadata=wire("app_id"))
    """Empty when no game runs."""

    session: str = field(default="", validator=_ID_OR_NONE, metadata=wire("session_id"))
    """Empty when no game runs."""


Event: TypeAlias = GameEntered | GameQuit | Heartbeat
"""Any event that needs no answer."""


@frozen
class Access:
    """A client requests access to a session (CPH 6.1, 2020-07-30)."""

    session: str = field(validator=_ID, metadata=wire("session_id"))
    ticket: str = field(repr=False, validator=_TICKET)
    timestamp: int = field(metadata=wire("auth_ts"))
    """Milliseconds since 1970, with the meaning chosen in `Validity`. It is not signed."""

    # The vendor's own page misspells the name in its example.
    data: str = field(repr=False, metadata=wire("encrypted_data", "encypted_data"))
    iv: str = field(repr=False, metadata=wire("aes_iv"))
