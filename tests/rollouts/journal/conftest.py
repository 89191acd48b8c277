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


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest) -> str:
    """Return the location of a journal that does not exist yet, in each kind of database."""
    if request.param == "sqlite":
        path: Path = request.getfixturevalue("path")
        return str(path)
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture
async def journal(location: str) -> AsyncGenerator[Journal]:
    async with await Journal.open(location) as journal:
        yield journal


@pytest.fixture
async def rollout(journal: Journal) -> RolloutRecord:
    return await journal.create(NewRollout("shop", "koophone", waves=(1, 10)), targets(10))


@pytest.fixture
async def driver(journal: Journal, rollout: RolloutRecord) -> Driver:
    return await journal.acquire(rollout.id)
