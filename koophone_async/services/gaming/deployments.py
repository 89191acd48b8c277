"""Deployments: list versions on servers and phones, deploy, push, update and remove them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from koophone_async.batches import Report, Wait, jobs_by_id, wait_for_jobs
from koophone_async.checks import MAX_ID_LENGTH, Between, Text
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import UNSTATED, Batch, Operation, Sender
from koophone_async.polling import Deadline, ResumeToken
from koophone_async.rows import Items
from koophone_async.services.cph.completion import SingleJobPoller
from koophone_async.services.cph.paging import items_by_offset
from koophone_async.services.cph.waiting import targets_of
from koophone_async.services.gaming.completion import (
    DeploymentPoller,
    join_jobs,
    refusals,
    single_deployment,
)
from koophone_async.services.gaming.requests import (
    DeployVersions,
    PushVersions,
    RemoveVersions,
    UndeployVersions,
    UpdateVersions,
)
from koophone_async.services.gaming.started_jobs import Started
from koophone_async.services.gaming.versions import MISSPELLED_ID
from koophone_async.wire import wire


@frozen
class DeployedVersion:
    """A version of an application on a server or phone."""

    application: str = field(metadata=wire("app_id"))
    package: str | None = field(default=None, metadata=wire("package_name"))
    name: str | None = None
    """Name of the application."""

    description: str | None = None
    version: str | None = field(default=None, metadata=wire("app_version_id", MISSPELLED_ID))
    version_code: str | None = None
    version_name: str | None = None
    activity: str | None = field(default=None, metadata=wire("launch_activity"))


@frozen
class DeployedVersionPage:
    """One page of the versions on a server or phone."""

    items: tuple[DeployedVersion, ...] = field(default=(), metadata=wire("apps"))
    total: int | None = field(default=None, metadata=wire("count"))
    """Not documented for this list."""


@frozen
class ServerQuery:
    """Request for the versions on a server."""

    server: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("server_id"))
    offset: int = field(default=0, validator=Between(0, 10**9))
    limit: int = field(default=100, validator=Between(1, 100))


@frozen
class PhoneQuery:
    """Request for the versions on a phone."""

    phone: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("phone_id"))
    offset: int = field(default=0, validator=Between(0, 10**9))
    limit: int = field(default=100, validator=Between(1, 100))


ON_SERVER: Final = Operation(
    "gaming.deployments.on_server", "GET", "/v1/{project_id}/cloud-phone/servers/{server_id}/apps",
    ServerQuery, DeployedVersionPage, source="CPH 5.3.1 (2020-07-30)", repeatable=True,
)  # fmt: skip

# The answer mixes jobs per server (30), per server and version (31), and per phone and version (32).
DEPLOY: Final = Operation(
    "gaming.deployments.deploy", "POST", "/v1/{project_id}/cloud-phone/servers/action",
    DeployVersions, Started, source="CPH 5.3.2 (2020-07-30)",
    batch=Batch("servers", max=UNSTATED), repeatable=False, success=201,
)  # fmt: skip

REMOVE: Final = Operation(
    "gaming.deployments.remove", "POST", "/v1/{project_id}/cloud-phone/servers/action",
    RemoveVersions, Started, source="CPH 5.3.3 (2020-07-30)",
    batch=Batch("servers", max=UNSTATED), repeatable=False, success=201,
)  # fmt: skip

PUSH: Final = Operation(
    "gaming.deployments.push", "POST", "/v1/{project_id}/cloud-phone/servers/action",
    PushVersions, Started, source="CPH 5.3.4 (2020-07-30)",
    batch=Batch("servers", max=UNSTATED), repeatable=False, success=201,
)  # fmt: skip

# The answer mixes jobs per server (40), per server and version (41), and per phone and version (42).
UNDEPLOY: Final = Operation(
    "gaming.deployments.undeploy", "POST", "/v1/{project_id}/cloud-phone/servers/action",
    UndeployVersions, Started, source="CPH 5.3.5 (2020-07-30)",
    batch=Batch("servers", max=UNSTATED), repeatable=False, success=201,
)  # fmt: skip

ON_PHONE: Final = Operation(
    "gaming.deployments.on_phone", "GET", "/v1/{project_id}/cloud-phone/phones/{phone_id}/apps",
    PhoneQuery, DeployedVersionPage, source="CPH 5.3.6 (2020-07-30)", repeatable=True,
)  # fmt: skip

# The document's example answers a call for one phone with the jobs of two.
UPDATE: Final = Operation(
    "gaming.deployments.update", "POST", "/v1/{project_id}/cloud-phone/phones/{phone_id}/action",
    UpdateVersions, Started, source="CPH 5.3.7 (2020-07-30)", repeatable=False, success=201,
)  # fmt: skip


@frozen
class Deployments:
    """Deployments of versions on servers and phones."""

    _session: Sender
    _poller: DeploymentPoller = field(repr=False)
    _jobs: SingleJobPoller = field(repr=False)
    """Polls jobs of which only the own id is known."""

    def on_server(self, server: str) -> Items[DeployedVersion]:
        """Iterate over the versions on a server, in pages of 100.

        Args:
            server: Its id.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.3.1 (2020-07-30)
        """
        return items_by_offset(self._session, ON_SERVER, ServerQuery(server))

    async def deploy(self, servers: Iterable[str], versions: Iterable[str]) -> Started:
        """Start pushing versions to servers and installing them on all their phones.

        Args:
            servers: At most 100 ids; no document states a maximum.
            versions: Version ids; each is deployed on every server.

        Raises:
            Refused: The service refused the whole call; nothing is being deployed.
            NoAnswer: No answer arrived; the versions may be deployed.

        API: CPH 5.3.2 (2020-07-30)
        """
        return await self._session.send(DEPLOY, DeployVersions.of(servers, versions))

    async def remove(self, servers: Iterable[str], versions: Iterable[str]) -> Started:
        """Start deleting the packages of versions from servers. Phones keep their versions.

        Args:
            servers: At most 100 ids; no document states a maximum.
            versions: Version ids.

        Raises:
            Refused: The service refused the whole call; nothing is being deleted.
            NoAnswer: No answer arrived; the packages may be deleted.

        API: CPH 5.3.3 (2020-07-30)
        """
        return await self._session.send(REMOVE, RemoveVersions.of(servers, versions))

    async def push(self, servers: Iterable[str], versions: Iterable[str]) -> Started:
        """Start pushing the packages of versions to servers; `update` then installs them on phones.

        Args:
            servers: At most 100 ids; no document states a maximum.
            versions: Version ids; each is deployed on every server.

        Raises:
            Refused: The service refused the whole call; nothing is being pushed.
            NoAnswer: No answer arrived; the packages may be pushed.

        API: CPH 5.3.4 (2020-07-30)
        """
        return await self._session.send(PUSH, PushVersions.of(servers, versions))

    async def undeploy(self, servers: Iterable[str], versions: Iterable[str]) -> Started:
        """Start uninstalling versions from all phones of servers, and deleting their packages there.

        Args:
            servers: At most 100 ids; no document states a maximum.
            versions: Version ids.

        Raises:
            Refused: The service refused the whole call; nothing is being uninstalled.
            NoAnswer: No answer arrived; the versions may be uninstalled.

        API: CPH 5.3.5 (2020-07-30)
        """
        return await self._session.send(UNDEPLOY, UndeployVersions.of(servers, versions))

    def on_phone(self, phone: str) -> Items[DeployedVersion]:
        """Iterate over the versions on a phone, in pages of 100.

        Args:
            phone: Its id.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.3.6 (2020-07-30)
        """
        return items_by_offset(self._session, ON_PHONE, PhoneQuery(phone))

    async def update(self, phone: str, versions: Iterable[str]) -> Started:
        """Start installing versions on a phone; their packages must have been pushed to its server.

        Args:
            phone: Its id.
            versions: Version ids.

        Raises:
            Refused: The service refused the call; nothing was changed.
            NoAnswer: No answer arrived; the versions may be installed.

        API: CPH 5.3.7 (2020-07-30)
        """
        return await self._session.send(UPDATE, UpdateVersions.of(phone, versions))

    async def wait(
        self,
        started: Started | ResumeToken | str,
        *,
        timeout: float | Deadline | None = Deadline.DEFAULT,  # noqa: ASYNC109 - the end of the wait is no error
    ) -> Report:
        """Wait until every job of a call has ended, and return the outcome of each server.

        After an update it is the outcome of the phone. An outcome's `value` is a `Deployment`, with the
        result, phone and version of each job. A server succeeded if all its jobs did. All waits for
        deployments of a client share their polls. A cancelled wait costs nothing, and the jobs go on.

        Args:
            started: Answer of the call, or the resume token of an unfinished outcome, also one from another
                process; or the bare id of a request or job that was started anywhere. A token or an id does
                not show the versions of its jobs.
            timeout: Seconds after which pending servers are `unfinished`, each with a resume token;
                None for no limit. By default a time that depends on the operation.

        Raises:
            InvalidRequest: The string is a damaged resume token, or the answer has jobs but no request id to
                poll them by.
            NotFound: The service knows neither a request nor a job of this id.
        """
        report = Report("gaming.deployments")
        if isinstance(started, Started):
            if started.jobs and not started.request:
                problem = "has jobs but no request id to poll them by"
                raise InvalidRequest("gaming.deployments.wait", "started", problem, Rule.MISSING)
            for outcome in refusals(started, started.targets):
                report.keep(outcome)
            targets = (target for target in started.targets if target not in report.outcomes)
            wait, started_at = self._poller.watch(started, targets), None
            if wait is None:
                return report
        else:
            resume_token = await self._resume_token(started)
            wait, started_at = self._resumed(resume_token), resume_token.started_at
        resume_token = ResumeToken(report.operation, wait.handle, wait.jobs, started_at)
        return await wait_for_jobs(
            self._session, wait.poller, resume_token, report, timeout, value=wait.value
        )

    async def _resume_token(self, started: ResumeToken | str) -> ResumeToken:
        if isinstance(started, ResumeToken):
            return started
        if ResumeToken.is_token(started):
            return ResumeToken.parse(started)
        target_of = await targets_of(self._session, started, lambda job: job.server or job.target)
        groups = jobs_by_id(target_of, target_of)
        return ResumeToken("", started, {join_jobs(jobs): next(iter(jobs.values())) for jobs in groups})

    def _resumed(self, resume_token: ResumeToken) -> Wait:
        handle, jobs = resume_token.handle, resume_token.jobs
        if handle in jobs:
            return Wait(self._jobs, handle, jobs, value=single_deployment)
        return self._poller.resume(handle, jobs)
