"""Count results of phones, and judge by a stop rule whether a rollout must stop.

A refusal arrives in milliseconds, the success of a job in minutes. As a share of the phones that have ended,
the first refusals would therefore stop everything. So a result is compared with the phones for which it could
have come by now: one that arrives with the answer to the call with all whose call was answered, one that
arrives later, when a job ends, with all that have ended.

The shares of several steps are combined as the chance to pass all of them, the estimator of Kaplan and Meier:
a phone succeeds if it passes the first step, and then the second, and so on. Once every phone has a result,
this is exactly the share of the phones that did not succeed.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING

from attrs import define, field

from koophone_async.batches import State
from koophone_async.rollouts.plans.stop_rule import COUNTED, NOT_SUCCEEDED, Limit, StopRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from koophone_async.batches import Outcome
    from koophone_async.rollouts.plans.steps import Step


@define
class _StepCounts:
    """Phones of one step, in the rollout or in a wave."""

    answered: int = 0
    """Those whose call was answered: the service took them, or their result was known at once."""

    ended: int = 0
    """Those with a result."""

    at_once: Counter[State] = field(factory=Counter[State])
    """States of results that arrived with the answer."""

    later: Counter[State] = field(factory=Counter[State])
    """States of results that arrived when a job ended."""

    def add(self, state: State, *, taken: bool) -> None:
        """Count a result."""
        self.ended += 1
        self.answered += not taken
        (self.later if taken else self.at_once)[state] += 1

    def add_all(self, states: Counter[State], *, taken: bool) -> None:
        """Count results."""
        count = states.total()
        self.ended += count
        self.answered += 0 if taken else count
        (self.later if taken else self.at_once).update(states)

    def remove(self, state: State) -> None:
        """Remove a result that another one replaces."""
        self.ended -= 1
        self.answered -= 1
        (self.at_once if self.at_once[state] else self.later)[state] -= 1

    def count(self, states: Iterable[State]) -> int:
        """Return the number of phones that ended in one of the states."""
        return sum(self.at_once[state] + self.later[state] for state in states)

    def survival(self, states: Sequence[State], minimum: int) -> tuple[int, int]:
        """Return the share of phones that end in none of the states, as numerator and denominator.

        Where fewer than `minimum` phones are known, nobody counts as ended so.
        """
        answered, ended = max(1, self.answered), max(1, self.ended)
        lost = 0
        if answered >= minimum:
            lost += ended * sum(self.at_once[state] for state in states)
        if ended >= minimum:
            lost += answered * sum(self.later[state] for state in states)
        return max(0, answered * ended - lost), answered * ended


@define
class _Counts:
    """Phones of the rollout or of one wave, by step."""

    scope: str
    steps: defaultdict[int, _StepCounts] = field(factory=lambda: defaultdict[int, _StepCounts](_StepCounts))

    def survival(self, states: Sequence[State], minimum: int) -> tuple[int, int]:
        """Return the share of phones that end in none of the states at any step, as two integers."""
        shares = [step.survival(states, minimum) for step in self.steps.values()]
        return math.prod(passed for passed, _ in shares), math.prod(known for _, known in shares)

    def reached(self, name: str, limit: Limit, minimum: int) -> str | None:
        """Return how a limit was reached; None if it was not."""
        states = COUNTED[name]
        count = sum(step.count(states) for step in self.steps.values())
        if not count:
            return None
        figure = f"{count:,}"
        if limit.is_percentage:
            passed, known = self.survival(states, minimum)
            lost = 100 * (known - passed)
            is_reached = lost * limit.value.denominator >= limit.value.numerator * known
            if is_reached:
                figure = f"{lost / known:.3g}% ({figure})"
        else:
            is_reached = count >= limit.value
        text = f"{name.replace('_', ' ')} {self.scope}: {figure}; the limit is {limit}"
        return text if is_reached else None


@define(eq=False, slots=False)  # in slots, attrs' cached properties break `help` of Python 3.13
class StopTally:
    """The results of one attempt of a rollout, and the rule that they are judged by."""

    _rule: StopRule | None
    """None for the default: with several waves, stop after one in which nobody succeeded."""

    _ends: Sequence[int]
    """How many phones are reached after each wave."""

    _steps: Sequence[Step]
    wave: int = 1
    """The present wave, counted from 1."""

    sizes: Sequence[int] | None = None
    """How many phones each wave has in this attempt, if these are not all: a retry has only some."""

    _total: _Counts = field(factory=lambda: _Counts("in the rollout"), init=False)
    _waves: dict[int, _Counts] = field(factory=dict[int, _Counts], init=False)
    _is_due: bool = field(default=False, init=False)
    """Whether a success, which lowers every share, can have made one large enough to be judged."""

    def taken(self, step: int, count: int = 1, *, wave: int | None = None) -> None:
        """Count phones whose call the service has taken, and whose job is awaited."""
        for counts in self._scopes(wave):
            counts.steps[step].answered += count
        self._is_due = True

    def ended(self, id: str, step: int, state: State, *, taken: bool, wave: int | None = None) -> str | None:
        """Count the result of a phone at a step, and return why the rollout must stop; None if it need not.

        Args:
            id: The phone.
            step: Index of the step.
            state: What the result counts as; what was not sent is none.
            taken: Whether the phone was counted by `taken` before, at this step.
            wave: The wave of the phone; by default the present one.
        """
        if state is State.NOT_SENT:
            return None
        has_passed = state not in NOT_SUCCEEDED
        skipped = self._skipped_steps(id, step, has_passed=has_passed) if self._has_narrow_steps else ()
        for counts in self._scopes(wave):
            counts.steps[step].add(state, taken=taken)
            for index in skipped:
                counts.steps[index].add(State.SUCCEEDED, taken=False)
            self._is_due = self._is_due or counts.steps[step].ended <= self._largest_minimum
        return None if has_passed and not self._is_due else self.judge()

    def passed(
        self, outcomes: Sequence[Outcome], step: int, *, taken: bool, wave: int | None = None
    ) -> str | None:
        """Count phones that have passed a step, and return why the rollout must stop; None if it need not."""
        scopes = self._scopes(wave)
        may_reach = any(counts.steps[step].ended <= self._largest_minimum for counts in scopes)
        singly = len(outcomes) if self._has_narrow_steps or may_reach else int(self._is_due)
        reasons = [self.ended(one.id, step, one.state, taken=taken, wave=wave) for one in outcomes[:singly]]
        if states := Counter(one.state for one in outcomes[singly:]):
            for counts in scopes:
                counts.steps[step].add_all(states, taken=taken)
        return next(filter(None, reasons), None)

    def replaced(self, step: int, state: State, *, wave: int | None = None) -> None:
        """Remove a result of a phone, which another one is about to replace."""
        for counts in self._scopes(wave):
            counts.steps[step].remove(state)
        self._is_due = True

    def end_wave(self) -> str | None:
        """Judge the present wave, which is over, and begin the next.

        Returns:
            Why the rollout must stop; None if it need not.
        """
        reason = self._nobody_succeeded() if self._rule is None else self.judge(is_wave_over=True)
        self.wave = min(self.wave + 1, len(self._ends))
        return reason

    def judge(self, *, is_wave_over: bool = False) -> str | None:
        """Return why the rollout must stop by what was counted; None if it need not."""
        self._is_due = False
        if not self._total.steps:
            return None
        for name, limit in self._limits.items():
            minimum = 0 if is_wave_over else self._minimum(limit)
            for counts in self._scopes():
                if (reason := counts.reached(name, limit, minimum)) is not None:
                    return reason
        return None

    @cached_property
    def _has_narrow_steps(self) -> bool:
        return any(step.only is not None for step in self._steps)

    @cached_property
    def _limits(self) -> Mapping[str, Limit]:
        return {} if self._rule is None else self._rule.limits

    @cached_property
    def _minima(self) -> Mapping[Limit, int]:
        """How many phones must have a result before each percentage is judged, unless a wave is smaller."""
        after = 0 if self._rule is None else self._rule.after
        return {limit: max(after, math.ceil(100 / limit.value)) for limit in self._limits.values()}

    @cached_property
    def _largest_minimum(self) -> int:
        return max(self._minima.values(), default=0)

    def _minimum(self, limit: Limit) -> int:
        """Return how many phones must have a result before a percentage is judged."""
        if self.sizes is not None:
            return min(self._minima[limit], self.sizes[self.wave - 1])
        before = self._ends[self.wave - 2] if self.wave > 1 else 0
        return min(self._minima[limit], self._ends[self.wave - 1] - before)

    def _scopes(self, wave: int | None = None) -> Sequence[_Counts]:
        """Return where phones of a wave are counted; the default rule judges nothing but single waves."""
        number = wave or self.wave
        if number not in self._waves:
            self._waves[number] = _Counts(f"in wave {number}")
        counts = self._waves[number]
        return (self._total, counts) if self._limits else (counts,)

    def _skipped_steps(self, id: str, step: int, *, has_passed: bool) -> Sequence[int]:
        """Return the steps that are not for a phone, from before this one, or after it if it was the last.

        They count as passed: otherwise a step for one phone would weigh as much as one for all.
        """
        before = takewhile(lambda index: not self._steps[index].applies_to(id), range(step - 1, -1, -1))
        after = range(step + 1, len(self._steps))
        is_last = has_passed and not any(self._steps[index].applies_to(id) for index in after)
        return [*before, *(after if is_last else ())]

    def _nobody_succeeded(self) -> str | None:
        """Return the reason of the default rule: after the last wave there is nothing to stop."""
        *_, wave = self._scopes()
        has_failed_all = wave.steps and wave.survival(NOT_SUCCEEDED, 0)[0] == 0
        return (
            f"nobody succeeded in wave {self.wave}"
            if has_failed_all and self.wave < len(self._ends)
            else None
        )
