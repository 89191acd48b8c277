"""Polling: requests per job until its end is seen, and the delay of seeing it, in virtual time.

100 tasks of 100 jobs are started 0.3 s apart, with lognormal durations. The alternatives poll each task
separately: every second, every five seconds, or after 1, 2, 4 ... 30 s, as clients with a back-off do.
The floor of the CPU time is a task for each wait that polls once a second.
"""

from __future__ import annotations

import asyncio
from itertools import accumulate, chain, repeat
from math import log
from random import Random
from typing import TYPE_CHECKING, Final

from attrs import frozen

from benchmarks.measure import FLOOR, OURS, Result, measure_calls, report
from koophone_async.polling import PollScheduler
from koophone_async.virtual_time import run_virtually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from koophone_async.polling import PollResult

TASKS: Final = 100
JOBS: Final = 100
START_INTERVAL: Final = 0.3
MEDIAN: Final = 10.0
ROUND_TRIP: Final = 0.05
WIDTHS: Final = (0.2, 0.6, 1.2)
"""Standard deviations of the logarithm of the durations."""

SEEDS: Final = range(5)


@frozen
class _Cost:
    """Requests per job, and mean seconds from the end of a job until it is seen."""

    polls: float
    delay: float


@frozen
class _Workload:
    """Durations of the jobs of each task, in seconds."""

    durations: Sequence[Sequence[float]]

    @classmethod
    def random(cls, width: float, seed: int) -> _Workload:
        """Draw the durations."""
        rng = Random(seed)
        return cls([[rng.lognormvariate(log(MEDIAN), width) for _ in range(JOBS)] for _ in range(TASKS)])


def _fixed(workload: _Workload, intervals: Callable[[], Iterable[float]]) -> _Cost:
    """Poll each task after each of the intervals until all of its jobs have ended."""
    polls, delay = 0, 0.0
    for durations in workload.durations:
        running = sorted(durations)
        for at in accumulate(intervals()):
            polls += 1
            delay += sum(at + ROUND_TRIP - end for end in running if end <= at)
            running = [end for end in running if end > at]
            if not running:
                break
    return _Cost(polls / (TASKS * JOBS), delay / (TASKS * JOBS))


@frozen(eq=False)
class _Poller:
    """Polls one task per request, without a network."""

    workload: _Workload
    polled: list[str]
    max_handles: int = 1
    max_jobs: int | None = None

    async def poll(self, handles: Sequence[str]) -> PollResult[str]:
        """Return the jobs that have ended half a round trip after the request."""
        self.polled.extend(handles)
        await asyncio.sleep(ROUND_TRIP / 2)
        now = asyncio.get_running_loop().time()
        result = {handle: self._jobs(int(handle), now) for handle in handles}
        await asyncio.sleep(ROUND_TRIP / 2)
        return result

    def _jobs(self, task: int, now: float) -> dict[str, str | None]:
        durations = enumerate(self.workload.durations[task])
        return {str(job): "ended" if START_INTERVAL * task + end <= now else None for job, end in durations}


async def _adaptive(workload: _Workload) -> _Cost:
    """Wait for all tasks with a new poll scheduler, which has no durations to learn from yet."""
    scheduler, clock = PollScheduler(rng=Random(1)), asyncio.get_running_loop().time
    poller, delays = _Poller(workload, []), list[float]()
    started_at = clock()
    all_ended = asyncio.Event()

    def subscribe(task: int) -> None:
        def on_end(ended: Iterable[str]) -> None:
            age, durations = clock() - started_at - START_INTERVAL * task, workload.durations[task]
            delays.extend(age - durations[int(job)] for job in ended)
            if len(delays) == TASKS * JOBS:
                all_ended.set()

        scheduler.subscribe(
            poller, str(task), [str(job) for job in range(JOBS)], operation="any", on_end=on_end
        )

    for task in range(TASKS):
        asyncio.get_running_loop().call_later(START_INTERVAL * task, subscribe, task)
    await all_ended.wait()
    await scheduler.aclose()
    return _Cost(len(poller.polled) / len(delays), sum(delays) / len(delays))


async def _every_second(workload: _Workload) -> None:
    """Poll each task in a task of its own, once a second, until all of its jobs have ended."""
    poller = _Poller(workload, [])

    async def wait(task: int) -> None:
        await asyncio.sleep(START_INTERVAL * task)
        running = True
        while running:
            await asyncio.sleep(1)
            running = None in (await poller.poll([str(task)]))[str(task)].values()

    await asyncio.gather(*(wait(task) for task in range(TASKS)))


def _exponential() -> Iterable[float]:
    return chain((1, 2, 4, 8, 16), repeat(30))


def _results_of(width: float) -> list[Result]:
    workloads = [_Workload.random(width, seed) for seed in SEEDS]
    costs = {
        OURS: [run_virtually(_adaptive(workload)) for workload in workloads],
        "every 1 s": [_fixed(workload, lambda: repeat(1.0)) for workload in workloads],
        "every 5 s": [_fixed(workload, lambda: repeat(5.0)) for workload in workloads],
        "exponential": [_fixed(workload, _exponential) for workload in workloads],
    }
    case = f"jobs of {MEDIAN:g} s, width {width}"
    polls = {name: [cost.polls for cost in runs] for name, runs in costs.items()}
    delays = {name: [cost.delay for cost in runs] for name, runs in costs.items()}
    return [Result("polls", case, "polls per job", polls), Result("polls", case, "s delay", delays)]


def _cpu() -> Result:
    """Measure the CPU time of the waits, where all jobs take as long."""
    workload = _Workload([[2.0] * JOBS] * TASKS)
    functions: dict[str, Callable[[], object]] = {
        FLOOR: lambda: run_virtually(_every_second(workload)),
        OURS: lambda: run_virtually(_adaptive(workload)),
    }
    cpu = measure_calls(functions, loops=1, runs=5, scale=1)
    return Result("polls", f"{TASKS * JOBS:,} jobs of 2 s", "s CPU", cpu, max_value=0.5)


def results() -> Sequence[Result]:
    """Simulate every width; each run is one draw of the durations."""
    return [_cpu(), *(result for width in WIDTHS for result in _results_of(width))]


if __name__ == "__main__":
    report(results())
