from __future__ import annotations

from math import exp, isfinite, log
from random import Random
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.polling.duration_model import DurationModel, HandleEvidence, Interval, Lognormal

AGES = st.floats(0.01, 1000)


def observe(model: DurationModel, durations: list[float], polls: list[float]) -> None:
    """Poll a handle at these ages, the last after all its jobs have ended."""
    evidence, since = HandleEvidence(), 0.0
    for age in polls:
        ended = sum(since < duration <= age for duration in durations)
        open_ = sum(duration > age for duration in durations)
        model.update([Interval(ended, since, age)] if ended else [], Interval(open_, age), evidence)
        since = age
    model.retire(evidence)


@given(AGES, AGES, st.floats(0.1, 2), st.floats(-1, 5))
def test_unseen_wait_is_the_integral_of_the_chance(one: float, other: float, sigma: float, mu: float) -> None:
    distribution, (since, age) = Lognormal(mu, sigma), sorted((one, other))
    steps = [since + (age - since) * (i + 0.5) / 2000 for i in range(2000)]

    seconds, chance = distribution.unseen_wait(since, age)

    summed = sum(distribution.unseen_wait(since, step)[1] for step in steps) * (age - since) / 2000
    assert seconds == pytest.approx(summed, rel=0.01, abs=1e-3 * (age - since) + 1e-9)
    assert 0 <= chance <= 1


@given(st.floats(0, 200), st.floats(0.01, 10), st.floats(0.05, 2))
def test_a_poll_is_due_when_the_unseen_wait_reaches_its_cost(
    since: float, worth: float, sigma: float
) -> None:
    distribution = Lognormal(log(10), sigma)

    due = distribution.poll_age(since, worth, since + 300)

    assert since < due <= since + 300
    assert due == since + 300 or distribution.unseen_wait(since, due)[0] == pytest.approx(worth, rel=0.02)


def test_polls_of_outliers_become_rarer() -> None:
    distribution = Lognormal(log(2), 0.1)

    gaps = [distribution.poll_age(age, 0.1, 10_000) - age for age in (3, 10, 100, 1000)]

    assert gaps == sorted(gaps)
    assert gaps[-1] > 10 * gaps[0]


@pytest.mark.parametrize("median, sigma", [(2, 0.1), (2, 0.3), (30, 0.3), (30, 0.6), (120, 1.0)])
def test_durations_are_learned_from_intervals(median: float, sigma: float) -> None:
    rng, model = Random(4), DurationModel()
    for _ in range(40):
        durations = [rng.lognormvariate(log(median), sigma) for _ in range(50)]
        polls = [median * exp(sigma * (i - 12) / 4) for i in range(25)]
        observe(model, durations, [*polls, max(durations)])

    assert exp(model.distribution.mu) == pytest.approx(median, rel=0.1)
    assert model.distribution.sigma == pytest.approx(sigma, rel=0.2, abs=0.02)


def test_one_task_is_enough_to_learn_the_duration() -> None:
    model = DurationModel()

    observe(model, [2.0] * 100, [1.0, 1.5, 1.9, 2.1])

    assert exp(model.distribution.mu) == pytest.approx(2, rel=0.06)
    assert model.distribution.sigma < 0.2


def test_open_jobs_move_the_median_up() -> None:
    model, before = DurationModel(), DurationModel()

    observe(model, [60.0] * 100, [5.0])

    assert model.distribution.unseen_wait(0, 5)[1] < before.distribution.unseen_wait(0, 5)[1] / 3
    assert model.shared_uncertainty > 0.2


def test_shared_uncertainty_falls_with_observed_jobs() -> None:
    model = DurationModel()
    assert model.shared_uncertainty == 1

    observe(model, [2.0] * 100, [1.9, 2.1])

    assert model.shared_uncertainty < 0.01


def test_a_change_of_durations_is_followed() -> None:
    model = DurationModel()
    for _ in range(100):
        observe(model, [2.0] * 100, [1.9, 2.1])
    for _ in range(100):
        observe(model, [10.0] * 100, [2.1, 9.5, 10.5])

    assert exp(model.distribution.mu) == pytest.approx(10, rel=0.1)
    assert model.distribution.sigma == pytest.approx(0, abs=0.3)


def test_stuck_jobs_hardly_move_the_distribution() -> None:
    model = DurationModel()
    for _ in range(50):
        observe(model, [2.0] * 99 + [1e9], [1.9, 2.1, 60, 600])

    assert model.distribution.mu == pytest.approx(NormalDist(log(2), 0.1).mean, abs=0.05)
    assert model.distribution.sigma < 0.2


def test_a_tiny_interval_counts_as_a_point() -> None:
    distribution = Lognormal(log(10), 1)

    evidence = Interval(3, 20, 20.0001).evidence(distribution)

    assert evidence.weight == pytest.approx(3)
    assert evidence.first / evidence.weight == pytest.approx(log(20), abs=1e-4)


@given(
    st.lists(
        st.tuples(st.integers(1, 1000), st.floats(0, 1e8), st.floats(1e-9, 1e8), st.integers(0, 1000)),
        max_size=60,
    )
)
def test_contradictory_observations_stay_bounded(polls: list[tuple[int, float, float, int]]) -> None:
    model, evidence = DurationModel(), HandleEvidence()
    for jobs, low, width, still in polls:
        model.update([Interval(jobs, low, low + width)], Interval(still, low), evidence)

        assert isfinite(model.distribution.mean)
        assert isfinite(model.distribution.poll_age(low, 10.0, low + 15))
