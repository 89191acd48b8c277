"""Restore an attempt from the journal: which phones wait, which calls are awaited, which are unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from koophone_async.batches import Outcome, State
from koophone_async.rollouts.execution.attempt_plans import StepsByAttempt
from koophone_async.rollouts.journal import ChunkRecord, ChunkState, Result, Target

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from koophone_async.rollouts.execution.attempt import Attempt
    from koophone_async.rollouts.journal import Journal

CRASHED: Final = "the process ended while it was being sent; it may have been executed"
_NO_JOB: Final = "the answer to its call has no job for it, as far as an earlier process has written it down"

SentChunk: TypeAlias = tuple[ChunkRecord, "Sequence[Target]"]
"""A chunk that the service has taken, and its phones that have no final result."""


async def restore(
    journal: Journal,
    attempt: Attempt,
    *,
    with_earlier: bool = False,
    without_shards: Collection[int] = (),
) -> Sequence[SentChunk]:
    """Restore the phones of an attempt as the journal has them, and end what a crash left unknown.

    Args:
        journal: The journal of the rollout.
        attempt: The attempt, whose phones are restored.
        with_earlier: Whether jobs that earlier attempts left running are awaited too, of phones that no later
            attempt has.
        without_shards: Shards whose results are left out, since workers go on with them.

    Returns:
        The chunks whose jobs are awaited again.
    """
    rollout = attempt.driver.rollout.id
    steps = await StepsByAttempt.read(journal, attempt.driver.rollout)
    last_attempts = dict[int, int]()
    for number in range(1, attempt.number + 1):
        if number > 1:
            attempt.phones.end_pending(State.NOT_SENT)  # no later attempt sends what an earlier one left
        async for starts in journal.attempt_starts(rollout, number):
            for position, step in starts:
                attempt.phones.take_again(position, step)
                last_attempts[position] = number
        async for results in journal.results(rollout, number, without_shards=without_shards):
            for result in results:
                replay(attempt, result, steps.next_step(result))
    chunks = [chunk for chunk in attempt.driver.open_chunks if chunk.attempt == attempt.number]
    if with_earlier:
        chunks += [
            chunk
            for chunk in attempt.driver.open_chunks
            if chunk.state is ChunkState.SENT
            and chunk.attempt < attempt.number
            and steps.are_same(chunk.attempt, attempt.number)
            and not any(last_attempts.get(position, 1) > chunk.attempt for position in chunk.positions)
        ]
    return await resume_chunks(journal, attempt, chunks)


async def resume_chunks(
    journal: Journal,
    attempt: Attempt,
    chunks: Iterable[ChunkRecord],
    known: Mapping[int, Target] | None = None,
) -> Sequence[SentChunk]:
    """Return the chunks that were sent, with their phones, and close the others.

    Args:
        journal: The journal of the rollout.
        attempt: The attempt.
        chunks: The chunks.
        known: Their targets by position, if these have been read already.
    """
    sent: list[SentChunk] = []
    for chunk in chunks:
        open_positions = [position for position in chunk.positions if position not in chunk.settled]
        if chunk.state is ChunkState.PLANNED:
            attempt.driver.replan_chunk(chunk.chunk, [])
            continue
        if known is None:
            targets = await targets_at(journal, attempt.driver.rollout.id, open_positions)
        else:
            targets = [known[position] for position in open_positions]
        if chunk.state is ChunkState.SENDING:
            _end_unknown(attempt, chunk, targets, CRASHED)
            continue
        awaited = set((chunk.jobs or {}).values())
        _end_unknown(attempt, chunk, [t for t in targets if t.position not in awaited], _NO_JOB)
        targets = [target for target in targets if target.position in awaited]
        attempt.phones.begin((target.position for target in targets), chunk.step)
        attempt.tally.taken(chunk.step, len(targets), wave=chunk.wave)
        if targets:
            sent.append((chunk, targets))
    return sent


async def targets_at(journal: Journal, rollout: str, positions: Iterable[int]) -> list[Target]:
    """Return the targets at some positions."""
    wanted = sorted(positions)
    if not wanted:
        return []
    found: Mapping[int, Target] = {
        target.position: target
        async for block in journal.targets(rollout, wanted[0], wanted[-1] + 1)
        for target in block
    }
    return [found[position] for position in wanted]


def replay(attempt: Attempt, result: Result, following: int | None) -> None:
    """Bring a phone to where a result of this or an earlier attempt left it."""
    is_current, outcome = result.attempt == attempt.number, result.outcome
    wave = attempt.wave_of(result.position)
    if is_current and attempt.phones.is_unknown_at(result.position, result.step):
        attempt.tally.replaced(result.step, State.UNKNOWN, wave=wave)
    if following is not None:
        attempt.phones.pass_to(result.position, following)
    else:
        attempt.phones.end(result.position, result.step, outcome.state)
    if is_current and outcome.state is not State.UNFINISHED:  # that phone is awaited again
        attempt.tally.ended(outcome.id, result.step, outcome.state, taken=False, wave=wave)


def _end_unknown(attempt: Attempt, chunk: ChunkRecord, targets: Iterable[Target], reason: str) -> None:
    results: list[Result] = []
    for target in targets:
        outcome = Outcome(target.id, State.UNKNOWN, error_message=reason)
        attempt.phones.end(target.position, chunk.step, State.UNKNOWN)
        attempt.tally.ended(target.id, chunk.step, State.UNKNOWN, taken=False, wave=chunk.wave)
        results.append(Result(target.position, chunk.attempt, chunk.step, outcome))
    if results:
        attempt.driver.settle(chunk.chunk, results, attempt.phones.counts)
