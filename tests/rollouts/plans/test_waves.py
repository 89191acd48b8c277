"""Waves: cumulative numbers and percentages of all targets."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.plans.waves import ALL, Wave, WavePlan, parse_waves

numbers = st.integers(1, 2_000).map(str)
percentages = st.integers(0, 17).flatmap(
    lambda places: (
        st.decimals("1e-17", "100", places=places).filter(bool).map(lambda percent: f"{percent:f}%")
    )
)


def ends(waves: list[str], total: int) -> tuple[int, ...]:
    return WavePlan.of(parse_waves(waves), total).ends


def test_waves_count_all_phones_reached_so_far() -> None:
    assert ends(["1", "5%", "25%", "100%"], 1_000) == (1, 50, 250, 1_000)


def test_percentages_round_up_to_at_least_one() -> None:
    assert ends(["1%", "50%"], 3) == (1, 2, 3)


def test_all_targets_are_appended_if_missing() -> None:
    assert parse_waves(["10"])[-1] == ALL
    assert parse_waves(["10", "100%"]) == parse_waves(["10"])


def test_a_wave_that_adds_no_phone_is_skipped() -> None:
    plan = WavePlan.of(parse_waves(["1", "5%", "30", "100%"]), 10)

    assert plan.ends == (1, 10)
    assert plan.skipped == (Wave.parse("5%"), ALL)


def test_percentages_are_exact() -> None:
    assert ends(["0.1%", "14%"], 100_000) == (100, 14_000, 100_000)


@pytest.mark.parametrize("wave", ["0", "0%", "101%", "100.5%", "-1", "1.5", "01", "five", "", "5 %", "1_000"])
def test_a_wave_out_of_range_is_refused_at_its_place(wave: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse_waves(["1", wave])

    assert raised.value.field == "waves[1]"


@pytest.mark.parametrize("waves", [["10", "5"], ["10", "20%", "5"], ["25%", "5%"]])
def test_waves_that_fall_are_refused(waves: list[str]) -> None:
    with pytest.raises(InvalidRequest, match="cannot fall"):
        parse_waves(waves)


@given(percentages.map(Wave.parse))
def test_a_wave_is_read_as_it_was_written(wave: Wave) -> None:
    assert Wave.parse(str(wave)) == wave


@given(st.fractions(0, 100, max_denominator=10**20) | st.integers(0, 10**25), st.booleans())
def test_what_can_be_a_wave_is_read_as_it_was_written(value: Fraction, is_percentage: bool) -> None:  # noqa: FBT001
    try:
        wave = Wave(Fraction(value), is_percentage)
    except InvalidRequest:
        return
    assert Wave.parse(str(wave)) == wave


@given(st.lists(numbers | percentages, max_size=6), st.integers(0, 5_000))
def test_waves_rise_to_all_targets(texts: list[str], total: int) -> None:
    try:
        waves = parse_waves(texts)
    except InvalidRequest:
        return
    plan = WavePlan.of(waves, total)

    assert list(plan.ends) == sorted(set(plan.ends))
    assert (plan.ends or (0,))[-1] == total
    assert len(plan.ends) + len(plan.skipped) == len(waves)


@given(st.integers(1, 100), st.integers(1, 10**6))
def test_a_percentage_has_the_next_integer_of_phones(percent: int, total: int) -> None:
    assert Wave.parse(f"{percent}%").end(total) == math.ceil(percent * total / 100 - 1e-9)
