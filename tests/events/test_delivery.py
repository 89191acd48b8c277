"""Every event that was answered with 200 reaches its handler, whatever its neighbours do."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.errors import InvalidRequest
from koophone_async.events import (
    Delivery,
    Event,
    GameEntered,
    Head,
    Heartbeat,
    Limits,
    Reason,
    Receiver,
    write,
)
from koophone_async.events.queues import Memory, QueuedEvent
from koophone_async.virtual_time import run_virtually
from tests.events.service import TICKET, Story, beat, entered, post, quitted, tell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def now() -> float:
    return asyncio.get_running_loop().time()


def with_terms(receiver: Receiver, **terms: Any) -> Receiver:  # noqa: ANN401 - Delivery checks them
    receiver.delivery = Delivery(**terms)
    return receiver


async def test_each_event_reaches_the_handler_of_its_kind(receiver: Receiver) -> None:
    stories = [Story(), Story(), Story()]
    receiver.on_enter(stories[0])
    receiver.on_quit(stories[1])
    receiver.on_heartbeat(stories[2])
    async with receiver:
        await tell(receiver, entered(), quitted(), beat())
        told = [await story.has(1) for story in stories]

    assert told == [[entered()], [quitted()], [beat()]]
    assert (receiver.counts.accepted, receiver.counts.delivered) == (3, 3)


async def test_an_event_without_a_handler_is_taken_and_not_kept(receiver: Receiver, story: Story) -> None:
    receiver.on_quit(story)
    async with receiver:
        assert await tell(receiver, entered()) == [200]

    assert receiver.counts == evolve(receiver.counts, accepted=1, delivered=0, failures=0)


async def test_a_handler_that_fails_is_called_again_until_it_returns(
    receiver: Receiver, story: Story
) -> None:
    times: list[float] = []

    @receiver.on_enter
    async def third_time_lucky(event: GameEntered) -> None:
        times.append(now())
        if len(times) < 3:
            raise OSError
        await story(event)

    async with receiver:
        await tell(receiver, entered())
        await story.has(1)

    waits = [later - earlier for earlier, later in pairwise(times)]
    assert 0.25 <= waits[0] <= 0.5 <= waits[1] <= 1.0
    assert (receiver.counts.failures, receiver.counts.delivered) == (2, 1)


async def test_a_handler_that_fails_does_not_keep_the_next_event(receiver: Receiver, story: Story) -> None:
    @receiver.on_enter
    async def fails_for_one(event: GameEntered) -> None:
        if event.session == "bad":
            raise ValueError
        await story(event)

    with_terms(receiver, workers=1, grace=0.1)
    async with receiver:
        await tell(receiver, entered("bad"), entered("good"))
        await story.has(1)
        assert now() < 0.1


async def test_a_handler_that_hangs_is_ended_and_its_event_delivered_again(
    receiver: Receiver, story: Story
) -> None:
    hung: list[str] = []

    @receiver.on_enter
    async def hangs_once(event: GameEntered) -> None:
        if event.session == "slow" and not hung:
            hung.append(event.session)
            await asyncio.Event().wait()
        await story(event)

    with_terms(receiver, workers=2, timeout=30)
    async with receiver:
        await tell(receiver, entered("slow"), entered("quick"))
        assert (await story.has(1))[0].session == "quick"
        assert now() < 0.1
        await story.has(2)
        assert 30 <= now() < 31


async def test_a_handler_whose_work_was_cancelled_has_only_failed(receiver: Receiver, story: Story) -> None:
    @receiver.on_enter
    async def cancelled_once(event: GameEntered) -> None:
        if not receiver.counts.failures:
            raise asyncio.CancelledError
        await story(event)

    async with with_terms(receiver, workers=1):
        await tell(receiver, entered())
        await story.has(1)

    assert receiver.counts.failures == 1


async def test_a_handler_that_leaves_a_cancellation_behind_does_not_end_the_worker(
    receiver: Receiver, story: Story
) -> None:
    @receiver.on_enter
    async def careless(event: GameEntered) -> None:
        task = asyncio.current_task()
        assert task is not None
        if event.session == "a":
            task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(1)
        elif not receiver.counts.failures:
            raise asyncio.CancelledError
        await story(event)

    async with with_terms(receiver, workers=1):
        await tell(receiver, entered("a"))
        await tell(receiver, entered("b"))
        assert [event.session for event in await story.has(2)] == ["a", "b"]


async def test_an_event_that_always_fails_is_left_in_the_end(
    receiver: Receiver, story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    @receiver.on_enter
    async def never(event: GameEntered) -> None:
        await story(event)
        raise RuntimeError(event.ticket)

    async with with_terms(receiver, attempts=4):
        await tell(receiver, entered())
        await story.has(4)
        await asyncio.sleep(1000)

    assert len(story.told) == 4
    assert receiver.counts.given_up == 1
    assert "event 1 was delivered 4 times in vain" in caplog.text
    assert "RuntimeError at test_delivery.py" in caplog.text


async def test_no_ticket_is_in_any_text(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")

    @receiver.on_enter
    async def careless(event: GameEntered) -> None:
        raise RuntimeError(f"{event.ticket}, {event!r}")

    async with with_terms(receiver, grace=1):
        await tell(receiver, entered())
        await asyncio.sleep(1)

    assert "careless" in caplog.text or "RuntimeError" in caplog.text
    assert not any(TICKET in text for text in (caplog.text, repr(receiver), repr(entered()), str(entered())))
    assert "ticket" not in entered().public()


async def test_when_it_is_full_it_says_later_and_loses_nothing(receiver: Receiver, story: Story) -> None:
    gate = asyncio.Event()

    @receiver.on_enter
    async def waits(event: GameEntered) -> None:
        await gate.wait()
        await story(event)

    receiver.most = 5
    async with receiver:
        statuses = await tell(receiver, *(entered(str(number)) for number in range(8)))
        assert sorted(statuses) == [200] * 5 + [503] * 3
        assert receiver.waiting == 5
        gate.set()
        assert len(await story.has(5)) == 5
        assert await tell(receiver, entered("next")) == [200]
        await story.has(6)

    assert receiver.counts.refused == Counter({Reason.FULL: 3})
    assert receiver.waiting == 0


async def test_a_refusal_for_now_says_when_to_come_again() -> None:
    answer = await post(Receiver(), "/events", write(entered()))

    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert b"closed" in answer.body


async def test_no_more_calls_than_allowed_are_in_progress() -> None:
    receiver, arrived = Receiver(bounds=Limits(calls=1)), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        arrived.set()
        await asyncio.sleep(1)
        yield write(entered())

    async with receiver:
        first = asyncio.create_task(receiver.receive(Head("POST", "/events", {}), slow()))
        await arrived.wait()
        assert await tell(receiver, entered()) == [503]
        assert (await first).status == 200
        assert await tell(receiver, entered()) == [200]


async def test_a_body_that_does_not_come_is_given_up() -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with Receiver() as receiver:
        answer = await receiver.receive(Head("POST", "/events", {}), stuck())

    assert (answer.status, now()) == (408, 10)


async def test_of_a_body_without_end_only_the_limit_is_read() -> None:
    read: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            read.append(1024)
            yield b" " * 1024

    async with Receiver(bounds=Limits(body=4096)) as receiver:
        answer = await receiver.receive(Head("POST", "/events", {}), endless())

    assert (answer.status, sum(read)) == (413, 5120)


async def test_no_more_handlers_run_at_once_than_there_are_workers(receiver: Receiver, story: Story) -> None:
    running: list[int] = [0, 0]

    @receiver.on_enter
    async def counts(event: GameEntered) -> None:
        running[0] += 1
        running[1] = max(running)
        await asyncio.sleep(1)
        running[0] -= 1
        await story(event)

    async with with_terms(receiver, workers=3, held=4):
        await tell(receiver, *(entered(str(number)) for number in range(12)))
        await story.has(12)

    assert running == [0, 3]


def parcels() -> int:
    gc.collect()
    return sum(isinstance(thing, QueuedEvent) for thing in gc.get_objects())


async def test_of_a_backlog_only_what_is_held_is_in_memory(tmp_path: Path) -> None:
    receiver = Receiver(journal=tmp_path / "events.db", delivery=Delivery(held=10, grace=1))
    left_by_others = parcels()

    @receiver.on_enter
    async def endless(_: GameEntered) -> None:
        await asyncio.Event().wait()

    async with receiver:
        await tell(receiver, *(entered(str(number)) for number in range(500)))
        await asyncio.sleep(1)
        in_memory = parcels() - left_by_others

    assert receiver.counts.accepted == 500
    assert in_memory == 10


async def test_the_end_waits_for_handlers_that_run(receiver: Receiver, story: Story) -> None:
    @receiver.on_enter
    async def slow(event: GameEntered) -> None:
        await asyncio.sleep(5)
        await story(event)

    async with with_terms(receiver, workers=1, grace=10):
        await tell(receiver, entered())
        await asyncio.sleep(1)

    assert now() == 5
    assert len(story.told) == 1


async def test_the_end_does_not_wait_for_ever(receiver: Receiver) -> None:
    @receiver.on_enter
    async def endless(_: GameEntered) -> None:
        await asyncio.Event().wait()

    async with with_terms(receiver, grace=10):
        await tell(receiver, entered())
        await asyncio.sleep(1)

    assert now() == 11
    assert await tell(receiver, entered()) == [503]


async def test_an_end_that_is_cut_short_ends_the_handlers_too(receiver: Receiver, story: Story) -> None:
    @receiver.on_enter
    async def slow(event: GameEntered) -> None:
        await story(event)
        await asyncio.sleep(5)
        raise OSError

    await receiver.__aenter__()
    await tell(receiver, entered())
    await story.has(1)
    ending = asyncio.create_task(receiver.__aexit__(None, None, None))
    await asyncio.sleep(1)
    ending.cancel()
    await asyncio.wait([ending])
    await asyncio.sleep(1000)

    assert len(story.told) == 1


@pytest.mark.parametrize("error", [None, OSError()])
async def test_the_end_does_not_wait_for_a_handler_that_hides_its_cancellation(
    receiver: Receiver, error: Exception | None
) -> None:
    @receiver.on_enter
    async def hides(_: GameEntered) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if error:
                raise error from None

    async with with_terms(receiver, grace=10):
        await tell(receiver, entered())
        await asyncio.sleep(1)

    assert now() == 11
    assert receiver.counts.delivered + receiver.counts.failures == 1


async def test_what_memory_lost_at_the_end_is_said(caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver(delivery=Delivery(grace=1))

    @receiver.on_enter
    async def fails(_: GameEntered) -> None:
        raise OSError

    async with receiver:
        await tell(receiver, entered("a"), entered("b"))

    assert "2 events had no time to be delivered and are lost" in caplog.text


async def test_memory_delivers_before_the_end_what_it_can(story: Story) -> None:
    receiver = Receiver(delivery=Delivery(workers=1, held=1))
    receiver.on_enter(story)
    async with receiver:
        await tell(receiver, *(entered(str(number)) for number in range(20)))

    assert len(story.told) == 20


async def test_a_receiver_can_run_again_but_not_twice_at_once(receiver: Receiver) -> None:
    async with receiver:
        with pytest.raises(InvalidRequest, match="runs already"):
            await receiver.__aenter__()
    async with receiver:
        assert await tell(receiver, entered()) == [200]
    await receiver.__aexit__(None, None, None)


def test_an_event_has_one_handler() -> None:
    receiver = Receiver()
    receiver.on_enter(Story())

    with pytest.raises(InvalidRequest, match="enter: already has a handler"):
        receiver.on_enter(Story())


def test_the_key_of_an_event_is_the_same_for_the_same_event_only() -> None:
    events: list[Event] = [entered(), quitted(seconds=0), entered("s2"), beat(seconds=0), entered(seconds=1)]

    assert evolve(entered(), ticket=None).key == entered().key == "cfe4f8f92b399bb007f8e6f94f1e201e"
    assert len({event.key for event in events}) == 5


def test_an_event_as_json_names_its_kind() -> None:
    assert beat().public() == {
        "event": "heartbeat",
        "phone_id": "p1",
        "time": "2026-01-01T00:00:30Z",
        "app_id": "chess",
        "session_id": "s1",
    }


@given(st.integers(1, 10_000), st.integers())
def test_waits_double_and_are_bounded(attempts: int, seed: int) -> None:
    wait = Delivery().wait(attempts, random.Random(seed))

    whole = min(60, 0.5 * 2.0 ** min(attempts - 1, 10))
    assert whole / 2 <= wait <= whole


@define
class Moody:
    """A handler that fails, hangs or is slow by a seed, and remembers for which events it returned."""

    rng: random.Random
    heard: Counter[str] = field(factory=Counter[str])

    async def __call__(self, event: Heartbeat) -> None:
        mood = self.rng.random()
        if mood < 0.1:
            raise ConnectionError
        await asyncio.sleep(1000 if mood < 0.15 else mood)
        self.heard[event.session] += 1


@given(st.integers(1, 80), st.integers(1, 5), st.integers(1, 20), st.integers())
def test_whatever_handlers_do_every_event_is_heard_and_none_invented(
    count: int, workers: int, held: int, seed: int
) -> None:
    moody = Moody(random.Random(seed))

    async def burst() -> list[int]:
        receiver = Receiver(most=50, delivery=Delivery(workers=workers, held=held, attempts=99, grace=1e6))
        receiver.on_heartbeat(moody)
        async with receiver:
            return await tell(receiver, *(beat(f"s{number}") for number in range(count)))

    statuses = run_virtually(burst())

    taken = {f"s{number}" for number, status in enumerate(statuses) if status == 200}
    assert len(taken) == min(count, 50)
    assert moody.heard == Counter(taken)


async def test_memory_has_room_again_for_what_was_given_up() -> None:
    queue = Memory(1)
    await queue.put(b"a")
    queue.give_up(*await queue.take(1))

    await queue.put(b"b")

    assert queue.kept == 1


async def test_memory_gives_each_event_once() -> None:
    queue = Memory(10)
    for body in (b"a", b"b", b"c"):
        await queue.put(body)

    assert [parcel.body for parcel in await queue.take(2)] == [b"a", b"b"]
    assert [parcel.body for parcel in await queue.take(2)] == [b"c"]
    assert repr(await queue.take(2)) == "[]"
