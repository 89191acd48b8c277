"""What a call of CPH started: a job for each phone or server, or why there is none."""

from __future__ import annotations

from attrs import field, frozen

from koophone_async.wire import wire


@frozen
class JobEntry:
    """What became of one phone or server of a call: its job has begun, or it was refused."""

    phone: str | None = field(default=None, metadata=wire("phone_id"))
    server: str | None = field(default=None, metadata=wire("server_id"))
    encoding_server: str | None = field(default=None, metadata=wire("encode_server_id"))
    id: str | None = field(default=None, metadata=wire("job_id"))
    """None where this one was refused: it was not touched, and no look at jobs will ever show it."""

    error_code: str | None = None
    error_message: str | None = field(default=None, metadata=wire("error_msg"))

    @property
    def target(self) -> str:
        """The id that the entry is about; empty where the service names none."""
        return self.phone or self.encoding_server or self.server or ""

    @property
    def refused(self) -> bool:
        """Whether nothing was begun for this one."""
        return not self.id


@frozen
class Started:
    """The jobs of one call. Some of its phones or servers may have been refused, with HTTP 200."""

    request: str | None = field(default=None, metadata=wire("request_id"))
    """What all its jobs are looked up by."""

    jobs: tuple[JobEntry, ...] = ()

    @property
    def targets_by_job(self) -> dict[str, str]:
        """The phone or server of every job that has begun, by job id."""
        return {job.id: job.target for job in self.jobs if job.id}

    @property
    def refused(self) -> tuple[JobEntry, ...]:
        """The entries for which nothing was begun."""
        return tuple(job for job in self.jobs if job.refused)


@frozen
class StartedOne:
    """The job of a call that answers with a single one."""

    request: str | None = field(default=None, metadata=wire("request_id"))
    server: str | None = field(default=None, metadata=wire("server_id"))
    """None where the answer names none."""

    id: str | None = field(default=None, metadata=wire("job_id"))

    @property
    def started(self) -> Started:
        """The same as a list of one, which is how all other calls answer."""
        return Started(self.request, (JobEntry(server=self.server, id=self.id),))


@frozen
class Accepted:
    """The service did what was asked, and says nothing more."""

    request: str | None = field(default=None, metadata=wire("request_id"))
    """None where the answer has no body, or names no request."""
