"""The outcomes of a rollout's phones, as the journal has them."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final, TypeAlias

from koophone_async.batches import Outcome, State
from koophone_async.rollouts.execution.attempt_plans import StepsByAttempt
from koophone_async.rollouts.execution.restore import CRASHED
from koophone_async.rollouts.journal import ChunkState
from koophone_async.rollouts.reports.outcomes import PhoneOutcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from koophone_async.rollouts.journal import Journal, Result, RolloutRecord, Target

_RANGE: Final = 20_000
"""Phones whose outcomes are kept at once."""

_Last: TypeAlias = "tuple[int, int, Outcome | None]"
"""Attempt, step and outcome of a phone; None if it has passed the step before and waits for this one."""


async def last_outcomes(
    journal: Journal, record: RolloutRecord
) -> AsyncIterator[tuple[Target, PhoneOutcome]]:
    """Yield each phone with the outcome of its last attempt, in the order of the rollout.

    Phones without an outcome are left out as long as the rollout can be resumed. Once it has ended they are
    `not_sent`, or `unfinished` if their jobs were left running.
    """
    steps = await StepsByAttempt.read(journal, record)
    open_chunks = await _open_phones(journal, record)
    last_results = await journal.last_results(record.id, record.targets)
    for first in range(0, record.targets, _RANGE):
        end = min(record.targets, first + _RANGE)
        results = await last_results.within(first, end)
        async for block in journal.targets(record.id, first, end):
            for target in block:
                attempt, step, outcome = _last(results.get(target.position), steps)
                if outcome is None or (outcome.state is State.UNKNOWN and target.position in open_chunks):
                    outcome = _open_outcome(target, record, open_chunks)
                if outcome is not None:
                    wave = bisect_right(record.waves, target.position) + 1
                    yield target, PhoneOutcome.of(outcome, step=step + 1, wave=wave, attempt=attempt)


async def all_outcomes(journal: Journal, record: RolloutRecord) -> AsyncIterator[tuple[Target, PhoneOutcome]]:
    """Yield the outcome of every step of every attempt, in the order in which they were written."""
    targets: list[Target] = []
    async for block in journal.targets(record.id):
        targets += block
    async for results in journal.results(record.id):
        for result in results:
            wave = bisect_right(record.waves, result.position) + 1
            yield (
                targets[result.position],
                PhoneOutcome.of(result.outcome, step=result.step + 1, wave=wave, attempt=result.attempt),
            )


def _last(result: Result | None, steps: StepsByAttempt) -> _Last:
    """Return what is known of a phone by its last result."""
    if result is None:
        return 1, 0, None
    following = steps.next_step(result)
    if following is None:
        return result.attempt, result.step, result.outcome
    return result.attempt, following, None


async def _open_phones(journal: Journal, record: RolloutRecord) -> Mapping[int, ChunkState]:
    """Return the phones of calls without a result, if no process awaits it."""
    if record.driver is not None:
        return {}
    return {
        position: chunk.state
        for chunk in await journal.chunks(record.id)
        for position in chunk.positions
        if position not in chunk.settled and chunk.state is not ChunkState.PLANNED
    }


def _open_outcome(
    target: Target, record: RolloutRecord, open_phones: Mapping[int, ChunkState]
) -> Outcome | None:
    """Return the outcome of a phone without a result; None if it may still have one."""
    state = open_phones.get(target.position)
    if state is ChunkState.SENDING:
        return Outcome(target.id, State.UNKNOWN, error_message=CRASHED)
    if state is ChunkState.SENT:
        return Outcome(target.id, State.UNFINISHED, error_message="its job was left running")
    if record.has_ended:
        return Outcome(target.id, State.NOT_SENT, error_message=record.reason)
    return None
