"""When a rollout must stop: limits, denominators, canaries, ends of waves."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.batches import Outcome, State
from koophone_async.rollouts.execution.stop_tally import StopTally
from koophone_async.rollouts.plans.plan import Step
from koophone_async.rollouts.plans.stop_rule import NOT_SUCCEEDED, StopRule

if TYPE_CHECKING:
    from collections.abc import Sequence

ONE_STEP: Final = [Step("run", "true")]
RESULTS: Final = [*NOT_SUCCEEDED, State.SUCCEEDED, State.ACCEPTED]


def tally(rule: str | None, *ends: int, steps: Sequence[Step] = ONE_STEP) -> StopTally:
    return StopTally(None if rule is None else StopRule.parse(rule), ends, steps)


def end(tally: StopTally, state: State, count: int, step: int = 0, *, taken: bool = True) -> str | None:
    """End phones, and return the reason to stop after the last; none of the others has one."""
    reasons = [tally.ended(f"p{index}", step, state, taken=taken) for index in range(count)]
    assert not any(reasons[:-1])
    return reasons[-1]


def test_a_percentage_is_judged_by_the_phones_that_a_retry_has() -> None:
    retried = StopTally(StopRule.parse("10%"), (50, 100), ONE_STEP, sizes=(3, 0))

    assert end(retried, State.SUCCEEDED, 2) is None
    assert end(retried, State.FAILED, 1) == "not succeeded in the rollout: 33.3% (1); the limit is 10%"


def test_a_number_that_is_reached_stops_at_once() -> None:
    counted = tally("unknown=5", 1_000)

    assert end(counted, State.UNKNOWN, 4) is None
    assert end(counted, State.UNKNOWN, 1) == "unknown in the rollout: 5; the limit is 5"


def test_a_percentage_waits_for_enough_results() -> None:
    counted = tally("2%", 1_000)
    counted.taken(0, 1_000)

    assert end(counted, State.FAILED, 49) is None
    assert end(counted, State.FAILED, 1) == "not succeeded in the rollout: 100% (50); the limit is 2%"


def test_after_raises_the_number_of_results() -> None:
    counted = tally("50%,after=20", 1_000)
    counted.taken(0, 1_000)

    assert end(counted, State.FAILED, 19) is None
    assert end(counted, State.FAILED, 1) is not None


def test_a_failed_canary_of_one_stops() -> None:
    counted = tally("2%,after=20", 1, 1_000)
    counted.taken(0)

    assert end(counted, State.FAILED, 1) is not None


def test_early_refusals_are_a_share_of_what_the_service_took() -> None:
    counted = tally("2%", 10_000)
    counted.taken(0, 9_900)

    assert end(counted, State.REFUSED, 100, taken=False) is None


def test_refusals_of_most_phones_stop() -> None:
    counted = tally("2%", 10_000)
    counted.taken(0, 50)

    assert counted.ended("a", 0, State.REFUSED, taken=False) is None
    assert counted.ended("b", 0, State.REFUSED, taken=False) is not None


def test_failures_are_a_share_of_what_has_ended() -> None:
    counted = tally("2%", 10_000)
    counted.taken(0, 10_000)
    end(counted, State.SUCCEEDED, 100)

    assert end(counted, State.FAILED, 2) is None
    assert end(counted, State.FAILED, 1) is not None


def test_a_wave_is_judged_at_its_end_whatever_its_size() -> None:
    counted = tally("2%,after=500", 200, 10_000)
    counted.taken(0, 200)
    end(counted, State.FAILED, 4)
    end(counted, State.SUCCEEDED, 195)

    assert counted.judge() is None
    assert counted.end_wave() == "not succeeded in the rollout: 2.01% (4); the limit is 2%"


def test_a_wave_of_its_own_can_stop_a_rollout_that_went_well() -> None:
    counted = tally("10%", 1_000, 1_100)
    counted.taken(0, 1_000)
    end(counted, State.SUCCEEDED, 1_000)
    assert counted.end_wave() is None
    counted.taken(0, 100)
    end(counted, State.SUCCEEDED, 90)

    assert end(counted, State.FAILED, 10) == "not succeeded in wave 2: 10% (10); the limit is 10%"


def test_what_was_not_sent_has_no_result() -> None:
    counted = tally("1", 10)

    assert end(counted, State.NOT_SENT, 10, taken=False) is None


def test_failures_at_several_steps_add_up() -> None:
    counted = tally("3%", 100, 1_000, steps=ONE_STEP * 3)
    for step in range(3):
        counted.taken(step, 100 - step)
        end(counted, State.SUCCEEDED, 99 - step, step)
        reason = end(counted, State.FAILED, 1, step)
        assert (reason is not None) == (step == 2)


def test_a_step_for_one_phone_weighs_one_phone() -> None:
    steps = [Step("run", "true"), Step("run", "false", only=["p0"])]
    counted = tally("2%", 100, 1_000, steps=steps)
    counted.taken(0, 100)
    end(counted, State.SUCCEEDED, 100)
    counted.taken(1, 1)

    assert counted.ended("p0", 1, State.FAILED, taken=True) is None
    assert counted.end_wave() is None


def test_without_a_rule_a_wave_in_which_nobody_succeeded_stops() -> None:
    counted = tally(None, 5, 100, 1_000)
    end(counted, State.SUCCEEDED, 1)
    end(counted, State.FAILED, 4)
    assert counted.end_wave() is None
    end(counted, State.FAILED, 94)
    end(counted, State.UNKNOWN, 1)

    assert counted.end_wave() == "nobody succeeded in wave 2"


def test_without_a_rule_the_last_wave_stops_nothing() -> None:
    counted = tally(None, 10)
    end(counted, State.FAILED, 10)

    assert counted.end_wave() is None


def test_a_result_after_the_last_wave_is_counted_too() -> None:
    counted = tally("2", 1, 3)
    end(counted, State.FAILED, 1)
    assert counted.end_wave() is None
    assert counted.end_wave() is None

    assert counted.ended("late", 0, State.UNKNOWN, taken=False, wave=2) is not None


def test_a_rollout_of_nobody_has_nothing_to_judge() -> None:
    counted = tally("2%")

    assert counted.judge() is None
    assert counted.end_wave() is None


def test_never_stops_nothing() -> None:
    counted = tally("never", 5, 10)
    end(counted, State.FAILED, 5)

    assert counted.end_wave() is None


def test_results_of_an_earlier_process_are_judged_together() -> None:
    counted = StopTally(StopRule(unknown=3), (5, 100), ONE_STEP, wave=2)
    counted.ended("a", 0, State.UNKNOWN, taken=False, wave=1)
    counted.ended("b", 0, State.UNKNOWN, taken=False)
    assert counted.judge() is None

    assert counted.ended("c", 0, State.UNKNOWN, taken=False) == "unknown in the rollout: 3; the limit is 3"


phones = st.lists(
    st.tuples(st.sampled_from(RESULTS), st.booleans(), st.integers(0, 2)), min_size=1, max_size=60
)


@given(phones, st.integers(1, 100))
def test_at_the_end_the_share_is_that_of_all_phones(
    results: list[tuple[State, bool, int]], percent: int
) -> None:
    """Each phone ends at some step in some state; one that succeeds passes all three."""
    counted = StopTally(
        StopRule(not_succeeded=f"{percent}%", after=1_000), (len(results), 10**6), ONE_STEP * 3
    )
    for index, (state, taken, last) in enumerate(results):
        is_ok = state not in NOT_SUCCEEDED
        for step in range(3 if is_ok else last + 1):
            counted.taken(step, int(taken))
            result = state if is_ok or step == last else State.SUCCEEDED
            counted.ended(f"p{index}", step, result, taken=taken)
    failed = sum(state in NOT_SUCCEEDED for state, _, _ in results)

    assert (counted.end_wave() is not None) == (Fraction(failed * 100, len(results)) >= percent)


@given(
    st.lists(
        st.tuples(st.integers(1, 60), st.booleans(), st.sampled_from([None, *NOT_SUCCEEDED])), min_size=1
    ),
    st.sampled_from(["10%", "failed=3", "5%,after=30", None]),
)
def test_successes_count_together_as_one_by_one(
    polls: list[tuple[int, bool, State | None]], rule: str | None
) -> None:
    """Each poll has some successes, and perhaps a failure after them."""
    together, singly = tally(rule, 40, 10_000), tally(rule, 40, 10_000)
    for number, (count, taken, failure) in enumerate(polls):
        outcomes = [Outcome(f"{number}-{index}", State.SUCCEEDED) for index in range(count)]
        for counted in (together, singly):
            counted.taken(0, count if taken else 0)
        reasons = [singly.ended(one.id, 0, one.state, taken=taken) for one in outcomes]

        assert together.passed(outcomes, 0, taken=taken) == next(filter(None, reasons), None)
        if failure is not None:
            expected = singly.ended("failed", 0, failure, taken=False)
            assert together.ended("failed", 0, failure, taken=False) == expected


@pytest.mark.parametrize("percent", range(1, 100))
def test_a_share_that_equals_the_limit_reaches_it(percent: int) -> None:
    counted = tally(f"{percent}%,after=100", 100)
    counted.taken(0, 100)
    end(counted, State.SUCCEEDED, 100 - percent)

    assert end(counted, State.FAILED, percent) is not None
