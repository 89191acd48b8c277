"""A fake service whose jobs end after a set duration."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from koophone_async.polling import OpenJob, PollResult


@frozen
class Job:
    id: str
    ends_at: float


@define(eq=False)
class Service:
    """Lists jobs by handle; `refusal` may raise instead of answering."""

    max_handles: int = 1
    max_jobs: int | None = None
    delay: float = 0.0
    refusal: Callable[[Sequence[str]], None] = field(default=lambda _: None)
    jobs: dict[str, dict[str, Job]] = field(factory=dict[str, dict[str, Job]])
    notes: dict[str, OpenJob] = field(factory=dict[str, "OpenJob"])
    """What polls show of some jobs that never end."""

    polls: list[tuple[float, tuple[str, ...]]] = field(factory=list[tuple[float, tuple[str, ...]]])
    polled: asyncio.Event = field(factory=asyncio.Event)

    def start(self, handle: str, durations: Iterable[float]) -> list[str]:
        now = asyncio.get_running_loop().time()
        jobs = {f"{handle}.{i}": Job(f"{handle}.{i}", now + duration) for i, duration in enumerate(durations)}
        self.jobs.setdefault(handle, {}).update(jobs)
        return list(jobs)

    async def poll(self, handles: Sequence[str]) -> PollResult[Job]:
        self.polls.append((asyncio.get_running_loop().time(), tuple(handles)))
        self.polled.set()
        await asyncio.sleep(self.delay)
        self.refusal(handles)
        now = asyncio.get_running_loop().time()
        return {
            handle: {job.id: self._shown(job, now) for job in self.jobs[handle].values()}
            for handle in handles
            if handle in self.jobs
        }

    def _shown(self, job: Job, now: float) -> Job | OpenJob | None:
        return job if now >= job.ends_at else self.notes.get(job.id)
