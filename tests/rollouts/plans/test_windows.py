"""Windows: time of day, weekdays, midnight, and changes of the clock."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.plans.windows import EVERY_DAY, Weekday, Window

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ["UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]

windows = st.builds(
    Window,
    st.times().map(lambda at: at.replace(second=0, microsecond=0)).filter(lambda at: at != time(5, 1)),
    st.just(time(5, 1)),
    st.sampled_from(ZONES),
    st.sets(st.sampled_from(Weekday), min_size=1),
)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def hours(window: Window, now: datetime, zone: ZoneInfo = BERLIN) -> tuple[str, str]:
    opens, closes = window.next_opening(now).astimezone(zone), window.closes_at(now).astimezone(zone)
    return f"{opens:%a %d %H:%M %Z}", f"{closes:%a %d %H:%M %Z}"


def test_a_window_opens_and_closes_at_local_times() -> None:
    window = Window.parse("01:00-05:00 Asia/Shanghai")
    now = datetime(2026, 1, 10, 12, tzinfo=UTC)

    assert window.next_opening(now) == datetime(2026, 1, 10, 17, tzinfo=UTC)
    assert window.closes_at(now) == datetime(2026, 1, 10, 21, tzinfo=UTC)
    assert not window.is_open(now)


def test_an_open_window_has_opened_before() -> None:
    window = Window.parse("01:00-05:00 UTC")
    now = datetime(2026, 1, 10, 3, tzinfo=UTC)

    assert window.is_open(now)
    assert window.next_opening(now) == datetime(2026, 1, 10, 1, tzinfo=UTC)
    assert window.is_open(datetime(2026, 1, 10, 1, tzinfo=UTC))
    assert not window.is_open(datetime(2026, 1, 10, 5, tzinfo=UTC))


def test_a_window_over_midnight_belongs_to_the_day_it_opens() -> None:
    window = Window.parse("Sat 22:00-06:00 Europe/Berlin")

    assert hours(window, datetime(2026, 1, 11, 3, tzinfo=BERLIN)) == ("Sat 10 22:00 CET", "Sun 11 06:00 CET")
    assert hours(window, datetime(2026, 1, 11, 7, tzinfo=BERLIN)) == ("Sat 17 22:00 CET", "Sun 18 06:00 CET")


def test_a_local_time_that_does_not_exist_means_the_next_that_does() -> None:
    now = datetime(2026, 3, 29, 0, tzinfo=BERLIN)

    assert hours(Window.parse("02:30-05:00 Europe/Berlin"), now) == ("Sun 29 03:00 CEST", "Sun 29 05:00 CEST")
    assert hours(Window.parse("01:00-02:30 Europe/Berlin"), now) == ("Sun 29 01:00 CET", "Sun 29 03:00 CEST")


def test_a_window_that_a_clock_change_skips_opens_the_next_time() -> None:
    now = datetime(2026, 3, 28, 12, tzinfo=BERLIN)

    assert hours(Window.parse("02:10-02:50 Europe/Berlin"), now)[0] == "Mon 30 02:10 CEST"


def test_a_local_time_that_comes_twice_counts_once() -> None:
    now = datetime(2026, 10, 25, 0, tzinfo=BERLIN)

    assert hours(Window.parse("02:10-02:50 Europe/Berlin"), now) == ("Sun 25 02:10 CEST", "Sun 25 02:50 CEST")
    second = datetime(2026, 10, 25, 2, 20, tzinfo=BERLIN, fold=1)
    assert hours(Window.parse("02:10-02:50 Europe/Berlin"), second)[0] == "Mon 26 02:10 CET"
    assert Window.parse("02:10-03:10 Europe/Berlin").is_open(second)


@pytest.mark.parametrize(
    "text, weekdays",
    [
        ("Mon-Fri 01:00-02:00 UTC", (0, 1, 2, 3, 4)),
        ("fri-mon 01:00-02:00 UTC", (0, 4, 5, 6)),
        ("Saturday, Sun 01:00-02:00 UTC", (5, 6)),
        ("01:00-02:00 UTC", EVERY_DAY),
    ],
)
def test_weekdays_are_names_and_ranges(text: str, weekdays: tuple[int, ...]) -> None:
    assert Window.parse(text).weekdays == weekdays


@pytest.mark.parametrize(
    "text",
    [
        "",
        "01:00-05:00",
        "01:00 Asia/Shanghai",
        "1:00-5:00 UTC",
        "01:00-25:00 UTC",
        "01:00-24:30 UTC",
        "24:00-01:00 UTC",
        "05:00-05:00 UTC",
        "Foo 01:00-05:00 UTC",
        "01:00-05:00 Asia/Shangai",
        "01:00-05:00 ../UTC",
    ],
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        Window.parse(text)

    assert raised.value.field == "window"


def test_a_window_without_weekdays_never_opens() -> None:
    with pytest.raises(InvalidRequest, match="never opens"):
        Window(time(1), time(2), "UTC", ())
    with pytest.raises(InvalidRequest, match="closes when it opens, at 05:00"):
        Window(time(5), time(5), "UTC")


@pytest.mark.parametrize("at", [time(1, 0, 30), time(1, 0, 0, 5), time(1, tzinfo=UTC)])
def test_a_window_has_times_of_hours_and_minutes(at: time) -> None:
    for opens, closes in ((at, time(5)), (time(5), at)):
        with pytest.raises(InvalidRequest, match="hours and minutes"):
            Window(opens, closes, "UTC")


def test_the_nearest_zone_is_offered() -> None:
    with pytest.raises(InvalidRequest, match="did you mean Asia/Shanghai"):
        Window.parse("01:00-05:00 Asia/Shangai")


def test_a_window_of_the_whole_day_is_always_open() -> None:
    window = Window.parse("00:00-24:00 Europe/Berlin")
    now = datetime(2026, 3, 28, tzinfo=UTC)

    assert str(window) == "00:00-24:00 Europe/Berlin"
    assert all(window.is_open(now + timedelta(hours=hour)) for hour in range(72))


@given(windows)
def test_a_window_is_read_as_it_was_written(window: Window) -> None:
    assert Window.parse(str(window)) == window


@given(windows, moments)
def test_a_window_closes_after_it_opens_and_after_now(window: Window, now: datetime) -> None:
    opens, closes = window.next_opening(now), window.closes_at(now)

    assert opens < closes
    assert now < closes
    assert window.is_open(opens)
    assert window.is_open(now) == (opens <= now)
    assert opens.astimezone(ZoneInfo(window.zone)).weekday() in window.weekdays


@given(windows, moments, st.integers(0, 10_000))
def test_no_opening_is_passed_over(window: Window, now: datetime, minutes: int) -> None:
    opens = window.next_opening(now)
    between = now + timedelta(minutes=minutes)

    assert opens <= now or between >= opens or not window.is_open(between)
