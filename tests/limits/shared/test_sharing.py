"""What processes share, in virtual time: each is a `SharedLimits` of its own, over one ledger."""

from __future__ import annotations

import asyncio
import random
from asyncio import create_task, gather, get_running_loop, sleep
from bisect import bisect_left
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from koophone_async import Quota
from koophone_async.errors import QuotaTooSlow
from koophone_async.limits.shared.limits import SharedLimits
from koophone_async.virtual_time import run_virtually
from tests.limits.shared.ledger_store import LedgerStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TEN_A_SECOND = Quota(10, 1)
SIX_A_MINUTE = Quota(6, 60)
WORDS = "The throttling threshold has been reached: policy user over ratelimit,limit:{},time:1 minute"


def now() -> float:
    return get_running_loop().time()


async def account() -> str:
    return "account"


def process(
    store: LedgerStore, configured: Mapping[str, tuple[Quota, ...]] | None = None, seed: int = 1
) -> SharedLimits:
    return SharedLimits(
        configured or {},
        rng=random.Random(seed),
        open=lambda: store,
        account=account,
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )


async def call(limits: SharedLimits, *quotas: Quota, name: str = "a.b", takes: float = 0.02) -> float:
    """Make a call, and return when it was sent."""
    with await limits.acquire(name, quotas) as permit:
        permit.mark_sent()
        sent = now()
        await sleep(takes)
        permit.mark_answered()
    return sent


async def calls(limits: SharedLimits, count: int, *quotas: Quota) -> list[float]:
    return await gather(*(call(limits, *quotas) for _ in range(count)))


async def calls_of_all(processes: Iterable[SharedLimits], count: int, *quotas: Quota) -> list[float]:
    return list(chain(*await gather(*(calls(limits, count, *quotas) for limits in processes))))


def fullest(times: Sequence[float], seconds: float) -> int:
    times = sorted(times)
    return max(bisect_left(times, time + seconds) - number for number, time in enumerate(times))


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("quota", [Quota(6, 3), Quota(50, 1), SIX_A_MINUTE, Quota(400, 1)], ids=str)
async def test_no_window_has_more_calls_than_the_quota(quota: Quota, processes: int) -> None:
    store, windows = LedgerStore(), 4
    count = windows * quota.permits

    times = await calls_of_all([process(store) for _ in range(processes)], count, quota)

    assert len(times) == processes * count
    assert fullest(times, quota.seconds) <= quota.permits
    used = (processes * windows - 1) * quota.seconds / (max(times) - min(times))
    assert used > 0.97


async def test_one_request_leases_many_permits() -> None:
    store = LedgerStore()

    await gather(*(calls(process(store), 500, Quota(100, 1)) for _ in range(2)))

    assert store.trips / 1000 < 0.05


async def test_calls_of_a_process_go_in_order_of_arrival() -> None:
    limits, order = process(LedgerStore()), list[int]()

    async def numbered(number: int) -> None:
        with await limits.acquire("a.b", (TEN_A_SECOND,)):
            order.append(number)

    await gather(*(numbered(number) for number in range(50)))

    assert order == list(range(50))


async def test_one_call_is_not_starved_by_the_thousands_of_another_process() -> None:
    store = LedgerStore()
    busy = create_task(calls(process(store), 1000, TEN_A_SECOND))
    await sleep(20)
    other = process(store)

    times = [await call(other, TEN_A_SECOND) - 20]
    times += [await call(other, TEN_A_SECOND) - 20 for _ in range(9)]

    assert times[0] < 1.1
    assert times[-1] < 11
    busy.cancel()


async def test_processes_get_equal_shares() -> None:
    store = LedgerStore()
    done = [0, 0, 0]

    async def counted(limits: SharedLimits, number: int) -> None:
        await call(limits, TEN_A_SECOND)
        done[number] += 1

    tasks = [
        create_task(counted(limits, number))
        for number, limits in enumerate([process(store) for _ in done])
        for _ in range(500)
    ]
    await sleep(30)

    assert sum(done) >= 290
    assert min(done) >= 90
    for task in tasks:
        task.cancel()


