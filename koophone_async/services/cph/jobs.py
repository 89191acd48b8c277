"""Jobs: state and result of the work that calls have started."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import IntEnum
from typing import Final

from attrs import field, frozen

from koophone_async.checks import Between, Listed, Text
from koophone_async.operation import Batch, Operation, Sender
from koophone_async.rows import Items
from koophone_async.services.cph.encoders import format_time, join_commas, split_commas
from koophone_async.services.cph.listings import Listing
from koophone_async.services.cph.paging import items_by_offset
from koophone_async.wire import wire

MAX_REQUESTS: Final = 20
"""Maximum number of request ids of one query (CPH 5.4.2)."""

MAX_JOBS: Final = 100
"""Maximum page size of the list of jobs (CPH 5.4.2)."""


class JobState(IntEnum):
    """State of a job (CPH 5.4.1). For servers and phones the same numbers mean other things."""

    RUNNING = 1
    SUCCEEDED = 2
    FAILED = -1


_ENDED: Final = {JobState.SUCCEEDED, JobState.FAILED}


@frozen
class Job:
    """A job in the state of the latest poll."""

    id: str = field(metadata=wire("job_id"))
    state: JobState | int = field(metadata=wire("status"))
    """An int for a state that this version does not know; such a job counts as running."""

    phone: str | None = field(default=None, metadata=wire("phone_id"))
    server: str | None = field(default=None, metadata=wire("server_id", "node_id"))
    encoding_server: str | None = field(default=None, metadata=wire("encode_server_id"))
    """Only in answers of 2020-07-30."""

    began_at: datetime | None = field(default=None, metadata=wire("begin_time", as_text=format_time))
    ended_at: datetime | None = field(default=None, metadata=wire("end_time", as_text=format_time))
    error_code: str | None = None
    """Sometimes without the dot, as in the documents' example `CPS0005`."""

    error_message: str | None = field(default=None, metadata=wire("error_msg"))
    output: str | None = field(default=None, metadata=wire("execute_msg"))
    """First 1,024 bytes of the output, also of failed commands."""

    @property
    def ended(self) -> bool:
        """Whether the job has ended, successfully or not."""
        return self.state in _ENDED

    @property
    def succeeded(self) -> bool:
        """Whether the job ended successfully."""
        return self.state == JobState.SUCCEEDED

    @property
    def target(self) -> str:
        """Id of the phone, encoding server or server of the job; empty if the service names none."""
        return self.phone or self.encoding_server or self.server or ""

    @property
    def listing(self) -> Listing:
        """The listing of a `shared_files.list` job, as far as its output has it."""
        return Listing.read(self.output or "")


@frozen
class JobRequest:
    """Request for one job."""

    job: str = field(validator=Text(64), metadata=wire("job_id"))


@frozen
class JobQuery:
    """Request for the jobs of some calls."""

    # 2020-07-30 has a single request_id; 2025-02-08 accepts either and prefers this.
    requests: tuple[str, ...] = field(
        converter=split_commas,
        validator=Listed(MAX_REQUESTS, each=Text(64)),
        metadata=wire("request_ids", as_text=join_commas),
    )
    offset: int = field(default=0, validator=Between(0, 10**9))
    limit: int = field(default=MAX_JOBS, validator=Between(1, MAX_JOBS))


@frozen
class JobPage:
    """One page of the list of jobs. Jobs do not name the request they belong to."""

    items: tuple[Job, ...] = field(default=(), metadata=wire("jobs"))
    total: int | None = field(default=None, metadata=wire("count"))
    """Not documented for this list."""


# The request id of the answer is that of this query, not of the call that started the job.
SHOW: Final = Operation(
    "cph.jobs.show", "GET", "/v1/{project_id}/cloud-phone/jobs/{job_id}",
    JobRequest, Job, source="CPH 5.4.1 (2025-02-08)", repeatable=True,
    answer_ids=lambda answer: (answer.id,),
)  # fmt: skip

# Phones that a call refused have no job and are not listed.
LIST: Final = Operation(
    "cph.jobs.list", "GET", "/v1/{project_id}/cloud-phone/jobs",
    JobQuery, JobPage, source="CPH 5.4.2 (2025-02-08)",
    batch=Batch("requests", max=MAX_REQUESTS), repeatable=True,
)  # fmt: skip


@frozen
class Jobs:
    """State and result of the work that calls have started."""

    _session: Sender

    async def show(self, job: str) -> Job:
        """Return one job, without waiting for its end.

        Args:
            job: Job id from the answer of the call that started it.

        Raises:
            NotFound: The service does not know the job (CPS.0011).

        API: CPH 5.4.1 (2025-02-08)
        """
        return await self._session.send(SHOW, JobRequest(job))

    def list(self, requests: Iterable[str]) -> Items[Job]:
        """Iterate over the jobs of some calls, in pages of 100, without waiting for their end.

        Args:
            requests: At most 20 request ids (`Started.request`).

        Raises:
            NotFound: The service does not know one of the requests, or not yet (CPS.0050).

        API: CPH 5.4.2 (2025-02-08)
        """
        return items_by_offset(self._session, LIST, JobQuery(requests))
