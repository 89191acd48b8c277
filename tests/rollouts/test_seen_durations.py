"""Which earlier rollouts show how long jobs take."""

from __future__ import annotations

import asyncio
from math import exp
from typing import TYPE_CHECKING, Final

import pytest

from koophone_async.batches import Outcome, State
from koophone_async.rollouts.journal import NewRollout, Result
from koophone_async.rollouts.plans.plan import Plan, Selection, Step
from koophone_async.rollouts.reports.seen_durations import seen_durations
from tests.rollouts.journal.samples import targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from koophone_async.rollouts.journal import Journal

pytestmark = pytest.mark.virtual_time

ENOUGH: Final = 2_000
"""Jobs after which no older rollout is read."""


def plan(*verbs: str, service: str = "cph") -> Plan:
    steps = [Step(verb, "id" if verb == "run" else None) for verb in verbs]
    return Plan(targets=Selection(ids=["a"]), steps=steps, service=service)


async def ended(
    journal: Journal, plan: Plan, seconds: Sequence[float], state: State = State.SUCCEEDED
) -> None:
    """Write a rollout down whose jobs took some seconds, in each of its steps."""
    new = NewRollout("earlier", plan.service, plan=plan.to_json(), waves=(len(seconds),))
    driver = await journal.acquire((await journal.create(new, targets(len(seconds)))).id)
    for step in range(len(plan.steps)):
        results = [
            Result(position, 1, step, Outcome(f"phone-{position}", state, seconds=duration))
            for position, duration in enumerate(seconds)
        ]
        driver.settle(None, results, {state.value: len(seconds)})
    await driver.release(counts={state.value: len(seconds)})
    await asyncio.sleep(1)  # in virtual time, so that the next rollout is newer


async def test_only_rollouts_of_the_same_verbs_and_resource_count(journal: Journal) -> None:
    await ended(journal, plan("run"), [10, 10, 10])
    await ended(journal, plan("reset"), [20])
    await ended(journal, plan("restart"), [30])
    await ended(journal, plan("run", service="koophone"), [40])
    await journal.create(NewRollout("not begun", "cph", plan=plan("run").to_json()), targets(1))

    seen = await seen_durations(journal, plan("run"))

    assert {verb: found.jobs for verb, found in seen.items()} == {"run": 3}
    assert exp(seen["run"].distribution.mu) == pytest.approx(10)


async def test_failures_and_steps_of_other_verbs_do_not_count(journal: Journal) -> None:
    await ended(journal, plan("run", "reset"), [10, 10])
    await ended(journal, plan("run"), [500], State.FAILED)
    await ended(journal, plan("run"), [0.0])

    seen = await seen_durations(journal, plan("run"))

    assert {verb: found.jobs for verb, found in seen.items()} == {"run": 2}


async def test_older_rollouts_are_not_read_once_enough_jobs_are_seen(journal: Journal) -> None:
    await ended(journal, plan("run"), [1000])
    await ended(journal, plan("run"), [10] * ENOUGH)

    seen = await seen_durations(journal, plan("run"))

    assert seen["run"].jobs == ENOUGH
    assert exp(seen["run"].distribution.mu) == pytest.approx(10)