async def test_permits_of_a_killed_process_come_back() -> None:
    store = LedgerStore()
    connection = evolve(store)
    killed = process(connection)
    for _ in range(10):
        await killed.acquire("a.b", (TEN_A_SECOND,))
    connection.is_down = True

    sent = await call(process(store), TEN_A_SECOND)

    assert 3 < sent < 3.5  # a lease of two seconds, and a window


async def test_closing_returns_unused_permits() -> None:
    store = LedgerStore()
    first = process(store)
    permits = [await first.acquire("a.b", (TEN_A_SECOND,)) for _ in range(10)]
    for permit in permits:
        permit.release()
    await first.close()

    assert await call(process(store), TEN_A_SECOND) < 0.1


async def test_cancelled_calls_leave_their_permits_to_others() -> None:
    store = LedgerStore()
    first, second = process(store), process(store)
    await calls(first, 10, TEN_A_SECOND)
    waiting = [create_task(call(first, TEN_A_SECOND)) for _ in range(10)]
    await sleep(0.9)
    for task in waiting:
        task.cancel()

    assert await call(second, TEN_A_SECOND) < 1.6


async def test_an_empty_store_grants_nothing_for_a_window() -> None:
    store = LedgerStore()
    limits = process(store)
    await calls(limits, 10, TEN_A_SECOND)
    store.documents.clear()
    store.since = store.now()

    times = await calls(limits, 10, TEN_A_SECOND)

    assert min(times) >= 0.02 + 1


async def test_permits_of_a_store_that_was_emptied_are_void() -> None:
    store = LedgerStore()
    limits = process(store)
    permit = await limits.acquire("a.b", (TEN_A_SECOND,))
    store.documents.clear()
    store.since = store.now()
    assert permit.is_valid

    await call(limits, TEN_A_SECOND)

    assert not permit.is_valid


async def test_a_permit_is_void_when_its_lease_has_ended() -> None:
    store = LedgerStore()
    permit = await process(store).acquire("a.b", (TEN_A_SECOND,))
    store.is_down = True
    await sleep(1.9)
    assert permit.is_valid

    await sleep(0.2)

    assert not permit.is_valid


async def test_a_lease_is_renewed_while_a_call_is_prepared() -> None:
    permit = await process(LedgerStore()).acquire("a.b", (TEN_A_SECOND,))

    await sleep(30)

    assert permit.is_valid


async def test_calls_wait_for_a_store_that_is_down(caplog: pytest.LogCaptureFixture) -> None:
    store = LedgerStore(is_down=True)
    limits = process(store)
    waiting = create_task(call(limits, TEN_A_SECOND))
    await sleep(100)
    assert not waiting.done()
    assert limits.outage is not None
    assert limits.outage.startswith("quota store at ledger is unreachable since ")
    assert limits.seconds_to_next_call() == float("inf")
    store.is_down = False

    assert await waiting < 102
    assert limits.outage is None
    assert [record.message.partition(" since")[0] for record in caplog.records] == [
        "the quota store at ledger is unreachable",
        "the quota store at ledger is reachable again",
    ]


@pytest.mark.parametrize("max_wait, waited", [(0, 1), (30, 30)])
async def test_a_wait_for_the_store_is_bounded(max_wait: float, waited: float) -> None:
    limits = process(LedgerStore(is_down=True))

    with pytest.raises(QuotaTooSlow, match="quota store at ledger is unreachable since"):
        await limits.acquire("a.b", (TEN_A_SECOND,), max_wait=max_wait)

    assert now() == pytest.approx(waited)


async def test_a_wait_for_calls_of_others_is_bounded() -> None:
    store = LedgerStore()
    other = process(store)
    for _ in range(6):
        await other.acquire("a.b", (SIX_A_MINUTE,))

    with pytest.raises(QuotaTooSlow, match="its shared quota had no permit in time"):
        await process(store).acquire("a.b", (SIX_A_MINUTE,), max_wait=20)

    assert now() == pytest.approx(20, abs=0.1)


