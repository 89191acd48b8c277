"""What the benchmarks conclude from their runs."""

from __future__ import annotations

import pytest

from benchmarks.check import compare
from benchmarks.history import changes, entry, with_entry
from benchmarks.machine import Machine, processor_name
from benchmarks.measure import FLOOR, OURS, VENDOR, Result, merged, scattered
from benchmarks.spread import Spread, Verdict, pair_ratios

MACHINE = Machine("Linux x86_64", "a processor", 2, "3.11.7")


def exactly(value: float) -> Spread:
    return Spread(value, value, value)


def result(ours: list[float], floor: list[float] | None = None, **targets: float) -> Result:
    samples = {OURS: ours} | ({} if floor is None else {FLOOR: floor})
    return Result("signing", "a body", "µs", samples, **targets)  # type: ignore[arg-type] # targets are numbers


@pytest.mark.parametrize("now, lines", [(2.0, 0), (2.39, 0), (2.41, 1)])
def test_more_than_20_percent_above_the_baseline_fails(now: float, lines: int) -> None:
    assert len(compare({"signing": exactly(now)}, {"signing": 2.0}).regressions) == lines


def test_a_missing_measurement_fails() -> None:
    assert compare({}, {"signing": 2.0}).regressions == ["signing: was not measured"]


def test_a_ratio_that_scatters_around_the_limit_is_no_regression() -> None:
    found = compare({"signing": Spread(2.2, 2.6, 3.0)}, {"signing": 2.0})

    assert found.regressions == []
    assert found.undecided == ["signing: 2.6 times the floor (2.2 to 3), 2 before"]


def test_a_run_is_compared_with_the_one_beside_it() -> None:
    assert pair_ratios([4, 6, 80], [2, 3, 40]) == [2, 2, 2]
    assert pair_ratios([4, 6], [1, 2, 3]) == [2, 3]
    assert pair_ratios([4, 6], [0, 3]) == [2]


@pytest.mark.parametrize(
    "runs, scatter", [([5.0], 0), ([4.0, 6.0], 0.2), ([9.0, 10.0, 11.0, 1000.0], 0.0), ([0.0, 0.0], 0)]
)
def test_the_scatter_is_that_of_the_middle_half(runs: list[float], scatter: float) -> None:
    spread = Spread.of(runs)

    assert spread.low <= spread.middle <= spread.high
    if len(runs) < 4:
        assert spread.scatter == pytest.approx(scatter)
    else:
        assert spread.high < max(runs)


@pytest.mark.parametrize(
    "maximum, verdict", [(3.0, Verdict.MET), (2.5, Verdict.MET), (2.0, Verdict.NONE), (1.4, Verdict.NOT_MET)]
)
def test_there_is_no_verdict_within_the_spread(maximum: float, verdict: Verdict) -> None:
    assert Spread(1.5, 2.0, 2.5).verdict(maximum) is verdict


@pytest.mark.parametrize(
    "ours, targets, status",
    [
        ([4.0, 6.0], {}, ""),
        ([4.0, 6.0], {"max_ratio": 2.0}, "met"),
        ([6.0, 9.0], {"max_ratio": 2.0}, "NOT MET"),
        ([3.0, 9.0], {"max_ratio": 2.0}, "no verdict: spread wider than the margin"),
        ([6.0, 9.0], {"max_ratio": 2.0, "max_value": 10.0}, "absolute value met"),
        ([3.0, 9.0], {"max_ratio": 2.0, "max_value": 10.0}, "absolute value met"),
        ([4.0, 6.0], {"max_ratio": 2.0, "max_value": 1.0}, "met"),
        ([4.0, 6.0], {"max_value": 10.0}, "met"),
        ([4.0, 6.0], {"max_value": 1.0}, "NOT MET"),
        ([4.0, 6.0], {"max_value": 5.0}, "no verdict: spread wider than the margin"),
    ],
)
def test_the_status_follows_from_ratio_and_value(
    ours: list[float], targets: dict[str, float], status: str
) -> None:
    assert result(ours, [2.0, 3.0], **targets).status == status


def test_only_results_with_targets_are_repeated_for_their_scatter() -> None:
    wide, narrow = [4.0, 9.0], [4.0, 4.1]

    assert scattered([result(wide, [2.0, 2.0])]) == []
    assert scattered([result(narrow, [2.0, 2.0], max_ratio=2)]) == []
    assert scattered([result(wide, [2.0, 2.0], max_ratio=2)]) == ["signing: a body, µs"]
    assert scattered([result(wide, [2.0, 4.5], max_ratio=2)]) == []
    assert scattered([result(wide, max_value=10)]) == ["signing: a body, µs"]


def test_repeated_runs_are_added_in_pairs() -> None:
    first = Result("signing", "a body", "µs", {OURS: [4.0], FLOOR: [2.0], VENDOR: [9.0]})
    again = Result("signing", "a body", "µs", {OURS: [8.0], FLOOR: [4.0]})

    (both,) = merged([first], [again])

    assert both.samples == {OURS: [4.0, 8.0], FLOOR: [2.0, 4.0], VENDOR: [9.0]}
    assert both.ratio() == 2.0
    assert merged([first], []) == [first]


def test_the_history_has_the_last_run_of_each_version() -> None:
    old, new = (entry(MACHINE, [result([ours], [2.0])]) for ours in (4.0, 6.0))

    history = with_entry(with_entry(with_entry({}, "0.1.0", old), "0.2.0", old), "0.1.0", new)

    assert list(history) == ["0.2.0", "0.1.0"]
    assert history["0.1.0"]["medians"] == {"signing: a body, µs": 6.0}
    assert changes(old, new) == ["signing: a body, µs: 2 -> 3"]
    assert changes(old, old) == []


def test_a_version_without_a_floor_has_no_ratio() -> None:
    assert entry(MACHINE, [result([4.0])])["ratios"] == {}


def test_a_busy_machine_is_named() -> None:
    assert str(MACHINE) == "Linux x86_64, a processor, 2 cores, Python 3.11.7"
    assert MACHINE.describe_load(1.5) == "load 1.5"
    assert MACHINE.describe_load(7) == "load 7.0: busy, expect wide spreads"
    assert processor_name("processor : 0\nmodel name\t: AMD EPYC\nflags : x") == "AMD EPYC"
    assert processor_name("") == ""
