"""How many looks a job takes until its end is seen, and how late that is, in virtual time.

100 tasks of 100 jobs are started 0.3 s apart; how long jobs take is lognormal. The peers look at each
task by a clock of its own: every second, every five, or after 1, 2, 4 ... 30 s, as clients with a back-off.
"""

from __future__ import annotations

import asyncio
from itertools import accumulate, chain, repeat
from math import log
from random import Random
from typing import TYPE_CHECKING, Final

from attrs import frozen

from benchmarks.measure import OURS, Result, report
from koophone_async.polling import PollScheduler
from koophone_async.virtual_time import run_virtually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from koophone_async.polling import PollResult

TASKS: Final = 100
JOBS: Final = 100
APART: Final = 0.3
MEDIAN: Final = 10.0
ROUND_TRIP: Final = 0.05
WIDTHS: Final = (0.2, 0.6, 1.2)
SEEDS: Final = range(5)


@frozen
class _Seen:
    """What one way of looking took: requests a job, and mean seconds from a job's end to its sight."""

    looks: float
    delay: float


@frozen
class _World:
    """Tasks, and for each the second at which each of its jobs ends after it was started."""

    ends: Sequence[Sequence[float]]

    @classmethod
    def of(cls, width: float, seed: int) -> _World:
        """Draw the durations."""
        rng = Random(seed)
        return cls([[rng.lognormvariate(log(MEDIAN), width) for _ in range(JOBS)] for _ in range(TASKS)])


def _by_clock(world: _World, waits: Callable[[], Iterable[float]]) -> _Seen:
    """Look at each task after each of the waits, until all of its jobs have ended."""
    looks, late = 0, 0.0
    for ends in world.ends:
        left = sorted(ends)
        for at in accumulate(waits()):
            looks += 1
            late += sum(at + ROUND_TRIP - end for end in left if end <= at)
            left = [end for end in left if end > at]
            if not left:
                break
    return _Seen(looks / (TASKS * JOBS), late / (TASKS * JOBS))


@frozen(eq=False)
class _Looker:
    """Looks at one task a request, in no real time."""

    world: _World
    looks: list[str]
    max_handles: int = 1
    max_jobs: int | None = None

    async def poll(self, handles: Sequence[str]) -> PollResult[str]:
        """See what has ended by now."""
        self.looks.extend(handles)
        await asyncio.sleep(ROUND_TRIP / 2)
        now = asyncio.get_running_loop().time()
        seen = {handle: self._jobs(int(handle), now) for handle in handles}
        await asyncio.sleep(ROUND_TRIP / 2)
        return seen

    def _jobs(self, task: int, now: float) -> dict[str, str | None]:
        ends = enumerate(self.world.ends[task])
        return {str(job): "ended" if APART * task + end <= now else None for job, end in ends}


async def _by_pump(world: _World) -> _Seen:
    """Wait for all tasks with our poll scheduler, which knows nothing of their durations before."""
    scheduler, clock = PollScheduler(rng=Random(1)), asyncio.get_running_loop().time
    poller, late = _Looker(world, []), list[float]()
    began = clock()
    over = asyncio.Event()

    def watch(task: int) -> None:
        def ended(job: str, _: str | None) -> None:
            late.append(clock() - began - APART * task - world.ends[task][int(job)])
            if len(late) == TASKS * JOBS:
                over.set()

        scheduler.subscribe(
            poller, str(task), [str(job) for job in range(JOBS)], operation="any", on_end=ended
        )

    for task in range(TASKS):
        asyncio.get_running_loop().call_later(APART * task, watch, task)
    await over.wait()
    await scheduler.aclose()
    return _Seen(len(poller.looks) / len(late), sum(late) / len(late))


def _growing() -> Iterable[float]:
    return chain((1, 2, 4, 8, 16), repeat(30))


def _of_width(width: float) -> list[Result]:
    worlds = [_World.of(width, seed) for seed in SEEDS]
    seen = {
        OURS: [run_virtually(_by_pump(world)) for world in worlds],
        "every 1 s": [_by_clock(world, lambda: repeat(1.0)) for world in worlds],
        "every 5 s": [_by_clock(world, lambda: repeat(5.0)) for world in worlds],
        "exponential": [_by_clock(world, _growing) for world in worlds],
    }
    case = f"jobs of {MEDIAN:g} s, width {width}"
    looks = {who: [each.looks for each in runs] for who, runs in seen.items()}
    delays = {who: [each.delay for each in runs] for who, runs in seen.items()}
    return [Result("looks", case, "looks a job", looks), Result("looks", case, "s late", delays)]


def results() -> Sequence[Result]:
    """Simulate every width; the runs are five draws of the durations."""
    return [result for width in WIDTHS for result in _of_width(width)]


if __name__ == "__main__":
    report(results())
