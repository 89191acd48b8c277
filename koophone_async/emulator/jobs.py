"""Tasks and jobs: how long each one takes, and how it ends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import asdict, define, field, frozen
from attrs.validators import ge, gt, optional

from koophone_async.services.koophone.jobs import Job, JobState

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Mapping


@frozen
class Durations:
    """How long jobs take, in seconds: lognormal, or all the same."""

    median: float = field(default=1.0, validator=gt(0))
    sigma: float = field(default=0.5, validator=ge(0))
    """How wide: two thirds of all jobs take between median / e^sigma and median x e^sigma."""

    fixed: float | None = field(default=None, validator=optional(ge(0)))
    """What every job takes, instead."""

    def draw(self, rng: random.Random) -> float:
        """How long the next job takes."""
        return self.fixed if self.fixed is not None else rng.lognormvariate(math.log(self.median), self.sigma)


USUAL: Final = Durations()
"""About a second, so that nobody waits long."""


@define
class PhoneJob:
    """The job of one phone. Its end is known from the start, but not told before its time."""

    id: str
    operation: str
    phone: str
    ends_at: float | None
    """By the loop's clock; None for one that never ends."""

    code: str = ""
    message: str = ""
    output: str | None = None
    is_lost: bool = False

    def failed(self, code: str, message: str) -> None:
        """Let it end badly."""
        self.code, self.message = code, message

    def stands(self, now: float) -> str:
        """Say in a word how far it is."""
        return "lost" if self.is_lost else JobState(self.seen(now).state).name.lower()

    def seen(self, now: float) -> Job:
        """What the service shows of it."""
        if self.ends_at is None or now < self.ends_at:
            return Job(self.id, JobState.RUNNING, "", "")
        state = JobState.FAILED if self.code else JobState.SUCCEEDED
        return Job(self.id, state, self.code, self.message, self.output)


Tasks: TypeAlias = dict[str, dict[str, PhoneJob]]
"""Jobs by id, by task."""


def to_json(tasks: Tasks, now: float) -> dict[str, list[dict[str, Any]]]:
    """All jobs by task, with the seconds that are left of each."""
    return {
        task: [
            asdict(job) | {"ends_at": None if job.ends_at is None else job.ends_at - now}
            for job in jobs.values()
        ]
        for task, jobs in tasks.items()
    }


def from_json(said: Mapping[str, Iterable[Mapping[str, Any]]], now: float) -> Tasks:
    """Build the tasks that `to_json` wrote."""
    return {task: {job["id"]: _job(job, now) for job in jobs} for task, jobs in said.items()}


def _job(said: Mapping[str, Any], now: float) -> PhoneJob:
    job = PhoneJob(**said)
    if job.ends_at is not None:
        job.ends_at += now
    return job
