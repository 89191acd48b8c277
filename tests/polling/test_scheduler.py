from __future__ import annotations

import asyncio
import gc
import weakref
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
from koophone_async.polling import LostJob, OpenJob, PendingJobs, PollPolicy, PollScheduler
from koophone_async.virtual_time import run_virtually
from tests.polling.service import Job, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence


def now() -> float:
    return asyncio.get_running_loop().time()


def new_scheduler() -> PollScheduler:
    return PollScheduler(rng=Random(7))


@define(eq=False)
class Callbacks:
    """Records the callbacks of a wait, and when they came."""

    ended: dict[str, tuple[float, Job | LostJob]] = field(factory=dict[str, tuple[float, Job | LostJob]])
    times: Counter[str] = field(factory=Counter[str])
    done: asyncio.Event = field(factory=asyncio.Event)

    def end(self, jobs: Mapping[str, Job | LostJob]) -> None:
        self.ended |= {job: (now(), seen) for job, seen in jobs.items()}
        self.times.update(jobs.keys())

    def finish(self, _: PendingJobs[Job]) -> None:
        self.done.set()

    @property
    def lost(self) -> set[str]:
        return {job for job, (_, seen) in self.ended.items() if isinstance(seen, LostJob)}


class Until(TypedDict, total=False):
    deadline: float
    age: float


def subscribe(
    scheduler: PollScheduler,
    service: Service,
    handle: str,
    jobs: Sequence[str],
    operation: str = "run",
    **until: Unpack[Until],
) -> tuple[PendingJobs[Job], Callbacks]:
    callbacks = Callbacks()
    wait = scheduler.subscribe(
        service, handle, jobs, operation=operation, on_end=callbacks.end, on_done=callbacks.finish, **until
    )
    return wait, callbacks


