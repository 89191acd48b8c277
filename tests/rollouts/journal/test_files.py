"""A file that cannot be used is refused with a clear text, and nothing is sent that is not written down."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest

from koophone_async.batches import State
from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.journal import (
    ChunkState,
    Journal,
    JournalError,
    NewRollout,
    RolloutState,
)
from koophone_async.rollouts.journal.schema import VERSION
from koophone_async.rollouts.journal.sqlite import FORMAT
from tests.rollouts.journal.samples import result, run_in_journal, send, states, targets

if TYPE_CHECKING:
    from pathlib import Path

    from koophone_async.rollouts.journal import Driver, RolloutRecord

MEGABYTE: Final = 1024 * 1024


@pytest.fixture
def location(path: Path) -> str:
    return str(path)


async def create(path: Path, size: int = 1) -> None:
    """Create a journal with one rollout, whose plan has this size."""
    async with await Journal.open(path) as journal:
        await journal.create(NewRollout("shop", "cph", plan="x" * size), targets(5_000))


def content(path: Path) -> bytes:
    return path.read_bytes()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def modes_in(directory: Path) -> dict[str, int]:
    return {file.name: mode(file) for file in directory.iterdir()}


def open_to_all(path: Path) -> None:
    path.chmod(0o644)


async def refusal(path: Path) -> str:
    """Return why a journal cannot be opened; the file must not change."""
    before = content(path)
    with pytest.raises(JournalError) as refused:
        await Journal.open(path, lock_timeout=0.05)
    assert content(path) == before
    assert str(refused.value).startswith(f"journal {path}: ")
    return refused.value.problem


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)


async def fill(journal: Journal) -> None:
    """Refuse the file any further page, as a full disk does."""
    await run_in_journal(journal, "PRAGMA max_page_count = 1")


async def free(journal: Journal) -> None:
    await run_in_journal(journal, "PRAGMA max_page_count = 1000000")


def large(driver: Driver) -> int:
    """Plan a chunk that needs new pages."""
    return driver.plan_chunk(0, range(100_000, 105_000))


async def test_only_the_owner_may_read_a_journal(path: Path) -> None:
    async with await Journal.open(path) as journal:
        await journal.create(NewRollout("shop", "cph"), targets(1))
        modes = modes_in(path.parent)

    assert modes == dict.fromkeys(("rollouts.db", "rollouts.db-wal", "rollouts.db-shm"), 0o600)
    assert mode(path.parent) == 0o700


async def test_a_journal_that_others_may_read_is_closed_to_them(path: Path) -> None:
    await create(path)
    open_to_all(path)

    async with await Journal.open(path):
        assert mode(path) == 0o600


async def test_the_default_place_is_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KOOPHONE_JOURNAL", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with await Journal.open():
        assert (tmp_path / "koophone" / "rollouts.db").exists()

    monkeypatch.setenv("KOOPHONE_JOURNAL", "off")
    with pytest.raises(InvalidRequest, match="turned off by KOOPHONE_JOURNAL"):
        await Journal.open()


async def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "music.db"
    execute(path, "CREATE TABLE songs (title TEXT)")

    assert await refusal(path) == "it belongs to another program"


async def test_a_text_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("to do: " * 1_000)

    assert "is damaged, or no journal" in await refusal(path)


async def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be opened"):
        await Journal.open(tmp_path)


async def test_a_place_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(JournalError, match="cannot be opened"):
        await Journal.open(tmp_path / "file" / "rollouts.db")


async def test_a_newer_version_is_refused(path: Path) -> None:
    await create(path)
    execute(path, f"PRAGMA user_version = {VERSION + 1}")

    assert await refusal(path) == f"its format is version {VERSION + 1}, and this package supports {VERSION}"


async def test_missing_columns_are_refused(path: Path) -> None:
    await create(path)
    execute(path, "ALTER TABLE chunks DROP COLUMN parent")

    assert await refusal(path) == "its table chunks lacks parent"


async def test_a_file_has_the_columns_that_are_checked(path: Path) -> None:
    await create(path)

    with closing(sqlite3.connect(path)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        columns = {
            table: {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
            for table in tables
            if not table.startswith("sqlite_")
        }
    assert columns == FORMAT.columns


def damage(path: Path, start: int, end: int) -> None:
    damaged = bytearray(content(path))
    damaged[start:end] = b"\xa5" * (end - start)
    path.write_bytes(damaged)


async def test_a_damaged_page_is_found_when_a_journal_is_opened(path: Path) -> None:
    await create(path)
    middle = len(content(path)) // 2
    damage(path, middle, middle + 4096)

    assert "damaged" in await refusal(path)


async def test_a_damaged_list_of_free_pages_is_found(path: Path) -> None:
    await create(path)
    damage(path, 36, 40)

    assert await refusal(path) == "is damaged"


async def test_a_damaged_page_of_a_large_journal_is_found_when_it_is_read(path: Path) -> None:
    await create(path, size=9 * MEGABYTE)
    with closing(sqlite3.connect(path)) as db:
        ((page,),) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'targets'")
    damage(path, (page - 1) * 4096, page * 4096)

    async with await Journal.open(path) as journal:
        rollout = await journal.find("shop")
        with pytest.raises(JournalError, match="is damaged"):
            _ = [block async for block in journal.targets(rollout.id)]


async def test_damaged_content_is_an_error(path: Path) -> None:
    await create(path)
    execute(path, "UPDATE targets SET body = '{'")

    async with await Journal.open(path) as journal:
        rollout = await journal.find("shop")
        with pytest.raises(JournalError, match="is damaged"):
            _ = [block async for block in journal.targets(rollout.id)]


async def test_a_locked_file_is_an_error(path: Path) -> None:
    await create(path)
    async with await Journal.open(path, lock_timeout=0.05) as journal:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            with pytest.raises(JournalError, match="is locked by another program"):
                await journal.create(NewRollout("other", "cph"), targets(1))
        await journal.create(NewRollout("other", "cph"), targets(1))


async def test_a_file_that_is_locked_for_good_cannot_be_opened(path: Path) -> None:
    await create(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")

        with pytest.raises(JournalError, match="is locked by another program"):
            await Journal.open(path, lock_timeout=0.05)


async def test_a_file_that_is_being_read_without_a_log_cannot_be_opened(path: Path) -> None:
    await create(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("BEGIN")
        db.execute("SELECT * FROM rollouts").fetchall()

        with pytest.raises(JournalError, match="is locked by another program"):
            await Journal.open(path, lock_timeout=0.05)


async def test_nothing_is_created_on_a_read_only_file(journal: Journal) -> None:
    await run_in_journal(journal, "PRAGMA query_only = ON")

    with pytest.raises(JournalError, match="is read-only"):
        await journal.create(NewRollout("shop", "cph"), targets(1))


async def test_a_chunk_is_not_sent_on_a_full_disk(journal: Journal, driver: Driver) -> None:
    await fill(journal)

    with pytest.raises(JournalError, match="the disk is full"):
        await driver.mark_sending(large(driver))
    assert driver.lost.is_set()
    with pytest.raises(JournalError, match="the disk is full"):
        await driver.mark_sending(driver.plan_chunk(0, [1]))
    assert await journal.chunks(driver.rollout.id) == []


async def test_results_are_written_once_the_disk_has_room_again(journal: Journal, driver: Driver) -> None:
    chunk = await send(driver, range(2))
    await driver.flush()
    await fill(journal)
    output = "x" * 5_000
    driver.settle(chunk, [result(0, output=output)], {"succeeded": 1})
    with pytest.raises(JournalError):
        await driver.flush()
    driver.settle(chunk, [result(1, output=output)], {"succeeded": 2})
    with pytest.raises(JournalError):
        await driver.flush()

    await free(journal)
    await driver.release(state=RolloutState.INTERRUPTED)
    assert await states(journal, driver.rollout.id) == dict.fromkeys(range(2), State.SUCCEEDED)
    record = await journal.find(driver.rollout.id)
    assert (record.state, record.counts, record.driver) == (RolloutState.INTERRUPTED, {"succeeded": 2}, None)
    assert await journal.chunks(record.id) == []
    outputs = [one.outcome.output async for block in journal.results(record.id) for one in block]
    assert outputs == [output, output]


async def test_a_chunk_that_could_not_be_marked_stays_planned(journal: Journal, driver: Driver) -> None:
    await fill(journal)
    chunk = large(driver)
    with pytest.raises(JournalError):
        await driver.mark_sending(chunk)

    await free(journal)
    await driver.flush()
    (planned,) = await journal.chunks(driver.rollout.id)
    assert (planned.chunk, planned.state) == (chunk, ChunkState.PLANNED)


async def test_a_journal_that_cannot_be_written_stops_all_its_rollouts(
    journal: Journal, driver: Driver
) -> None:
    second = await journal.acquire((await journal.create(NewRollout("b", "cph"), targets(1))).id)
    await fill(journal)
    large(driver)
    second.log("x", {"y": "z" * 100_000})
    for one in (driver, second):
        with pytest.raises(JournalError):
            await one.flush()
    assert isinstance(second.error, JournalError)


async def test_a_lease_that_cannot_be_renewed_is_lost(journal: Journal, driver: Driver) -> None:
    await run_in_journal(journal, "PRAGMA query_only = ON")

    with pytest.raises(JournalError, match="is read-only"):
        await driver.renew()
    assert driver.lost.is_set()


async def test_requests_are_not_read_from_a_damaged_table(
    journal: Journal, driver: Driver, rollout: RolloutRecord
) -> None:
    await run_in_journal(journal, "DROP TABLE requests")

    with pytest.raises(JournalError, match="no such table"):
        await driver.requests()
    assert (await journal.find(rollout.id)).id == rollout.id


async def test_a_transaction_that_fails_is_undone(journal: Journal, driver: Driver) -> None:
    await run_in_journal(journal, "DROP TABLE log")
    driver.update(reason="x")
    driver.log("stop")

    with pytest.raises(JournalError, match="no such table: log"):
        await driver.flush()
    assert (await journal.find(driver.rollout.id)).reason is None
