from __future__ import annotations

import random
from asyncio import create_task, gather, get_running_loop, sleep
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async import Quota
from koophone_async.errors import QuotaTooSlow
from koophone_async.limits import Limits, parse_quota
from koophone_async.limits.adaptive_rate import Meter

WORDS = "The throttling threshold has been reached: policy user over ratelimit,limit:{},time:{}"
SIX_A_MINUTE = WORDS.format(6, "1 minute")


def now() -> float:
    return get_running_loop().time()


async def throttle(limits: Limits, words: str, retry_after: float | None = None, name: str = "a.b") -> None:
    with await limits.acquire(name, ()) as permit:
        permit.mark_sent()
        permit.mark_throttled(words, retry_after)


async def succeed(limits: Limits, quotas: tuple[Quota, ...] = ()) -> float:
    with await limits.acquire("a.b", quotas) as permit:
        began = now()
        permit.mark_sent()
        permit.mark_answered()
    return began


@pytest.mark.parametrize(
    "permits, time, quota",
    [
        (6, "1 minute", Quota(6, 60)),
        (100, "1 second", Quota(100, 1)),
        (30, "10 seconds", Quota(30, 10)),
        (200, "5 Minutes", Quota(200, 300)),
        (1000, "1 hour", Quota(1000, 3600)),
        (5000, "1 day", Quota(5000, 86400)),
        (" 7 ", " minute", Quota(7, 60)),
    ],
)
def test_the_quota_is_parsed_from_the_message(permits: object, time: str, quota: Quota) -> None:
    assert parse_quota(WORDS.format(permits, time)) == quota
    assert parse_quota(WORDS.format(permits, time).upper() + ".") == quota


@pytest.mark.parametrize("figures", [("", "1 minute"), (0, "1 minute"), (6, "0 minute"), (6, "1 fortnight")])
def test_a_message_without_usable_figures_states_no_quota(figures: tuple[object, str]) -> None:
    assert parse_quota(WORDS.format(*figures)) is None


@given(st.text() | st.from_regex(r"limit:\d*,time:\d* ?\w*"))
def test_any_text_is_parsed_without_an_error(text: str) -> None:
    quota = parse_quota(text)

    assert quota is None or (quota.permits > 0 and quota.seconds > 0)


async def test_a_429_sets_the_quota_and_uses_up_its_window(limits: Limits) -> None:
    await throttle(limits, SIX_A_MINUTE)

    times = [await succeed(limits) for _ in range(13)]

    assert times == [60] * 6 + [120] * 6 + [180]


async def test_a_stated_quota_replaces_the_documented_one(limits: Limits) -> None:
    with await limits.acquire("a.b", (Quota(6, 60),)) as permit:
        permit.mark_throttled(WORDS.format(2, "1 minute"))

    assert [await succeed(limits) for _ in range(4)] == [60, 60, 120, 120]


@pytest.mark.parametrize("passed, times", [(10, [60, 70, 70, 70, 120]), (100, [160, 160, 160, 160, 220])])
async def test_counted_calls_are_part_of_the_used_window(
    limits: Limits, passed: float, times: list[float]
) -> None:
    await succeed(limits, (Quota(2, 60),))
    permit = await limits.acquire("a.b", (Quota(2, 60),))
    await sleep(passed)
    permit.mark_throttled(WORDS.format(4, "1 minute"))

    assert [await succeed(limits) for _ in range(5)] == times


async def test_a_smaller_quota_waits_for_reserved_permits(limits: Limits) -> None:
    permits = [await limits.acquire("a.b", (Quota(6, 60),)) for _ in range(6)]
    permits[0].mark_throttled(WORDS.format(2, "1 minute"))
    await sleep(1)
    for permit in permits[1:]:
        permit.mark_answered()

    assert await succeed(limits) == 61


async def test_calls_sent_before_the_quota_was_known_count(limits: Limits) -> None:
    early = await limits.acquire("a.b", ())
    await throttle(limits, WORDS.format(1, "1 minute"))
    await sleep(3)
    early.mark_answered()

    assert await succeed(limits) == 63


