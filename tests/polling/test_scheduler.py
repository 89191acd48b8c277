from __future__ import annotations

import asyncio
import gc
from collections import Counter
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from koophone_async.errors import (
    AnswerTimedOut,
    AuthenticationFailed,
    Forbidden,
    KooPhoneError,
    NotFound,
    QuotaTooSlow,
    Refused,
    Throttled,
    Unavailable,
    UnreadableAnswer,
)
from koophone_async.polling import PendingJobs, PollPolicy, PollScheduler
from koophone_async.virtual_time import run_virtually
from tests.polling.service import Job, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence


def now() -> float:
    return asyncio.get_running_loop().time()


def new_scheduler() -> PollScheduler:
    return PollScheduler(rng=Random(7))


@define(eq=False)
class Told:
    """What a watch told, and when."""

    ended: dict[str, tuple[float, Job | None]] = field(factory=dict[str, tuple[float, Job | None]])
    times: Counter[str] = field(factory=Counter[str])
    over: asyncio.Event = field(factory=asyncio.Event)

    def end(self, job: str, seen: Job | None) -> None:
        self.ended[job] = now(), seen
        self.times[job] += 1

    def finish(self, _: PendingJobs[Job]) -> None:
        self.over.set()

    @property
    def lost(self) -> set[str]:
        return {job for job, (_, seen) in self.ended.items() if seen is None}


class Until(TypedDict, total=False):
    deadline: float
    age: float


def watched(
    scheduler: PollScheduler,
    service: Service,
    handle: str,
    jobs: Sequence[str],
    operation: str = "run",
    **until: Unpack[Until],
) -> tuple[PendingJobs[Job], Told]:
    told = Told()
    watch = scheduler.subscribe(
        service, handle, jobs, operation=operation, on_end=told.end, on_done=told.finish, **until
    )
    return watch, told


