"""Chunks that are not settled, as their driver knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from attrs import define

from koophone_async.batches import State
from koophone_async.rollouts.journal.changes import Planned

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from koophone_async.rollouts.journal.records import ChunkRecord, Result

_UNFINISHED: Final = State.UNFINISHED  # attributes of an enum are slow to read


@define
class OpenChunk:
    """A chunk, until each of its phones has a final result."""

    attempt: int
    step: int
    wave: int
    selection: int
    remaining: int
    """Number of its phones without a final result."""

    is_sent: bool = False

    @classmethod
    def planned(cls, chunk: Planned) -> Self:
        """Return a chunk that is new."""
        return cls(chunk.attempt, chunk.step, chunk.wave, chunk.selection, len(chunk.positions))

    @classmethod
    def restored(cls, chunk: ChunkRecord) -> Self:
        """Return a chunk of an earlier driver."""
        remaining = len(chunk.positions) - len(chunk.settled)
        is_sent = chunk.handle is not None
        return cls(chunk.attempt, chunk.step, chunk.wave, chunk.selection, remaining, is_sent)

    def part(self, number: int, positions: Sequence[int], parent: int) -> Planned:
        """Return a new chunk for some of its phones."""
        return Planned(number, self.attempt, self.step, self.wave, self.selection, tuple(positions), parent)

    def is_settled_by(self, results: Iterable[Result]) -> bool:
        """Count results, and return whether none is missing now."""
        for result in results:
            if result.outcome.state is not _UNFINISHED:
                self.remaining -= 1
        return self.remaining <= 0