async def test_calls_sent_before_count_in_a_later_window_too(limits: Limits) -> None:
    early = await limits.acquire("a.b", ())
    await throttle(limits, WORDS.format(2, "1 minute"))
    await sleep(70)
    early.mark_answered()

    assert [await succeed(limits) for _ in range(2)] == [70, 130]


async def test_a_late_429_with_the_known_quota_changes_nothing(limits: Limits) -> None:
    early = await limits.acquire("a.b", ())
    await throttle(limits, SIX_A_MINUTE)
    await sleep(3)
    early.mark_throttled(SIX_A_MINUTE)

    assert [await succeed(limits) for _ in range(6)] == [60] * 6


async def test_a_learned_quota_limits_its_operation_alone(limits: Limits) -> None:
    await throttle(limits, SIX_A_MINUTE)

    await limits.acquire("a.c", (), max_wait=0)


async def test_a_429_within_the_known_quota_lowers_the_rate(limits: Limits) -> None:
    await throttle(limits, SIX_A_MINUTE)
    with await limits.acquire("a.b", ()) as permit:
        permit.mark_throttled(SIX_A_MINUTE)

    times = [await succeed(limits) for _ in range(5)]

    assert 60.05 <= times[0] < 60.1
    assert times[4] - times[0] > 4


async def test_a_429_may_make_a_wait_too_long(limits: Limits) -> None:
    permit = await limits.acquire("a.b", (Quota(1, 1),))
    waiting = create_task(limits.acquire("a.b", (), max_wait=61))
    hasty = create_task(limits.acquire("a.b", (), max_wait=10))
    await sleep(0)
    permit.mark_throttled(WORDS.format(1, "1 minute"))

    with pytest.raises(QuotaTooSlow) as refused:
        await hasty

    assert (now(), refused.value.retry_after) == (0, 120)
    await waiting
    assert now() == 60


async def test_a_cancelled_call_does_not_delay_the_others(limits: Limits) -> None:
    permit = await limits.acquire("a.b", (Quota(1, 1),))
    hasty = [create_task(limits.acquire("a.b", (), max_wait=10)) for _ in range(2)]
    await sleep(0)
    hasty[0].cancel()
    permit.mark_throttled(WORDS.format(1, "1 minute"))
    hasty[1].cancel()
    await gather(*hasty, return_exceptions=True)

    assert await succeed(limits) == 60


async def test_retry_after_is_kept_without_a_stated_quota(limits: Limits) -> None:
    await throttle(limits, "Too many requests", retry_after=30)

    assert 30 <= await succeed(limits) <= 37.5


async def test_pauses_double_without_retry_after(limits: Limits) -> None:
    times = list[float]()
    for _ in range(8):
        await throttle(limits, "Too many requests")
        times.append(now())

    gaps = [late - early for early, late in pairwise(times)]
    assert [0.05 * 2**n <= gap <= 0.0625 * 2**n for n, gap in enumerate(gaps)] == [True] * 7


async def test_a_day_of_429s_is_probed_once_a_minute(limits: Limits) -> None:
    for _ in range(1440):
        await throttle(limits, "Too many requests")

    assert 0.99 * 86_400 < now() < 1.25 * 86_400


async def test_after_two_429s_one_call_at_a_time_probes(limits: Limits) -> None:
    await throttle(limits, "")
    await throttle(limits, "")
    probe = await limits.acquire("a.b", ())
    others = [create_task(succeed(limits)) for _ in range(3)]
    await sleep(100)
    assert not any(task.done() for task in others)
    probe.release()
    probe.mark_answered()

    await gather(*others)


async def test_an_earlier_call_does_not_end_the_pause(limits: Limits) -> None:
    await throttle(limits, "")
    early = await limits.acquire("a.b", ())
    await throttle(limits, "", retry_after=30)
    early.mark_answered()

    assert await succeed(limits) >= 30


