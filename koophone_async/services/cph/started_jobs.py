"""Answers of calls that start jobs: a job or a refusal for each phone or server."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from koophone_async.wire import NULL_TEXTS, wire

NO_ERROR: Final = (None, "", "0", *NULL_TEXTS)
"""Error codes of entries without an error."""


@frozen
class JobEntry:
    """Entry of one phone or server: a started job, or a refusal."""

    phone: str | None = field(default=None, metadata=wire("phone_id"))
    server: str | None = field(default=None, metadata=wire("server_id"))
    encoding_server: str | None = field(default=None, metadata=wire("encode_server_id"))
    id: str | None = field(default=None, metadata=wire("job_id"))
    """None if the entry was refused: nothing was changed, and the list of jobs never has it."""

    error_code: str | None = None
    error_message: str | None = field(default=None, metadata=wire("error_msg"))

    @property
    def target(self) -> str:
        """Id of the phone, encoding server or server; empty if the service names none."""
        return self.phone or self.encoding_server or self.server or ""

    @property
    def refused(self) -> bool:
        """Whether no job was started."""
        return not self.id or self.id in NULL_TEXTS


@frozen
class Started:
    """Jobs of one call. Some of its phones or servers may be refused, with HTTP 200."""

    request: str | None = field(default=None, metadata=wire("request_id", null_text=True))
    """Request id, by which its jobs are polled."""

    jobs: tuple[JobEntry, ...] = ()

    @property
    def targets_by_job(self) -> dict[str, str]:
        """Phone or server of each started job, by job id."""
        return {job.id: job.target for job in self.jobs if job.id and not job.refused}

    @property
    def refused(self) -> tuple[JobEntry, ...]:
        """Entries without a started job."""
        return tuple(job for job in self.jobs if job.refused)


SEPARATOR: Final = ","
"""Separates servers whose work is a single job; no id has a comma."""


@frozen
class StartedOne:
    """Answer of a call that starts a single job."""

    request: str | None = field(default=None, metadata=wire("request_id", null_text=True))
    server: str | None = field(default=None, metadata=wire("server_id"))
    """None if the answer names no server; several, joined by commas, if the job is for all of them."""

    id: str | None = field(default=None, metadata=wire("job_id", null_text=True))

    @property
    def started(self) -> Started:
        """The same as a `Started` with one job."""
        return Started(self.request, (JobEntry(server=self.server, id=self.id),))


@frozen
class Accepted:
    """Answer of a call that was executed and has no further result."""

    request: str | None = field(default=None, metadata=wire("request_id", null_text=True))
    """None if the answer has no body or no request id."""
