"""Rollouts that are handed to workers, and the list of these."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from koophone_async.rollouts.journal import Journal
from koophone_async.rollouts.journal.workers import NewWorker
from tests.cli.rollouts.conftest import rollout

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Invoke


@pytest.fixture(autouse=True)
def _server(plan: object, postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the journal in PostgreSQL."""
    del plan  # it keeps its journal in a file
    monkeypatch.setenv("KOOPHONE_JOURNAL", postgresql_url)


async def register(url: str) -> None:
    """Write this process down as a worker that drives the last rollout."""
    async with await Journal.open(url) as journal:
        await journal.workers.register(NewWorker("1.0", ("nightly",), 4))
        await journal.acquire((await journal.find("last")).id)


def test_a_start_returns_while_the_rollout_waits_for_a_worker(
    koophone: Invoke, plan: Callable[..., str]
) -> None:
    result = koophone(
        rollout("start", plan(), "--queue", "nightly"), rollout("pause"), rollout("list", "-o", "jsonl")
    )

    (row,) = result.rows
    assert (result.code, row["state"]) == (0, "waiting")
    assert "koophone: waiting for a worker: none is running" in result.err


def test_what_no_worker_has_begun_is_cancelled_at_once(koophone: Invoke, plan: Callable[..., str]) -> None:
    result = koophone(rollout("start", plan()), rollout("cancel"), rollout("list", "-o", "jsonl"))

    assert [row["state"] for row in result.rows] == ["cancelled"]


def test_workers_are_listed_with_what_they_hold(
    koophone: Invoke, plan: Callable[..., str], postgresql_url: str
) -> None:
    assert "koophone: no workers" in koophone(rollout("workers")).err
    koophone(rollout("start", plan()))
    asyncio.run(register(postgresql_url))

    result = koophone(rollout("workers", "-o", "jsonl"), rollout("start", plan(), "--again"))

    (row,) = result.rows
    assert (row["version"], row["queues"], row["concurrency"]) == ("1.0", "nightly", 4)
    assert row["holds"]
    assert "koophone: handed to 1 workers" in result.err
