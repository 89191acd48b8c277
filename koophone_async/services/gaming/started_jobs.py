"""Answers of gaming calls that start jobs: several kinds, for servers, phones and versions."""

from __future__ import annotations

from enum import IntEnum

from attrs import field, frozen

from koophone_async.services.gaming.versions import MISSPELLED_ID
from koophone_async.wire import wire


class JobKind(IntEnum):
    """Kind of a job (CPH 5.3.2 to 5.3.7): from 30 on it deploys, from 40 on it removes."""

    DEPLOY = 30
    """One per server, for its whole deployment. No document states whether it ends last."""

    PUSH = 31
    """One per server and version: pushes the package to the server."""

    INSTALL = 32
    """One per phone and version."""

    UNDEPLOY = 40
    """One per server, for its whole removal."""

    REMOVE = 41
    """One per server and version: deletes the package from the server."""

    UNINSTALL = 42
    """One per phone and version."""


@frozen
class StartedJob:
    """A job and its target. Two jobs of one answer may have the same id (CPH 5.3.2)."""

    kind: JobKind | int | None = field(default=None, metadata=wire("job_type"))
    """An int for a kind that this version does not know."""

    id: str | None = field(default=None, metadata=wire("job_id", null_text=True))
    """None if no job was started; then there is an error code. No document shows such an entry."""

    server: str | None = field(default=None, metadata=wire("server_id"))
    """None for the jobs of an update."""

    phone: str | None = field(default=None, metadata=wire("phone_id"))
    """Set for installing and uninstalling."""

    version: str | None = field(default=None, metadata=wire("app_version_id", MISSPELLED_ID))
    """None for the job of a whole server."""

    error_code: str | None = None
    error_message: str | None = field(default=None, metadata=wire("error_msg"))

    @property
    def description(self) -> str:
        """The target as text: `phone p1, version v1`."""
        target = ("phone", self.phone) if self.phone else ("server", self.server)
        return ", ".join(f"{noun} {id}" for noun, id in (target, ("version", self.version)) if id)


@frozen
class RefusedServer:
    """A server that a call refused, and the reason."""

    server: str = field(metadata=wire("server_id"))
    error_code: str | None = None
    error_message: str | None = field(default=None, metadata=wire("error_msg"))


@frozen
class Started:
    """Jobs of one call, and the servers that it refused."""

    request: str | None = field(default=None, metadata=wire("request_id", null_text=True))
    """Request id, by which its jobs are polled."""

    jobs: tuple[StartedJob, ...] = ()
    failures: tuple[RefusedServer, ...] = ()
    error_code: str | None = None
    """Code of a refusal of the whole call, if `failures` names some of its servers."""

    error_message: str | None = field(default=None, metadata=wire("error_msg"))

    @property
    def targets(self) -> tuple[str, ...]:
        """Servers of the call; its phones if all jobs are for phones, as in an update.

        A job that names neither, which no document shows, has the target ''.
        """
        on_phones = all(job.phone for job in self.jobs)
        named = (job.phone if on_phones else job.server or job.phone for job in self.jobs)
        return tuple(dict.fromkeys(id or "" for id in named))

    def jobs_for(self, target: str) -> tuple[StartedJob, ...]:
        """Return the jobs of a server and its phones, or of a phone. A job that names neither is for all."""
        return tuple(
            job for job in self.jobs if target in (job.server, job.phone) or not (job.server or job.phone)
        )
