"""The plan of each attempt of a rollout: an undo has other steps than the rollout, and no gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, frozen

from koophone_async.rollouts.plans.plan import Between, Plan
from koophone_async.rollouts.plans.steps import next_step
from koophone_async.rollouts.plans.stop_rule import StopRule
from koophone_async.rollouts.plans.waves import ALL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from koophone_async.rollouts.journal import Journal, Result, RolloutRecord
    from koophone_async.rollouts.plans.steps import Step

UNDO: Final = "undo"
RETRY: Final = "retry"


def plan_of(plan: Plan, kind: str, options: Mapping[str, str] | None = None) -> Plan:
    """Return the plan of an attempt: an undo is one wave without gates, and has a rule and window of its own.

    Args:
        plan: The plan of the rollout.
        kind: What the attempt is.
        options: Fields of an undo, as plans have them.
    """
    if kind != UNDO:
        return plan
    fields: dict[str, Any] = {"stop": StopRule(never=True), "window": None, **(options or {})}
    return evolve(plan, steps=plan.undo, waves=(ALL,), between=Between(), deadline=None, **fields)


@frozen
class StepsByAttempt:
    """The steps of all attempts of a rollout."""

    _steps: Mapping[int, Sequence[Step]]

    @classmethod
    async def read(cls, journal: Journal, record: RolloutRecord) -> Self:
        """Read which attempts there are."""
        plan = Plan.from_json(record.plan)
        return cls(
            {each.attempt: plan_of(plan, each.kind).steps for each in await journal.attempts(record.id)}
        )

    def are_same(self, attempt: int, other: int) -> bool:
        """Return whether two attempts have the same steps."""
        return self._steps[attempt] == self._steps[other]

    def next_step(self, result: Result) -> int | None:
        """Return the step that a phone takes after a result in the same attempt; None if there is none."""
        if not result.outcome.ok:
            return None
        return next_step(self._steps[result.attempt], result.outcome.id, result.step + 1)
