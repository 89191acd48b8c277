"""Players, running games, and the callbacks of phones."""

from __future__ import annotations

from datetime import datetime

from attrs import define, field, frozen

from koophone_async.errors import KooPhoneError
from koophone_async.events import InboundCall


@frozen
class Player:
    """What a player's app got from your service and presents to a phone that verifies players."""

    ticket: str = field(repr=False)
    key: bytes = field(repr=False)
    """The application's AES key, with which the player's app encrypts."""

    content: bytes = field(default=b"", repr=False)
    """What it encrypts."""

    stamp: float = 300.0
    """The time in `auth_ts`, in seconds from now."""


@frozen
class Round:
    """A running game."""

    phone: str
    """By CPH's id."""

    application: str
    package: str
    session: str
    since: datetime
    ticket: str | None = field(default=None, repr=False)


@frozen
class Call:
    """One callback of a phone, and its answer."""

    inbound: InboundCall
    phone: str
    url: str
    at: datetime
    status: int
    """0 if no answer came."""


@define(eq=False, slots=False)
class TurnedAway(KooPhoneError):
    """The player was not verified: the game did not start, and no event was sent."""

    status: int
    """The status of the answer: 200 if it had another key, 0 if none came."""

    def __str__(self) -> str:
        """Return the operation and the status."""
        return f"{self.operation}: turned away with status {self.status}"
