"""Wait for the end of jobs."""

from __future__ import annotations

from attrs import field, frozen

from koophone_async.batches import Report, wait_for_jobs
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import Sender
from koophone_async.polling import Deadline, ResumeToken
from koophone_async.services.cph import jobs
from koophone_async.services.cph.completion import JobPoller, refusals
from koophone_async.services.cph.started_jobs import Started, StartedOne


@frozen
class Jobs(jobs.Jobs):
    """Jobs: show and list them, and wait for their end."""

    _session: Sender
    _poller: JobPoller = field(repr=False)

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
                `resume_token`, also one from another process.
            timeout: Seconds after which pending jobs are `unfinished`, each with a resume token;
                None for no limit. By default a time that depends on the operation.

        Raises:
            InvalidRequest: The answer has jobs but no request id to poll them by; or the string is no resume
                token.
        """
        resume_token = _resume_token(started)
        report = Report(resume_token.operation or "cph.jobs")
        for refusal in refusals(_started(started)):
            report.keep(refusal)
        return await wait_for_jobs(self._session, self._poller, resume_token, report, timeout)


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
