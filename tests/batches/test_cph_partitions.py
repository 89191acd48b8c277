"""Partitions: phones are spread over servers, with a limit per server."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async import State
from koophone_async.batches.chunks import Partitions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from random import Random

    from koophone_async import CloudPhone
    from tests.batches.cph_service import CloudPhoneService

pytestmark = pytest.mark.virtual_time

PHONES = [f"s{server}-{n}" for server in range(10) for n in range(40)]


def server_of(phone: str) -> str:
    return phone.partition("-")[0]


@given(
    partitions=st.lists(st.sampled_from("abcde"), max_size=80),
    limit=st.integers(1, 12),
    part=st.integers(1, 12),
    rng=st.randoms(use_true_random=False),
)
def test_partitions_return_every_id_once_within_their_limit(
    partitions: list[str], limit: int, part: int, rng: Random
) -> None:
    chunker, returned, in_flight = Partitions(limit, min(limit, part)), list[str](), list[str]()
    for n, partition in enumerate(partitions):
        chunker.add(f"{partition}{n}", partition)

    while chunker.waiting:
        chunk = chunker.next_chunk(partial=rng.random() < 0.5)
        if chunk:
            assert len({id[0] for id in chunk}) == 1
            returned += chunk
            in_flight += chunk
            assert max(Counter(id[0] for id in in_flight).values()) <= limit
        elif in_flight:
            chunker.release(in_flight.pop(rng.randrange(len(in_flight))))

    assert sorted(returned) == sorted(f"{partition}{n}" for n, partition in enumerate(partitions))


def test_partitions_take_turns() -> None:
    chunker = Partitions(max_in_flight=6, chunk_size=2)
    for partition in "aaaabbbbcccc":
        chunker.add(partition, partition)

    assert [chunker.next_chunk() for _ in range(7)] == [[partition] * 2 for partition in "abcabc"] + [None]


def test_flush_returns_the_rest_of_a_partition() -> None:
    chunker = Partitions(max_in_flight=2, chunk_size=2)
    for n in range(5):
        chunker.add(f"a{n}", "a")
    chunker.next_chunk()

    assert (chunker.flush(), chunker.flush(), chunker.waiting) == (["a2", "a3", "a4"], None, 0)


async def test_servers_take_turns_within_max_per_server(service: CloudPhoneService, cph: CloudPhone) -> None:
    run = cph.fleet(PHONES, server_of=server_of, max_per_server=12).run("id")
    assert run.estimate().calls == 100

    report = await run

    assert report.counts == {State.SUCCEEDED: 400}
    assert set(service.executed.values()) == {1}
    assert max(service.max_at_once.values()) == 12
    bodies = [body["phone_ids"] for *_, body in service.calls]
    assert {len(phones) for phones in bodies} == {4}
    assert all(len(set(map(server_of, phones))) == 1 for phones in bodies)
    assert max(service.free_at.values()) < 1.1 * 40


async def test_phones_of_unknown_servers_are_sent_by_the_hundred(
    service: CloudPhoneService, cph: CloudPhone
) -> None:
    known = {phone: server_of(phone) for phone in PHONES if phone.startswith("s1")}

    run = cph.fleet(PHONES, server_of=known.get).run("id")
    estimate = run.estimate()
    await run

    sizes = Counter(len(body["phone_ids"]) for *_, body in service.calls)
    assert sizes == {100: 3, 60: 1, 10: 4}
    assert estimate.calls == 8
    assert max(service.max_at_once[server] for server in service.worked if server != "s1") == 40


async def test_a_full_server_does_not_raise_the_ids_in_flight(
    service: CloudPhoneService, cph: CloudPhone
) -> None:
    read = peak = done = 0

    async def source() -> AsyncIterator[str]:
        nonlocal read
        for phone in PHONES[:200]:
            read += 1
            yield phone

    async for _ in cph.fleet(source(), server_of=server_of, in_flight=25, max_per_server=9).run("id"):
        peak = max(peak, read - done)
        done += 1

    assert (read, done) == (200, 200)
    assert peak <= 25
    assert max(service.max_at_once.values()) == 9


async def test_in_flight_below_a_chunk_does_not_stall_a_run(
    service: CloudPhoneService, cph: CloudPhone
) -> None:
    report = await cph.fleet(PHONES[:60], in_flight=25).run("id")

    assert report.counts == {State.SUCCEEDED: 60}
    assert [len(body["phone_ids"]) for *_, body in service.calls] == [60]


async def test_a_list_is_read_only_as_far_as_is_in_flight(
    service: CloudPhoneService, cph: CloudPhone
) -> None:
    iterator = iter(PHONES)
    run = cph.fleet(iterator, server_of=server_of, in_flight=150, deadline=30).run("id")

    report = await run

    rest = list(iterator)
    assert report.total + len(rest) == 400
    assert report.counts[State.NOT_SENT] + report.counts[State.UNFINISHED] <= 150
    assert sum(service.executed.values()) == report.total - report.counts[State.NOT_SENT]


async def test_phones_waiting_for_their_server_are_not_sent(
    service: CloudPhoneService, cph: CloudPhone
) -> None:
    async with cph.fleet(PHONES, server_of=server_of, max_per_server=3).run("id") as run:
        waiting = asyncio.ensure_future(run)
        await asyncio.sleep(5)
        await run.cancel()
        report = await waiting

    assert report.total == len(report) == 400
    assert sum(service.executed.values()) == 400 - report.counts[State.NOT_SENT]
    assert report.counts[State.NOT_SENT] > 300


async def test_an_error_of_server_of_ends_the_run(cph: CloudPhone) -> None:
    known = dict.fromkeys(PHONES[:50], "s1")
    run = cph.fleet(PHONES, server_of=known.__getitem__).run("id")

    with pytest.raises(KeyError, match=PHONES[50]):
        await run
    assert run.report.counts == {State.SUCCEEDED: 50, State.NOT_SENT: len(PHONES) - 50}
    assert run.report[PHONES[50]].error_message == "KeyError"


def test_a_duplicate_id_does_not_block_its_partition() -> None:
    chunker = Partitions(max_in_flight=2, chunk_size=2)
    for id in "aabc":
        chunker.add(id, "partition")

    assert chunker.next_chunk() == ["a", "a"]
    chunker.release("a")
    assert chunker.next_chunk() == ["b", "c"]
