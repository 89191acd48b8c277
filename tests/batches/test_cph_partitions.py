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
    from tests.batches.cph import CloudPhoneService

pytestmark = pytest.mark.virtual_time

PHONES = [f"s{server}-{n}" for server in range(10) for n in range(40)]


def server_of(phone: str) -> str:
    return phone.partition("-")[0]


@given(
    partitions=st.lists(st.sampled_from("abcde"), max_size=80),
    most=st.integers(1, 12),
    part=st.integers(1, 12),
    rng=st.randoms(use_true_random=False),
)
def test_lanes_give_every_id_once_and_keep_their_bound(
    partitions: list[str], most: int, part: int, rng: Random
) -> None:
    chunker, given_, under_way = Partitions(most, min(most, part)), list[str](), list[str]()
    for n, partition in enumerate(partitions):
        chunker.add(f"{partition}{n}", partition)

    while chunker.waiting:
        chunk = chunker.next_chunk(partial=rng.random() < 0.5)
        if chunk:
            assert len({id[0] for id in chunk}) == 1
            given_ += chunk
            under_way += chunk
            assert max(Counter(id[0] for id in under_way).values()) <= most
        elif under_way:
            chunker.release(under_way.pop(rng.randrange(len(under_way))))

    assert sorted(given_) == sorted(f"{partition}{n}" for n, partition in enumerate(partitions))


def test_lanes_take_turns() -> None:
    chunker = Partitions(max_in_flight=6, chunk_size=2)
    for partition in "aaaabbbbcccc":
        chunker.add(partition, partition)

    assert [chunker.next_chunk() for _ in range(7)] == [[partition] * 2 for partition in "abcabc"] + [None]


def test_what_is_left_of_lanes_is_given_for_good() -> None:
    chunker = Partitions(max_in_flight=2, chunk_size=2)
    for n in range(5):
        chunker.add(f"a{n}", "a")
    chunker.next_chunk()

    assert (chunker.flush(), chunker.flush(), chunker.waiting) == (["a2", "a3", "a4"], None, 0)


async def test_work_goes_to_the_servers_in_turn_and_each_has_no_more_than_its_bound(
    service: CloudPhoneService, cph: CloudPhone
) -> None:
    run = cph.fleet(PHONES, server_of=server_of, max_per_server=12).run("id")
    assert run.estimate().calls == 100

    report = await run

    assert report.counts == {State.SUCCEEDED: 400}
    assert set(service.executed.values()) == {1}
    assert max(service.most_at_once.values()) == 12
    bodies = [body["phone_ids"] for *_, body in service.calls]
    assert {len(phones) for phones in bodies} == {4}
    assert all(len(set(map(server_of, phones))) == 1 for phones in bodies)
    assert max(service.free_at.values()) < 1.1 * 40


async def test_phones_whose_server_is_not_known_go_by_the_hundred(
    service: CloudPhoneService, cph: CloudPhone
) -> None:
    known = {phone: server_of(phone) for phone in PHONES if phone.startswith("s1")}

    run = cph.fleet(PHONES, server_of=known.get).run("id")
    estimate = run.estimate()
    await run

    sizes = Counter(len(body["phone_ids"]) for *_, body in service.calls)
    assert sizes == {100: 3, 60: 1, 10: 4}
    assert estimate.calls == 8
    assert max(service.most_at_once[server] for server in service.worked if server != "s1") == 40


async def test_no_more_are_drawn_than_are_in_flight_however_full_a_server_is(
    service: CloudPhoneService, cph: CloudPhone
) -> None:
    drawn = most = done = 0

    async def source() -> AsyncIterator[str]:
        nonlocal drawn
        for phone in PHONES[:200]:
            drawn += 1
            yield phone

    async for _ in cph.fleet(source(), server_of=server_of, in_flight=25, max_per_server=9).run("id"):
        most = max(most, drawn - done)
        done += 1

    assert (drawn, done) == (200, 200)
    assert most <= 25
    assert max(service.most_at_once.values()) == 9


async def test_a_bound_of_ids_below_a_chunk_does_not_stop_a_run(
    service: CloudPhoneService, cph: CloudPhone
) -> None:
    report = await cph.fleet(PHONES[:60], in_flight=25).run("id")

    assert report.counts == {State.SUCCEEDED: 60}
    assert [len(body["phone_ids"]) for *_, body in service.calls] == [60]


async def test_lists_too_are_drawn_as_far_as_is_in_flight(
    service: CloudPhoneService, cph: CloudPhone
) -> None:
    iterator = iter(PHONES)
    run = cph.fleet(iterator, server_of=server_of, in_flight=150, deadline=30).run("id")

    report = await run

    rest = list(iterator)
    assert report.total + len(rest) == 400
    assert report.counts[State.NOT_SENT] + report.counts[State.UNFINISHED] <= 150
    assert sum(service.executed.values()) == report.total - report.counts[State.NOT_SENT]


async def test_what_waits_for_its_server_when_a_run_ends_was_not_sent(
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


async def test_a_look_up_that_fails_ends_the_run_with_its_error(cph: CloudPhone) -> None:
    known = dict.fromkeys(PHONES[:50], "s1")
    run = cph.fleet(PHONES, server_of=known.__getitem__).run("id")

    with pytest.raises(KeyError, match=PHONES[50]):
        await run
    assert run.report.counts == {State.SUCCEEDED: 50, State.NOT_SENT: len(PHONES) - 50}
    assert run.report[PHONES[50]].error_message == "KeyError"


def test_an_id_that_comes_twice_leaves_no_lane_full_for_ever() -> None:
    chunker = Partitions(max_in_flight=2, chunk_size=2)
    for id in "aabc":
        chunker.add(id, "partition")

    assert chunker.next_chunk() == ["a", "a"]
    chunker.release("a")
    assert chunker.next_chunk() == ["b", "c"]
