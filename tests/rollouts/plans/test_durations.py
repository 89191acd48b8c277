"""Durations are read with their unit, and never as numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.plans.durations import MAX_DAYS, check_duration, format_duration, parse_duration


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("90s", 90),
        ("10m", 600),
        ("4h", 14_400),
        ("2d", 172_800),
        ("1h30m", 5_400),
        ("1.5h", 5_400),
        ("0s", 0),
    ],
)
def test_a_duration_has_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "90", "1:30", "4 h", "h", "-1h", "30m1h", "1e3s", "inf", "9999999d", "4H"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="duration"):
        parse_duration(text)


@given(st.floats(0, MAX_DAYS * 86_400))
def test_a_duration_is_read_as_it_was_written(seconds: float) -> None:
    checked = check_duration(seconds)

    assert parse_duration(format_duration(checked)) == checked == pytest.approx(seconds, abs=1e-6)
