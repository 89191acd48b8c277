"""Events on disk: what is answered with 200 outlives the process, however that ends."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from typing import TYPE_CHECKING

import pytest

from koophone_async.errors import InvalidRequest
from koophone_async.events import VERIFY, Access, Delivery, GameEntered, Grant, Reason, Receiver, write
from koophone_async.events.journal import Journal
from koophone_async.virtual_time import VirtualTimeLoop
from tests.events.service import KEY, TICKET, Story, access, ask, beat, entered, tell

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
    """Do what otherwise only a broken disk does: nobody else can open the file."""
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


def listening(path: Path, story: Story) -> Receiver:
    receiver = Receiver(journal=path)
    receiver.on_enter(story)
    return receiver


async def test_what_was_not_done_is_delivered_after_a_restart(path: Path, story: Story) -> None:
    async with failing(path) as receiver:
        await tell(receiver, entered("a"), entered("b"))
    async with listening(path, story):
        told = await story.has(2)

    assert {event.session for event in told} == {"a", "b"}


async def test_what_was_given_up_is_delivered_after_a_restart(path: Path, story: Story) -> None:
    receiver = failing(path)
    receiver.delivery = Delivery(attempts=1)
    async with receiver:
        await tell(receiver, entered())
        await asyncio.sleep(1)
        assert receiver.counts.given_up == 1
    async with listening(path, story):
        assert await story.has(1) == [entered()]


async def test_what_was_done_is_not_delivered_again(path: Path, story: Story) -> None:
    async with listening(path, story) as receiver:
        await tell(receiver, entered())
        await story.has(1)
    async with listening(path, story):
        await asyncio.sleep(100)

    assert len(story.told) == 1


async def test_events_come_in_the_order_they_came(path: Path, story: Story) -> None:
    receiver = listening(path, story)
    receiver.delivery = Delivery(workers=1, held=7)
    async with receiver:
        for number in range(50):
            await tell(receiver, entered(str(number)))
        told = await story.has(50)

    assert [event.session for event in told] == [str(number) for number in range(50)]


async def test_a_number_is_never_given_twice(path: Path, story: Story) -> None:
    async with listening(path, story) as receiver:
        for number in range(5):
            await tell(receiver, entered(str(number)))
            await story.has(number + 1)

    assert len(story.told) == 5


async def test_only_the_owner_may_read_the_file(path: Path) -> None:
    async with Receiver(journal=path):
        files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert set(files.values()) == {0o600}


async def test_no_ticket_is_in_the_journals_own_words(path: Path) -> None:
    journal = Journal(path, 10)
    await journal.open()
    putting = asyncio.create_task(journal.put(write(entered())))
    await asyncio.sleep(0)
    told = repr(journal)
    await putting
    await journal.close()

    assert TICKET not in told


async def test_a_second_process_is_refused(path: Path) -> None:
    async with Receiver(journal=path):
        with pytest.raises(InvalidRequest, match="cannot be opened: database is locked"):
            await Receiver(journal=path).__aenter__()


async def test_no_call_is_taken_before_the_journal_is_open(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("BEGIN EXCLUSIVE")
    receiver = Receiver(journal=path)
    entering = asyncio.create_task(receiver.__aenter__())
    await asyncio.sleep(0)
    statuses = await tell(receiver, entered())
    other.close()
    await asyncio.wait([entering])
    await receiver.__aexit__(None, None, None)

    assert statuses == [503]


async def test_a_journal_of_a_later_version_is_refused(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 9")
    db.close()

    with pytest.raises(InvalidRequest, match="version 9"):
        await Receiver(journal=path).__aenter__()


def damage(path: Path, place: int | bytes) -> None:
    """Overwrite the byte at a place, or the last of these bytes where they first stand."""
    content = bytearray(path.read_bytes())
    content[place if isinstance(place, int) else content.index(place) + len(place) - 1] = 0xB1
    path.write_bytes(content)


@pytest.mark.parametrize("place", [b"tableevents", 6 * 4096 + 8], ids=["in words", "in a page of events"])
async def test_a_damaged_journal_is_refused(path: Path, place: int | bytes) -> None:
    async with failing(path) as receiver:
        await tell(receiver, *(entered(str(number)) for number in range(200)))
    damage(path, place)

    with pytest.raises(InvalidRequest, match="cannot be opened"):
        await Receiver(journal=path).__aenter__()


async def test_a_journal_in_no_directory_is_refused_and_the_receiver_can_start_later(tmp_path: Path) -> None:
    receiver = Receiver(journal=tmp_path / "none" / "events.db")
    with pytest.raises(InvalidRequest, match="cannot be opened"):
        await receiver.__aenter__()

    (tmp_path / "none").mkdir()
    async with receiver:
        assert await tell(receiver, entered()) == [200]


async def test_an_event_that_cannot_be_written_is_refused_for_now(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(path, Story()) as receiver:
        await break_disk(receiver, "events")
        assert await tell(receiver, entered(), beat()) == [503, 200]
        await mend_disk(receiver, "events")
        assert await tell(receiver, entered()) == [200]

    assert receiver.counts.refused == {Reason.STORAGE: 1}
    assert "the journal could not be written: no such table" in caplog.text


async def test_a_journal_that_cannot_be_read_is_read_later(
    path: Path, story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    receiver, gate = Receiver(journal=path, delivery=Delivery(held=1)), asyncio.Event()

    @receiver.on_enter
    async def waits(event: GameEntered) -> None:
        await gate.wait()
        await story(event)

    async with receiver:
        await tell(receiver, entered("in memory"), entered("on disk"))
        await asyncio.sleep(1)
        await break_disk(receiver, "events")
        gate.set()
        await asyncio.sleep(1)
        await mend_disk(receiver, "events")
        await story.has(2)

    assert "the journal could not be read: no such table" in caplog.text


async def test_a_ticket_that_cannot_be_kept_lets_nobody_in_and_is_not_used_up(path: Path) -> None:
    receiver = Receiver(journal=path, now=VirtualTimeLoop.running().now)

    @receiver.on_verify
    async def look_up(_: Access) -> Grant:
        return Grant(KEY)

    async with receiver:
        question = access(receiver.cipher)
        await break_disk(receiver, "tickets")
        assert (await ask(receiver, question, VERIFY))[0] == 503
        await mend_disk(receiver, "tickets")
        assert (await ask(receiver, question, VERIFY))[0] == 200


async def test_a_caller_that_goes_away_does_not_take_its_neighbours_along(path: Path, story: Story) -> None:
    async with listening(path, story) as receiver:
        gone = asyncio.create_task(tell(receiver, entered("gone")))
        stays = asyncio.create_task(tell(receiver, entered("stays")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays == [200]
        told = await story.has(1)

    assert "stays" in {event.session for event in told}


async def test_an_end_that_is_cut_short_closes_the_journal(path: Path) -> None:
    receiver = Receiver(journal=path)

    @receiver.on_enter
    async def endless(_: GameEntered) -> None:
        await asyncio.Event().wait()

    await receiver.__aenter__()
    await tell(receiver, entered())
    await asyncio.sleep(1)
    ending = asyncio.create_task(receiver.__aexit__(None, None, None))
    await asyncio.sleep(1)
    ending.cancel()
    await asyncio.wait([ending])

    async with Receiver(journal=path):
        assert ending.cancelled()


async def test_a_body_that_nobody_can_read_is_left_and_the_next_one_delivered(
    path: Path, story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(path, 10)
    await journal.open()
    await journal.put(b"of a later version")
    await journal.close()

    async with listening(path, story) as receiver:
        await tell(receiver, entered())
        assert await story.has(1) == [entered()]
    assert "event 1, delivery 1 failed: refused: json" in caplog.text


async def test_an_event_whose_handler_is_gone_stays_on_disk(path: Path, story: Story) -> None:
    async with failing(path) as receiver:
        await tell(receiver, entered())
    async with Receiver(journal=path, delivery=Delivery(attempts=2)) as receiver:
        await asyncio.sleep(10)
        assert receiver.counts.given_up == 1
    async with listening(path, story):
        await story.has(1)
