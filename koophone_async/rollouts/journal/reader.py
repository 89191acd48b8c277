"""What is read of a journal, block by block where it may be large."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from attrs import define

from koophone_async.rollouts.journal import history, queries
from koophone_async.rollouts.journal.encoding import BLOCK, to_micros
from koophone_async.rollouts.journal.history import Filter
from koophone_async.rollouts.journal.last_results import LastResults
from koophone_async.rollouts.journal.queries import WantedResults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence
    from datetime import datetime

    from koophone_async.rollouts.journal.lease import Leases
    from koophone_async.rollouts.journal.records import (
        AttemptRecord,
        ChunkRecord,
        Kind,
        LogEntry,
        Result,
        RolloutRecord,
        RolloutState,
        Target,
    )
    from koophone_async.rollouts.journal.writer import GroupWriter

_BLOCKS_READ: Final = 10
"""Rows of a large table that are read at once; other work of the journal comes between."""


@define(eq=False)
class JournalReader:
    """The part of a journal that changes nothing."""

    _writer: GroupWriter
    _leases: Leases

    async def rollouts(
        self,
        *,
        state: RolloutState | Collection[RolloutState] | None = None,
        name: str | None = None,
        kind: Kind | None = None,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[RolloutRecord]:
        """Return the rollouts that fit, the newest first.

        Args:
            state: One or several; RUNNING without a living driver reads as INTERRUPTED.
            name: With `*` and `?` as in file names.
            kind: Plans or commands.
            since: Created at this time or later.
            limit: Maximum number.
        """
        states = () if state is None else (state,) if isinstance(state, str) else tuple(state)
        wanted = Filter(states, name, kind, 0 if since is None else to_micros(since), limit=limit)
        return await self._writer.read(history.select, self._leases, wanted)

    async def find(self, name: str) -> RolloutRecord:
        """Return a rollout by its id, the beginning of its id, its name (the newest one) or `last`.

        Raises:
            InvalidRequest: There is none, or several ids begin so.
        """
        return await self._writer.read(history.find, self._leases, name)

    async def targets(
        self, rollout: str, first: int = 0, end: int | None = None
    ) -> AsyncIterator[Sequence[Target]]:
        """Yield the targets from one position to before another, in order, block by block."""
        block: int | None = first // BLOCK
        while block is not None and (end is None or block * BLOCK < end):
            blocks = await self._writer.read(queries.targets_from, rollout, block, _BLOCKS_READ)
            for _, targets in blocks:
                if some := [t for t in targets if t.position >= first and (end is None or t.position < end)]:
                    yield some
            block = blocks[-1][0] + 1 if blocks else None

    async def chunks(
        self, rollout: str, attempt: int | None = None, *, open_only: bool = True
    ) -> list[ChunkRecord]:
        """Return the chunks of a rollout, or of one attempt; by default those that are not settled."""
        return await self._writer.read(partial(queries.chunks, open_only=open_only), rollout, attempt)

    async def calls_with(self, id: str) -> list[tuple[RolloutRecord, ChunkRecord]]:
        """Return the calls whose task or request has an id, or one of whose open jobs, the newest first."""
        return await self._writer.read(queries.calls_with, self._leases, id)

    async def results(
        self, rollout: str, attempt: int | None = None, *, without_shards: Collection[int] = ()
    ) -> AsyncIterator[Sequence[Result]]:
        """Yield the results of all attempts, or of one, in the order in which they were written.

        The last result of a phone in a step counts.
        """
        wanted = WantedResults(rollout, attempt, without_shards)
        number: int | None = 0
        while number is not None:
            number, results = await self._writer.read(queries.results_after, wanted, number, _BLOCKS_READ)
            if results:
                yield results

    async def last_results(self, rollout: str, targets: int) -> LastResults:
        """Return the last results of the phones of a rollout with so many targets."""
        return await LastResults.read(self._writer, rollout, targets)

    async def attempts(self, rollout: str) -> list[AttemptRecord]:
        """Return the attempts of a rollout, the first one first."""
        return await self._writer.read(queries.attempts, rollout)

    async def attempt_starts(self, rollout: str, attempt: int) -> AsyncIterator[Sequence[tuple[int, int]]]:
        """Yield position and first step of the phones of an attempt; the first attempt has none written."""
        block: int | None = 0
        while block is not None:
            blocks = await self._writer.read(queries.starts_from, rollout, attempt, block, _BLOCKS_READ)
            for _, starts in blocks:
                yield starts
            block = blocks[-1][0] + 1 if blocks else None

    async def read_log(self, rollout: str) -> list[LogEntry]:
        """Return the log of a rollout, the first entry first."""
        return await self._writer.read(queries.log_of, rollout)
