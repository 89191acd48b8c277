"""Deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, frozen

from koophone_async.emulator.cph.project import running
from koophone_async.emulator.gaming.jobs import Step
from koophone_async.emulator.gaming.project import NoServer, Stage, page
from koophone_async.emulator.server.errors import Refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.gaming import deployments, requests
from koophone_async.services.gaming.deployments import DeployedVersion, DeployedVersionPage
from koophone_async.services.gaming.started_jobs import JobKind, RefusedServer, Started, StartedJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from koophone_async.emulator.cph.server_inventory import Server
    from koophone_async.emulator.gaming.library import Version
    from koophone_async.operation import AnyOperation


@frozen
class Deployments:
    """Brings versions to servers and phones, and takes them away."""

    stage: Stage

    @serves(deployments.ON_SERVER)
    async def on_server(self, request: deployments.ServerQuery) -> DeployedVersionPage:
        """Tell which packages a server has."""
        server, games = self.stage.site.server(request.server), self.stage.library
        held = [games.versions[version] for version in games.on_servers.get(server.id, ())]
        return self._page(held, request)

    @serves(deployments.ON_PHONE)
    async def on_phone(self, request: deployments.PhoneQuery) -> DeployedVersionPage:
        """Tell which versions a phone has."""
        phone = self.stage.site.phone(request.phone)
        return self._page(self.stage.library.installed(phone.cph_id), request)

    def _page(
        self, held: Sequence[Version], query: deployments.ServerQuery | deployments.PhoneQuery
    ) -> DeployedVersionPage:
        return DeployedVersionPage(tuple(map(self._row, page(held, query.offset, query.limit))))

    def _row(self, version: Version) -> DeployedVersion:
        of = self.stage.library.applications[version.application]
        what = (version.id, version.code, version.name, version.activity)
        return DeployedVersion(of.id, of.package, of.name, of.description, *what)

    @serves(deployments.DEPLOY, counted=False)
    async def deploy(self, request: requests.DeployVersions) -> Started:
        """Bring versions to servers and install them on all their phones."""

        def steps(server: Server, versions: Iterable[Version]) -> Iterator[Step]:
            yield Step(JobKind.DEPLOY, server.id)
            for version in versions:
                yield Step(JobKind.PUSH, server.id, version)
                for phone in self.stage.site.world.fleet.on_server(server.index):
                    yield Step(JobKind.INSTALL, server.id, version, phone.cph_id)

        return self._on_servers(deployments.DEPLOY, request.action, steps)

    @serves(deployments.PUSH, counted=False)
    async def push(self, request: requests.PushVersions) -> Started:
        """Bring the packages of versions to servers."""
        return self._on_servers(deployments.PUSH, request.action, _each(JobKind.PUSH))

    @serves(deployments.REMOVE, counted=False)
    async def remove(self, request: requests.RemoveVersions) -> Started:
        """Delete the packages of versions from servers."""
        return self._on_servers(deployments.REMOVE, request.action, _each(JobKind.REMOVE))

    @serves(deployments.UNDEPLOY, counted=False)
    async def undeploy(self, request: requests.UndeployVersions) -> Started:
        """Delete the packages of versions from servers, and the versions from all phones that have them."""

        def steps(server: Server, versions: Iterable[Version]) -> Iterator[Step]:
            yield Step(JobKind.UNDEPLOY, server.id)
            phones = [phone.cph_id for phone in self.stage.site.world.fleet.on_server(server.index)]
            for version in versions:
                yield Step(JobKind.REMOVE, server.id, version)
                for phone in phones:
                    if version in self.stage.library.installed(phone):
                        yield Step(JobKind.UNINSTALL, server.id, version, phone)

        return self._on_servers(deployments.UNDEPLOY, request.action, steps)

    @serves(deployments.UPDATE, counted=False)
    async def update(self, request: requests.UpdateVersions) -> Started:
        """Put versions on a phone; a job fails where the package was not pushed to the server before."""
        stage = self.stage
        versions = [stage.version(version) for version in request.action.versions]
        phone = stage.site.phone(request.phone)
        running(phone)
        server, call = stage.site.estate.servers.of(phone), stage.site.world.hex()
        steps = [Step(JobKind.INSTALL, server.id, version, phone.cph_id) for version in versions]
        jobs = self._begin(deployments.UPDATE, call, phone.cph_id, steps)
        return Started(call, tuple(evolve(job, server=None) for job in jobs))

    def _on_servers(
        self,
        operation: AnyOperation,
        what: requests.VersionsOnServers,
        steps: Callable[[Server, Iterable[Version]], Iterator[Step]],
    ) -> Started:
        """Begin on every server that can, and tell of those that cannot; refuse where none can."""
        versions = [self.stage.version(version) for version in dict.fromkeys(what.versions)]
        call, jobs, failures = self.stage.site.world.hex(), list[StartedJob](), list[RefusedServer]()
        for id_ in dict.fromkeys(what.servers):
            try:
                server = self.stage.ready(id_)
            except Refusal as no:
                failures.append(RefusedServer(id_, no.code, no.message))
                continue
            jobs += self._begin(operation, call, id_, steps(server, versions))
        if failures and not jobs:
            raise _none(failures)
        return Started(call, tuple(jobs), tuple(failures))

    def _begin(
        self, operation: AnyOperation, call: str, target: str, steps: Iterable[Step]
    ) -> list[StartedJob]:
        self.stage.site.world.ledger.executed(operation.name, [target])
        return self.stage.jobs.begin(operation, call, steps)


def _each(kind: JobKind) -> Callable[[Server, Iterable[Version]], Iterator[Step]]:
    def steps(server: Server, versions: Iterable[Version]) -> Iterator[Step]:
        return (Step(kind, server.id, version) for version in versions)

    return steps


def _none(failures: Sequence[RefusedServer]) -> NoServer:
    """Refuse a call that no server takes, with the code of the first: what the whole has is not stated."""
    first = failures[0]
    return NoServer(400, first.error_code or "", first.error_message or "", failures=failures)
