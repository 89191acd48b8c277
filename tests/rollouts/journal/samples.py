"""Targets and results."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import msgspec
import psycopg
import pytest
from attrs import define

from koophone_async.batches import Outcome, State
from koophone_async.rollouts.journal import ChunkRecord, Journal, Result, Target
from koophone_async.virtual_time import EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from koophone_async.rollouts.journal import Driver


IN_A_FILE: Final = pytest.mark.parametrize("location", ["sqlite"], indirect=True)
IN_BOTH: Final = pytest.mark.parametrize("journal", ["sqlite", "postgresql"], indirect=True)
IN_A_SERVER: Final = pytest.mark.parametrize("location", ["postgresql"], indirect=True)


@define
class LeaseClock:
    """A clock that stands still until it is set."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


def targets(count: int) -> Iterator[Target]:
    return (Target(position, f"phone-{position}", "cn-north-4") for position in range(count))


def result(position: int, state: State = State.SUCCEEDED, output: str | None = None) -> Result:
    return Result(position, 1, 0, Outcome(f"phone-{position}", state, output=output))


def jobs(positions: Iterable[int]) -> Mapping[str, int]:
    return {f"job-{position}": position for position in positions}


async def send(driver: Driver, positions: range) -> int:
    """Send a chunk, and return its number."""
    chunk = driver.plan_chunk(0, positions)
    await driver.mark_sending(chunk)
    driver.mark_sent(chunk, f"task-{chunk}", jobs(positions), has_jobs=True, called_at=EPOCH)
    return chunk


async def all_results(journal: Journal, rollout: str, attempt: int | None = None) -> list[Result]:
    return [result async for block in journal.results(rollout, attempt) for result in block]


async def states(journal: Journal, rollout: str) -> dict[int, State]:
    """Return the last state of each position."""
    return {result.position: result.outcome.state for result in await all_results(journal, rollout)}


async def only_chunk(journal: Journal, rollout: str) -> ChunkRecord:
    (chunk,) = await journal.chunks(rollout, open_only=False)
    return chunk


def run_sql(location: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Execute a statement in a journal, past its open connections, and return the rows that it has."""
    if not location.startswith("postgresql:"):
        with closing(sqlite3.connect(location)) as file, file:
            return file.execute(statement, values).fetchall()
    with psycopg.connect(location) as db:
        db.execute("SET search_path = koophone")
        cursor = db.execute(statement.replace("?", "%s").encode(), values)
        return cursor.fetchall() if cursor.description else []


def cut_connections(location: str) -> None:
    """End all other connections to a database."""
    run_sql(
        location,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


def change_holder(location: str, **changes: object) -> None:
    """Make the holder of the only lease a process elsewhere."""
    ((text,),) = run_sql(location, "SELECT holder FROM leases")
    holder: dict[str, Any] = msgspec.json.decode(text)
    holder["process"] |= changes
    run_sql(location, "UPDATE leases SET holder = ?", msgspec.json.encode(holder).decode())


async def run_in_journal(journal: Journal, statement: str) -> None:
    """Execute a statement through the open connection, as some settings are not of the file."""
    database = journal._database  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    writer = journal._writer  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    await writer.read(lambda _: database.query(statement))
