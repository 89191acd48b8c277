"""Looking at jobs once, and waiting for their end."""

from __future__ import annotations

from attrs import field, frozen

from koophone_async.batches import Report, Sender, wait_for
from koophone_async.errors import InvalidRequest
from koophone_async.polling import Ticket
from koophone_async.services.cph import jobs
from koophone_async.services.cph.completion import Requests, refusals
from koophone_async.services.cph.started_jobs import Started, StartedOne


@frozen
class Jobs(jobs.Jobs):
    """What became of the work that was started."""

    _session: Sender
    _requests: Requests = field(repr=False)

    async def wait(
        self,
        started: Started | StartedOne | Ticket | str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the end of a wait is no failure here
    ) -> Report:
        """Wait until every job of a call has ended, and give the outcome of each phone or server.

        Looks are shared with every other wait of the client. A cancelled wait costs nothing, and the
        jobs go on.

        Args:
            started: What the call answered, whose refused entries are in the report too. Or an outcome's
                `ticket`, also one from another process.
            timeout: Seconds, after which the open jobs are `unfinished`, each with a ticket to go on with.

        Raises:
            InvalidRequest: Jobs were begun and the answer names no request to look them up by; or the string is
                no ticket.
        """
        ticket = _ticket(started)
        report = Report(ticket.operation or "cph.jobs")
        for refusal in refusals(_started(started)):
            report.keep(refusal)
        return await wait_for(self._session, self._requests, ticket, report, timeout)


def _started(given: Started | StartedOne | Ticket | str) -> Started:
    if isinstance(given, StartedOne):
        return given.started
    return given if isinstance(given, Started) else Started()


def _ticket(given: Started | StartedOne | Ticket | str) -> Ticket:
    if isinstance(given, str):
        return Ticket.parse(given)
    if isinstance(given, Ticket):
        return given
    started = _started(given)
    jobs = {job: target or job for job, target in started.begun.items()}
    if jobs and not started.request:
        raise InvalidRequest("cph.jobs.wait", "started", "names no request; look at each job with jobs.show")
    return Ticket("", started.request or "", jobs)
