from __future__ import annotations

import asyncio
import random
from asyncio import Task, create_task, gather, get_running_loop, sleep
from math import inf

import pytest

from koophone_async import Quota
from koophone_async.errors import QuotaTooSlow
from koophone_async.limits import MARGIN, Limits, Permit

ONE_A_SECOND = (Quota(1, 1),)
SIX_A_MINUTE = (Quota(6, 60),)


def now() -> float:
    return get_running_loop().time()


async def call(limits: Limits, name: str, quotas: tuple[Quota, ...], log: list[tuple[str, float]]) -> None:
    with await limits.acquire(name, quotas) as permit:
        permit.mark_sent()
        log.append((name, round(now(), 3)))
        permit.mark_answered()


async def acquired(limits: Limits, quotas: tuple[Quota, ...] = ONE_A_SECOND, count: int = 1) -> list[Permit]:
    return [await limits.acquire("a.b", quotas) for _ in range(count)]


async def start(limits: Limits, quotas: tuple[Quota, ...] = ONE_A_SECOND, name: str = "a.b") -> Task[Permit]:
    task = create_task(limits.acquire(name, quotas))
    await sleep(0)
    return task


async def test_without_a_quota_all_calls_share_one_permit(limits: Limits) -> None:
    first = await limits.acquire("a.b", ())
    with first:
        first.mark_sent()
        first.mark_answered()

    assert await limits.acquire("a.b", ()) is first


async def test_a_free_permit_is_granted_without_yielding(limits: Limits) -> None:
    with pytest.raises(StopIteration):
        limits.acquire("a.b", ONE_A_SECOND).send(None)


async def test_a_quota_per_second_counts_from_sending(limits: Limits) -> None:
    (permit,) = await acquired(limits)
    await sleep(5)
    permit.mark_sent()
    await sleep(0.5)
    permit.mark_answered()

    await limits.acquire("a.b", ONE_A_SECOND)

    assert now() == pytest.approx(6 + MARGIN)


async def test_a_quota_per_minute_counts_from_the_answer(limits: Limits) -> None:
    permits = await acquired(limits, SIX_A_MINUTE, 6)
    for permit in permits:
        permit.mark_sent()
    await sleep(5)
    permits[0].mark_answered()

    await limits.acquire("a.b", SIX_A_MINUTE)

    assert now() == 65


async def test_an_abandoned_call_counts_as_long_as_it_may_arrive(limits: Limits) -> None:
    with await limits.acquire("a.b", (Quota(1, 60),)) as permit:
        permit.mark_sent()

    await limits.acquire("a.b", (Quota(1, 60),))

    assert now() == pytest.approx(60.2)


async def test_a_call_that_was_not_sent_frees_its_permit(limits: Limits) -> None:
    (permit,) = await acquired(limits)
    waiting = await start(limits)
    permit.release()

    await waiting

    assert now() == 0


@pytest.mark.parametrize("quota", [Quota(1, 1), Quota(1, 60)])
async def test_reporting_twice_changes_nothing(limits: Limits, quota: Quota) -> None:
    for _ in range(2):
        with await limits.acquire("a.b", (quota,)) as permit:
            for _ in range(2):
                permit.mark_sent()
                permit.mark_answered()
                permit.mark_throttled("")
                permit.release()

    assert now() == pytest.approx(quota.seconds + (MARGIN if quota.seconds == 1 else 0))


async def test_calls_of_one_operation_go_in_order_of_arrival(limits: Limits) -> None:
    order = list[int]()

    async def numbered(number: int) -> None:
        with await limits.acquire("a.b", (Quota(3, 1),)):
            order.append(number)

    await gather(*(numbered(number) for number in range(50)))

    assert order == list(range(50))


@pytest.mark.parametrize("permits, windows", [(1, 6), (2, 3)])
async def test_operations_sharing_a_quota_go_in_order_of_arrival(permits: int, windows: int) -> None:
    limits = Limits({"a": (Quota(permits, 1),)}, rng=random.Random(1))
    log = list[tuple[str, float]]()
    names = ["a.x", "a.y", "a.y", "a.x", "a.y", "a.z", "a.x"]

    await gather(*(call(limits, name, (), log) for name in names))

    assert [name for name, _ in log] == names
    assert now() == pytest.approx(windows * (1 + MARGIN))


