"""Wait for the end of jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import evolve, field, frozen

from koophone_async.batches import Report, once_listed, wait_for_jobs
from koophone_async.errors import Busy, InvalidRequest, Refused, Rule, Throttled, Unavailable
from koophone_async.operation import Sender
from koophone_async.polling import Deadline, ResumeToken
from koophone_async.services.cph import jobs
from koophone_async.services.cph.completion import JobPoller, SingleJobPoller, refusals
from koophone_async.services.cph.started_jobs import SEPARATOR, Started, StartedOne


@frozen
class Jobs(jobs.Jobs):
    """Jobs: show and list them, and wait for their end."""

    _session: Sender
    _poller: JobPoller = field(repr=False)
    _jobs: SingleJobPoller = field(repr=False)
    """Polls jobs of which only the own id is known."""

    async def wait(
        self,
        started: Started | StartedOne | ResumeToken | str,
        *,
        timeout: float | Deadline | None = Deadline.DEFAULT,  # noqa: ASYNC109 - the end of the wait is no error here
    ) -> Report:
        """Wait until every job of a call has ended, and return the outcome of each phone or server.

        All waits of a client share their polls. A cancelled wait costs nothing, and the jobs go on.

        Args:
            started: Answer of the call, whose refused entries are in the report too; or an outcome's
                `resume_token`, also one from another process; or the bare id of a request or job that was
                started anywhere.
            timeout: Seconds after which pending jobs are `unfinished`, each with a resume token;
                None for no limit. By default a time that depends on the operation.

        Raises:
            InvalidRequest: The answer has jobs but no request id to poll them by; or the string is a damaged
                resume token.
            NotFound: The service knows neither a request nor a job of this id.
        """
        if isinstance(started, str) and not ResumeToken.is_token(started):
            resume_token = ResumeToken("", started, await targets_of(self._session, started))
        else:
            resume_token = _resume_token(started)
        report = Report(resume_token.operation or "cph.jobs")
        for refusal in refusals(_started(started)):
            report.keep(refusal)
        is_job = resume_token.handle in resume_token.jobs
        poller = self._jobs if is_job else self._poller
        report = await wait_for_jobs(self._session, poller, resume_token, report, timeout)
        return _with_an_outcome_per_id(report)


def _target(job: jobs.Job) -> str:
    return job.target


async def targets_of(
    session: Sender, id: str, target: Callable[[jobs.Job], str] = _target
) -> Mapping[str, str]:
    """Return the target of each job, for the bare id of a request or of a job, once the service lists it.

    A job without a target is its own.

    Raises:
        NotFound: The service knows neither a request nor a job of this id.
    """

    async def listed() -> Mapping[str, str]:
        resource = jobs.Jobs(session)
        try:
            targets = {job.id: target(job) or job.id async for job in resource.list([id])}
        except Refused as error:
            if error.repeatable or isinstance(error, Busy | Throttled | Unavailable):
                raise
            targets = {}
        return targets or {id: target(await resource.show(id)) or id}

    return await once_listed(listed)


def _started(started: Started | StartedOne | ResumeToken | str) -> Started:
    if isinstance(started, StartedOne):
        return started.started
    return started if isinstance(started, Started) else Started()


def _resume_token(started: Started | StartedOne | ResumeToken | str) -> ResumeToken:
    if isinstance(started, str):
        return ResumeToken.parse(started)
    if isinstance(started, ResumeToken):
        return started
    answer = _started(started)
    jobs = {job: target or job for job, target in answer.targets_by_job.items()}
    if jobs and not answer.request:
        raise InvalidRequest(
            "cph.jobs.wait", "started", "has no request id; poll each job with jobs.show", Rule.MISSING
        )
    return ResumeToken("", answer.request or "", jobs)


def _with_an_outcome_per_id(report: Report) -> Report:
    """Return a report in which a job for several servers is the outcome of each of them."""
    if not any(SEPARATOR in id for id in report.outcomes):
        return report
    split = Report(report.operation)
    for outcome in report:
        for id in outcome.id.split(SEPARATOR):
            split.keep(evolve(outcome, id=id))
    return split
