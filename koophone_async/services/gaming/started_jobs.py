"""What a call of cloud mobile gaming started: jobs of several kinds for servers, phones and versions."""

from __future__ import annotations

from enum import IntEnum

from attrs import field, frozen

from koophone_async.services.gaming.versions import MISSPELLED_ID
from koophone_async.wire import wire


class JobKind(IntEnum):
    """What a job does (CPH 5.3.2 to 5.3.7): from 30 on it brings something, from 40 on it takes it away."""

    DEPLOY = 30
    """One a server: all that deploying means there. Whether it ends after the others is not stated."""

    PUSH = 31
    """One a server and version: brings the package to the server."""

    INSTALL = 32
    """One a phone and version."""

    UNDEPLOY = 40
    """One a server: all that undeploying means there."""

    REMOVE = 41
    """One a server and version: deletes the package from the server."""

    UNINSTALL = 42
    """One a phone and version."""


@frozen
class StartedJob:
    """One job, and whom it is for. Two jobs of one answer may have the same id (CPH 5.3.2)."""

    kind: JobKind | int | None = field(default=None, metadata=wire("job_type"))
    """An int when the service sends a kind this version does not know."""

    id: str | None = field(default=None, metadata=wire("job_id"))
    """None where the service began nothing, and says why; no document shows one."""

    server: str | None = field(default=None, metadata=wire("server_id"))
    """None for the jobs of an update."""

    phone: str | None = field(default=None, metadata=wire("phone_id"))
    """Of installing and uninstalling."""

    version: str | None = field(default=None, metadata=wire("app_version_id", MISSPELLED_ID))
    """None for the jobs that stand for all of a server's."""

    error_code: str | None = None
    error_message: str | None = field(default=None, metadata=wire("error_msg"))

    @property
    def description(self) -> str:
        """Whom it is for, in words: `phone p1, version v1`."""
        where = ("phone", self.phone) if self.phone else ("server", self.server)
        return ", ".join(f"{what} {id}" for what, id in (where, ("version", self.version)) if id)


@frozen
class RefusedServer:
    """A server that a call did nothing for, and why."""

    server: str = field(metadata=wire("server_id"))
    error_code: str | None = None
    error_message: str | None = field(default=None, metadata=wire("error_msg"))


@frozen
class Started:
    """The jobs of one call, and the servers that it could not be begun for."""

    request: str | None = field(default=None, metadata=wire("request_id"))
    """What all its jobs are looked up by."""

    jobs: tuple[StartedJob, ...] = ()
    failures: tuple[RefusedServer, ...] = ()
    error_code: str | None = None
    """What the call as a whole was refused for, where some of its servers are named in `failures`."""

    error_message: str | None = field(default=None, metadata=wire("error_msg"))

    @property
    def targets(self) -> tuple[str, ...]:
        """The servers that the call was for; the phones where all jobs are phones', as in an update.

        No document shows a job that names neither; an empty id stands for it.
        """
        on_phones = all(job.phone for job in self.jobs)
        named = (job.phone if on_phones else job.server or job.phone for job in self.jobs)
        return tuple(dict.fromkeys(id or "" for id in named))

    def jobs_for(self, target: str) -> tuple[StartedJob, ...]:
        """Give the jobs for a server and its phones, or for a phone. One that names neither is for all."""
        return tuple(
            job for job in self.jobs if target in (job.server, job.phone) or not (job.server or job.phone)
        )
