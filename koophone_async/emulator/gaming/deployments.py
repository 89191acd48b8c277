"""Deployments: packages on servers, and versions on phones.

A server takes in or deletes one package after the other; its phones install and uninstall side by side, and
install once the package is there. The job that represents all of a server's ends with the last of them, and
fails if one did.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from attrs import evolve, frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.project import page, running
from koophone_async.emulator.cph.server_inventory import Server
from koophone_async.emulator.gaming.library import Version
from koophone_async.emulator.gaming.project import GamingProject, NoServer, Resource
from koophone_async.emulator.jobs.engine import Effect, EffectError, Run
from koophone_async.emulator.jobs.phone_effects import install
from koophone_async.emulator.server.errors import Refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.operation import AnyOperation
from koophone_async.services.gaming import deployments, requests
from koophone_async.services.gaming.deployments import DeployedVersion, DeployedVersionPage
from koophone_async.services.gaming.started_jobs import JobKind, RefusedServer, Started, StartedJob


@frozen
class Step(Effect):
    """One step of a deployment. The ledger counts calls by server or phone, and not their steps."""

    counted = False
    kind: ClassVar[JobKind]
    version: str


@frozen
class Push(Step):
    """Puts the package of a version on a server."""

    exclusive = True
    kind = JobKind.PUSH

    def finish(self, run: Run) -> None:
        run.world.library.put(run.server.id, self.version)


@frozen
class Remove(Step):
    """Deletes the package of a version from a server."""

    exclusive = True
    kind = JobKind.REMOVE

    def finish(self, run: Run) -> None:
        if not run.world.library.remove(run.server.id, self.version):
            raise EffectError(error_table.NO_RESOURCE)


@frozen
class Install(Step):
    """Installs a version on a phone, if the server has its package."""

    kind = JobKind.INSTALL

    def finish(self, run: Run) -> None:
        library = run.world.library
        if not library.has(run.server.id, self.version):
            raise EffectError(error_table.NO_RESOURCE)
        version = library.versions[self.version]
        install(run, library.applications[version.application].package, version.name)
        library.record(run.phone.cph_id, version)


@frozen
class Uninstall(Step):
    """Uninstalls a version from a phone."""

    kind = JobKind.UNINSTALL

    def finish(self, run: Run) -> None:
        library, _ = run.world.library, run.server
        library.uninstall(run.require_running().cph_id, library.versions[self.version])


@frozen
class Summary(Effect):
    """Represents all steps on one server, and fails if one of them did."""

    counted = False

    def finish(self, run: Run) -> None:
        server = run.server.id
        for job in run.jobs.by_request[run.job.request]:
            if job.server == server and job.code:
                raise EffectError(job.code)


class Deployments(Resource):
    """Deploys versions to servers and phones, and removes them."""

    @serves(deployments.ON_SERVER)
    async def on_server(self, request: deployments.ServerQuery) -> DeployedVersionPage:
        server, library = self.project.server(request.server), self.project.library
        versions = [library.versions[version] for version in library.on_servers.get(server.id, ())]
        return self._page(versions, request)

    @serves(deployments.ON_PHONE)
    async def on_phone(self, request: deployments.PhoneQuery) -> DeployedVersionPage:
        phone = self.project.phone(request.phone)
        return self._page(self.project.library.installed(phone.cph_id), request)

    def _page(
        self, versions: Sequence[Version], query: deployments.ServerQuery | deployments.PhoneQuery
    ) -> DeployedVersionPage:
        return DeployedVersionPage(tuple(map(self._row, page(versions, query.offset, query.limit))))

    def _row(self, version: Version) -> DeployedVersion:
        of = self.project.library.applications[version.application]
        what = (version.id, version.code, version.name, version.activity)
        return DeployedVersion(of.id, of.package, of.name, of.description, *what)

    @serves(deployments.DEPLOY, counted=False)
    async def deploy(self, request: requests.DeployVersions) -> Started:
        """Start to put versions on servers and to install them on all phones of these."""
        return self._on_servers(deployments.DEPLOY, request.action, Push, Install, JobKind.DEPLOY)

    @serves(deployments.PUSH, counted=False)
    async def push(self, request: requests.PushVersions) -> Started:
        return self._on_servers(deployments.PUSH, request.action, Push)

    @serves(deployments.REMOVE, counted=False)
    async def remove(self, request: requests.RemoveVersions) -> Started:
        return self._on_servers(deployments.REMOVE, request.action, Remove)

    @serves(deployments.UNDEPLOY, counted=False)
    async def undeploy(self, request: requests.UndeployVersions) -> Started:
        """Start to delete packages from servers, and to uninstall the versions from all phones of these."""
        return self._on_servers(deployments.UNDEPLOY, request.action, Remove, Uninstall, JobKind.UNDEPLOY)

    @serves(deployments.UPDATE, counted=False)
    async def update(self, request: requests.UpdateVersions) -> Started:
        """Start to install versions on a phone; a job fails if the server does not have the package."""
        versions = [self.project.version(version) for version in request.action.versions]
        phone = self.project.phone(request.phone)
        running(phone)
        call = _Call(self.project, deployments.UPDATE, self.project.world.hex())
        call.count(phone.cph_id)
        server = self.project.cph.servers.of(phone).id
        jobs = [call.start(Install(version.id), server, phone.cph_id) for version in versions]
        return Started(call.id, tuple(evolve(job, server=None) for job in jobs))

    def _on_servers(
        self,
        operation: AnyOperation,
        what: requests.VersionsOnServers,
        on_server: type[Push | Remove],
        on_phones: type[Install | Uninstall] | None = None,
        summary: JobKind | None = None,
    ) -> Started:
        """Start the jobs of every server that is ready, and report the others; refuse if none is."""
        versions = [self.project.version(version) for version in dict.fromkeys(what.versions)]
        call = _Call(self.project, operation, self.project.world.hex())
        jobs, failures = list[StartedJob](), list[RefusedServer]()
        for id_ in dict.fromkeys(what.servers):
            try:
                server = self.project.ready(id_)
            except Refusal as refusal:
                failures.append(RefusedServer(id_, refusal.code, refusal.message))
                continue
            call.count(id_)
            jobs += call.start_all(server, versions, on_server, on_phones, summary)
        if failures and not jobs:
            # The code of the first: no document states which one the call has.
            first = failures[0]
            raise NoServer(400, first.error_code or "", first.error_message or "", failures=failures)
        return Started(call.id, tuple(jobs), tuple(failures))


@frozen
class _Call:
    """A call whose jobs are being started."""

    project: GamingProject
    operation: AnyOperation
    id: str

    def count(self, target: str) -> None:
        self.project.world.ledger.executed(self.operation.name, [target])

    def start(
        self, step: Step, server: str, phone: str | None = None, after: str | None = None
    ) -> StartedJob:
        """Start a step on a server, where one runs after the other, or on a phone."""
        queue = f"packages of {server}" if phone is None else None
        waits_for = () if after is None else (after,)
        job = self.project.jobs.start(
            self.operation, self.id, step, phone=phone, server=server, queue=queue, waits_for=waits_for
        )
        return StartedJob(step.kind, job.id, server, phone, step.version)

    def start_all(
        self,
        server: Server,
        versions: Iterable[Version],
        on_server: type[Push | Remove],
        on_phones: type[Install | Uninstall] | None,
        summary: JobKind | None,
    ) -> list[StartedJob]:
        """Start the steps of a server and its phones, and first the job that represents them."""
        jobs, ready, steps = self.project.jobs, f"{self.id}/{server.id}", list[StartedJob]()
        phones = self.project.world.fleet.on_server(server.index) if on_phones else []
        if summary is not None:
            waiting = jobs.start(
                self.operation, self.id, Summary(), server=server.id, waits_for=(ready,), seconds=0.0
            )
            steps.append(StartedJob(summary, waiting.id, server.id))
        for version in versions:
            package = self.start(on_server(version.id), server.id)
            steps.append(package)
            for phone in phones:
                if on_phones is Install:
                    steps.append(self.start(Install(version.id), server.id, phone.cph_id, package.id))
                elif version in self.project.library.installed(phone.cph_id):
                    steps.append(self.start(Uninstall(version.id), server.id, phone.cph_id))
        if steps and steps[0].kind is summary:
            jobs.wait_for(jobs.by_id[steps[0].id or ""], [step.id or "" for step in steps[1:]])
        jobs.complete(ready)
        return steps
