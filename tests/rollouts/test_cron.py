"""Cron expressions in time zones, and the days on which clocks change."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.cron import Cron

ZONES = ["UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]
moments = st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
expressions = st.builds(
    "{} {} * * {}".format,
    st.sampled_from(["0", "30", "*/20", "59", "*"]),
    st.sampled_from(["*", "0", "2", "1-3", "23"]),
    st.sampled_from(["*", "SUN", "MON-FRI", "mon"]),
)


def local_times(cron: Cron, after: datetime, count: int) -> list[str]:
    zone = ZoneInfo(cron.zone)
    return [f"{time.astimezone(zone):%d %H:%M %Z}" for time in islice(cron.after(after), count)]


def test_times_are_local() -> None:
    cron = Cron("0 2 * * *", "Asia/Shanghai")

    assert next(cron.after(datetime(2026, 1, 10, 12, tzinfo=UTC))) == datetime(2026, 1, 10, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    "expression, times",
    [
        ("30 2 * * *", ["28 02:30 CET", "29 03:00 CEST", "30 02:30 CEST"]),
        ("*/30 2,3 29 3 *", ["29 03:00 CEST", "29 03:30 CEST"]),
    ],
)
def test_a_skipped_time_means_the_next_minute_that_exists(expression: str, times: list[str]) -> None:
    cron = Cron(expression, "Europe/Berlin")

    assert local_times(cron, datetime(2026, 3, 28, tzinfo=UTC), len(times)) == times


def test_a_time_that_comes_twice_counts_once() -> None:
    cron = Cron("30 2 * * *", "Europe/Berlin")

    assert local_times(cron, datetime(2026, 10, 24, tzinfo=UTC), 3) == [
        "24 02:30 CEST",
        "25 02:30 CEST",
        "26 02:30 CET",
    ]


def test_a_day_that_a_zone_has_skipped_has_one_time() -> None:
    cron = Cron("0 6,12 30 12 *", "Pacific/Apia")

    times = list(islice(cron.after(datetime(2011, 12, 1, tzinfo=UTC)), 2))

    assert times[0] == datetime(2011, 12, 30, 10, tzinfo=UTC)  # the 31st begins
    assert times[1].year == 2012


@given(expressions, st.sampled_from(ZONES), moments)
def test_times_ascend_and_do_not_depend_on_the_start(expression: str, zone: str, moment: datetime) -> None:
    cron = Cron(expression, zone)

    first, second, third = islice(cron.after(moment), 3)

    assert moment < first < second < third
    assert next(cron.after(first)) == second
    assert next(cron.after(second - timedelta(microseconds=1))) == second


@pytest.mark.parametrize(
    "expression, problem",
    [
        ("@daily", "expected minute, hour, day, month and weekday"),
        ("* * * * * *", "expected minute, hour, day, month and weekday"),
        ("", "expected minute, hour, day, month and weekday"),
        ("61 * * * *", "bad minute"),
        ("0 2 * * FUN", "bad day-of-week"),
        ("0 0 31 2 *", "bad day-of-month"),
        ("*/0 * * * *", "bad minute"),
        (f"{'9' * 5_000} * * * *", "expected such as"),
    ],
)
def test_an_invalid_expression_is_refused(expression: str, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem) as refused:
        Cron(expression, "UTC")

    assert refused.value.field == "cron"


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="did you mean Asia/Shanghai") as refused:
        Cron("0 2 * * *", "Asia/Shangai")

    assert refused.value.field == "timezone"


def test_without_cronsim_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cronsim", None)

    with pytest.raises(InvalidRequest, match=r"pip install 'koophone-async\[distributed\]'"):
        Cron("0 2 * * *", "UTC")
