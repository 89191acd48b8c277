"""Delivery: every event answered with 200 reaches its handler, whatever other handlers do."""

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
    Heartbeat,
    Limits,
    Reason,
    Receiver,
    RequestHead,
    serialize,
)
from koophone_async.events.errors import Rejected
from koophone_async.events.models import Kind
from koophone_async.events.queues import Memory, QueuedEvent
from koophone_async.virtual_time import run_virtually
from tests.events.samples import TICKET, Recorder, beat, entered, post, quit_event, send_events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def now() -> float:
    return asyncio.get_running_loop().time()


def with_delivery(receiver: Receiver, **options: Any) -> Receiver:  # noqa: ANN401 - passed on to Delivery
    receiver.delivery = Delivery(**options)
    return receiver


async def test_each_event_reaches_the_handler_of_its_kind(receiver: Receiver) -> None:
    recorders = [Recorder(), Recorder(), Recorder()]
    receiver.on_enter(recorders[0])
    receiver.on_quit(recorders[1])
    receiver.on_heartbeat(recorders[2])
    async with receiver:
        await send_events(receiver, entered(), quit_event(), beat())
        received = [await recorder.wait_for(1) for recorder in recorders]

    assert received == [[entered()], [quit_event()], [beat()]]
    assert (receiver.counts.accepted, receiver.counts.delivered) == (3, 3)


