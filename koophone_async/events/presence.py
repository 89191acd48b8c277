"""Who plays on which phone now, as far as the events tell."""

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
    """Tell the wall clock."""
    return datetime.now(UTC)


@frozen
class Playing:
    """A session that runs on a phone."""

    phone: str
    app: str
    session: str
    since: datetime
    """When it was entered, or the first heartbeat that told of it, by the phone's clock."""

    seen: datetime
    """When the last event of it came, by ours."""


@frozen
class _Sight:
    """The newest that a phone told."""

    playing: Playing | None
    ended: str
    """The last session that was quit: neither a late enter nor a late heartbeat brings it back."""

    told: datetime
    seen: datetime


@define(eq=False)
class Presence:
    """Who plays on which phone now.

    A phone that told nothing for `timeout` seconds plays no more. An event that is older than what its
    phone told last changes nothing.

    Args:
        timeout: Seconds; three times the heartbeat interval of your phones is a good choice.
        most: The most phones that are remembered; beyond them the one that was silent longest is forgotten.
        now: The wall clock.
    """

    timeout: float = 180.0
    most: int = 100_000
    _now: Callable[[], datetime] = field(default=utc_now, alias="now")
    _sights: OrderedDict[str, _Sight] = field(factory=OrderedDict["str", _Sight], init=False)

    def playing(self) -> tuple[Playing, ...]:
        """List all sessions that run, the one that was silent longest first."""
        self._forget(self._now())
        return tuple(sight.playing for sight in self._sights.values() if sight.playing)

    def on(self, phone: str) -> Playing | None:
        """Tell what is played on a phone."""
        self._forget(self._now())
        sight = self._sights.get(phone)
        return sight.playing if sight else None

    def see(self, event: Event) -> None:
        """Take in what a phone tells."""
        now = self._now()
        self._forget(now)
        known = self._sights.get(event.phone) or _Sight(None, "", event.at, now)
        if event.at < known.told:
            return
        self._sights[event.phone] = evolve(_after(known, event, now), told=event.at, seen=now)
        self._sights.move_to_end(event.phone)
        if len(self._sights) > self.most:
            self._sights.popitem(last=False)

    def _forget(self, now: datetime) -> None:
        silent = now - timedelta(seconds=self.timeout)
        while self._sights and next(iter(self._sights.values())).seen < silent:
            self._sights.popitem(last=False)


def _after(known: _Sight, event: Event, now: datetime) -> _Sight:
    playing = known.playing
    same = playing is not None and playing.session == event.session
    match event:
        case GameQuit():
            return evolve(known, playing=None if same else playing, ended=event.session)
        case Heartbeat(session=""):
            return evolve(known, playing=None)
        case Heartbeat() if playing is not None and same:
            return evolve(known, playing=evolve(playing, seen=now))
        case Heartbeat(session=known.ended):
            return known
        case GameEntered(session=known.ended) if event.at == known.told:
            return known  # the quit of the same second came first
        case _:
            return evolve(known, playing=Playing(event.phone, event.app, event.session, event.at, now))