async def test_an_earlier_call_does_not_allow_a_second_probe(limits: Limits) -> None:
    await throttle(limits, "")
    early = await limits.acquire("a.b", ())
    await throttle(limits, "")
    early.mark_answered()
    probe = await limits.acquire("a.b", ())
    other = create_task(succeed(limits))
    await sleep(100)

    assert not other.done()
    probe.mark_answered()
    await other


async def test_429s_of_simultaneous_calls_cut_the_rate_once(limits: Limits) -> None:
    await throttle(limits, "")
    await succeed(limits)
    together = [await limits.acquire("a.b", ()) for _ in range(3)]
    together[0].mark_throttled("")
    before = limits.estimate("a.b", (), 10)
    for late in together[1:]:
        late.mark_throttled("")

    assert limits.estimate("a.b", (), 10) == before


async def test_a_late_429_of_an_earlier_call_does_not_count(limits: Limits) -> None:
    early = await limits.acquire("a.b", ())
    await throttle(limits, "")
    before = limits.estimate("a.b", (), 10)
    early.mark_throttled("")

    assert limits.estimate("a.b", (), 10) == before


async def test_a_429_cuts_the_rate_which_recovers_with_time(limits: Limits) -> None:
    for _ in range(200):
        await succeed(limits)
        await sleep(0.02)
    await throttle(limits, "")
    times = [await succeed(limits) for _ in range(500)]

    def rate(begin: float, end: float) -> float:
        return sum(begin <= time - times[0] < end for time in times) / (end - begin)

    assert rate(0.1, 0.4) == pytest.approx(0.7 * 50, rel=0.12)
    assert rate(2.8, 3.8) == pytest.approx(50, rel=0.04)
    assert rate(6, 6.5) > 52


async def test_a_rate_raised_by_time_alone_is_not_trusted(limits: Limits) -> None:
    await throttle(limits, "")
    await succeed(limits)
    await sleep(1000)
    burst = [await limits.acquire("a.b", ()) for _ in range(10)]
    burst[0].mark_throttled("")

    assert limits.estimate("a.b", (), 10) > 5


async def test_a_burst_after_a_quiet_time_is_measured_as_a_burst(limits: Limits) -> None:
    for _ in range(50):
        await succeed(limits)
    await sleep(100)
    for _ in range(100):
        await succeed(limits)
    await throttle(limits, "")
    await succeed(limits)

    assert limits.estimate("a.b", (), 70) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("quiet, total", [(10, 6), (20, 6), (21, 1)])
def test_a_meter_remembers_the_previous_bucket(quiet: float, total: int) -> None:
    meter = Meter(100.0)
    for _ in range(5):
        meter.add(100.0)

    meter.add(100.0 + quiet)

    assert meter.total == total


async def test_an_estimate_begins_at_the_end_of_the_pause(limits: Limits) -> None:
    await throttle(limits, "", retry_after=30)
    first = limits.estimate("a.b", (), 1)

    assert limits.estimate("a.b", (), 3) == first + 2
    assert await succeed(limits) == first


async def test_a_recovered_rate_is_dropped(limits: Limits) -> None:
    free = await limits.acquire("a.b", ())
    await throttle(limits, "")
    assert await limits.acquire("a.b", ()) is not free
    await sleep(1000)
    await succeed(limits)

    assert await limits.acquire("a.b", ()) is free


async def test_the_error_states_the_adaptive_rate(limits: Limits) -> None:
    await throttle(limits, "", retry_after=30)
    with pytest.raises(QuotaTooSlow, match=r"adaptive rate, as before\) has no permit for another 3\d"):
        await limits.acquire("a.b", (), max_wait=1)
    await succeed(limits)

    with pytest.raises(QuotaTooSlow, match="an adaptive rate, about 1 a second"):
        await limits.acquire("a.b", (), max_wait=0)


async def test_pauses_of_several_processes_differ() -> None:
    ends = set[float]()
    for seed in range(5):
        limits, began = Limits(rng=random.Random(seed)), now()
        await throttle(limits, "", retry_after=10)
        ends.add(await succeed(limits) - began)

    assert len(ends) == 5
