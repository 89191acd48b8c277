"""Journals in real files, and drivers of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koophone_async.rollouts.journal import Journal, NewRollout
from tests.rollouts.journal.samples import targets

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from koophone_async.rollouts.journal import Driver, RolloutRecord


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "rollouts.db"


@pytest.fixture
async def journal(path: Path) -> AsyncGenerator[Journal]:
    async with await Journal.open(path) as journal:
        yield journal


@pytest.fixture
async def rollout(journal: Journal) -> RolloutRecord:
    return await journal.create(NewRollout("shop", "koophone", waves=(1, 10)), targets(10))


@pytest.fixture
async def driver(journal: Journal, rollout: RolloutRecord) -> Driver:
    return await journal.acquire(rollout.id)
