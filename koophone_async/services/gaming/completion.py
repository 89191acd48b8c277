"""Completion of gaming calls: all jobs of one server or phone end in one outcome."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Self

from attrs import define, evolve, field, frozen

from koophone_async.batches import Outcome, State, UnreadableJob, Wait
from koophone_async.operation import Sender
from koophone_async.polling import PollLimiter, PollResult
from koophone_async.protocol.codes import meaning
from koophone_async.services.cph.completion import find_jobs
from koophone_async.services.cph.jobs import MAX_JOBS, MAX_REQUESTS, Job
from koophone_async.services.cph.started_jobs import NO_ERROR
from koophone_async.services.gaming.started_jobs import RefusedServer, Started, StartedJob

_SEPARATOR: Final = ","
"""Separates the job ids of one server or phone in the key that stands for all of them."""


@frozen
class JobResult:
    """One job of a server or phone, and how it ended."""

    started: StartedJob
    job: Job | UnreadableJob | None = None
    """The job as last polled; None if no job was started."""

    @property
    def succeeded(self) -> bool:
        """Whether the job ended successfully."""
        return self.job is not None and self.job.succeeded

    @property
    def error_code(self) -> str | None:
        """The service's code if the job failed or was refused."""
        return (self.job or self.started).error_code or None

    @property
    def message(self) -> str:
        """Target of the job, and the reason why it failed."""
        reason = (self.job or self.started).error_message or self.error_code or "the service gives no reason"
        return ": ".join(filter(None, (self.started.description, reason)))


@frozen
class Deployment:
    """Results of all jobs of one server or phone."""

    results: tuple[JobResult, ...]

    @property
    def failed(self) -> tuple[JobResult, ...]:
        """Results of jobs that did not succeed, each with its phone and version."""
        return tuple(result for result in self.results if not result.succeeded)

    @property
    def succeeded(self) -> bool:
        """Whether every job succeeded."""
        return not self.failed

    @property
    def error_code(self) -> str | None:
        """First error code of the jobs that did not succeed."""
        return next((result.error_code for result in self.failed if result.error_code), None)

    @property
    def error_message(self) -> str | None:
        """Target and message of the first job that did not succeed, and the number of such jobs."""
        if not self.failed:
            return None
        count = f" ({len(self.failed)} of {len(self.results)} jobs failed)" if len(self.results) > 1 else ""
        return self.failed[0].message + count

    @property
    def output(self) -> str | None:
        """None: these jobs have no output."""
        return None


@define
class _JobGroup:
    """The jobs of one server or phone, some of which have ended."""

    jobs: tuple[StartedJob, ...]
    ended: dict[str, Job | UnreadableJob] = field(factory=dict[str, Job | UnreadableJob], init=False)

    @classmethod
    def of_key(cls, key: str) -> Self:
        """Create a group of jobs of which only the ids are known."""
        return cls(tuple(StartedJob(id=id) for id in key.split(_SEPARATOR)))

    @property
    def open(self) -> set[str]:
        """Ids of the jobs that have not ended."""
        return {job.id for job in self.jobs if job.id} - self.ended.keys()

    @property
    def key(self) -> str:
        """Job ids joined into one key."""
        return join_jobs(job.id for job in self.jobs if job.id)

    @property
    def deployment(self) -> Deployment:
        """Results so far."""
        ended = [self.ended.get(job.id or "") for job in self.jobs]
        return Deployment(tuple(map(_result, self.jobs, ended)))

    @property
    def result(self) -> Deployment | UnreadableJob:
        """The deployment; if a job is unreadable and none failed, that job, since the end is unknown."""
        failed = [job for job in self.ended.values() if not job.succeeded]
        unreadable = [job for job in failed if isinstance(job, UnreadableJob)]
        return unreadable[0] if failed and failed == unreadable else self.deployment

    def update(self, seen: Mapping[str, Job | UnreadableJob]) -> bool:
        """Process one poll result; return whether it had every open job."""
        listed = self.open & seen.keys()
        has_all = listed == self.open
        self.ended |= {id: seen[id] for id in listed if seen[id].ended}
        return has_all


