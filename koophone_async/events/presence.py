"""Which game sessions are running on which phones, derived from the events."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from attrs import define, evolve, field, frozen

from koophone_async.events.models import GameEntered, GameQuit, Heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable

    from koophone_async.events.models import Event


def utc_now() -> datetime:
    """Return the current time of the wall clock."""
    return datetime.now(UTC)


@frozen
class GameSession:
    """A game session that is running on a phone."""

    phone: str
    app: str
    session: str
    since: datetime
    """When it was entered, or its first heartbeat, by the phone's clock."""

    seen: datetime
    """When its last event arrived, by the receiver's clock."""


@frozen
class _PhoneState:
    """Latest state of a phone."""

    session: GameSession | None
    last_quit: str
    """Id of the last session that was quit: a late enter or heartbeat of it is ignored."""

    event_time: datetime
    seen: datetime


@define(eq=False)
class Presence:
    """Running game sessions by phone.

    A phone without an event for `timeout` seconds counts as not playing. An event older than the last one
    of its phone is ignored.

    Args:
        timeout: Seconds; three times the heartbeat interval of your phones is a good choice.
        max_phones: Maximum number of phones; beyond it the phone that was silent longest is forgotten.
        now: The wall clock.
    """

    timeout: float = 180.0
    max_phones: int = 100_000
    _now: Callable[[], datetime] = field(default=utc_now, alias="now")
    _phones: OrderedDict[str, _PhoneState] = field(factory=OrderedDict["str", _PhoneState], init=False)

    def playing(self) -> tuple[GameSession, ...]:
        """List the running sessions, the one that was silent longest first."""
        self._forget_silent(self._now())
        return tuple(state.session for state in self._phones.values() if state.session)

    def on(self, phone: str) -> GameSession | None:
        """Return the session that is running on a phone."""
        self._forget_silent(self._now())
        state = self._phones.get(phone)
        return state.session if state else None

    def update(self, event: Event) -> None:
        """Process an event."""
        now = self._now()
        self._forget_silent(now)
        state = self._phones.get(event.phone) or _PhoneState(None, "", event.at, now)
        if event.at < state.event_time:
            return
        self._phones[event.phone] = evolve(_after(state, event, now), event_time=event.at, seen=now)
        self._phones.move_to_end(event.phone)
        if len(self._phones) > self.max_phones:
            self._phones.popitem(last=False)

    def _forget_silent(self, now: datetime) -> None:
        cutoff = now - timedelta(seconds=self.timeout)
        while self._phones and next(iter(self._phones.values())).seen < cutoff:
            self._phones.popitem(last=False)


def _after(state: _PhoneState, event: Event, now: datetime) -> _PhoneState:
    current = state.session
    is_current = current is not None and current.session == event.session
    match event:
        case GameQuit():
            return evolve(state, session=None if is_current else current, last_quit=event.session)
        case Heartbeat(session=""):
            return evolve(state, session=None)
        case Heartbeat() if current is not None and is_current:
            return evolve(state, session=evolve(current, seen=now))
        case Heartbeat(session=state.last_quit):
            return state
        case GameEntered(session=state.last_quit) if event.at == state.event_time:
            return state  # the quit of the same second arrived first
        case _:
            return evolve(state, session=GameSession(event.phone, event.app, event.session, event.at, now))
