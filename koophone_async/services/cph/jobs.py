"""Jobs: what became of the work that was started."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from enum import IntEnum
from typing import Final

from attrs import field, frozen

from koophone_async.checks import Between, Listed, Text
from koophone_async.operation import Batch, Operation, Sender
from koophone_async.services.cph.encoders import format_time, join_commas, split_commas
from koophone_async.services.cph.listings import Listing
from koophone_async.services.cph.paging import items_by_offset
from koophone_async.wire import wire

MAX_REQUESTS: Final = 20
"""The most request ids of one look (CPH 5.4.2)."""

MAX_JOBS: Final = 100
"""The most jobs on one page (CPH 5.4.2)."""


class JobState(IntEnum):
    """Where a job stands (CPH 5.4.1). Servers and phones give the same numbers other meanings."""

    RUNNING = 1
    SUCCEEDED = 2
    FAILED = -1


_ENDED: Final = {JobState.SUCCEEDED, JobState.FAILED}


@frozen
class Job:
    """One job, as the service last showed it."""

    id: str = field(metadata=wire("job_id"))
    state: JobState | int = field(metadata=wire("status"))
    """An int when the service sends a state this version does not know; that job has not ended."""

    phone: str | None = field(default=None, metadata=wire("phone_id"))
    server: str | None = field(default=None, metadata=wire("server_id", "node_id"))
    encoding_server: str | None = field(default=None, metadata=wire("encode_server_id"))
    """Until 2020-07-30."""

    began_at: datetime | None = field(default=None, metadata=wire("begin_time", as_text=format_time))
    ended_at: datetime | None = field(default=None, metadata=wire("end_time", as_text=format_time))
    error_code: str | None = None
    """Sometimes without its dot, as in the documents' example `CPS0005`."""

    error_message: str | None = field(default=None, metadata=wire("error_msg"))
    output: str | None = field(default=None, metadata=wire("execute_msg"))
    """The first 1,024 bytes, of failed commands too."""

    @property
    def ended(self) -> bool:
        """Whether the service will not change this job any more."""
        return self.state in _ENDED

    @property
    def succeeded(self) -> bool:
        """Whether the job ended well."""
        return self.state == JobState.SUCCEEDED

    @property
    def target(self) -> str:
        """The id that the job is about; empty where the service names none."""
        return self.phone or self.encoding_server or self.server or ""

    @property
    def listing(self) -> Listing:
        """The files that a job of `shared_files.list` found, as far as its output goes."""
        return Listing.read(self.output or "")


@frozen
class JobRequest:
    """The job to look at."""

    job: str = field(validator=Text(64), metadata=wire("job_id"))


@frozen
class JobQuery:
    """Whose jobs to look at."""

    # 2020-07-30 knows one id, called request_id; 2025-02-08 takes either and prefers this.
    requests: tuple[str, ...] = field(
        converter=split_commas,
        validator=Listed(MAX_REQUESTS, each=Text(64)),
        metadata=wire("request_ids", as_text=join_commas),
    )
    offset: int = field(default=0, validator=Between(0, 10**9))
    limit: int = field(default=MAX_JOBS, validator=Between(1, MAX_JOBS))


@frozen
class JobPage:
    """One page of jobs. They do not tell which of the requests they belong to."""

    items: tuple[Job, ...] = field(default=(), metadata=wire("jobs"))
    total: int | None = field(default=None, metadata=wire("count"))
    """Not documented for this list."""


# The request id of the answer is that of this look, not of the call that started the job.
SHOW: Final = Operation(
    "cph.jobs.show", "GET", "/v1/{project_id}/cloud-phone/jobs/{job_id}",
    JobRequest, Job, source="CPH 5.4.1 (2025-02-08)", repeatable=True,
)  # fmt: skip

# What a call refused at once has no job and is not listed.
LIST: Final = Operation(
    "cph.jobs.list", "GET", "/v1/{project_id}/cloud-phone/jobs",
    JobQuery, JobPage, source="CPH 5.4.2 (2025-02-08)",
    batch=Batch("requests", max=MAX_REQUESTS), repeatable=True,
)  # fmt: skip


@frozen
class Jobs:
    """What became of the work that was started."""

    _session: Sender

    async def show(self, job: str) -> Job:
        """Look once at one job.

        Args:
            job: The id that the starting call answered.

        Raises:
            NotFound: The service does not know the job (CPS.0011).

        API: CPH 5.4.1 (2025-02-08)
        """
        return await self._session.send(SHOW, JobRequest(job))

    def list(self, requests: Iterable[str]) -> AsyncIterator[Job]:
        """Look once at all jobs of some calls, in pages of 100.

        Args:
            requests: At most 20 request ids, as `Started.request` has them.

        Raises:
            NotFound: The service does not know one of the requests, or not yet (CPS.0050).

        API: CPH 5.4.2 (2025-02-08)
        """
        return items_by_offset(self._session, LIST, JobQuery(requests))
