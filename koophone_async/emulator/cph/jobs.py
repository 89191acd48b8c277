"""Jobs."""

from __future__ import annotations

from attrs import evolve

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.project import Project, Resource, page
from koophone_async.emulator.jobs.engine import Job
from koophone_async.emulator.server.errors import cph_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import jobs
from koophone_async.services.cph.jobs import JobState


class Jobs(Resource):
    """Reports on jobs."""

    @serves(jobs.SHOW)
    async def show(self, request: jobs.JobRequest) -> jobs.Job:
        job = self.project.jobs.by_id.get(request.job)
        if job is None or job.is_lost or not self._is_here(job):
            raise cph_refusal(error_table.NO_JOB, reason=request.job)
        return job_row(self.project, job)

    @serves(jobs.LIST)
    async def list(self, request: jobs.JobQuery) -> jobs.JobPage:
        """Return one page of the jobs of some calls, in the order of the calls; there is no total."""
        found = [job for job in self.project.jobs.of_request(*request.requests) if self._is_here(job)]
        if not found:
            raise cph_refusal(error_table.NO_JOBS, reason=",".join(request.requests))
        rows = page(found, request.offset, request.limit)
        return jobs.JobPage(tuple(_with_texts(job_row(self.project, job)) for job in rows))

    def _is_here(self, job: Job) -> bool:
        if job.server is None:  # a job of KooPhone
            return False
        server = self.project.cph.servers.by_id.get(job.server)
        return server is None or server.region == self.project.region


def _with_texts(row: jobs.Job) -> jobs.Job:
    """Return a row as lists have it: with empty texts where single jobs have no error."""
    return evolve(row, error_code=row.error_code or "", error_message=row.error_message or "")


def job_row(project: Project, job: Job) -> jobs.Job:
    """Return a job as the service shows it. One that waits for its turn is running and has not begun."""
    moment = project.world.moment
    began = None if job.began is None else moment(job.began)
    server = None if job.encoder else job.server
    row = jobs.Job(job.id, JobState.RUNNING, job.phone, server, job.encoder, began)
    if job.ends is None or not job.ended(project.world.clock()):
        return row
    return evolve(
        row,
        state=JobState.FAILED if job.code else JobState.SUCCEEDED,
        ended_at=moment(job.ends),
        error_code=job.code or None,
        error_message=job.message or None,
        output=job.output,
    )