async def test_calls_go_on_after_an_unexpected_error(caplog: pytest.LogCaptureFixture) -> None:
    store = LedgerStore(error=ZeroDivisionError())
    waiting = create_task(call(process(store), TEN_A_SECOND))
    await sleep(3)
    store.error = None

    assert await waiting < 5
    assert "unhandled exception in the exchange with the quota store" in caplog.text


async def test_the_wait_until_the_next_call_is_known() -> None:
    limits = process(LedgerStore())
    assert limits.seconds_to_next_call() is None
    await calls(limits, 6, SIX_A_MINUTE)
    waiting = create_task(call(limits, SIX_A_MINUTE))
    await sleep(30)

    assert limits.seconds_to_next_call() == pytest.approx(30, abs=0.1)
    waiting.cancel()


async def test_a_timeout_of_the_caller_is_not_one_of_the_quota() -> None:
    limits = process(LedgerStore(is_down=True))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await limits.acquire("a.b", (TEN_A_SECOND,), max_wait=30)


async def test_a_wait_that_is_too_long_is_refused_by_the_first_answer() -> None:
    store = LedgerStore()
    await calls(process(store), 6, SIX_A_MINUTE)
    other = process(store)
    await sleep(5)

    with pytest.raises(QuotaTooSlow) as refused:
        await other.acquire("a.b", (SIX_A_MINUTE,), max_wait=10)

    assert 50 < refused.value.retry_after < 61
    assert now() < 6


async def test_a_call_that_may_not_wait_gets_a_free_permit() -> None:
    await process(LedgerStore()).acquire("a.b", (SIX_A_MINUTE, TEN_A_SECOND), max_wait=0)

    assert now() < 0.1


async def test_a_learned_quota_is_learned_by_all() -> None:
    store = LedgerStore()
    first, second, third = (process(store) for _ in range(3))
    await call(second)
    with await first.acquire("a.b", ()) as permit:
        permit.mark_sent()
        permit.mark_throttled(WORDS.format(2))
    await sleep(1.1)

    times = await calls_of_all([first, second, third], 2)

    assert sorted(times) == pytest.approx([60, 60, 120, 120, 180, 180], abs=0.5)


async def test_a_429_without_figures_slows_all() -> None:
    store = LedgerStore()
    first, second = process(store), process(store)
    await gather(call(first), call(second))
    with await first.acquire("a.b", ()) as permit:
        permit.mark_throttled("", 30)
    await sleep(1.1)

    assert await call(second) >= 30
    assert await call(process(store)) >= 30


async def test_the_same_429_slows_each_once() -> None:
    store = LedgerStore()
    both = [process(store), process(store)]
    permits = [await limits.acquire("a.b", ()) for limits in both]
    for permit in permits:
        permit.mark_throttled("", 10)
    await sleep(1.5)

    times = await gather(*(call(limits) for limits in both))

    assert max(times) < 13


async def test_configured_quotas_are_shared_by_the_operations_under_them() -> None:
    store = LedgerStore()
    configured = {"a": (Quota(5, 1),), "*": (Quota(8, 10), Quota(7, 10))}
    both = [process(store, configured) for _ in range(2)]

    times = await gather(*(call(limits, name=name) for limits in both for name in ("a.x", "a.y") * 5))

    assert fullest(times, 1) <= 5
    assert fullest(times, 10) <= 7
    assert len(times) == 20


async def test_several_quotas_of_a_call_are_leased_without_loss() -> None:
    store = LedgerStore()
    both = [process(store) for _ in range(2)]

    times = await calls_of_all(both, 60, TEN_A_SECOND, Quota(30, 60))

    assert fullest(times, 1) <= 10
    assert fullest(times, 60) <= 30
    assert max(times) < 190


async def test_a_lost_answer_counts_no_call_twice() -> None:
    store = LedgerStore()
    limits = process(store)
    lost = store.answers_lost = [3, 4, 8]
    times = await calls(limits, 60, TEN_A_SECOND)

    assert lost == []
    assert fullest(times, 1) <= 10
    assert max(times) < 7


async def test_an_idle_process_asks_for_nothing() -> None:
    store = LedgerStore()
    limits = process(store)
    await calls(limits, 10, TEN_A_SECOND)
    await sleep(10)
    trips = store.trips

    await sleep(1000)

    assert store.trips == trips