def virtual(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test in virtual time, and check that it leaves no task, timer or poll behind."""

    async def clean() -> None:
        errors = list[dict[str, Any]]()
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        await test()
        assert errors == []
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
async def test_each_job_is_reported_once_soon_after_its_end() -> None:
    service, scheduler = Service(delay=0.05), new_scheduler()
    jobs = service.start("task", [1.0, 2.0, 2.5, 4.0] * 25)

    _, callbacks = subscribe(scheduler, service, "task", jobs)
    await callbacks.done.wait()

    assert set(callbacks.times.values()) == {1}
    assert set(callbacks.ended) == set(jobs)
    late = [at - seen.ends_at for at, seen in callbacks.ended.values() if isinstance(seen, Job)]
    assert min(late) >= 0
    assert max(late) < 2


@virtual
async def test_ten_thousand_jobs_of_two_seconds_take_few_polls() -> None:
    service, scheduler, all_callbacks = Service(delay=0.01), new_scheduler(), list[Callbacks]()
    for n in range(100):
        all_callbacks.append(
            subscribe(scheduler, service, f"task-{n}", service.start(f"task-{n}", [2.0] * 100))[1]
        )
        await asyncio.sleep(0.001)
    for callbacks in all_callbacks:
        await callbacks.done.wait()

    assert now() < 2.3
    assert len(service.polls) < 150
    assert sum(len(callbacks.ended) for callbacks in all_callbacks) == 10_000


@virtual
async def test_every_run_of_a_session_polls_each_task_once_as_a_rule() -> None:
    service, scheduler = Service(delay=0.01), new_scheduler()
    polls, seconds = list[int](), list[float]()
    for run in range(4):
        before, began, all_callbacks = len(service.polls), now(), list[Callbacks]()
        for n in range(100):
            jobs = service.start(f"{run}-{n}", [2.0] * 100)
            all_callbacks.append(subscribe(scheduler, service, f"{run}-{n}", jobs)[1])
            await asyncio.sleep(0.001)
        for callbacks in all_callbacks:
            await callbacks.done.wait()
        polls.append(len(service.polls) - before)
        seconds.append(now() - began)

    assert max(polls) <= 120
    assert max(seconds) < 2.3


@virtual
async def test_tasks_that_follow_a_slow_one_are_not_seen_late() -> None:
    service, scheduler, all_callbacks = Service(delay=0.01), new_scheduler(), list[Callbacks]()
    for n in range(20):
        jobs = service.start(f"task-{n}", [2.0 if n else 60.0] * 100)
        all_callbacks.append(subscribe(scheduler, service, f"task-{n}", jobs)[1])
    for callbacks in all_callbacks[1:]:
        await callbacks.done.wait()

    assert now() < 6
    await all_callbacks[0].done.wait()


@virtual
async def test_durations_learned_save_polls_of_later_waits() -> None:
    service, scheduler = Service(), new_scheduler()
    for n in range(3):
        _, callbacks = subscribe(scheduler, service, str(n), service.start(str(n), [30.0] * 100))
        await callbacks.done.wait()
    before, began = len(service.polls), now()

    _, callbacks = subscribe(scheduler, service, "next", service.start("next", [30.0] * 100))
    await callbacks.done.wait()

    assert now() - began == pytest.approx(30, abs=1)
    assert len(service.polls) - before < before / 3


@virtual
async def test_a_stream_iterates_over_jobs_as_they_end() -> None:
    service, scheduler = Service(), new_scheduler()
    jobs = service.start("task", [3.0, 1.0, 2.0])

    async with scheduler.stream(service, "task", jobs, operation="run") as stream:
        ended = [(job, seen.ends_at if isinstance(seen, Job) else None) async for job, seen in stream]
        assert not stream.pending

    assert set(ended) == {("task.0", 3.0), ("task.1", 1.0), ("task.2", 2.0)}


@virtual
async def test_open_jobs_are_unfinished_at_the_deadline() -> None:
    service, scheduler = Service(), new_scheduler()
    jobs = service.start("task", [1.0, 100.0])

    async with scheduler.stream(service, "task", jobs, operation="run", deadline=30.0) as stream:
        ended = [job async for job, _ in stream]

    assert now() == 30
    assert ended == ["task.0"]
    assert list(stream.pending) == ["task.1"]


@virtual
async def test_a_cancelled_wait_neither_calls_back_nor_polls() -> None:
    service, scheduler = Service(delay=1), new_scheduler()
    wait, callbacks = subscribe(scheduler, service, "task", service.start("task", [3.0] * 100), deadline=50.0)
    await service.polled.wait()

    wait.cancel()
    wait.cancel()
    polls = len(service.polls)
    await asyncio.sleep(100)

    assert wait.done
    assert callbacks.ended == {}
    assert not callbacks.done.is_set()
    assert len(service.polls) == polls


@virtual
async def test_a_cancelled_wait_is_garbage_collected() -> None:
    service, scheduler, waits = Service(), new_scheduler(), list[weakref.ref[object]]()
    for n in range(500):
        wait, _ = subscribe(scheduler, service, str(n), service.start(str(n), [1.0]), deadline=1e6)
        wait.cancel()
        waits.append(weakref.ref(wait))
        del wait
    gc.collect()

    assert [wait() for wait in waits] == [None] * 500


@virtual
async def test_leaving_the_block_ends_the_wait() -> None:
    service, scheduler = Service(), new_scheduler()
    jobs = service.start("task", [1.0, 1000.0])

    async with scheduler.stream(service, "task", jobs, operation="run") as stream:
        async for job, _ in stream:
            assert job == "task.0"
            break


@virtual
async def test_closing_the_scheduler_ends_its_waits() -> None:
    service = Service(delay=1)
    async with PollScheduler() as scheduler:
        wait, callbacks = subscribe(scheduler, service, "task", service.start("task", [9.0] * 100))
        await service.polled.wait()

    assert callbacks.done.is_set()
    assert len(wait.pending) == 100
    assert wait.error is None


@virtual
async def test_two_waits_for_one_task_share_its_polls() -> None:
    service, scheduler = Service(), new_scheduler()
    jobs = service.start("task", [5.0] * 50)

    _, one = subscribe(scheduler, service, "task", jobs)
    await asyncio.sleep(1)
    _, other = subscribe(scheduler, service, "task", jobs[10:])
    await one.done.wait()

    assert other.done.is_set()
    assert len(one.ended) == 50
    assert len(other.ended) == 40
    assert len({at for at, _ in service.polls}) == len(service.polls)


@virtual
async def test_a_wait_that_joins_during_a_poll_is_notified_too() -> None:
    service, scheduler = Service(delay=3), new_scheduler()
    jobs = service.start("task", [1.0] * 100)
    subscribe(scheduler, service, "task", jobs)
    await service.polled.wait()

    _, other = subscribe(scheduler, service, "task", jobs)
    await other.done.wait()

    assert len(other.ended) == 100


@virtual
async def test_rapid_answers_count_as_one_miss() -> None:
    service, scheduler = Service(), PollScheduler(PollPolicy(grace_period=0, miss_interval=5), Random(7))
    jobs = service.start("task", [n / 10 for n in range(100)])
    lost = service.jobs["task"].pop("task.99")

    _, callbacks = subscribe(scheduler, service, "task", jobs)
    await callbacks.done.wait()

    assert callbacks.lost == {lost.id}
    assert callbacks.ended[lost.id][0] >= service.polls[0][0] + 2 * 0.99 * 5
    assert len([at for at, _ in service.polls if at < callbacks.ended[lost.id][0]]) > 3


@virtual
async def test_cancelling_one_wait_leaves_the_other_of_its_task() -> None:
    service, scheduler = Service(), new_scheduler()
    jobs = service.start("task", [5.0, 5.0, 900.0])

    wait, _ = subscribe(scheduler, service, "task", jobs)
    _, other = subscribe(scheduler, service, "task", jobs[:2])
    wait.cancel()
    await other.done.wait()

    assert set(other.ended) == {"task.0", "task.1"}
    assert now() < 20


@virtual
async def test_a_wait_for_no_jobs_is_done_at_once() -> None:
    _, callbacks = subscribe(new_scheduler(), Service(), "task", [])

    await callbacks.done.wait()

    assert now() == 0


@virtual
async def test_a_resumed_wait_sees_finished_jobs_at_once() -> None:
    service, scheduler = Service(), new_scheduler()
    jobs = service.start("task", [2.0] * 100)
    await asyncio.sleep(600)

    _, callbacks = subscribe(scheduler, service, "task", jobs, age=600)
    await callbacks.done.wait()

    assert now() == pytest.approx(600, abs=0.2)


@virtual
async def test_an_unlisted_task_has_a_grace_period() -> None:
    service, scheduler = Service(), new_scheduler()
    asyncio.get_running_loop().call_later(14, service.start, "task", [1.0, 1.0])

    _, callbacks = subscribe(scheduler, service, "task", ["task.0", "task.1"])
    await callbacks.done.wait()

    assert callbacks.lost == set()
    assert len(callbacks.ended) == 2


@pytest.mark.parametrize("code", ["CPS.0050", "CPS0050", "KOOPHONE.API.1323", "KP.API.1323", ""])
def test_a_task_never_listed_is_lost_after_its_grace_period(code: str) -> None:
    def refuse(_: Sequence[str]) -> None:
        if code:
            raise NotFound("tasks.show", 404, code, "no such task")

    @virtual
    async def run() -> None:
        service, scheduler = Service(refusal=refuse), new_scheduler()
        _, callbacks = subscribe(scheduler, service, "task", ["a", "b"])
        await callbacks.done.wait()
        assert callbacks.lost == {"a", "b"}
        assert 15 + 2 * 2 <= now() <= 15 + 3 * 2

    run()


@virtual
async def test_a_job_missing_from_three_answers_is_lost() -> None:
    service, scheduler = Service(), new_scheduler()
    jobs = service.start("task", [40.0, 40.0, 40.0])
    asyncio.get_running_loop().call_later(20, service.jobs["task"].pop, "task.1")

    _, callbacks = subscribe(scheduler, service, "task", jobs)
    await callbacks.done.wait()

    assert callbacks.lost == {"task.1"}
    assert callbacks.ended["task.1"][0] < 40


@virtual
async def test_a_job_that_is_listed_again_is_not_lost() -> None:
    service, scheduler = Service(), new_scheduler()
    jobs = service.start("task", [60.0, 60.0])
    hidden = service.jobs["task"]["task.1"]
    asyncio.get_running_loop().call_later(20, service.jobs["task"].pop, "task.1")

    def show(_: Sequence[str]) -> None:
        missed = [at for at, _ in service.polls if at > 20]
        if len(missed) > 2:
            service.jobs["task"]["task.1"] = hidden

    service.refusal = show
    _, callbacks = subscribe(scheduler, service, "task", jobs)
    await callbacks.done.wait()

    assert callbacks.lost == set()


@pytest.mark.parametrize(
    "error",
    [
        AnswerTimedOut("tasks.show", "no answer"),
        Unavailable("tasks.show", 503, "", "down"),
        Refused("tasks.show", 500, "X", "busy", retryable=True),
        asyncio.CancelledError(),
    ],
)
def test_failed_polls_are_retried_with_back_off(error: BaseException) -> None:
    def refuse(_: Sequence[str]) -> None:
        if now() < 120:
            raise error

    @virtual
    async def run() -> None:
        service, scheduler = Service(refusal=refuse), new_scheduler()
        _, callbacks = subscribe(scheduler, service, "task", service.start("task", [2.0] * 100))
        await callbacks.done.wait()
        gaps = [b - a for (a, _), (b, _) in pairwise(service.polls)]
        assert callbacks.lost == set()
        assert len(callbacks.ended) == 100
        assert len(gaps) < 12
        assert max(gaps) > 30

    run()


HTML = UnreadableAnswer("tasks.show", 200, "not JSON", b"<html>")


@pytest.mark.parametrize("answers, lost", [(1, False), (4, False), (5, True), (1000, True)])
def test_five_unreadable_answers_in_a_row_end_a_wait(answers: int, *, lost: bool) -> None:
    def refuse(_: Sequence[str]) -> None:
        if len(service.polls) <= answers:
            raise HTML

    service = Service(refusal=refuse)

    @virtual
    async def run() -> None:
        _, callbacks = subscribe(new_scheduler(), service, "task", service.start("task", [2.0] * 100))
        await callbacks.done.wait()
        reasons = {seen.reason for _, seen in callbacks.ended.values() if isinstance(seen, LostJob)}
        assert len(callbacks.ended) == 100
        assert reasons == ({str(HTML)} if lost else set())

    run()


def test_unreadable_answers_that_alternate_with_others_end_nothing() -> None:
    def refuse(_: Sequence[str]) -> None:
        if len(service.polls) % 5:
            raise HTML

    service = Service(refusal=refuse)

    @virtual
    async def run() -> None:
        _, callbacks = subscribe(new_scheduler(), service, "task", service.start("task", [300.0] * 10))
        await callbacks.done.wait()
        assert len(callbacks.ended) == 10
        assert callbacks.lost == set()

    run()


@virtual
async def test_a_handle_that_spoils_answers_is_polled_alone() -> None:
    def refuse(handles: Sequence[str]) -> None:
        if "3" in handles:
            raise HTML

    service, scheduler = Service(max_handles=20, refusal=refuse), new_scheduler()
    waits = [subscribe(scheduler, service, str(n), service.start(str(n), [60.0] * 5))[1] for n in range(20)]
    for callbacks in waits:
        await callbacks.done.wait()

    assert [len(callbacks.lost) for callbacks in waits] == [5 if n == 3 else 0 for n in range(20)]


@virtual
async def test_a_note_on_an_open_job_is_reported_at_the_deadline() -> None:
    service = Service(notes={"task.1": OpenJob("its status is 9")})
    wait, callbacks = subscribe(
        new_scheduler(), service, "task", service.start("task", [1e6] * 2), deadline=600.0
    )
    await callbacks.done.wait()

    assert [wait.reason(job) for job in wait.pending] == ["still running", "still running: its status is 9"]


@pytest.mark.parametrize(
    "error",
    [
        Throttled("tasks.show", 429, "APIG.0308", "slow", retry_after=25),
        QuotaTooSlow("tasks.show", "quota", 25),
    ],
)
def test_retry_after_delays_all_handles_of_a_poller(error: KooPhoneError) -> None:
    failed = list[float]()

    def refuse(_: Sequence[str]) -> None:
        if not failed or failed[0] == now():
            failed.append(now())
            raise error

    @virtual
    async def run() -> None:
        service, scheduler = Service(refusal=refuse), new_scheduler()
        all_callbacks = [subscribe(scheduler, service, h, service.start(h, [2.0] * 100))[1] for h in "abc"]
        for callbacks in all_callbacks:
            await callbacks.done.wait()
        assert not [at for at, _ in service.polls if failed[0] < at < failed[0] + 25]
        assert now() < failed[0] + 30

    run()


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationFailed("tasks.show", 401, "6001", "sign in"),
        Forbidden("tasks.show", 403, "", "not yours"),
        RuntimeError("a bug in the poller"),
    ],
)
def test_a_permanent_error_ends_the_wait(error: Exception) -> None:
    def refuse(_: Sequence[str]) -> None:
        raise error

    @virtual
    async def run() -> None:
        service, scheduler = Service(refusal=refuse), new_scheduler()
        jobs = service.start("task", [2.0] * 10)
        async with scheduler.stream(service, "task", jobs, operation="run") as stream:
            with pytest.raises(type(error)):
                await anext(stream)
            assert len(stream.pending) == 10
        assert len(service.polls) == 1

    run()


@virtual
async def test_requests_are_packed_up_to_handles_and_jobs() -> None:
    service, scheduler = Service(max_handles=20, max_jobs=100), new_scheduler()
    sizes = [1, 2, 5, 10, 30, 60, 100] * 10
    all_callbacks = [
        subscribe(scheduler, service, str(n), service.start(str(n), [5.0] * size))[1]
        for n, size in enumerate(sizes)
    ]
    for callbacks in all_callbacks:
        await callbacks.done.wait()

    batches = [handles for _, handles in service.polls]
    assert max(map(len, batches)) <= 20
    assert max(sum(sizes[int(handle)] for handle in handles) for handles in batches) <= 100
    assert len(batches) < len(sizes) * 2


@virtual
async def test_single_jobs_share_requests() -> None:
    service, scheduler = Service(max_handles=20, max_jobs=100), new_scheduler()
    all_callbacks = [
        subscribe(scheduler, service, str(n), service.start(str(n), [8.0 + n / 100]))[1] for n in range(200)
    ]
    for callbacks in all_callbacks:
        await callbacks.done.wait()

    ended = [one for callbacks in all_callbacks for one in callbacks.ended.values()]
    late = [at - seen.ends_at for at, seen in ended if isinstance(seen, Job)]
    assert len(service.polls) < 100
    assert sum(late) / len(late) < 5


@virtual
async def test_a_refused_handle_does_not_end_other_waits() -> None:
    def refuse(handles: Sequence[str]) -> None:
        if "7" in handles:
            raise Forbidden("jobs.list", 403, "", "not yours")

    service, scheduler = Service(max_handles=20, refusal=refuse), new_scheduler()
    waits = [subscribe(scheduler, service, str(n), service.start(str(n), [6.0] * 3)) for n in range(20)]
    for _, callbacks in waits:
        await callbacks.done.wait()

    failed = [wait.handle for wait, _ in waits if wait.error]
    assert failed == ["7"]
    assert sum(len(callbacks.ended) for _, callbacks in waits) == 19 * 3


@virtual
async def test_a_day_of_outage_is_polled_once_a_minute() -> None:
    day = 86_400

    def refuse(_: Sequence[str]) -> None:
        if now() < day:
            raise Unavailable("tasks.show", 503, "", "down")

    service, scheduler = Service(refusal=refuse), new_scheduler()
    _, callbacks = subscribe(scheduler, service, "task", service.start("task", [1.0]))
    await callbacks.done.wait()

    assert now() < day + 70
    assert len(service.polls) < day / 60


@virtual
async def test_polls_in_flight_are_bounded() -> None:
    service, scheduler = Service(delay=5), PollScheduler(PollPolicy(max_in_flight=3), Random(1))
    all_callbacks = [
        subscribe(scheduler, service, str(n), service.start(str(n), [1.0] * 100))[1] for n in range(30)
    ]
    max_polls = 0
    while not all(callbacks.done.is_set() for callbacks in all_callbacks):
        max_polls = max(max_polls, len(asyncio.all_tasks()) - 1)
        await asyncio.sleep(0.5)

    assert max_polls == 3


@virtual
async def test_an_error_in_a_callback_does_not_affect_other_waits() -> None:
    service, scheduler, errors = Service(), new_scheduler(), list[str]()
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: errors.append(str(context["exception"]))
    )
    jobs = service.start("task", [2.0, 2.0])

    def fail(ended: Mapping[str, Job | LostJob]) -> None:
        raise RuntimeError(*ended)

    scheduler.subscribe(service, "task", jobs, operation="run", on_end=fail)
    _, callbacks = subscribe(scheduler, service, "task", jobs)
    await callbacks.done.wait()

    assert set(callbacks.ended) == set(jobs)
    assert errors == [str(tuple(jobs))]


@virtual
async def test_a_stuck_job_is_polled_less_and_less_often() -> None:
    service, scheduler = Service(), new_scheduler()
    _, callbacks = subscribe(scheduler, service, "short", service.start("short", [2.0] * 100))
    await callbacks.done.wait()
    wait, _ = subscribe(scheduler, service, "stuck", service.start("stuck", [1e9]))
    await asyncio.sleep(3600)
    wait.cancel()

    polls = [at for at, _ in service.polls if at > 3]
    assert len(polls) < 130
    assert polls[-1] - polls[-2] > 4 * (polls[1] - polls[0])


@virtual
async def test_a_single_job_is_polled_at_least_every_15_seconds() -> None:
    service, scheduler = Service(), new_scheduler()
    wait, _ = subscribe(scheduler, service, "long", service.start("long", [1e6]))
    await asyncio.sleep(120)
    wait.cancel()

    polls = [0.0, *(at for at, _ in service.polls)]
    assert max(b - a for a, b in pairwise(polls)) <= 15.001


@settings(max_examples=25)
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
def test_every_job_is_reported_exactly_once(
    tasks: list[tuple[float, list[float], str, bool]], room: tuple[int, int | None], delay: float, seed: int
) -> None:
    rng = Random(seed)

    def refuse(_: Sequence[str]) -> None:
        if rng.random() < 0.2:
            raise Unavailable("tasks.show", 503, "", "down")

    @virtual
    async def run() -> None:
        service, scheduler = Service(*room, delay=delay, refusal=refuse), PollScheduler(rng=rng)
        waits = list[tuple[list[str], Callbacks]]()
        for n, (pause, durations, operation, vanishes) in enumerate(tasks):
            await asyncio.sleep(pause)
            jobs = service.start(str(n), durations)
            if vanishes:
                service.jobs[str(n)].popitem()
            waits.append((jobs, subscribe(scheduler, service, str(n), jobs, operation)[1]))
        for jobs, callbacks in waits:
            await callbacks.done.wait()
            assert set(callbacks.ended) == set(jobs)
            assert set(callbacks.times.values()) == {1}

    run()
