"""Stop rules, as text and as limits by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.plans.stop_rule import LIMIT_NAMES, StopRule

limits = st.integers(1, 100).flatmap(lambda number: st.sampled_from([str(number), f"{number}%"]))
rules = st.dictionaries(st.sampled_from(LIMIT_NAMES), limits, min_size=1).map(
    lambda limits: ",".join(f"{name}={limit}" for name, limit in limits.items())
)


def test_a_limit_without_a_name_is_that_of_not_succeeded() -> None:
    assert StopRule.parse("2%,unknown=5,after=20") == StopRule(not_succeeded="2%", unknown=5, after=20)


def test_never_is_a_rule_without_limits() -> None:
    assert StopRule.parse("never") == StopRule(never=True)
    assert str(StopRule(never=True)) == "never"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0%",
        "101%",
        "2%,3%",
        "unknwn=5",
        "after=20",
        "unknown=5,unknown=6",
        "failed=",
        "2%,after=x",
        "2%,after=" + "9" * 5_000,
        "never,2%",
    ],
)
def test_what_is_no_rule_or_never_holds_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        StopRule.parse(text)


def test_the_error_names_the_limit() -> None:
    with pytest.raises(InvalidRequest, match=r"^unknown: is 0; it must be at least 1"):
        StopRule.parse("2%,unknown=0")


def test_never_beside_a_limit_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="contradicts"):
        StopRule(never=True, failed=3)


def test_a_negative_number_of_results_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="at least 0"):
        StopRule(failed=3, after=-1)


def test_more_phones_than_there_are_can_never_fail() -> None:
    rule = StopRule(failed=11, unknown="100%")

    rule.check_total(11)
    with pytest.raises(InvalidRequest, match="can never be reached: the number of targets is 10"):
        rule.check_total(10)


@given(rules, st.integers(0, 100))
def test_a_rule_is_read_as_it_was_written(limits: str, after: int) -> None:
    rule = StopRule.parse(f"{limits},after={after}")

    assert StopRule.parse(str(rule)) == rule
