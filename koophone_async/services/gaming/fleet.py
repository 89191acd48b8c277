"""Fleets of cloud mobile gaming: run one operation on any number of servers or phones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from attrs import field, frozen

from koophone_async.batches import CallResult, Run, RunOptions, StartedCall, Verb, Wait
from koophone_async.batches.chunks import Source
from koophone_async.call import SendTracker
from koophone_async.checks import ids
from koophone_async.errors import Refused
from koophone_async.operation import Operation, Sender
from koophone_async.services.gaming import deployments
from koophone_async.services.gaming.completion import DeploymentPoller, refusals
from koophone_async.services.gaming.requests import (
    DeployVersions,
    PushVersions,
    RemoveVersions,
    UndeployVersions,
    UpdateVersions,
)
from koophone_async.services.gaming.started_jobs import RefusedServer, Started

Request = TypeVar("Request")


@frozen
class Fleet:
    """Any number of servers, or of phones for `update`, to run one operation on.

    Every verb returns a `Run`: iterate it for outcomes as they arrive, or await it for the report. Every
    distinct id gets exactly one outcome, when all its jobs have ended; jobs of a server's phones count for
    the server. An outcome's `value` is a `Deployment`, with the result, phone and version of each job; its
    `job_id` is the ids of all jobs, joined by commas.
    """

    _session: Sender
    _poller: DeploymentPoller
    _ids: Source
    _options: RunOptions = field(factory=RunOptions)

    def deploy(self, versions: Iterable[str]) -> Run[DeployVersions, Started]:
        """Push versions to servers and install them on all their phones.

        Args:
            versions: Version ids; each is deployed on every server.
        """
        version_ids = ids(versions, "versions")
        return self._run(deployments.DEPLOY, lambda ids: DeployVersions.of(ids, version_ids))

    def push(self, versions: Iterable[str]) -> Run[PushVersions, Started]:
        """Push the packages of versions to servers, without installing them.

        Args:
            versions: Version ids; each is deployed on every server.
        """
        version_ids = ids(versions, "versions")
        return self._run(deployments.PUSH, lambda ids: PushVersions.of(ids, version_ids))

    def remove(self, versions: Iterable[str]) -> Run[RemoveVersions, Started]:
        """Delete the packages of versions from servers; phones keep their versions.

        Args:
            versions: Version ids.
        """
        version_ids = ids(versions, "versions")
        return self._run(deployments.REMOVE, lambda ids: RemoveVersions.of(ids, version_ids))

    def undeploy(self, versions: Iterable[str]) -> Run[UndeployVersions, Started]:
        """Uninstall versions from all phones of servers, and delete their packages there.

        Args:
            versions: Version ids.
        """
        version_ids = ids(versions, "versions")
        return self._run(deployments.UNDEPLOY, lambda ids: UndeployVersions.of(ids, version_ids))

    def update(self, versions: Iterable[str]) -> Run[UpdateVersions, Started]:
        """Install versions on phones, in calls of one phone; their servers must have the packages.

        Args:
            versions: Version ids.
        """
        version_ids = ids(versions, "versions")
        return self._run(deployments.UPDATE, lambda ids: UpdateVersions.of(ids[0], version_ids))

    def _run(
        self, operation: Operation[Request, Started], request: Callable[[Sequence[str]], Request]
    ) -> Run[Request, Started]:
        def read(started: Started, ids: Sequence[str]) -> CallResult:
            return CallResult(refusals(started, ids), self._poller.watch(started, ids))

        async def send(session: Sender, request: Request, tracker: SendTracker) -> Started:
            try:
                return await session.send(operation, request, tracker=tracker)
            except Refused as error:
                if not error.failures or (error.blames_ids and tracker.bisects):
                    raise
                return _by_server(error)

        def resume(call: StartedCall) -> Wait:
            return self._poller.resume(call.handle, call.jobs)

        verb = Verb(operation, request, read, send, resume=resume)
        return Run(self._session, verb, self._ids, self._options)


def _by_server(error: Refused) -> Started:
    failures = tuple(RefusedServer(each.id, each.code, each.message) for each in error.failures)
    return Started(error.request_id, (), failures, error.code, error.message)
