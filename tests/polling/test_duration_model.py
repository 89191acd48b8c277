from __future__ import annotations

from math import exp, isfinite, log
from random import Random
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.polling.duration_model import Account, Belief, Lasted, Lognormal

AGES = st.floats(0.01, 1000)


def taught(belief: Belief, durations: list[float], looks: list[float]) -> None:
    """Look at a handle at these ages, until all its jobs have ended."""
    account, since = Account(), 0.0
    for age in looks:
        ended = sum(since < lasts <= age for lasts in durations)
        open_ = sum(lasts > age for lasts in durations)
        belief.learn([Lasted(ended, since, age)] if ended else [], Lasted(open_, age), account)
        since = age
    belief.close(account)


@given(AGES, AGES, st.floats(0.1, 2), st.floats(-1, 5))
def test_unseen_waiting_is_the_integral_of_the_chance_of_being_over(
    one: float, other: float, sigma: float, mu: float
) -> None:
    shape, (since, age) = Lognormal(mu, sigma), sorted((one, other))
    steps = [since + (age - since) * (i + 0.5) / 2000 for i in range(2000)]

    seconds, chance = shape.unseen(since, age)

    summed = sum(shape.unseen(since, step)[1] for step in steps) * (age - since) / 2000
    assert seconds == pytest.approx(summed, rel=0.01, abs=1e-3 * (age - since) + 1e-9)
    assert 0 <= chance <= 1


@given(st.floats(0, 200), st.floats(0.01, 10), st.floats(0.05, 2))
def test_a_look_is_due_when_the_waiting_is_worth_it(since: float, worth: float, sigma: float) -> None:
    shape = Lognormal(log(10), sigma)

    due = shape.due(since, worth, since + 300)

    assert since < due <= since + 300
    assert due == since + 300 or shape.unseen(since, due)[0] == pytest.approx(worth, rel=0.02)


def test_looks_thin_out_beyond_the_tail() -> None:
    shape = Lognormal(log(2), 0.1)

    gaps = [shape.due(age, 0.1, 10_000) - age for age in (3, 10, 100, 1000)]

    assert gaps == sorted(gaps)
    assert gaps[-1] > 10 * gaps[0]


@pytest.mark.parametrize("median, sigma", [(2, 0.1), (2, 0.3), (30, 0.3), (30, 0.6), (120, 1.0)])
def test_durations_are_learned_from_looks_that_know_only_intervals(median: float, sigma: float) -> None:
    rng, belief = Random(4), Belief()
    for _ in range(40):
        durations = [rng.lognormvariate(log(median), sigma) for _ in range(50)]
        looks = [median * exp(sigma * (i - 12) / 4) for i in range(25)]
        taught(belief, durations, [*looks, max(durations)])

    assert exp(belief.shape.mu) == pytest.approx(median, rel=0.1)
    assert belief.shape.sigma == pytest.approx(sigma, rel=0.2, abs=0.02)


def test_one_look_that_finds_all_ended_is_enough_to_know_the_duration() -> None:
    belief = Belief()

    taught(belief, [2.0] * 100, [1.0, 1.5, 1.9, 2.1])

    assert exp(belief.shape.mu) == pytest.approx(2, rel=0.06)
    assert belief.shape.sigma < 0.2


def test_a_look_that_finds_none_ended_teaches_that_they_take_longer() -> None:
    belief, before = Belief(), Belief()

    taught(belief, [60.0] * 100, [5.0])

    assert belief.shape.unseen(0, 5)[1] < before.shape.unseen(0, 5)[1] / 3
    assert belief.shared > 0.2


def test_what_is_learned_makes_one_handle_less_telling_of_others() -> None:
    belief = Belief()
    assert belief.shared == 1

    taught(belief, [2.0] * 100, [1.9, 2.1])

    assert belief.shared < 0.01


def test_a_change_of_durations_is_followed() -> None:
    belief = Belief()
    for _ in range(100):
        taught(belief, [2.0] * 100, [1.9, 2.1])
    for _ in range(100):
        taught(belief, [10.0] * 100, [2.1, 9.5, 10.5])

    assert exp(belief.shape.mu) == pytest.approx(10, rel=0.1)
    assert belief.shape.sigma == pytest.approx(0, abs=0.3)


def test_stuck_jobs_do_not_spoil_what_is_known() -> None:
    belief = Belief()
    for _ in range(50):
        taught(belief, [2.0] * 99 + [1e9], [1.9, 2.1, 60, 600])

    assert belief.shape.mu == pytest.approx(NormalDist(log(2), 0.1).mean, abs=0.05)
    assert belief.shape.sigma < 0.2


def test_an_interval_of_no_width_is_as_good_as_a_duration() -> None:
    shape = Lognormal(log(10), 1)

    evidence = Lasted(3, 20, 20.0001).evidence(shape)

    assert evidence.weight == pytest.approx(3)
    assert evidence.first / evidence.weight == pytest.approx(log(20), abs=1e-4)


@given(
    st.lists(
        st.tuples(st.integers(1, 1000), st.floats(0, 1e8), st.floats(1e-9, 1e8), st.integers(0, 1000)),
        max_size=60,
    )
)
def test_evidence_that_contradicts_itself_never_runs_away(looks: list[tuple[int, float, float, int]]) -> None:
    belief, account = Belief(), Account()
    for jobs, low, width, still in looks:
        belief.learn([Lasted(jobs, low, low + width)], Lasted(still, low), account)

        assert isfinite(belief.shape.mean)
        assert isfinite(belief.shape.due(low, 10.0, low + 15))
