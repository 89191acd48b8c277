"""A journal and a model of it in memory agree after any orders, with drivers that replace each other."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Self

from attrs import define, evolve, field
from hypothesis import given, settings
from hypothesis import strategies as st

from koophone_async.batches import State
from koophone_async.rollouts.journal import (
    ChunkRecord,
    ChunkState,
    Driver,
    Journal,
    LeaseLost,
    NewRollout,
    RequestKind,
    Result,
)
from koophone_async.virtual_time import EPOCH
from tests.rollouts.journal.samples import all_results, jobs, result, targets

if TYPE_CHECKING:
    from collections.abc import Sequence

PLANNED: Final = ChunkState.PLANNED
FINAL: Final = (State.SUCCEEDED, State.FAILED, State.REFUSED)


def sent(chunk: ChunkRecord) -> ChunkRecord:
    return evolve(
        chunk,
        state=ChunkState.SENT,
        handle="task",
        jobs=jobs(chunk.positions),
        has_jobs=True,
        called_at=EPOCH,
    )


@define
class Model:
    """A driver, and what its journal should have."""

    journal: Journal
    driver: Driver
    chunks: dict[int, ChunkRecord] = field(factory=dict[int, ChunkRecord])
    results: list[Result] = field(factory=list[Result])

    @classmethod
    async def start(cls, journal: Journal) -> Self:
        rollout = await journal.create(NewRollout("shop", "cph"), targets(100))
        return cls(journal, await journal.acquire(rollout.id))

    def pick(self, choice: int, *states: ChunkState) -> ChunkRecord | None:
        fitting = [chunk for chunk in self.chunks.values() if chunk.state in states]
        return fitting[choice % len(fitting)] if fitting else None

    def write(self, chunk: ChunkRecord) -> None:
        self.chunks[chunk.chunk] = evolve(chunk, epoch=self.driver.epoch)

    async def plan(self, choice: int) -> None:
        positions = range(choice, choice + 1 + choice % 3)
        chunk = self.driver.plan_chunk(choice % 4, positions, wave=choice % 2, selection=choice % 5)
        self.chunks[chunk] = ChunkRecord(
            chunk,
            1,
            choice % 4,
            choice % 2,
            choice % 5,
            ChunkState.PLANNED,
            tuple(positions),
            self.driver.epoch,
        )

    async def mark_sending(self, choice: int) -> None:
        if chunk := self.pick(choice, ChunkState.PLANNED):
            await self.driver.mark_sending(chunk.chunk)
            self.write(evolve(chunk, state=ChunkState.SENDING, called_at=EPOCH))

    async def mark_sent(self, choice: int) -> None:
        if chunk := self.pick(choice, ChunkState.SENDING):
            self._mark_sent(self.driver, chunk)
            self.write(sent(chunk))

    def _mark_sent(self, driver: Driver, chunk: ChunkRecord) -> None:
        driver.mark_sent(chunk.chunk, "task", jobs(chunk.positions), has_jobs=True, called_at=EPOCH)

    async def replan(self, choice: int) -> None:
        if chunk := self.pick(choice, ChunkState.SENDING):
            parts = [chunk.positions[:1], chunk.positions[1:]] if len(chunk.positions) > 1 else []
            numbers = self.driver.replan_chunk(chunk.chunk, parts)
            self.write(evolve(chunk, state=ChunkState.SETTLED))
            planned = evolve(chunk, parent=chunk.chunk, state=PLANNED, called_at=None)
            for number, part in zip(numbers, parts, strict=True):
                self.write(evolve(planned, chunk=number, positions=part))

    async def settle(self, choice: int) -> None:
        if chunk := self.pick(choice, ChunkState.SENT):
            position = next(one for one in chunk.positions if one not in chunk.settled)
            state = State.UNFINISHED if choice % 5 == 0 else FINAL[choice % 3]
            one = result(position, state)
            self.driver.settle(chunk.chunk, [one], {})
            self.results.append(one)
            if state is not State.UNFINISHED:
                settled = chunk.settled | {position}
                if len(settled) == len(chunk.positions):
                    self.write(evolve(chunk, state=ChunkState.SETTLED, jobs=None, settled=frozenset()))
                else:
                    self.chunks[chunk.chunk] = evolve(chunk, settled=settled)

    async def flush(self, choice: int) -> None:
        del choice
        await self.driver.flush()

    async def replace(self, choice: int) -> None:
        """Acquire the lease anew; then the earlier driver records the handle of a call late."""
        await self.driver.flush()
        late, self.driver = self.driver, await self.journal.acquire(self.driver.rollout.id, steal=True)
        assert list(self.driver.open_chunks) == self._open()
        if chunk := self.pick(choice, ChunkState.SENDING):
            self._mark_sent(late, chunk)
            try:
                await late.flush()
            except LeaseLost:
                (request,) = await self.driver.requests()
                assert (request.kind, request.chunk and request.chunk.chunk) == (
                    RequestKind.AWAIT,
                    chunk.chunk,
                )
                self.write(sent(chunk))

    def _open(self) -> list[ChunkRecord]:
        return [chunk for chunk in self.chunks.values() if chunk.state is not ChunkState.SETTLED]

    async def check(self) -> None:
        await self.driver.flush()
        rollout = self.driver.rollout.id
        assert await self.journal.chunks(rollout, open_only=False) == list(self.chunks.values())
        assert await self.journal.chunks(rollout) == self._open()
        written = await all_results(self.journal, rollout)
        assert sorted(written, key=repr) == sorted(self.results, key=repr)


ORDERS: Final = (
    Model.plan,
    Model.plan,
    Model.mark_sending,
    Model.mark_sending,
    Model.mark_sent,
    Model.mark_sent,
    Model.replan,
    Model.settle,
    Model.settle,
    Model.settle,
    Model.flush,
    Model.replace,
)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(range(len(ORDERS))), st.integers(0, 90)), min_size=10, max_size=40))
def test_the_journal_agrees_with_its_model(orders: Sequence[tuple[int, int]]) -> None:
    async def main(directory: str) -> None:
        async with await Journal.open(Path(directory) / "rollouts.db", now=lambda: EPOCH) as journal:
            model = await Model.start(journal)
            for order, choice in orders:
                await ORDERS[order](model, choice)
            await model.check()

    with TemporaryDirectory() as directory:
        asyncio.run(main(directory))