def _result(started: StartedJob, job: Job | UnreadableJob | None) -> JobResult:
    """Return the result of a job; a poll names the target of one of which only the id was known."""
    if isinstance(job, Job) and not started.description:
        started = evolve(started, server=job.server, phone=job.phone)
    return JobResult(started, job)


@define(eq=False)
class DeploymentPoller:
    """Polls the jobs of calls; a server or phone is finished when all its jobs have ended.

    The job of a whole server is one of them: no document states that it ends last.
    """

    _session: Sender
    limiter: PollLimiter
    """Shared by everything that polls jobs of one client."""

    max_handles: int = MAX_REQUESTS
    max_jobs: int | None = MAX_JOBS
    _open: dict[str, dict[str, _JobGroup]] = field(factory=dict[str, dict[str, _JobGroup]], init=False)
    """By request and key. Groups without a pending wait are dropped at the next poll."""

    def watch(self, started: Started, targets: Iterable[str]) -> Wait | None:
        """Return a wait for the servers or phones of a call; None if no job was started."""
        groups = {target: _JobGroup(started.jobs_for(target)) for target in targets}
        pending = {target: group for target, group in groups.items() if group.open}
        return self._wait(started.request, pending) if started.request and pending else None

    def resume(self, request: str, jobs: Mapping[str, str]) -> Wait:
        """Return a wait for the jobs of a resume token."""
        return self._wait(request, {target: _JobGroup.of_key(key) for key, target in jobs.items()})

    async def poll(self, handles: Sequence[str]) -> PollResult[Deployment | UnreadableJob]:
        """Poll these calls. A server or phone is missing from the result while any of its open jobs is."""
        awaited = {one: self._session.poll_scheduler.pending(self, one) for one in self._open}
        self._open = {
            one: {key: self._open[one][key] for key in keys} for one, keys in awaited.items() if keys
        }
        groups = [group for one in handles for group in self._open.get(one, {}).values()]
        open_jobs = set[str]().union(*(group.open for group in groups))
        seen = await find_jobs(self._session, self.limiter, handles, open_jobs)
        return {handle: dict(self._finished(handle, seen)) for handle in handles}

    def _wait(self, request: str, groups: Mapping[str, _JobGroup]) -> Wait:
        self._open[request] = {group.key: group for group in groups.values()} | self._open.get(request, {})
        jobs = {group.key: target for target, group in groups.items()}
        return Wait(self, request, jobs, value=_unchanged)

    def _finished(
        self, handle: str, seen: Mapping[str, Job | UnreadableJob]
    ) -> Iterator[tuple[str, Deployment | UnreadableJob | None]]:
        for key, group in self._open.get(handle, {}).items():
            if group.update(seen):
                yield key, None if group.open else group.result


def join_jobs(ids: Iterable[str]) -> str:
    """Return the key that stands for all jobs of one server or phone."""
    return _SEPARATOR.join(dict.fromkeys(ids))


def single_deployment(job: Job | UnreadableJob) -> Deployment:
    """Return the result of a job that was polled by its own id."""
    id = job.id if isinstance(job, Job) else None
    return Deployment((JobResult(StartedJob(id=id), job),))


def _unchanged(deployment: Deployment) -> object:
    return deployment


def refusals(started: Started, targets: Iterable[str]) -> Iterator[Outcome]:
    """Yield an outcome for each server or phone that a call refused."""
    named = {failure.server: failure for failure in started.failures}
    for target in dict.fromkeys((*named, *targets)):
        jobs = started.jobs_for(target)
        if target in named:
            yield _refusal(target, named[target])
        elif jobs and not any(job.id for job in jobs):
            yield _refusal(target, jobs[0])
        elif not jobs and started.error_code:
            yield _refusal(target, started)


def _refusal(target: str, why: RefusedServer | StartedJob | Started) -> Outcome:
    code = None if why.error_code in NO_ERROR else why.error_code
    if code is None and not why.error_message:
        return Outcome(target, State.UNKNOWN, error_message="the answer has neither a job nor an error")
    # Status 0: an unlisted code alone does not prove that nothing was executed.
    state = State.REFUSED if meaning(code, 0).not_executed else State.FAILED
    return Outcome(target, state, error_code=code, error_message=why.error_message or None)
