"""Who plays, and what of it phones tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field, frozen

from koophone_async.errors import KooPhoneError

if TYPE_CHECKING:
    from datetime import datetime

    from koophone_async.events import InboundCall


@frozen
class Player:
    """What a player's app was given by your own service, and brings to a phone that verifies accesses."""

    ticket: str = field(repr=False)
    key: bytes = field(repr=False)
    """The application's AES key, with which the player's app encrypts."""

    content: bytes = field(default=b"", repr=False)
    """What it encrypts."""

    stamp: float = 300.0
    """What `auth_ts` says, in seconds from now."""


@frozen
class Round:
    """A game that runs on a phone."""

    phone: str
    """By CPH's id."""

    application: str
    package: str
    session: str
    since: datetime
    ticket: str | None = field(default=None, repr=False)


@frozen
class Call:
    """One call that a phone made, and what came of it."""

    inbound: InboundCall
    phone: str
    url: str
    at: datetime
    status: int
    """0 where no answer came."""


@define(eq=False, slots=False)
class TurnedAway(KooPhoneError):
    """An access was not verified: the game did not start, and no event was sent."""

    status: int
    """Of the answer; 200 where it held another key, 0 where none came."""

    def __str__(self) -> str:
        """Say what was answered."""
        return f"{self.operation}: turned away with status {self.status}"
