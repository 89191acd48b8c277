"""Jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.server.errors import cph
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import jobs
from koophone_async.services.cph.jobs import Job, JobState

if TYPE_CHECKING:
    from koophone_async.emulator.cph.project import Site
    from koophone_async.emulator.works import Work


@frozen
class Jobs:
    """Tells how far jobs are."""

    site: Site

    @serves(jobs.SHOW)
    async def show(self, request: jobs.JobRequest) -> Job:
        """Show one job."""
        work = self.site.estate.works.by_id.get(request.job)
        if work is None or work.is_lost or not self._is_here(work):
            raise cph(error_table.NO_JOB, reason=request.job)
        return seen(self.site, work)

    @serves(jobs.LIST)
    async def list(self, request: jobs.JobQuery) -> jobs.JobPage:
        """Give one page of the jobs of some calls, in the order of the calls; there is no total."""
        found = [work for work in self.site.estate.works.shown(request.requests) if self._is_here(work)]
        if not found:
            raise cph(error_table.NO_JOBS, reason=",".join(request.requests))
        page = found[request.offset : request.offset + request.limit]
        return jobs.JobPage(tuple(_row(seen(self.site, work)) for work in page))

    def _is_here(self, work: Work) -> bool:
        server = self.site.estate.servers.by_id.get(work.server)
        return server is None or server.region == self.site.region


def _row(job: Job) -> Job:
    return evolve(job, error_code=job.error_code or "", error_message=job.error_message or "")


def seen(site: Site, work: Work) -> Job:
    """Say what the service shows of a job. One that waits for its turn is running and has not begun."""
    began, ended = _moment(site, work.began), work.ended(site.world.clock())
    server = None if work.encoder else work.server
    job = Job(work.id, JobState.RUNNING, work.phone, server, work.encoder, began)
    if not ended:
        return job
    return evolve(
        job,
        state=JobState.FAILED if work.code else JobState.SUCCEEDED,
        ended_at=_moment(site, work.ends),
        error_code=work.code or None,
        error_message=work.message or None,
        output=work.output,
    )


def _moment(site: Site, at: float | None) -> datetime | None:
    if at is None:
        return None
    moment = site.now.astimezone(UTC) - timedelta(seconds=site.world.clock() - at)
    return moment.replace(microsecond=0)
