"""Running game sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.events import Event, GameSession, Presence, Receiver
from koophone_async.events.presence import utc_now
from tests.events.samples import at, beat, entered, quit_event, send_events

if TYPE_CHECKING:
    from datetime import datetime


@define
class Clock:
    seconds: float = 0

    def __call__(self) -> datetime:
        return at(self.seconds)


def after(*events: Event) -> str | None:
    presence = Presence(now=Clock())
    for event in events:
        presence.update(event)
    playing = presence.on("p1")
    return playing.session if playing else None


def test_a_session_lasts_from_enter_to_quit() -> None:
    assert after() is None
    assert after(entered()) == "s1"
    assert after(entered(), quit_event()) is None


def test_a_session_has_its_start_and_last_event() -> None:
    clock = Clock(5)
    presence = Presence(now=clock)
    presence.update(entered(seconds=1))
    clock.seconds = 35
    presence.update(beat(seconds=31))

    assert presence.playing() == (GameSession("p1", "chess", "s1", at(1), at(35)),)


def test_a_heartbeat_reveals_a_session_without_an_enter() -> None:
    assert after(beat("s9")) == "s9"


def test_a_heartbeat_without_a_session_ends_the_session() -> None:
    assert after(entered(), beat("")) is None


def test_a_new_session_replaces_the_last() -> None:
    assert after(entered("s1"), entered("s2", seconds=1)) == "s2"
    assert after(entered("s1"), beat("s2")) == "s2"


def test_a_late_quit_of_another_session_changes_nothing() -> None:
    assert after(entered("s2"), quit_event("s1")) == "s2"


def test_an_outdated_event_changes_nothing() -> None:
    assert after(entered("s2", seconds=100), entered("s1", seconds=99)) == "s2"
    assert after(quit_event(seconds=60), entered(seconds=0)) is None


def test_a_heartbeat_after_the_quit_does_not_revive_a_session() -> None:
    assert after(entered(), quit_event(seconds=60), beat(seconds=60)) is None
    assert after(entered(), quit_event(seconds=60), entered("s2", seconds=61), beat(seconds=62)) == "s2"


def test_an_enter_after_its_quit_does_not_revive_a_session() -> None:
    assert after(quit_event(seconds=60), entered(seconds=60)) is None
    assert after(quit_event(seconds=60), entered("s2", seconds=60)) == "s2"


def test_the_same_session_can_be_entered_again() -> None:
    assert after(entered(), quit_event(), entered(seconds=70)) == "s1"


def test_heartbeats_update_a_session_entered_again() -> None:
    clock = Clock()
    presence = Presence(now=clock)
    for event in (entered(), quit_event(), entered(seconds=70)):
        presence.update(event)
    clock.seconds = 100
    presence.update(beat(seconds=100))

    assert presence.playing() == (GameSession("p1", "chess", "s1", at(70), at(100)),)


def test_a_silent_phone_stops_playing_after_the_timeout() -> None:
    clock = Clock()
    presence = Presence(timeout=90, now=clock)
    presence.update(entered(phone="loud"))
    presence.update(entered(phone="silent"))
    clock.seconds = 80
    presence.update(beat(phone="loud", seconds=80))
    clock.seconds = 91

    assert presence.on("silent") is None
    assert [playing.phone for playing in presence.playing()] == ["loud"]


def test_a_phone_clock_ahead_is_forgotten_after_the_timeout() -> None:
    clock = Clock()
    presence = Presence(timeout=90, now=clock)
    presence.update(entered("s1", seconds=1e9))
    clock.seconds = 91
    presence.update(entered("s2", seconds=91))

    assert [playing.session for playing in presence.playing()] == ["s2"]


@given(st.lists(st.integers(0, 20)))
def test_remembered_phones_are_bounded(phones: list[int]) -> None:
    presence = Presence(max_phones=5, now=Clock())
    for phone in phones:
        presence.update(entered(phone=str(phone)))

    newest = list(dict.fromkeys(reversed(phones)))[:5]
    assert [playing.phone for playing in presence.playing()] == [str(phone) for phone in reversed(newest)]


async def test_presence_needs_no_handler() -> None:
    async with Receiver(now=Clock()) as receiver:
        await send_events(receiver, entered(phone="p1"), entered(phone="p2"))
        await send_events(receiver, quit_event(phone="p2"))

        assert [playing.phone for playing in receiver.presence.playing()] == ["p1"]


def test_the_wall_clock_is_aware() -> None:
    assert utc_now().utcoffset() is not None
