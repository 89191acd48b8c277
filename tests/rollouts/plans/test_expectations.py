"""Expectations: what an outcome must be like to count as a success."""

from __future__ import annotations

import pytest
from attrs import evolve

from koophone_async.batches import Outcome, State
from koophone_async.errors import InvalidRequest
from koophone_async.koophone import App, RunningState
from koophone_async.rollouts.plans.expectations import Expect, Match, value_text

DONE = Outcome("a", State.SUCCEEDED, output="versionName=2.4\n", seconds=2.0)
FAILED = Outcome("a", State.FAILED, error_code="6010", error_message="no such app")


@pytest.mark.parametrize(
    "match, is_accepted",
    [
        (Match("*Name=2.*"), True),
        (Match("2.4"), False),
        (Match(regex=r"=\d\.\d$"), True),
        (Match(regex="^2"), False),
        (Match(equals="versionName=2.4"), True),
        (Match(equals="versionName=2"), False),
        (Match("*=2*", regex="4"), True),
        (Match("*=2*", regex="5"), False),
    ],
)
def test_an_output_is_like_a_pattern_matches_or_equals(match: Match, is_accepted: bool) -> None:  # noqa: FBT001
    assert Expect(output=match).judge(DONE).ok == is_accepted


def test_an_unexpected_output_is_a_failure_that_names_both() -> None:
    judged = Expect(output="*=2.5*").judge(DONE)

    assert judged.state is State.FAILED
    assert judged.error_message == "expected output like '*=2.5*', not 'versionName=2.4\\n'"
    assert judged.output == DONE.output


def test_a_missing_output_is_not_as_expected() -> None:
    assert (
        Expect(output="*").judge(evolve(DONE, output=None)).error_message
        == "expected output like '*', not none"
    )


def test_the_expected_error_is_a_success() -> None:
    expect = Expect(error_code="6010")

    assert expect.judge(FAILED).state is State.SUCCEEDED
    assert expect.judge(evolve(FAILED, state=State.REFUSED)).ok
    assert expect.judge(evolve(FAILED, error_code="1")).state is State.FAILED
    assert expect.judge(DONE).state is State.FAILED


def test_another_error_stays_what_it_is() -> None:
    refused = evolve(FAILED, state=State.REFUSED)

    assert Expect(output="*").judge(refused) == refused
    assert Expect(error_code="1").judge(refused).state is State.REFUSED


@pytest.mark.parametrize("state", [State.UNKNOWN, State.UNFINISHED, State.NOT_SENT])
def test_what_is_not_known_is_left_as_it_is(state: State) -> None:
    outcome = evolve(DONE, state=state)

    assert Expect(output="nothing", error_code="1").judge(outcome) == outcome


def test_a_step_may_take_some_seconds() -> None:
    assert Expect(seconds=2).judge(DONE).ok
    assert Expect(seconds=1.5).judge(DONE).error_message == "expected an end within 1.5 s, not after 2.0 s"


def test_the_value_of_a_read_is_compared_as_text() -> None:
    read = Outcome("a", State.SUCCEEDED, value=RunningState.RUNNING)

    assert Expect(value="running").judge(read).ok
    assert Expect(value="stopped").judge(read).state is State.FAILED


def test_models_are_compared_as_json() -> None:
    apps = (App("com.shop", "Shop"),)

    assert '"com.shop"' in value_text(apps)
    assert Expect(value='*"com.shop"*').judge(Outcome("a", State.SUCCEEDED, value=apps)).ok
    assert value_text({"a": (1, "b")}) == '{"a":[1,"b"]}'
    assert value_text("text") == "text"


@pytest.mark.parametrize("fields", [{}, {"seconds": 0}, {"seconds": -1}, {"seconds": float("inf")}])
def test_an_expectation_of_nothing_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(InvalidRequest):
        Expect(**fields)  # type: ignore[arg-type]  # the only keys are those of numbers


def test_a_match_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="none of glob"):
        Match()


@pytest.mark.parametrize("regex", ["(", "a**", "a{99999999999999}", "(" * 2_000 + ")" * 2_000, "\\"])
def test_what_is_no_regular_expression_is_refused(regex: str) -> None:
    with pytest.raises(InvalidRequest, match="no regular expression"):
        Match(regex=regex)
