"""The guard of the benchmarks stops what fell back, and what was not measured."""

from __future__ import annotations

import pytest

from benchmarks.check import fallen
from benchmarks.measure import FLOOR, OURS, Result


@pytest.mark.parametrize("now, lines", [(2.0, 0), (2.39, 0), (2.41, 1)])
def test_a_fifth_more_of_the_floor_is_too_much(now: float, lines: int) -> None:
    assert len(fallen({"signing": now}, {"signing": 2.0})) == lines


def test_what_was_not_measured_does_not_pass() -> None:
    assert fallen({}, {"signing": 2.0}) == ["signing: was not measured"]


def test_a_ratio_is_of_medians_and_the_guards_of_the_best_runs() -> None:
    result = Result("signing", "a body", "µs", {OURS: [4, 6, 99], FLOOR: [2, 3, 4]}, most=2.0)

    assert (result.ratio(), result.best_ratio, result.verdict) == (2.0, 2.0, "held")
