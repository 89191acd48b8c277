"""A journal that fails while a rollout is going on: nothing is sent that is not written down."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import TYPE_CHECKING, Final, TypeAlias

import pytest

from koophone_async.emulator import Durations, Emulator
from koophone_async.rollouts import Plan, Rollout, Selection, Step
from koophone_async.rollouts.journal import ChunkState, Journal, JournalError, RolloutState
from koophone_async.rollouts.journal.lease import LENGTH
from koophone_async.virtual_time import VirtualTimeLoop
from tests.rollouts.journal.samples import run_in_journal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from koophone_async import Session

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=40, jobs=Durations(median=2))]

RUN: Final = "koophone.commands.run"
Failure: TypeAlias = "Callable[[Journal, Path], AbstractAsyncContextManager[None]]"
STEPS: Final = (Step("run", "id"), Step("run", "getprop"))


def replace_by_copy(path: Path) -> Path:
    """Replace a file by a copy of it, and return where it is now."""
    elsewhere = path.rename(path.with_name("moved.db"))
    shutil.copy(elsewhere, path)
    return elsewhere


@asynccontextmanager
async def full(journal: Journal, _: Path) -> AsyncGenerator[None]:
    await run_in_journal(journal, "PRAGMA max_page_count = 1")
    yield


@asynccontextmanager
async def read_only(journal: Journal, _: Path) -> AsyncGenerator[None]:
    await run_in_journal(journal, "PRAGMA query_only = ON")
    yield


@asynccontextmanager
async def locked(_: Journal, path: Path) -> AsyncGenerator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@asynccontextmanager
async def replaced(_: Journal, path: Path) -> AsyncGenerator[None]:
    elsewhere = replace_by_copy(path)
    yield
    shutil.move(elsewhere, path)


FAILURES: Final[Mapping[Failure, str]] = {
    full: "the disk is full",
    read_only: "is read-only",
    locked: "is locked by another program",
    replaced: "was deleted or replaced",
}


async def open_journal(path: Path) -> Journal:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return await Journal.open(path, now=loop.now, lease_clock=loop.time, lock_timeout=0.05)


async def written_down(journal: Journal) -> Counter[int]:
    """Return in how many calls each phone was, or may have been."""
    chunks = await journal.chunks((await journal.find("shop")).id, open_only=False)
    return Counter(
        position for chunk in chunks if chunk.state is not ChunkState.PLANNED for position in chunk.positions
    )


async def in_doubt(journal: Journal) -> set[int]:
    """Return the phones of calls that may have been sent or not."""
    chunks = await journal.chunks((await journal.find("shop")).id)
    return {position for chunk in chunks if chunk.state is ChunkState.SENDING for position in chunk.positions}


async def drive(rollout: Rollout, outcomes: int, failure: AbstractAsyncContextManager[None]) -> None:
    """Drive a rollout whose journal fails after some outcomes, until the rollout has ended."""
    async with AsyncExitStack() as stack:
        async for _ in rollout:
            outcomes -= 1
            if not outcomes:
                await stack.enter_async_context(failure)


@pytest.mark.parametrize("outcomes", [1, 5, 30])
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.__name__)
async def test_a_rollout_stops_and_can_be_resumed(  # noqa: PLR0913, PLR0917 - fixtures and parameters
    emulator: Emulator,
    session: Session,
    ids: list[str],
    tmp_path: Path,
    failure: Failure,
    outcomes: int,
) -> None:
    path = tmp_path / "rollouts.db"
    plan = Plan(name="shop", targets=Selection(ids=ids), steps=STEPS, waves=["10%", "50%"])
    async with await open_journal(path) as journal:
        rollout = Rollout(plan, journal, session)

        with pytest.raises(JournalError, match=FAILURES[failure]):
            await drive(rollout, outcomes, failure(journal, path))
    assert rollout.state is RolloutState.INTERRUPTED

    async with await open_journal(path) as mended:
        executed = emulator.ledger.executions(RUN)
        written = await written_down(mended)
        assert all(executed.get(id, 0) <= written[position] for position, id in enumerate(ids))
        unknown = await in_doubt(mended)
        await asyncio.sleep(LENGTH)

        await Rollout.resume("shop", mended, session)

        counts = (await mended.find("shop")).counts
    assert counts == Counter(
        ("unknown" if position in unknown else "succeeded") for position in range(len(ids))
    )
    executed = emulator.ledger.executions(RUN)
    assert all(executed[id] == len(STEPS) for position, id in enumerate(ids) if position not in unknown)
    assert max(executed.values()) == len(STEPS)


async def test_nothing_is_sent_once_the_journal_was_deleted(
    emulator: Emulator, session: Session, ids: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "rollouts.db"
    plan = Plan(targets=Selection(ids=ids), steps=STEPS, waves=["10%"])
    async with await open_journal(path) as journal:
        outcomes = aiter(Rollout(plan, journal, session))
        await anext(outcomes)
        path.unlink()
        executed = emulator.ledger.executions(RUN)

        with pytest.raises(JournalError, match="was deleted or replaced"):
            _ = [outcome async for outcome in outcomes]

    assert emulator.ledger.executions(RUN) == executed
