"""One attempt of a rollout: its first pass over the phones, a retry, or an undo."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from typing import TYPE_CHECKING

from attrs import define, field

from koophone_async.batches import State
from koophone_async.batches.outcomes import CANCELLED
from koophone_async.rollouts.plans.steps import next_step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from koophone_async.batches import Outcome
    from koophone_async.rollouts.execution.admission import Admission
    from koophone_async.rollouts.execution.call_log import LoggedChunk, StepLog
    from koophone_async.rollouts.execution.phones import PhoneTable
    from koophone_async.rollouts.execution.stop_tally import StopTally
    from koophone_async.rollouts.journal import Driver, Result
    from koophone_async.rollouts.plans.plan import Step


@define(eq=False)
class Attempt:
    """What all steps, selections and waves of one attempt share."""

    number: int
    steps: Sequence[Step]
    waves: Sequence[int]
    """How many phones are reached after each wave."""

    driver: Driver
    admission: Admission
    phones: PhoneTable
    tally: StopTally
    now: Callable[[], datetime]
    is_interrupted: bool = field(default=False, init=False)
    """Whether this process leaves the rollout to another."""

    _unwritten: dict[LoggedChunk, None] = field(factory=dict["LoggedChunk", None], init=False)

    def wave_of(self, position: int) -> int:
        """Return the wave of a phone, counted from 1."""
        return bisect_right(self.waves, position) + 1

    def range_of(self, wave: int) -> tuple[int, int]:
        """Return the first position of a wave, and that after its last."""
        return self.waves[wave - 2] if wave > 1 else 0, self.waves[wave - 1]

    def next_step(self, id: str, step: int) -> int | None:
        """Return the first step from `step` on that applies to a phone; None if there is none."""
        return next_step(self.steps, id, step)

    def is_left_to_resume(self, outcome: Outcome) -> bool:
        """Return whether an outcome is only that of this process, because the rollout stops or is left."""
        if outcome.state is State.NOT_SENT:
            return outcome.error_message in (self.admission.stopped, CANCELLED)
        return outcome.state is State.UNFINISHED and self.is_interrupted

    def count_failure(self, log: StepLog, result: Result, *, taken: bool) -> None:
        """Count a phone that has not passed a step, and stop if the rule demands it."""
        outcome = result.outcome
        self.phones.end(result.position, log.step, outcome.state)
        self._stop(self.tally.ended(outcome.id, log.step, outcome.state, taken=taken, wave=log.wave))

    def count_passed(self, log: StepLog, results: Sequence[Result], *, taken: bool) -> None:
        """Count phones that have passed a step, and stop if the rule demands it."""
        is_last = log.step + 1 == len(self.steps)
        ended = results if is_last else [one for one in results if not self._advance(log, one)]
        self.phones.end_all(((result.position, result.outcome.state) for result in ended), log.step)
        outcomes = [result.outcome for result in results]
        self._stop(self.tally.passed(outcomes, log.step, taken=taken, wave=log.wave))

    def _advance(self, log: StepLog, result: Result) -> bool:
        """Put a phone before its next step; return False if there is none."""
        following = self.next_step(result.outcome.id, log.step + 1)
        if following is None:
            return False
        self.phones.advance(result.position, following)
        return True

    def _stop(self, reason: str | None) -> None:
        if reason is not None:
            self.admission.stop(reason)

    def count_successes(self) -> None:
        """Count the phones that have succeeded and are not counted yet."""
        for chunk in self._unwritten:
            chunk.count_successes()

    def write_soon(self, chunk: LoggedChunk) -> None:
        """Write a chunk's results once those that are known at the same time have been added."""
        if not self._unwritten:
            asyncio.get_running_loop().call_soon(self.write)
        self._unwritten[chunk] = None

    def write(self) -> None:
        """Pass all results to the journal."""
        self.count_successes()
        chunks, self._unwritten = list(self._unwritten), {}
        for chunk in chunks:
            chunk.write()
