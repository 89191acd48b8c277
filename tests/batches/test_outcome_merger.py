"""Merging the outcomes of several jobs of one id."""

from __future__ import annotations

import pickle
from itertools import permutations

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError

from koophone_async import Outcome, State
from koophone_async.batches.outcome_mapping import OutcomeMerger
from koophone_async.batches.outcomes import new_outcome
from koophone_async.catalogue import OPERATIONS
from koophone_async.polling.deadlines import DEFAULT_DEADLINES

OF_UNKNOWN_OPERATIONS = {"koophone.jobs", "cph.jobs", "gaming.deployments"}


@pytest.mark.parametrize(
    "states, merged",
    [
        ("succeeded succeeded", State.SUCCEEDED),
        ("succeeded failed", State.FAILED),
        ("succeeded unknown", State.UNKNOWN),
        ("succeeded unfinished", State.UNFINISHED),
        ("unknown failed unfinished", State.FAILED),
        ("unknown unfinished succeeded", State.UNKNOWN),
    ],
)
def test_an_id_with_several_jobs_has_the_worst_outcome(states: str, merged: State) -> None:
    outcomes = [
        Outcome("p", State(state), f"j{n}", resume_token="kp1.t" if state == "unfinished" else None)
        for n, state in enumerate(states.split())
    ]
    for order in permutations(outcomes):
        merger = OutcomeMerger.of(["p"] * len(order))
        *early, ended = [merger.merge([outcome]) for outcome in order]

        assert early == [[]] * (len(order) - 1)
        (last,) = ended
        assert (last.id, last.state) == ("p", merged)
        assert last.job_id == ",".join(outcome.job_id or "" for outcome in order)
        assert last.resume_token == ("kp1.t" if "unfinished" in states else None)


def test_a_new_outcome_is_like_one_of_the_constructor() -> None:
    fields = ("p", State.FAILED, "j", "E.1", "no room", "out", 1.5, "value")

    outcome, constructed = new_outcome(*fields), Outcome(*fields)

    assert type(outcome) is Outcome
    assert (outcome, repr(outcome)) == (constructed, repr(constructed))
    assert pickle.loads(pickle.dumps(outcome)) == constructed  # noqa: S301 - pickled here
    assert evolve(outcome, seconds=2.0) == evolve(constructed, seconds=2.0)
    with pytest.raises(FrozenInstanceError):
        outcome.seconds = 2.0  # type: ignore[misc]


def test_an_id_with_one_job_has_its_outcome() -> None:
    outcome = Outcome("p", State.FAILED, "j")

    assert OutcomeMerger.of(["p", "q", "q"]).merge([outcome]) == [outcome]


def test_default_deadlines_name_operations() -> None:
    assert DEFAULT_DEADLINES.keys() - OF_UNKNOWN_OPERATIONS <= set(OPERATIONS)