async def test_an_operation_does_not_wait_behind_a_blocked_one() -> None:
    limits = Limits({"*": (Quota(100, 1),)}, rng=random.Random(1))
    log = list[tuple[str, float]]()
    slow = [create_task(call(limits, "a.slow", (Quota(1, 60),), log)) for _ in range(3)]
    await sleep(1)

    await gather(*(call(limits, "a.fast", (), log) for _ in range(90)))

    assert now() == 1
    await gather(*slow)
    assert now() == pytest.approx(120)


async def test_a_longer_wait_does_not_delay_a_shorter_one(limits: Limits) -> None:
    await call(limits, "a.slow", (Quota(1, 60),), [])
    await call(limits, "a.fast", ONE_A_SECOND, [])
    slow = await start(limits, (Quota(1, 60),), "a.slow")

    await limits.acquire("a.fast", ONE_A_SECOND)

    assert now() == pytest.approx(1 + MARGIN)
    slow.cancel()


async def test_a_new_call_does_not_overtake_a_waiting_one() -> None:
    limits = Limits({"*": ONE_A_SECOND}, rng=random.Random(1))
    await call(limits, "a.first", (), [])
    newcomer = limits.acquire("a.c", ())
    # In the very tick in which the permit becomes free, and before the timer.
    get_running_loop().call_at(1 + MARGIN, newcomer.send, None)

    await limits.acquire("a.b", ())

    newcomer.close()
    assert now() == pytest.approx(1 + MARGIN)


async def test_several_quotas_apply_at_once() -> None:
    service = {"a": (Quota(5, 1),), "a.b": (Quota(4, 1),), "*": (Quota(8, 10),), "c": ONE_A_SECOND}
    limits = Limits(service, rng=random.Random(1), margin=0)
    log = list[tuple[str, float]]()

    await gather(*(call(limits, "a.b.c", (Quota(3, 1),), log) for _ in range(12)))

    assert [time for _, time in log] == [0, 0, 0, 1, 1, 1, 2, 2, 10, 10, 10, 11]


async def test_a_permit_is_taken_of_all_quotas_or_of_none() -> None:
    limits = Limits({"*": (Quota(2, 1),)}, rng=random.Random(1))
    await limits.acquire("a.b", (Quota(1, 60),))
    blocked = await start(limits, (Quota(1, 60),))

    await limits.acquire("a.c", ())

    assert not blocked.done()
    blocked.cancel()


async def test_the_smaller_of_two_quotas_applies(limits: Limits) -> None:
    log = list[tuple[str, float]]()

    await gather(*(call(limits, "a.b", (Quota(1, 60), Quota(2, 60)), log) for _ in range(2)))

    assert now() == 60


async def test_a_wait_that_is_too_long_fails_at_once(limits: Limits) -> None:
    log = list[tuple[str, float]]()
    for _ in range(6):
        await call(limits, "a.b", SIX_A_MINUTE, log)
    await sleep(18)

    with pytest.raises(QuotaTooSlow, match=r"a\.b: not sent: its quota \(6 in 60 s\) .* 42\.0 s") as refused:
        await limits.acquire("a.b", SIX_A_MINUTE, max_wait=41)

    assert refused.value.retry_after == 42
    assert now() == 18
    await limits.acquire("a.b", SIX_A_MINUTE, max_wait=42)
    assert now() == 60


async def test_waiting_calls_lengthen_the_wait(limits: Limits) -> None:
    await call(limits, "a.b", ONE_A_SECOND, [])
    waiting = [await start(limits) for _ in range(5)]

    with pytest.raises(QuotaTooSlow) as refused:
        await limits.acquire("a.b", ONE_A_SECOND, max_wait=2)

    assert refused.value.retry_after == pytest.approx(6 * (1 + MARGIN))
    for task in waiting:
        task.cancel()


