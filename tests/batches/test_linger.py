"""Incomplete chunks that leave after some seconds, because their input may be slow, or never end."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async import CloudPhone, KooPhone, State
from koophone_async.batches.chunks import Chunker, Partitions
from koophone_async.emulator import Durations, Emulator
from koophone_async.virtual_time import VirtualTimeLoop, run_virtually
from tests.batches.recording_log import RecordingLog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable


pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=300, jobs=Durations(fixed=2))]

REGIONS = ("cn-north-4", "cn-east-3")


def now() -> float:
    return asyncio.get_running_loop().time()


def calls(log: RecordingLog) -> list[tuple[float, int]]:
    """Return when each call was planned, in tenths of a second, and how many ids it has."""
    return [(round(call.planned_at, 1), len(call.ids)) for call in log.calls]


def phones(first: int, last: int) -> list[str]:
    return [f"phone{n:04}" for n in range(first, last + 1)]


async def arriving(*arrivals: tuple[float, Iterable[str]]) -> AsyncIterator[str]:
    """Yield some ids at some times."""
    for at, ids in arrivals:
        await asyncio.sleep(at - now())
        for id in ids:
            yield id


async def test_an_incomplete_call_waits_without_linger(koophone: KooPhone) -> None:
    log = RecordingLog()
    source = arriving((0, phones(1, 3)), (60, phones(4, 5)))

    await koophone.fleet(source).run("id").log_calls_to(log)

    assert calls(log) == [(60, 5)]


async def test_an_incomplete_call_leaves_after_some_seconds(koophone: KooPhone) -> None:
    log = RecordingLog()
    source = arriving((0, phones(1, 3)), (4, phones(4, 5)), (8, phones(6, 6)), (60, phones(7, 120)))

    report = await koophone.fleet(source, linger=5).run("id").log_calls_to(log)

    assert report.ok
    assert calls(log) == [(5, 5), (13, 1), (60, 100), (60, 14)]


async def test_an_input_may_wait_for_the_outcomes_of_its_ids(koophone: KooPhone) -> None:
    ended = asyncio.Event()

    async def one_after_the_other() -> AsyncIterator[str]:
        for id in phones(1, 3):
            ended.clear()
            yield id
            await ended.wait()

    states: list[State] = []
    async for outcome in koophone.fleet(one_after_the_other(), linger=0.5).run("id"):
        states.append(outcome.state)
        ended.set()

    assert states == [State.SUCCEEDED] * 3


@pytest.mark.emulator(phones=44, servers=2, regions=REGIONS, jobs=Durations(fixed=2))
async def test_ids_that_are_put_back_leave_too(emulator: Emulator, koophone: KooPhone) -> None:
    ended = asyncio.Event()

    async def until_all_have_ended() -> AsyncIterator[str]:
        async for id in arriving((0, phones(1, 40)), (6, phones(41, 44))):
            yield id
        await ended.wait()

    log = RecordingLog(emulator, delay=1)
    run = koophone.fleet(until_all_have_ended(), linger=5).run("id").log_calls_to(log)
    async for outcome in run:
        assert outcome.ok
        if run.report.total == 44:
            ended.set()

    assert calls(log) == [(5, 40), (12, 22), (12, 22)]  # refused at 7


async def test_a_call_leaves_when_a_worker_is_free(koophone: KooPhone) -> None:
    log = RecordingLog(delay=10)
    source = arriving((0, phones(1, 3)), (6, phones(4, 5)), (60, phones(6, 6)))

    await koophone.fleet(source, linger=5, concurrency=1).run("id").log_calls_to(log)

    assert [size for _, size in calls(log)] == [3, 2, 1]
    assert [at for at, _ in calls(log)] == [5, 25, 60]


async def test_an_input_is_read_ahead_only_as_far_as_allowed(koophone: KooPhone) -> None:
    was_read: list[str] = []

    async def endless() -> AsyncIterator[str]:
        for id in phones(1, 300):
            was_read.append(id)
            yield id

    async for _ in koophone.fleet(endless(), linger=5, in_flight=100, concurrency=1).run("id"):
        break

    assert len(was_read) <= 201


@pytest.mark.emulator(phones=300, servers=2, regions=REGIONS)
async def test_a_list_may_not_be_read_on_for_longer(emulator: Emulator, koophone: KooPhone) -> None:
    log = RecordingLog()
    north, east = ([one for one in emulator.phones if one.region == region] for region in REGIONS)
    fleet = koophone.fleet([*north[:30], *east[:100], *north[30:130]], linger=1, in_flight=150)

    report = await fleet.run("id").log_calls_to(log)

    assert report.ok
    assert [(at // 1, size) for at, size in calls(log)][:2] == [(0, 100), (1, 30)]


async def test_an_error_of_a_lingering_input_ends_the_run(koophone: KooPhone) -> None:
    async def broken() -> AsyncIterator[str]:
        yield "phone0001"
        await asyncio.sleep(60)
        raise OSError("the list is gone")

    run = koophone.fleet(broken(), linger=5).run("id")

    with pytest.raises(OSError, match="the list is gone"):
        await run
    assert run.report.counts == {State.SUCCEEDED: 1}


async def test_a_cancelled_run_closes_its_lingering_input(koophone: KooPhone) -> None:
    ended = asyncio.Event()

    async def endless() -> AsyncIterator[str]:
        try:
            yield "phone0001"
            await asyncio.sleep(3600)
        finally:
            ended.set()

    run = koophone.fleet(endless(), linger=5).run("id")
    async with run:
        async for _ in run:
            break

    assert ended.is_set()
    assert run.report.counts == {State.SUCCEEDED: 1}


async def test_each_server_has_its_own_incomplete_calls(cph: CloudPhone) -> None:
    log = RecordingLog()
    source = arriving((0, ["a-1"]), (2, ["b-1", "b-2"]), (4, ["a-2"]), (30, ["a-3"]))

    def server_of(id: str) -> str:
        return id.partition("-")[0]

    report = await cph.fleet(source, server_of=server_of, linger=5).run("id").log_calls_to(log)

    assert report.ok
    assert [(round(call.planned_at), call.ids) for call in log.calls] == [
        (5, ("a-1", "a-2")),
        (7, ("b-1", "b-2")),
        (30, ("a-3",)),
    ]


@pytest.mark.parametrize("is_partitioned", [False, True])
@given(
    arrivals=st.lists(st.tuples(st.floats(0, 20), st.sampled_from("ab")), min_size=1, max_size=20),
    linger=st.sampled_from([0.25, 0.5, 5]),
)
def test_the_oldest_id_waits_exactly_as_long_as_allowed(
    arrivals: list[tuple[float, str]], linger: float, *, is_partitioned: bool
) -> None:
    requested = [(at, f"{group}{n}") for n, (at, group) in enumerate(sorted(arrivals))]

    async def run() -> None:
        clock, came_at = VirtualTimeLoop.running().time, dict[str, float]()
        chunks = Partitions(100, 3, clock) if is_partitioned else Chunker(3, by_region=True, clock=clock)
        for at, id in requested:
            while (due := chunks.oldest + linger) <= at:
                await asyncio.sleep(due - clock())
                chunk = chunks.oldest_chunk() if isinstance(chunks, Partitions) else chunks.flush() or []
                assert clock() - came_at.pop(chunk[0]) == pytest.approx(linger)
                assert all(clock() - came_at.pop(id) <= linger + 1e-6 for id in chunk[1:])
            await asyncio.sleep(at - clock())
            came_at[id] = clock()
            if isinstance(chunks, Partitions):
                chunks.add(id, id[0])
                full = chunks.next_chunk()
            else:
                full = chunks.add((id,), id[0])
            for each in full or ():
                del came_at[each]
        assert chunks.oldest == min(came_at.values(), default=inf)

    run_virtually(run())
