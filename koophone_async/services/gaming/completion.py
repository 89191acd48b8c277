"""How the end of a call is found: by its jobs, those of one server or phone together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Self

from attrs import define, field, frozen

from koophone_async.batches import Outcome, State, Wait
from koophone_async.operation import Sender
from koophone_async.polling import PollLimiter, PollResult
from koophone_async.protocol.codes import meaning
from koophone_async.services.cph.completion import find_jobs
from koophone_async.services.cph.jobs import MAX_JOBS, MAX_REQUESTS, Job
from koophone_async.services.gaming.started_jobs import RefusedServer, Started, StartedJob

_SEPARATOR: Final = ","
"""Stands between the job ids of one server or phone, which are awaited as one."""


@frozen
class JobResult:
    """One job of a server or phone, and how it ended."""

    started: StartedJob
    job: Job | None = None
    """As the service last showed it; None where nothing was begun."""

    @property
    def succeeded(self) -> bool:
        """Whether it ended well."""
        return self.job is not None and self.job.succeeded

    @property
    def error_code(self) -> str | None:
        """The service's code where it did not."""
        return (self.job or self.started).error_code or None

    @property
    def message(self) -> str:
        """Whom the job was for, and why it did not end well."""
        said = (self.job or self.started).error_message or self.error_code or "the service does not say why"
        return ": ".join(filter(None, (self.started.description, said)))


@frozen
class Deployment:
    """What all jobs of one server, or of one phone, came to."""

    results: tuple[JobResult, ...]

    @property
    def failed(self) -> tuple[JobResult, ...]:
        """Those that did not end well, each with the phone and version that it was for."""
        return tuple(result for result in self.results if not result.succeeded)

    @property
    def succeeded(self) -> bool:
        """Whether every job ended well."""
        return not self.failed

    @property
    def error_code(self) -> str | None:
        """The code of the first job that did not end well."""
        return next((result.error_code for result in self.failed), None)

    @property
    def error_message(self) -> str | None:
        """Whom the first of these was for, the service's words, and how many there are."""
        if not self.failed:
            return None
        count = f" ({len(self.failed)} of {len(self.results)} jobs failed)" if len(self.results) > 1 else ""
        return self.failed[0].message + count

    @property
    def output(self) -> str | None:
        """Nothing: these jobs print nothing."""
        return None


@define
class _JobGroup:
    """The jobs of one server or phone, some of which have ended."""

    jobs: tuple[StartedJob, ...]
    ended: dict[str, Job] = field(factory=dict[str, Job], init=False)

    @classmethod
    def of_key(cls, key: str) -> Self:
        """Wait for jobs of which only the ids are known."""
        return cls(tuple(StartedJob(id=id) for id in key.split(_SEPARATOR)))

    @property
    def open(self) -> set[str]:
        """The jobs that are not known to have ended."""
        return {job.id for job in self.jobs if job.id} - self.ended.keys()

    @property
    def key(self) -> str:
        """Their ids as one."""
        return _SEPARATOR.join(dict.fromkeys(job.id for job in self.jobs if job.id))

    @property
    def deployment(self) -> Deployment:
        """What is known of them."""
        return Deployment(tuple(JobResult(job, self.ended.get(job.id or "")) for job in self.jobs))

    def take(self, seen: Mapping[str, Job]) -> bool:
        """Take in an answer; answers whether it listed all that was open."""
        listed = self.open & seen.keys()
        is_whole = listed == self.open
        self.ended |= {id: seen[id] for id in listed if seen[id].ended}
        return is_whole


@define(eq=False)
class DeploymentPoller:
    """Looks at the jobs of calls, and tells of a server or phone when all of its jobs have ended.

    A job that stands for all of a server's is one of them: nothing says that it ends last.
    """

    _session: Sender
    limiter: PollLimiter
    """Shared by all that look at jobs of one client."""

    max_handles: int = MAX_REQUESTS
    max_jobs: int | None = MAX_JOBS
    _open: dict[str, dict[str, _JobGroup]] = field(factory=dict[str, dict[str, _JobGroup]], init=False)
    """By request and key. What the pump waits for no more is forgotten at the next look."""

    def watch(self, started: Started, targets: Iterable[str]) -> Wait | None:
        """Wait for the servers or phones of a call; None where nothing was begun for any."""
        groups = {target: _JobGroup(started.jobs_for(target)) for target in targets}
        begun = {target: group for target, group in groups.items() if group.open}
        return self._watched(started.request, begun) if started.request and begun else None

    def resume(self, request: str, jobs: Mapping[str, str]) -> Wait:
        """Wait for what a resume token holds."""
        return self._watched(request, {target: _JobGroup.of_key(key) for key, target in jobs.items()})

    async def poll(self, handles: Sequence[str]) -> PollResult[Deployment]:
        """See which servers or phones are done. One is missing while any of its open jobs is."""
        awaited = {one: self._session.poll_scheduler.pending(self, one) for one in self._open}
        self._open = {
            one: {key: self._open[one][key] for key in keys} for one, keys in awaited.items() if keys
        }
        groups = [group for one in handles for group in self._open.get(one, {}).values()]
        wanted = set[str]().union(*(group.open for group in groups))
        seen = await find_jobs(self._session, self.limiter, handles, wanted)
        return {handle: dict(self._told(handle, seen)) for handle in handles}

    def _watched(self, request: str, groups: Mapping[str, _JobGroup]) -> Wait:
        self._open[request] = {group.key: group for group in groups.values()} | self._open.get(request, {})
        jobs = {group.key: target for target, group in groups.items()}
        return Wait(self, request, jobs, value=_itself)

    def _told(self, handle: str, seen: Mapping[str, Job]) -> Iterator[tuple[str, Deployment | None]]:
        for key, group in self._open.get(handle, {}).items():
            if group.take(seen):
                yield key, None if group.open else group.deployment


def _itself(deployment: Deployment) -> object:
    return deployment


def refusals(started: Started, targets: Iterable[str]) -> Iterator[Outcome]:
    """Say which servers or phones of a call were refused, and why."""
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
    code = why.error_code or None
    # Status 0: a code that is not listed proves nothing by itself.
    state = State.REFUSED if meaning(code, 0).not_executed else State.FAILED
    return Outcome(target, state, error_code=code, error_message=why.error_message or None)