async def test_only_calls_delayed_by_the_same_quota_lengthen_the_wait() -> None:
    limits = Limits({"*": (Quota(2, 20),)}, rng=random.Random(1))
    await call(limits, "a.slow", (Quota(1, 60),), [])
    blocked = await start(limits, (Quota(1, 60),), "a.slow")
    assert limits.estimate("a.b", (), 1) == 0
    await call(limits, "a.b", (), [])
    waiting = [await start(limits, (), "a.b") for _ in range(2)]

    assert limits.estimate("a.c", (), 1) == 40
    for task in (*waiting, blocked):
        task.cancel()


async def test_an_estimate_is_for_the_last_of_the_calls(limits: Limits) -> None:
    assert limits.estimate("a.b", (), 1000) == 0
    assert limits.estimate("a.c", SIX_A_MINUTE, 0) == 0
    assert limits.estimate("a.c", SIX_A_MINUTE, 6) == 0
    assert limits.estimate("a.c", SIX_A_MINUTE, 100) == 16 * 60


async def test_an_estimate_includes_reserved_and_counted_permits(limits: Limits) -> None:
    permits = await acquired(limits, SIX_A_MINUTE, 3)
    permits[0].mark_answered()
    await sleep(10)

    assert [limits.estimate("a.b", SIX_A_MINUTE, n) for n in (3, 4, 5, 6, 7)] == [0, 50, 60, 60, 60]


async def test_an_estimate_ignores_expired_calls(limits: Limits) -> None:
    for _ in range(2):
        for _ in range(3):
            await call(limits, "a.b", SIX_A_MINUTE, [])
        await sleep(10)
    await sleep(45)

    assert [limits.estimate("a.b", SIX_A_MINUTE, n) for n in (3, 4, 7)] == [0, 5, 60]


async def test_a_cancelled_wait_has_no_side_effects(limits: Limits) -> None:
    await call(limits, "a.b", ONE_A_SECOND, [])
    waiting = [await start(limits) for _ in range(5)]
    for task in waiting[:4]:
        task.cancel()
    await gather(*waiting[:4], return_exceptions=True)

    assert limits.estimate("a.b", ONE_A_SECOND, 1) == pytest.approx(2 * (1 + MARGIN))
    await waiting[4]
    assert now() == pytest.approx(1 + MARGIN)


async def test_no_timer_is_left_when_all_waits_are_cancelled(limits: Limits) -> None:
    await call(limits, "a.b", (Quota(1, 60),), [])
    task = await start(limits, (Quota(1, 60),))
    task.cancel()
    await gather(task, return_exceptions=True)

    assert limits._timer.due == inf  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


async def test_cancelling_at_the_grant_frees_the_permit(
    limits: Limits,
) -> None:
    (permit,) = await acquired(limits)
    first, second = await start(limits), await start(limits)
    permit.release()
    first.cancel()

    with pytest.raises(asyncio.CancelledError):
        await first
    await second

    assert now() == 0


async def test_a_wait_cancelled_before_its_grant_is_skipped(limits: Limits) -> None:
    (permit,) = await acquired(limits)
    first, second = await start(limits), await start(limits)
    first.cancel()
    permit.release()

    await second

    assert first.cancelled()
    assert now() == 0


async def test_the_last_wait_may_be_cancelled_before_its_grant(limits: Limits) -> None:
    (permit,) = await acquired(limits)
    waiting = await start(limits)
    waiting.cancel()
    permit.release()
    await gather(waiting, return_exceptions=True)

    await limits.acquire("a.b", ONE_A_SECOND, max_wait=0)


async def test_a_timeout_ends_a_wait(limits: Limits) -> None:
    await acquired(limits)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(7):
            await limits.acquire("a.b", ONE_A_SECOND)

    assert now() == 7


async def test_no_timer_is_set_while_waiting_for_an_answer(limits: Limits) -> None:
    (permit,) = await acquired(limits)
    waiting = await start(limits)
    assert limits._timer.due == inf  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    permit.mark_sent()
    await waiting

    assert now() == pytest.approx(1 + MARGIN)
