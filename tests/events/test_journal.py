"""The journal: an event answered with 200 survives the end of the process."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import stat
from typing import TYPE_CHECKING, Final

import pytest
from attrs import evolve

from koophone_async.errors import InvalidRequest
from koophone_async.events import (
    VERIFY,
    Access,
    Delivery,
    GameEntered,
    Grant,
    Limits,
    Reason,
    Receiver,
    serialize,
)
from koophone_async.events.journal import FORMAT, Journal
from koophone_async.virtual_time import VirtualTimeLoop
from tests.events.samples import KEY, TICKET, Recorder, access, beat, entered, send_access, send_events

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


async def break_disk(receiver: Receiver, table: str) -> None:
    await alter(receiver, f"ALTER TABLE {table} RENAME TO broken")


async def mend_disk(receiver: Receiver, table: str) -> None:
    await alter(receiver, f"ALTER TABLE broken RENAME TO {table}")


async def alter(receiver: Receiver, statement: str) -> None:
    """Simulate a disk failure through the open connection: no other process can open the file."""
    run = receiver._run  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    assert run is not None
    queue = run.queue
    assert isinstance(queue, Journal)
    db = queue._db  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    await queue._in_thread(lambda: db.execute(statement))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def failing(path: Path) -> Receiver:
    receiver = Receiver(journal=path, delivery=Delivery(grace=0.1))

    @receiver.on_enter
    async def fails(_: GameEntered) -> None:
        raise OSError

    return receiver


def listening(path: Path, recorder: Recorder) -> Receiver:
    receiver = Receiver(journal=path)
    receiver.on_enter(recorder)
    return receiver


async def test_unhandled_events_are_delivered_after_a_restart(path: Path, recorder: Recorder) -> None:
    async with failing(path) as receiver:
        await send_events(receiver, entered("a"), entered("b"))
    async with listening(path, recorder):
        events = await recorder.wait_for(2)

    assert {event.session for event in events} == {"a", "b"}


async def test_events_given_up_are_delivered_after_a_restart(path: Path, recorder: Recorder) -> None:
    receiver = failing(path)
    receiver.delivery = Delivery(attempts=1)
    async with receiver:
        await send_events(receiver, entered())
        await asyncio.sleep(1)
        assert receiver.counts.given_up == 1
    async with listening(path, recorder):
        assert await recorder.wait_for(1) == [entered()]


async def test_handled_events_are_not_delivered_again(path: Path, recorder: Recorder) -> None:
    async with listening(path, recorder) as receiver:
        await send_events(receiver, entered())
        await recorder.wait_for(1)
    async with listening(path, recorder):
        await asyncio.sleep(100)

    assert len(recorder.events) == 1


async def test_events_are_delivered_in_order_of_arrival(path: Path, recorder: Recorder) -> None:
    receiver = listening(path, recorder)
    receiver.delivery = Delivery(workers=1, max_in_memory=7)
    async with receiver:
        for number in range(50):
            await send_events(receiver, entered(str(number)))
        events = await recorder.wait_for(50)

    assert [event.session for event in events] == [str(number) for number in range(50)]


async def test_event_numbers_are_never_reused(path: Path, recorder: Recorder) -> None:
    async with listening(path, recorder) as receiver:
        for number in range(5):
            await send_events(receiver, entered(str(number)))
            await recorder.wait_for(number + 1)

    assert len(recorder.events) == 5


async def test_only_the_owner_may_read_the_file(path: Path) -> None:
    async with Receiver(journal=path):
        files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert set(files.values()) == {0o600}


async def test_no_ticket_appears_in_the_repr_of_the_journal(path: Path) -> None:
    journal = Journal(path, 10, 10**9, 0)
    await journal.open()
    storing = asyncio.create_task(journal.put(serialize(entered())))
    await asyncio.sleep(0)
    text = repr(journal)
    await storing
    await journal.close()

    assert TICKET not in text


async def test_only_one_receiver_can_open_a_journal(path: Path) -> None:
    async with Receiver(journal=path):
        with pytest.raises(InvalidRequest, match="cannot be opened: database is locked"):
            await Receiver(journal=path).__aenter__()


async def test_calls_are_refused_until_the_journal_is_open(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("BEGIN EXCLUSIVE")
    receiver = Receiver(journal=path)
    entering = asyncio.create_task(receiver.__aenter__())
    await asyncio.sleep(0)
    statuses = await send_events(receiver, entered())
    other.close()
    await asyncio.wait([entering])
    await receiver.__aexit__(None, None, None)

    assert statuses == [503]


IDENTITY: Final = f"PRAGMA application_id = {FORMAT.application_id}; PRAGMA user_version = {FORMAT.version}"


def content_of(path: Path) -> dict[str, bytes]:
    """Return the content of a file and of those that SQLite puts beside it."""
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


async def check_refused(path: Path, problem: str) -> None:
    """Check that a file is refused and stays what it was."""
    before = content_of(path)
    with pytest.raises(InvalidRequest, match=problem):
        await Receiver(journal=path).__aenter__()
    assert content_of(path) == before


@pytest.mark.parametrize(
    "statements, problem",
    [
        ("CREATE TABLE events (number INTEGER PRIMARY KEY, body BLOB)", "it belongs to another program"),
        ("PRAGMA application_id = 5", "it belongs to another program"),
        (f"PRAGMA application_id = {FORMAT.application_id}; PRAGMA user_version = 9", "version 9"),
        (
            f"{IDENTITY}; CREATE TABLE events (number INTEGER PRIMARY KEY)",
            "its table events lacks body",
        ),
    ],
    ids=["no id", "another id", "later version", "no column"],
)
async def test_a_file_that_is_no_journal_is_refused_and_not_altered(
    path: Path, statements: str, problem: str
) -> None:
    db = sqlite3.connect(path)
    db.executescript(statements)
    db.close()

    await check_refused(path, problem)


@pytest.fixture
def letter(path: Path) -> Path:
    path.write_text("a letter to a friend\n" * 100)
    return path


async def test_a_file_that_is_no_database_is_refused_and_not_altered(letter: Path) -> None:
    await check_refused(letter, "not a database")


async def test_the_size_of_a_journal_is_bounded(path: Path, recorder: Recorder) -> None:
    receiver = listening(path, recorder)
    receiver.limits = Limits(queue=1_000_000)
    gate = asyncio.Event()
    recorder.gate = gate
    big = evolve(entered(), error="x" * 30_000)
    async with receiver:
        statuses = [
            status
            for number in range(60)
            for status in await send_events(receiver, evolve(big, session=str(number)))
        ]
        assert len(content_of(path)[path.name]) <= 1_000_000
        gate.set()
        await recorder.wait_for(statuses.count(200))
        await asyncio.sleep(1)
        assert await send_events(receiver, big) == [200]

    assert 25 < statuses.count(200) < 33
    assert set(statuses) == {200, 503}
    assert receiver.counts.refused == {Reason.FULL: statuses.count(503)}


async def test_no_event_is_accepted_where_the_disk_is_nearly_full(path: Path, recorder: Recorder) -> None:
    receiver = listening(path, recorder)
    receiver.limits = Limits(free_disk=shutil.disk_usage(path.parent).free * 2)
    async with receiver:
        assert await send_events(receiver, entered()) == [503]

    assert receiver.counts.refused == {Reason.FULL: 1}


def damage(path: Path, target: int | bytes) -> None:
    """Overwrite the byte at an offset, or the last byte of the first match of a byte string."""
    content = bytearray(path.read_bytes())
    content[target if isinstance(target, int) else content.index(target) + len(target) - 1] = 0xB1
    path.write_bytes(content)


@pytest.mark.parametrize("target", [b"tableevents", 6 * 4096 + 8], ids=["schema", "page of events"])
async def test_a_damaged_journal_is_refused(path: Path, target: int | bytes) -> None:
    async with failing(path) as receiver:
        await send_events(receiver, *(entered(str(number)) for number in range(200)))
    damage(path, target)

    with pytest.raises(InvalidRequest, match="cannot be opened"):
        await Receiver(journal=path).__aenter__()


async def test_a_receiver_can_start_after_its_journal_was_refused(tmp_path: Path) -> None:
    receiver = Receiver(journal=tmp_path / "none" / "events.db")
    with pytest.raises(InvalidRequest, match="cannot be opened"):
        await receiver.__aenter__()

    (tmp_path / "none").mkdir()
    async with receiver:
        assert await send_events(receiver, entered()) == [200]


async def test_an_event_that_cannot_be_written_is_answered_503(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(path, Recorder()) as receiver:
        await break_disk(receiver, "events")
        assert await send_events(receiver, entered(), beat()) == [503, 200]
        await mend_disk(receiver, "events")
        assert await send_events(receiver, entered()) == [200]

    assert receiver.counts.refused == {Reason.STORAGE: 1}
    assert "the journal could not be written: no such table" in caplog.text


async def test_a_journal_that_cannot_be_read_is_read_again_later(
    path: Path, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    receiver, gate = Receiver(journal=path, delivery=Delivery(max_in_memory=1)), asyncio.Event()

    @receiver.on_enter
    async def waits(event: GameEntered) -> None:
        await gate.wait()
        await recorder(event)

    async with receiver:
        await send_events(receiver, entered("in memory"), entered("on disk"))
        await asyncio.sleep(1)
        await break_disk(receiver, "events")
        gate.set()
        await asyncio.sleep(1)
        await mend_disk(receiver, "events")
        await recorder.wait_for(2)

    assert "the journal could not be read: no such table" in caplog.text


async def test_a_ticket_that_cannot_be_stored_is_not_used_up(path: Path) -> None:
    receiver = Receiver(journal=path, now=VirtualTimeLoop.running().now)

    @receiver.on_verify
    async def lookup(_: Access) -> Grant:
        return Grant(KEY)

    async with receiver:
        request = access(receiver.cipher)
        await break_disk(receiver, "tickets")
        assert (await send_access(receiver, request, VERIFY))[0] == 503
        await mend_disk(receiver, "tickets")
        assert (await send_access(receiver, request, VERIFY))[0] == 200


async def test_forgotten_tickets_are_deleted(path: Path) -> None:
    receiver = Receiver(journal=path, now=VirtualTimeLoop.running().now, limits=Limits(tickets=2))

    @receiver.on_verify
    async def lookup(request: Access) -> Grant:
        return Grant(KEY, request.ticket)

    async with receiver:
        requests = [access(receiver.cipher, ticket=f"ticket {number}") for number in range(3)]
        for request in requests:
            assert (await send_access(receiver, request, VERIFY))[0] == 200
    async with receiver:
        statuses = [(await send_access(receiver, request, VERIFY))[0] for request in reversed(requests)]

    assert statuses == [403, 403, 200]


async def test_a_cancelled_call_does_not_affect_concurrent_calls(path: Path, recorder: Recorder) -> None:
    async with listening(path, recorder) as receiver:
        gone = asyncio.create_task(send_events(receiver, entered("gone")))
        stays = asyncio.create_task(send_events(receiver, entered("stays")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays == [200]
        events = await recorder.wait_for(1)

    assert "stays" in {event.session for event in events}


async def test_a_cancelled_stop_closes_the_journal(path: Path) -> None:
    receiver = Receiver(journal=path)

    @receiver.on_enter
    async def endless(_: GameEntered) -> None:
        await asyncio.Event().wait()

    await receiver.__aenter__()
    await send_events(receiver, entered())
    await asyncio.sleep(1)
    ending = asyncio.create_task(receiver.__aexit__(None, None, None))
    await asyncio.sleep(1)
    ending.cancel()
    await asyncio.wait([ending])

    async with Receiver(journal=path):
        assert ending.cancelled()


async def test_an_unreadable_event_does_not_block_the_next(
    path: Path, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(path, 10, 10**9, 0)
    await journal.open()
    await journal.put(b"of a later version")
    await journal.close()

    async with listening(path, recorder) as receiver:
        await send_events(receiver, entered())
        assert await recorder.wait_for(1) == [entered()]
    assert "event 1: delivery 1 failed: refused: json" in caplog.text


async def test_an_event_without_its_handler_stays_on_disk(path: Path, recorder: Recorder) -> None:
    async with failing(path) as receiver:
        await send_events(receiver, entered())
    async with Receiver(journal=path, delivery=Delivery(attempts=2)) as receiver:
        await asyncio.sleep(10)
        assert receiver.counts.given_up == 1
    async with listening(path, recorder):
        await recorder.wait_for(1)