def virtual(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test in virtual time, and see that it leaves no task, timer or look behind."""

    async def clean() -> None:
        mistakes = list[dict[str, Any]]()
        asyncio.get_running_loop().set_exception_handler(lambda _, context: mistakes.append(context))
        await test()
        assert mistakes == []
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        waiting = [timer for timer in vars(loop)["_scheduled"] if not timer.cancelled()]
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert waiting == []

    def run() -> None:
        run_virtually(clean())

    run.__name__ = test.__name__
    return run


@virtual
async def test_every_job_is_told_once_soon_after_its_end() -> None:
    service, scheduler = Service(delay=0.05), new_scheduler()
    jobs = service.start("task", [1.0, 2.0, 2.5, 4.0] * 25)

    _, told = watched(scheduler, service, "task", jobs)
    await told.over.wait()

    assert set(told.times.values()) == {1}
    assert set(told.ended) == set(jobs)
    late = [at - seen.ends_at for at, seen in told.ended.values() if seen is not None]
    assert min(late) >= 0
    assert max(late) < 2


@virtual
async def test_ten_thousand_jobs_of_two_seconds_take_few_polls() -> None:
    service, scheduler, tolds = Service(delay=0.01), new_scheduler(), list[Told]()
    for n in range(100):
        tolds.append(watched(scheduler, service, f"task-{n}", service.start(f"task-{n}", [2.0] * 100))[1])
        await asyncio.sleep(0.001)
    for told in tolds:
        await told.over.wait()

    assert now() < 2.3
    assert len(service.looks) < 150
    assert sum(len(told.ended) for told in tolds) == 10_000


@virtual
async def test_what_one_wait_learned_serves_the_next_of_its_kind() -> None:
    service, scheduler = Service(), new_scheduler()
    for n in range(3):
        _, told = watched(scheduler, service, str(n), service.start(str(n), [30.0] * 100))
        await told.over.wait()
    before, began = len(service.looks), now()

    _, told = watched(scheduler, service, "next", service.start("next", [30.0] * 100))
    await told.over.wait()

    assert now() - began == pytest.approx(30, abs=1)
    assert len(service.looks) - before < before / 3


@virtual
async def test_a_wait_can_be_iterated() -> None:
    service, scheduler = Service(), new_scheduler()
    jobs = service.start("task", [3.0, 1.0, 2.0])

    async with scheduler.stream(service, "task", jobs, operation="run") as wait:
        ended = [(job, seen.ends_at if seen else None) async for job, seen in wait]
        assert not wait.pending

    assert set(ended) == {("task.0", 3.0), ("task.1", 1.0), ("task.2", 2.0)}


@virtual
async def test_at_the_deadline_the_open_jobs_are_unfinished_and_not_lost() -> None:
    service, scheduler = Service(), new_scheduler()
    jobs = service.start("task", [1.0, 100.0])

    async with scheduler.stream(service, "task", jobs, operation="run", deadline=30.0) as wait:
        ended = [job async for job, _ in wait]

    assert now() == 30
    assert ended == ["task.0"]
    assert list(wait.pending) == ["task.1"]


@virtual
async def test_a_cancelled_wait_tells_nothing_more_and_looks_no_more() -> None:
    service, scheduler = Service(delay=1), new_scheduler()
    watch, told = watched(scheduler, service, "task", service.start("task", [3.0] * 100), deadline=50.0)
    await service.looked.wait()

    watch.cancel()
    watch.cancel()
    looks = len(service.looks)
    await asyncio.sleep(100)

    assert watch.done
    assert told.ended == {}
    assert not told.over.is_set()
    assert len(service.looks) == looks


@virtual
async def test_a_wait_that_is_cancelled_is_collected() -> None:
    service, scheduler = Service(), new_scheduler()
    for n in range(500):
        watch, _ = watched(scheduler, service, str(n), service.start(str(n), [1.0]), deadline=1e6)
        watch.cancel()
        del watch
    gc.collect()

    assert not [thing for thing in gc.get_objects() if isinstance(thing, PendingJobs)]


@virtual
async def test_leaving_the_block_early_ends_the_wait() -> None:
    service, scheduler = Service(), new_scheduler()
    jobs = service.start("task", [1.0, 1000.0])

    async with scheduler.stream(service, "task", jobs, operation="run") as wait:
        async for job, _ in wait:
            assert job == "task.0"
            break


@virtual
async def test_closing_the_pump_ends_its_waits_with_their_jobs_unfinished() -> None:
    service = Service(delay=1)
    async with PollScheduler() as scheduler:
        watch, told = watched(scheduler, service, "task", service.start("task", [9.0] * 100))
        await service.looked.wait()

    assert told.over.is_set()
    assert len(watch.pending) == 100
    assert watch.error is None


@virtual
async def test_two_waits_for_one_task_share_its_looks() -> None:
    service, scheduler = Service(), new_scheduler()
    jobs = service.start("task", [5.0] * 50)

    _, one = watched(scheduler, service, "task", jobs)
    await asyncio.sleep(1)
    _, other = watched(scheduler, service, "task", jobs[10:])
    await one.over.wait()

    assert other.over.is_set()
    assert len(one.ended) == 50
    assert len(other.ended) == 40
    assert len({at for at, _ in service.looks}) == len(service.looks)


@virtual
async def test_a_wait_that_joins_while_a_look_is_in_flight_is_told_too() -> None:
    service, scheduler = Service(delay=3), new_scheduler()
    jobs = service.start("task", [1.0] * 100)
    watched(scheduler, service, "task", jobs)
    await service.looked.wait()

    _, other = watched(scheduler, service, "task", jobs)
    await other.over.wait()

    assert len(other.ended) == 100


@virtual
async def test_answers_that_come_faster_than_the_spacing_do_not_lose_a_job() -> None:
    service, scheduler = Service(), PollScheduler(PollPolicy(grace=0, spacing=5), Random(7))
    jobs = service.start("task", [n / 10 for n in range(100)])
    lost = service.jobs["task"].pop("task.99")

    _, told = watched(scheduler, service, "task", jobs)
    await told.over.wait()

    assert told.lost == {lost.id}
    assert told.ended[lost.id][0] >= service.looks[0][0] + 2 * 0.99 * 5
    assert len([at for at, _ in service.looks if at < told.ended[lost.id][0]]) > 3


@virtual
async def test_a_cancelled_wait_leaves_the_other_of_its_task_alone() -> None:
    service, scheduler = Service(), new_scheduler()
    jobs = service.start("task", [5.0, 5.0, 900.0])

    watch, _ = watched(scheduler, service, "task", jobs)
    _, other = watched(scheduler, service, "task", jobs[:2])
    watch.cancel()
    await other.over.wait()

    assert set(other.ended) == {"task.0", "task.1"}
    assert now() < 20


@virtual
async def test_a_wait_for_no_jobs_is_over_at_once() -> None:
    _, told = watched(new_scheduler(), Service(), "task", [])

    await told.over.wait()

    assert now() == 0


@virtual
async def test_a_wait_taken_up_later_sees_at_once_what_ended_meanwhile() -> None:
    service, scheduler = Service(), new_scheduler()
    jobs = service.start("task", [2.0] * 100)
    await asyncio.sleep(600)

    _, told = watched(scheduler, service, "task", jobs, age=600)
    await told.over.wait()

    assert now() == pytest.approx(600, abs=0.2)


@virtual
async def test_a_task_that_is_not_listed_yet_has_a_grace_period() -> None:
    service, scheduler = Service(), new_scheduler()
    asyncio.get_running_loop().call_later(14, service.start, "task", [1.0, 1.0])

    _, told = watched(scheduler, service, "task", ["task.0", "task.1"])
    await told.over.wait()

    assert told.lost == set()
    assert len(told.ended) == 2


@pytest.mark.parametrize("code", ["CPS.0050", "CPS0050", "KOOPHONE.API.1323", "KP.API.1323", ""])
def test_a_task_that_is_never_listed_is_lost_after_its_grace(code: str) -> None:
    def refuse(_: Sequence[str]) -> None:
        if code:
            raise NotFound("tasks.show", 404, code, "no such task")

    @virtual
    async def run() -> None:
        service, scheduler = Service(refusal=refuse), new_scheduler()
        _, told = watched(scheduler, service, "task", ["a", "b"])
        await told.over.wait()
        assert told.lost == {"a", "b"}
        assert 15 + 2 * 2 <= now() <= 15 + 3 * 2

    run()


@virtual
async def test_a_job_missing_from_three_answers_is_lost_and_its_neighbours_are_not() -> None:
    service, scheduler = Service(), new_scheduler()
    jobs = service.start("task", [40.0, 40.0, 40.0])
    asyncio.get_running_loop().call_later(20, service.jobs["task"].pop, "task.1")

    _, told = watched(scheduler, service, "task", jobs)
    await told.over.wait()

    assert told.lost == {"task.1"}
    assert told.ended["task.1"][0] < 40


@virtual
async def test_a_job_that_is_listed_again_is_not_lost() -> None:
    service, scheduler = Service(), new_scheduler()
    jobs = service.start("task", [60.0, 60.0])
    hidden = service.jobs["task"]["task.1"]
    asyncio.get_running_loop().call_later(20, service.jobs["task"].pop, "task.1")

    def show(_: Sequence[str]) -> None:
        missed = [at for at, _ in service.looks if at > 20]
        if len(missed) > 2:
            service.jobs["task"]["task.1"] = hidden

    service.refusal = show
    _, told = watched(scheduler, service, "task", jobs)
    await told.over.wait()

    assert told.lost == set()


@pytest.mark.parametrize(
    "error",
    [
        AnswerTimedOut("tasks.show", "no answer"),
        Unavailable("tasks.show", 503, "", "down"),
        UnreadableAnswer("tasks.show", 200, "not JSON", b"<html>"),
        Refused("tasks.show", 500, "X", "busy", retryable=True),
        asyncio.CancelledError(),
    ],
)
def test_looks_that_fail_are_made_again_ever_more_seldom_and_nothing_is_lost(error: BaseException) -> None:
    def refuse(_: Sequence[str]) -> None:
        if now() < 120:
            raise error

    @virtual
    async def run() -> None:
        service, scheduler = Service(refusal=refuse), new_scheduler()
        _, told = watched(scheduler, service, "task", service.start("task", [2.0] * 100))
        await told.over.wait()
        gaps = [b - a for (a, _), (b, _) in pairwise(service.looks)]
        assert told.lost == set()
        assert len(told.ended) == 100
        assert len(gaps) < 12
        assert max(gaps) > 30

    run()


@pytest.mark.parametrize(
    "error",
    [
        Throttled("tasks.show", 429, "APIG.0308", "slow", retry_after=25),
        QuotaTooSlow("tasks.show", "quota", 25),
    ],
)
def test_a_wait_that_the_service_asks_for_is_kept_by_all_its_handles(error: KooPhoneError) -> None:
    failed = list[float]()

    def refuse(_: Sequence[str]) -> None:
        if not failed or failed[0] == now():
            failed.append(now())
            raise error

    @virtual
    async def run() -> None:
        service, scheduler = Service(refusal=refuse), new_scheduler()
        tolds = [watched(scheduler, service, h, service.start(h, [2.0] * 100))[1] for h in "abc"]
        for told in tolds:
            await told.over.wait()
        assert not [at for at, _ in service.looks if failed[0] < at < failed[0] + 25]
        assert now() < failed[0] + 30

    run()


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationFailed("tasks.show", 401, "6001", "sign in"),
        Forbidden("tasks.show", 403, "", "not yours"),
        RuntimeError("a mistake in the poller"),
    ],
)
def test_a_look_that_is_refused_for_good_ends_the_wait_with_that_error(error: Exception) -> None:
    def refuse(_: Sequence[str]) -> None:
        raise error

    @virtual
    async def run() -> None:
        service, scheduler = Service(refusal=refuse), new_scheduler()
        jobs = service.start("task", [2.0] * 10)
        async with scheduler.stream(service, "task", jobs, operation="run") as wait:
            with pytest.raises(type(error)):
                await anext(wait)
            assert len(wait.pending) == 10
        assert len(service.looks) == 1

    run()


@virtual
async def test_requests_are_packed_until_their_handles_or_their_jobs_fill_them() -> None:
    service, scheduler = Service(max_handles=20, max_jobs=100), new_scheduler()
    sizes = [1, 2, 5, 10, 30, 60, 100] * 10
    tolds = [
        watched(scheduler, service, str(n), service.start(str(n), [5.0] * size))[1]
        for n, size in enumerate(sizes)
    ]
    for told in tolds:
        await told.over.wait()

    packs = [handles for _, handles in service.looks]
    assert max(map(len, packs)) <= 20
    assert max(sum(sizes[int(handle)] for handle in handles) for handles in packs) <= 100
    assert len(packs) < len(sizes) * 2


@virtual
async def test_single_jobs_share_requests() -> None:
    service, scheduler = Service(max_handles=20, max_jobs=100), new_scheduler()
    tolds = [
        watched(scheduler, service, str(n), service.start(str(n), [8.0 + n / 100]))[1] for n in range(200)
    ]
    for told in tolds:
        await told.over.wait()

    late = [at - seen.ends_at for told in tolds for at, seen in told.ended.values() if seen]
    assert len(service.looks) < 100
    assert sum(late) / len(late) < 5


@virtual
async def test_a_handle_that_is_refused_does_not_end_the_waits_that_shared_its_request() -> None:
    def refuse(handles: Sequence[str]) -> None:
        if "7" in handles:
            raise Forbidden("jobs.list", 403, "", "not yours")

    service, scheduler = Service(max_handles=20, refusal=refuse), new_scheduler()
    waits = [watched(scheduler, service, str(n), service.start(str(n), [6.0] * 3)) for n in range(20)]
    for _, told in waits:
        await told.over.wait()

    failed = [watch.handle for watch, _ in waits if watch.error]
    assert failed == ["7"]
    assert sum(len(told.ended) for _, told in waits) == 19 * 3


@virtual
async def test_an_outage_of_a_day_is_asked_about_once_a_minute_to_its_end() -> None:
    day = 86_400

    def refuse(_: Sequence[str]) -> None:
        if now() < day:
            raise Unavailable("tasks.show", 503, "", "down")

    service, scheduler = Service(refusal=refuse), new_scheduler()
    _, told = watched(scheduler, service, "task", service.start("task", [1.0]))
    await told.over.wait()

    assert now() < day + 70
    assert len(service.looks) < day / 60


@virtual
async def test_looks_in_flight_are_bounded() -> None:
    service, scheduler = Service(delay=5), PollScheduler(PollPolicy(at_once=3), Random(1))
    tolds = [watched(scheduler, service, str(n), service.start(str(n), [1.0] * 100))[1] for n in range(30)]
    most = 0
    while not all(told.over.is_set() for told in tolds):
        most = max(most, len(asyncio.all_tasks()) - 1)
        await asyncio.sleep(0.5)

    assert most == 3


@virtual
async def test_a_mistake_in_one_callback_does_not_reach_the_other_waits() -> None:
    service, scheduler, mistakes = Service(), new_scheduler(), list[str]()
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: mistakes.append(str(context["exception"]))
    )
    jobs = service.start("task", [2.0, 2.0])

    def fail(job: str, _: Job | None) -> None:
        raise RuntimeError(job)

    scheduler.subscribe(service, "task", jobs, operation="run", on_end=fail)
    _, told = watched(scheduler, service, "task", jobs)
    await told.over.wait()

    assert set(told.ended) == set(jobs)
    assert set(mistakes) == set(jobs)


@virtual
async def test_a_stuck_job_is_looked_at_ever_more_seldom() -> None:
    service, scheduler = Service(), new_scheduler()
    _, told = watched(scheduler, service, "quick", service.start("quick", [2.0] * 100))
    await told.over.wait()
    watch, _ = watched(scheduler, service, "stuck", service.start("stuck", [1e9]))
    await asyncio.sleep(3600)
    watch.cancel()

    looks = [at for at, _ in service.looks if at > 3]
    assert len(looks) < 130
    assert looks[-1] - looks[-2] > 4 * (looks[1] - looks[0])


@virtual
async def test_a_single_job_is_looked_at_every_fifteen_seconds_at_the_latest() -> None:
    service, scheduler = Service(), new_scheduler()
    watch, _ = watched(scheduler, service, "long", service.start("long", [1e6]))
    await asyncio.sleep(120)
    watch.cancel()

    looks = [0.0, *(at for at, _ in service.looks)]
    assert max(b - a for a, b in pairwise(looks)) <= 15.001


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 30),
            st.lists(st.floats(0, 90), min_size=1, max_size=12),
            st.sampled_from(["run", "install"]),
            st.booleans(),
        ),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from([(1, None), (20, 100), (100, None), (3, 10)]),
    st.floats(0, 3),
    st.integers(0, 2**32),
)
def test_every_watched_job_is_told_exactly_once(
    tasks: list[tuple[float, list[float], str, bool]], room: tuple[int, int | None], delay: float, seed: int
) -> None:
    rng = Random(seed)

    def refuse(_: Sequence[str]) -> None:
        if rng.random() < 0.2:
            raise Unavailable("tasks.show", 503, "", "down")

    @virtual
    async def run() -> None:
        service, scheduler = Service(*room, delay=delay, refusal=refuse), PollScheduler(rng=rng)
        waits = list[tuple[list[str], Told]]()
        for n, (pause, durations, kind, vanishes) in enumerate(tasks):
            await asyncio.sleep(pause)
            jobs = service.start(str(n), durations)
            if vanishes:
                service.jobs[str(n)].popitem()
            waits.append((jobs, watched(scheduler, service, str(n), jobs, kind)[1]))
        for jobs, told in waits:
            await told.over.wait()
            assert set(told.ended) == set(jobs)
            assert set(told.times.values()) == {1}

    run()
