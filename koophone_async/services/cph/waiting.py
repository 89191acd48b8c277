"""Looking at jobs once, and waiting for their end."""

from __future__ import annotations

from attrs import field, frozen

from koophone_async.batches import Report, wait_for
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import Sender
from koophone_async.polling import ResumeToken
from koophone_async.services.cph import jobs
from koophone_async.services.cph.completion import JobPoller, refusals
from koophone_async.services.cph.started_jobs import Started, StartedOne


@frozen
class Jobs(jobs.Jobs):
    """What became of the work that was started."""

    _session: Sender
    _poller: JobPoller = field(repr=False)

    async def wait(
        self,
        started: Started | StartedOne | ResumeToken | str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the end of a wait is no failure here
    ) -> Report:
        """Wait until every job of a call has ended, and give the outcome of each phone or server.

        Looks are shared with every other wait of the client. A cancelled wait costs nothing, and the
        jobs go on.

        Args:
            started: What the call answered, whose refused entries are in the report too. Or an outcome's
                `resume_token`, also one from another process.
            timeout: Seconds, after which the open jobs are `unfinished`, each with a resume token to go on with.

        Raises:
            InvalidRequest: Jobs were begun and the answer names no request to look them up by; or the string is
                no resume token.
        """
        resume_token = _resume_token(started)
        report = Report(resume_token.operation or "cph.jobs")
        for refusal in refusals(_started(started)):
            report.keep(refusal)
        return await wait_for(self._session, self._poller, resume_token, report, timeout)


def _started(given: Started | StartedOne | ResumeToken | str) -> Started:
    if isinstance(given, StartedOne):
        return given.started
    return given if isinstance(given, Started) else Started()


def _resume_token(given: Started | StartedOne | ResumeToken | str) -> ResumeToken:
    if isinstance(given, str):
        return ResumeToken.parse(given)
    if isinstance(given, ResumeToken):
        return given
    started = _started(given)
    jobs = {job: target or job for job, target in started.targets_by_job.items()}
    if jobs and not started.request:
        raise InvalidRequest(
            "cph.jobs.wait", "started", "names no request; look at each job with jobs.show", Rule.MISSING
        )
    return ResumeToken("", started.request or "", jobs)
