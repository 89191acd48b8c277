from __future__ import annotations

import asyncio
import random
from asyncio import create_task, gather, get_running_loop, sleep

from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from koophone_async import Quota
from koophone_async.limits import MARGIN, Limits
from koophone_async.virtual_time import run_virtually


@frozen
class Call:
    name: str
    begins: float
    prepares: float
    flies: float
    returns: float
    ending: str
    cancelled: float | None


def seconds(max_milliseconds: int) -> st.SearchStrategy[float]:
    return st.integers(0, max_milliseconds).map(lambda milliseconds: milliseconds / 1000)


calls = st.lists(
    st.builds(
        Call,
        st.sampled_from(["a.b", "a.c"]),
        seconds(300),
        seconds(100),
        st.sampled_from([0.0, 0.1, 0.2]),
        st.sampled_from([0.0, 0.3]),
        st.sampled_from(["answered", "answered", "given up", "unsent"]),
        st.none() | seconds(3000),
    ),
    min_size=5,
    max_size=30,
)
quotas = st.lists(st.builds(Quota, st.integers(1, 3), st.sampled_from([1, 2, 20, 60])), max_size=2).map(tuple)


async def make(
    limits: Limits, call: Call, stated: tuple[Quota, ...], flies: float, arrivals: list[float]
) -> None:
    await sleep(call.begins)
    with await limits.acquire(call.name, stated) as permit:
        await sleep(call.prepares)
        if call.ending == "unsent":
            permit.release()
            return
        permit.mark_sent()
        arrivals.append(get_running_loop().time() + flies)
        await sleep(flies + call.returns)
        if call.ending == "answered":
            permit.mark_answered()


async def arrivals(
    plan: list[Call], stated: tuple[Quota, ...], shared: tuple[Quota, ...]
) -> dict[str, list[float]]:
    """Make all calls, cancelling some, and return when each arrived at the service."""
    limits, arrived = (
        Limits({"a": shared}, rng=random.Random(1)),
        dict[str, list[float]]({"a.b": [], "a.c": []}),
    )
    jitter = MARGIN if any(not quota.counts_from_answer for quota in stated + shared) else 0.2
    tasks = list[asyncio.Task[None]]()
    for call in plan:
        task = create_task(make(limits, call, stated, call.flies / 0.2 * jitter, arrived[call.name]))
        tasks.append(task)
        if call.cancelled is not None:
            get_running_loop().call_later(call.cancelled, task.cancel)
    await gather(*tasks, return_exceptions=True)
    return arrived


def never_more(times: list[float], quota: Quota) -> bool:
    times = sorted(times)
    return all(
        late - early > quota.seconds - 1e-6
        for early, late in zip(times, times[quota.permits :], strict=False)
    )


@given(calls, quotas, quotas)
def test_no_window_has_more_calls_than_the_quota(
    plan: list[Call], stated: tuple[Quota, ...], shared: tuple[Quota, ...]
) -> None:
    arrived = run_virtually(arrivals(plan, stated, shared))

    assert all(never_more(times, quota) for times in arrived.values() for quota in stated)
    assert all(never_more([*arrived["a.b"], *arrived["a.c"]], quota) for quota in shared)


@given(calls, quotas, quotas)
def test_every_call_that_is_not_cancelled_is_made(
    plan: list[Call], stated: tuple[Quota, ...], shared: tuple[Quota, ...]
) -> None:
    arrived = run_virtually(arrivals(plan, stated, shared))

    lasting = [call for call in plan if call.cancelled is None and call.ending != "unsent"]
    assert sum(map(len, arrived.values())) >= len(lasting)