async def test_an_event_without_a_handler_is_accepted_and_dropped(
    receiver: Receiver, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    receiver.on_quit(recorder)
    async with receiver:
        assert await send_events(receiver, entered("a"), beat("a"), entered("b")) == [200] * 3
        assert receiver.waiting == 0
        assert receiver.presence.playing()

    assert receiver.counts == evolve(receiver.counts, accepted=3, delivered=0, failures=0)
    assert receiver.counts.unhandled == {Kind.ENTER: 2, Kind.HEARTBEAT: 1}
    assert [record.getMessage() for record in caplog.records] == [
        f"events of kind {kind} have no handler: they are accepted and dropped"
        for kind in ("enter", "heartbeat")
    ]


async def test_a_failing_handler_is_retried_until_it_returns(receiver: Receiver, recorder: Recorder) -> None:
    times: list[float] = []

    @receiver.on_enter
    async def fails_twice(event: GameEntered) -> None:
        times.append(now())
        if len(times) < 3:
            raise OSError
        await recorder(event)

    async with receiver:
        await send_events(receiver, entered())
        await recorder.wait_for(1)

    waits = [later - earlier for earlier, later in pairwise(times)]
    assert 0.25 <= waits[0] <= 0.5 <= waits[1] <= 1.0
    assert (receiver.counts.failures, receiver.counts.delivered) == (2, 1)


async def test_a_failing_event_does_not_delay_the_next(receiver: Receiver, recorder: Recorder) -> None:
    @receiver.on_enter
    async def fails_for_one(event: GameEntered) -> None:
        if event.session == "bad":
            raise ValueError
        await recorder(event)

    with_delivery(receiver, workers=1, grace=0.1)
    async with receiver:
        await send_events(receiver, entered("bad"), entered("good"))
        await recorder.wait_for(1)
        assert now() < 0.1


async def test_a_hanging_handler_is_cancelled_and_retried(receiver: Receiver, recorder: Recorder) -> None:
    hung: list[str] = []

    @receiver.on_enter
    async def hangs_once(event: GameEntered) -> None:
        if event.session == "slow" and not hung:
            hung.append(event.session)
            await asyncio.Event().wait()
        await recorder(event)

    with_delivery(receiver, workers=2, timeout=30)
    async with receiver:
        await send_events(receiver, entered("slow"), entered("quick"))
        assert (await recorder.wait_for(1))[0].session == "quick"
        assert now() < 0.1
        await recorder.wait_for(2)
        assert 30 <= now() < 31


async def test_a_cancelled_handler_counts_as_failed(receiver: Receiver, recorder: Recorder) -> None:
    @receiver.on_enter
    async def cancelled_once(event: GameEntered) -> None:
        if not receiver.counts.failures:
            raise asyncio.CancelledError
        await recorder(event)

    async with with_delivery(receiver, workers=1):
        await send_events(receiver, entered())
        await recorder.wait_for(1)

    assert receiver.counts.failures == 1


async def test_a_leftover_cancellation_does_not_stop_the_worker(
    receiver: Receiver, recorder: Recorder
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
        await recorder(event)

    async with with_delivery(receiver, workers=1):
        await send_events(receiver, entered("a"))
        await send_events(receiver, entered("b"))
        assert [event.session for event in await recorder.wait_for(2)] == ["a", "b"]


async def test_an_event_that_always_fails_is_given_up(
    receiver: Receiver, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    @receiver.on_enter
    async def never(event: GameEntered) -> None:
        await recorder(event)
        raise RuntimeError(event.ticket)

    async with with_delivery(receiver, attempts=4):
        await send_events(receiver, entered())
        await recorder.wait_for(4)
        await asyncio.sleep(1000)

    assert len(recorder.events) == 4
    assert receiver.counts.given_up == 1
    assert "event 1: giving up after 4 failed deliveries" in caplog.text
    assert "RuntimeError at test_delivery.py" in caplog.text


async def test_no_ticket_appears_in_logs_or_reprs(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    @receiver.on_enter
    async def careless(event: GameEntered) -> None:
        raise RuntimeError(f"{event.ticket}, {event!r}")

    async with with_delivery(receiver, grace=1):
        await send_events(receiver, entered())
        await asyncio.sleep(1)

    assert "careless" in caplog.text or "RuntimeError" in caplog.text
    assert not any(TICKET in text for text in (caplog.text, repr(receiver), repr(entered()), str(entered())))
    assert "ticket" not in entered().public()


async def test_a_full_receiver_answers_503_and_loses_nothing(receiver: Receiver, recorder: Recorder) -> None:
    gate = asyncio.Event()

    @receiver.on_enter
    async def waits(event: GameEntered) -> None:
        await gate.wait()
        await recorder(event)

    receiver.max_events = 5
    async with receiver:
        statuses = await send_events(receiver, *(entered(str(number)) for number in range(8)))
        assert sorted(statuses) == [200] * 5 + [503] * 3
        assert receiver.waiting == 5
        gate.set()
        assert len(await recorder.wait_for(5)) == 5
        assert await send_events(receiver, entered("next")) == [200]
        await recorder.wait_for(6)

    assert receiver.counts.refused == Counter({Reason.FULL: 3})
    assert receiver.waiting == 0


async def test_a_temporary_refusal_has_a_retry_after_header() -> None:
    answer = await post(Receiver(), "/events", serialize(entered()))

    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert b"closed" in answer.body


async def test_calls_in_progress_are_limited() -> None:
    receiver, arrived = Receiver(limits=Limits(calls=1)), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        arrived.set()
        await asyncio.sleep(1)
        yield serialize(entered())

    async with receiver:
        first = asyncio.create_task(receiver.receive(RequestHead("POST", "/events", {}), slow()))
        await arrived.wait()
        assert await send_events(receiver, entered()) == [503]
        assert (await first).status == 200
        assert await send_events(receiver, entered()) == [200]


async def test_a_body_that_does_not_arrive_times_out() -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with Receiver() as receiver:
        answer = await receiver.receive(RequestHead("POST", "/events", {}), stuck())

    assert (answer.status, now()) == (408, 10)


async def test_an_endless_body_is_read_up_to_the_limit_only() -> None:
    read: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            read.append(1024)
            yield b" " * 1024

    async with Receiver(limits=Limits(body=4096)) as receiver:
        answer = await receiver.receive(RequestHead("POST", "/events", {}), endless())

    assert (answer.status, sum(read)) == (413, 5120)


async def test_concurrent_handlers_are_limited_by_the_workers(receiver: Receiver, recorder: Recorder) -> None:
    running: list[int] = [0, 0]

    @receiver.on_enter
    async def counts(event: GameEntered) -> None:
        running[0] += 1
        running[1] = max(running)
        await asyncio.sleep(1)
        running[0] -= 1
        await recorder(event)

    async with with_delivery(receiver, workers=3, max_in_memory=4):
        await send_events(receiver, *(entered(str(number)) for number in range(12)))
        await recorder.wait_for(12)

    assert running == [0, 3]


def events() -> int:
    gc.collect()
    return sum(isinstance(thing, QueuedEvent) for thing in gc.get_objects())


async def test_a_backlog_stays_on_disk_beyond_the_memory_limit(tmp_path: Path) -> None:
    receiver = Receiver(journal=tmp_path / "events.db", delivery=Delivery(max_in_memory=10, grace=1))
    before = events()

    @receiver.on_enter
    async def endless(_: GameEntered) -> None:
        await asyncio.Event().wait()

    async with receiver:
        await send_events(receiver, *(entered(str(number)) for number in range(500)))
        await asyncio.sleep(1)
        in_memory = events() - before

    assert receiver.counts.accepted == 500
    assert in_memory == 10


async def test_stopping_waits_for_running_handlers(receiver: Receiver, recorder: Recorder) -> None:
    @receiver.on_enter
    async def slow(event: GameEntered) -> None:
        await asyncio.sleep(5)
        await recorder(event)

    async with with_delivery(receiver, workers=1, grace=10):
        await send_events(receiver, entered())
        await asyncio.sleep(1)

    assert now() == 5
    assert len(recorder.events) == 1


async def test_stopping_does_not_wait_longer_than_the_grace_period(receiver: Receiver) -> None:
    @receiver.on_enter
    async def endless(_: GameEntered) -> None:
        await asyncio.Event().wait()

    async with with_delivery(receiver, grace=10):
        await send_events(receiver, entered())
        await asyncio.sleep(1)

    assert now() == 11
    assert await send_events(receiver, entered()) == [503]


async def test_a_cancelled_stop_cancels_the_handlers_too(receiver: Receiver, recorder: Recorder) -> None:
    @receiver.on_enter
    async def slow(event: GameEntered) -> None:
        await recorder(event)
        await asyncio.sleep(5)
        raise OSError

    await receiver.__aenter__()
    await send_events(receiver, entered())
    await recorder.wait_for(1)
    ending = asyncio.create_task(receiver.__aexit__(None, None, None))
    await asyncio.sleep(1)
    ending.cancel()
    await asyncio.wait([ending])
    await asyncio.sleep(1000)

    assert len(recorder.events) == 1


@pytest.mark.parametrize("error", [None, OSError()])
async def test_stopping_ends_a_handler_that_hides_its_cancellation(
    receiver: Receiver, error: Exception | None
) -> None:
    @receiver.on_enter
    async def hides(_: GameEntered) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if error:
                raise error from None

    async with with_delivery(receiver, grace=10):
        await send_events(receiver, entered())
        await asyncio.sleep(1)

    assert now() == 11
    assert receiver.counts.delivered + receiver.counts.failures == 1


async def test_events_lost_at_the_stop_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver(delivery=Delivery(grace=1))

    @receiver.on_enter
    async def fails(_: GameEntered) -> None:
        raise OSError

    async with receiver:
        await send_events(receiver, entered("a"), entered("b"))

    assert "2 undelivered events are lost" in caplog.text


async def test_queued_events_are_delivered_before_the_stop(recorder: Recorder) -> None:
    receiver = Receiver(delivery=Delivery(workers=1, max_in_memory=1))
    receiver.on_enter(recorder)
    async with receiver:
        await send_events(receiver, *(entered(str(number)) for number in range(20)))

    assert len(recorder.events) == 20


async def test_a_receiver_can_be_restarted_but_not_started_twice(receiver: Receiver) -> None:
    async with receiver:
        with pytest.raises(InvalidRequest, match="is already running"):
            await receiver.__aenter__()
    async with receiver:
        assert await send_events(receiver, entered()) == [200]
    await receiver.__aexit__(None, None, None)


def test_only_one_handler_per_event_can_be_registered() -> None:
    receiver = Receiver()
    receiver.on_enter(Recorder())

    with pytest.raises(InvalidRequest, match="on_enter: a handler is already registered"):
        receiver.on_enter(Recorder())


def test_the_key_identifies_the_event() -> None:
    events: list[Event] = [
        entered(),
        quit_event(seconds=0),
        entered("s2"),
        beat(seconds=0),
        entered(seconds=1),
    ]

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
def test_retry_delays_double_up_to_the_maximum(attempts: int, seed: int) -> None:
    delay = Delivery().delay(attempts, random.Random(seed))

    full = min(60, 0.5 * 2.0 ** min(attempts - 1, 10))
    assert full / 2 <= delay <= full


@define
class UnreliableHandler:
    """Handler that fails, hangs or is slow at random and counts the events for which it returned."""

    rng: random.Random
    handled: Counter[str] = field(factory=Counter[str])

    async def __call__(self, event: Heartbeat) -> None:
        chance = self.rng.random()
        if chance < 0.1:
            raise ConnectionError
        await asyncio.sleep(1000 if chance < 0.15 else chance)
        self.handled[event.session] += 1


@given(st.integers(1, 80), st.integers(1, 5), st.integers(1, 20), st.integers())
def test_every_event_reaches_its_handler_exactly_once(
    count: int, workers: int, in_memory: int, seed: int
) -> None:
    handler = UnreliableHandler(random.Random(seed))

    async def burst() -> list[int]:
        receiver = Receiver(
            max_events=50, delivery=Delivery(workers=workers, max_in_memory=in_memory, attempts=99, grace=1e6)
        )
        receiver.on_heartbeat(handler)
        async with receiver:
            return await send_events(receiver, *(beat(f"s{number}") for number in range(count)))

    statuses = run_virtually(burst())

    accepted = {f"s{number}" for number, status in enumerate(statuses) if status == 200}
    assert len(accepted) == min(count, 50)
    assert handler.handled == Counter(accepted)


async def test_giving_up_an_event_frees_its_place_in_memory() -> None:
    queue = Memory(1)
    await queue.put(b"a")
    queue.give_up(*await queue.take(1))

    await queue.put(b"b")

    assert queue.size == 1


async def test_the_memory_queue_returns_each_event_once() -> None:
    queue = Memory(10)
    for body in (b"a", b"b", b"c"):
        await queue.put(body)

    assert [queued.body for queued in await queue.take(2)] == [b"a", b"b"]
    assert [queued.body for queued in await queue.take(2)] == [b"c"]
    assert repr(await queue.take(2)) == "[]"


async def test_the_size_of_the_memory_queue_is_bounded() -> None:
    queue = Memory(1_000, max_bytes=10_000)
    for _ in range(7):
        await queue.put(b"x" * 1_000)
    with pytest.raises(Rejected, match="full"):
        await queue.put(b"x" * 1_000)

    queue.done(*await queue.take(1))
    await queue.put(b"x" * 1_000)
    assert queue.size == 7
