"""Who plays on which phone now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.events import Event, Playing, Presence, Receiver
from koophone_async.events.presence import utc_now
from tests.events.service import at, beat, entered, quitted, tell

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
        presence.see(event)
    playing = presence.on("p1")
    return playing.session if playing else None


def test_who_entered_plays_until_the_quit() -> None:
    assert after() is None
    assert after(entered()) == "s1"
    assert after(entered(), quitted()) is None


def test_what_plays_is_told_with_its_times() -> None:
    clock = Clock(5)
    presence = Presence(now=clock)
    presence.see(entered(seconds=1))
    clock.seconds = 35
    presence.see(beat(seconds=31))

    assert presence.playing() == (Playing("p1", "chess", "s1", at(1), at(35)),)


def test_a_heartbeat_tells_of_a_session_whose_enter_was_missed() -> None:
    assert after(beat("s9")) == "s9"


def test_a_heartbeat_without_a_session_ends_what_played() -> None:
    assert after(entered(), beat("")) is None


def test_the_next_session_takes_the_place_of_the_last() -> None:
    assert after(entered("s1"), entered("s2", seconds=1)) == "s2"
    assert after(entered("s1"), beat("s2")) == "s2"


def test_a_late_quit_of_another_session_changes_nothing() -> None:
    assert after(entered("s2"), quitted("s1")) == "s2"


def test_an_event_from_before_changes_nothing() -> None:
    assert after(entered("s2", seconds=100), entered("s1", seconds=99)) == "s2"
    assert after(quitted(seconds=60), entered(seconds=0)) is None


def test_a_heartbeat_that_overtook_the_quit_does_not_bring_the_session_back() -> None:
    assert after(entered(), quitted(seconds=60), beat(seconds=60)) is None
    assert after(entered(), quitted(seconds=60), entered("s2", seconds=61), beat(seconds=62)) == "s2"


def test_an_enter_that_the_quit_of_its_second_overtook_does_not_bring_the_session_back() -> None:
    assert after(quitted(seconds=60), entered(seconds=60)) is None
    assert after(quitted(seconds=60), entered("s2", seconds=60)) == "s2"


def test_the_same_session_may_be_entered_again() -> None:
    assert after(entered(), quitted(), entered(seconds=70)) == "s1"


def test_a_session_that_was_entered_again_is_seen_at_its_heartbeats() -> None:
    clock = Clock()
    presence = Presence(now=clock)
    for event in (entered(), quitted(), entered(seconds=70)):
        presence.see(event)
    clock.seconds = 100
    presence.see(beat(seconds=100))

    assert presence.playing() == (Playing("p1", "chess", "s1", at(70), at(100)),)


def test_a_phone_that_fell_silent_plays_no_more() -> None:
    clock = Clock()
    presence = Presence(timeout=90, now=clock)
    presence.see(entered(phone="loud"))
    presence.see(entered(phone="silent"))
    clock.seconds = 80
    presence.see(beat(phone="loud", seconds=80))
    clock.seconds = 91

    assert presence.on("silent") is None
    assert [playing.phone for playing in presence.playing()] == ["loud"]


def test_a_phone_whose_clock_ran_ahead_is_believed_again_after_the_timeout() -> None:
    clock = Clock()
    presence = Presence(timeout=90, now=clock)
    presence.see(entered("s1", seconds=1e9))
    clock.seconds = 91
    presence.see(entered("s2", seconds=91))

    assert [playing.session for playing in presence.playing()] == ["s2"]


@given(st.lists(st.integers(0, 20)))
def test_memory_is_bounded(phones: list[int]) -> None:
    presence = Presence(most=5, now=Clock())
    for phone in phones:
        presence.see(entered(phone=str(phone)))

    newest = list(dict.fromkeys(reversed(phones)))[:5]
    assert [playing.phone for playing in presence.playing()] == [str(phone) for phone in reversed(newest)]


async def test_a_receiver_knows_who_plays_without_any_handler() -> None:
    async with Receiver(now=Clock()) as receiver:
        await tell(receiver, entered(phone="p1"), entered(phone="p2"))
        await tell(receiver, quitted(phone="p2"))

        assert [playing.phone for playing in receiver.presence.playing()] == ["p1"]


def test_the_wall_clock_is_aware() -> None:
    assert utc_now().utcoffset() is not None
