"""The regression check of the benchmarks."""

from __future__ import annotations

import pytest

from benchmarks.check import regressions
from benchmarks.measure import FLOOR, OURS, Result


@pytest.mark.parametrize("now, lines", [(2.0, 0), (2.39, 0), (2.41, 1)])
def test_more_than_20_percent_above_the_baseline_fails(now: float, lines: int) -> None:
    assert len(regressions({"signing": now}, {"signing": 2.0})) == lines


def test_a_missing_measurement_fails() -> None:
    assert regressions({}, {"signing": 2.0}) == ["signing: was not measured"]


def test_the_ratio_is_of_medians_the_best_ratio_of_best_runs() -> None:
    result = Result("signing", "a body", "µs", {OURS: [4, 6, 99], FLOOR: [2, 3, 4]}, max_ratio=2.0)

    assert (result.ratio(), result.best_ratio, result.status) == (2.0, 2.0, "met")