async def test_a_process_that_was_idle_waits_for_news() -> None:
    store = LedgerStore()
    idle, other = process(store), process(store)
    await call(idle)
    await sleep(100)
    with await other.acquire("a.b", ()) as permit:
        permit.mark_throttled(WORDS.format(2))
    await sleep(0.1)

    assert await call(idle) >= 160


async def test_limits_go_on_in_another_loop() -> None:
    store = LedgerStore()
    limits = process(store)
    await calls(limits, 10, TEN_A_SECOND)
    limits.enter_loop()

    assert await call(limits, TEN_A_SECOND) > 1


async def test_a_void_permit_is_not_used_again() -> None:
    store, quota = LedgerStore(), Quota(10, 3)
    connection = evolve(store)
    limits = process(connection)
    permits = [await limits.acquire("a.b", (quota,)) for _ in range(5)]
    connection.is_down = True
    await sleep(6.5)  # its lease of three seconds has ended, and its permits are free again
    others = await calls(process(store), 10, quota)
    connection.is_down = False
    await sleep(1.2)
    for permit in permits:
        permit.release()

    times = await calls(limits, 10, quota)

    assert fullest([*others, *times], 3) <= 10


async def test_a_quota_learned_during_an_exchange_is_shared_by_the_next() -> None:
    store = LedgerStore(delay=0.1)
    first, second = process(store), process(store)
    await gather(call(first, SIX_A_MINUTE), call(second, SIX_A_MINUTE))
    permit = await first.acquire("a.b", (SIX_A_MINUTE,))
    first._exchanger.wake()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    waiting = create_task(call(first, SIX_A_MINUTE))
    await sleep(0.15)
    permit.mark_throttled(WORDS.format(2))
    await sleep(2)

    assert list(store.documents["account:a.b"]["quotas"].values()) == [2]
    waiting.cancel()


async def test_an_estimate_includes_the_calls_of_other_processes() -> None:
    async def estimate(others: int) -> float:
        store = LedgerStore()
        busy, limits = process(store), process(store)
        tasks = [create_task(call(busy, TEN_A_SECOND)) for _ in range(others)]
        tasks += [create_task(call(limits, TEN_A_SECOND)) for _ in range(40)]
        await sleep(2.5)
        seconds = limits.estimate("a.b", (TEN_A_SECOND,), 22)
        for task in tasks:
            task.cancel()
        return seconds

    assert await estimate(40) > await estimate(0) + 2.5


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25)
def test_no_window_has_too_many_calls_whatever_fails(seed: int) -> None:
    times = run_virtually(chaos(random.Random(seed)))

    assert len(times) == 90
    assert fullest(times, 1) <= 10


async def chaos(rng: random.Random) -> list[float]:
    """Make calls in three processes whose connections fail, and over a store that is emptied."""
    store = LedgerStore()
    connections = [evolve(store, delay=rng.uniform(0, 0.05)) for _ in range(3)]
    times = list[float]()

    async def make(limits: SharedLimits) -> None:
        await sleep(rng.uniform(0, 6))
        while True:
            with await limits.acquire("a.b", (TEN_A_SECOND,)) as permit:
                await sleep(rng.choice([0, 0, 0, 0.1, 3]))
                if not permit.is_valid or rng.random() < 0.1:
                    permit.release()
                    continue
                permit.mark_sent()
                times.append(now())
                await sleep(rng.uniform(0, 0.1))
                permit.mark_answered()
                return

    async def fail() -> None:
        while True:
            await sleep(rng.uniform(0, 4))
            connection = rng.choice(connections)
            connection.answers_lost.append(connection.trips + 1)
            connection = rng.choice(connections)
            connection.is_down = True
            await sleep(rng.uniform(0, 4))
            connection.is_down = False
            if rng.random() < 0.1:
                store.documents.clear()
                for one in connections:
                    one.since = one.now()

    failures = create_task(fail())
    processes = [process(connection) for connection in connections]
    await gather(*(make(limits) for limits in processes for _ in range(30)))
    failures.cancel()
    return times
