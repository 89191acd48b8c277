"""Applications."""

from __future__ import annotations

from collections.abc import Iterator

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.project import page
from koophone_async.emulator.gaming import library
from koophone_async.emulator.gaming.library import Version
from koophone_async.emulator.gaming.project import IN_USE, Resource
from koophone_async.emulator.gaming.versions import version_row
from koophone_async.emulator.server.errors import cph_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph.started_jobs import Accepted
from koophone_async.services.gaming import applications
from koophone_async.services.gaming.applications import (
    Application,
    ApplicationDetail,
    ApplicationPage,
    CreatedApplication,
    PhoneDeployment,
    PhoneDeploymentPage,
    ServerDeployment,
    ServerDeploymentPage,
)


class Applications(Resource):
    """Manages applications, and lists where their versions are deployed."""

    @serves(applications.LIST)
    async def list(self, request: applications.ApplicationQuery) -> ApplicationPage:
        """Return one page of the applications, newest first."""
        found = self.project.library.of_project(self.project.id)
        fitting = [one for one in found if (request.name or "") in one.name]
        return ApplicationPage(tuple(_row(one) for one in page(fitting, request.offset, request.limit)))

    @serves(applications.SHOW)
    async def show(self, request: applications.ApplicationRequest) -> ApplicationDetail:
        found = self.project.application(request.application)
        versions = tuple(map(version_row, self.project.library.versions_of(found.id)))
        return ApplicationDetail(found.name, found.package, found.description, versions)

    @serves(applications.CREATE)
    async def create(self, request: applications.NewApplication) -> CreatedApplication:
        """Create an application, unless the project has the maximum (CPS.0196)."""
        project, games = self.project, self.project.library
        if len(games.of_project(project.id)) >= games.max_applications:
            raise cph_refusal(error_table.QUOTA_EXCEEDED)
        id_, now = project.world.hex(), project.now
        games.applications[id_] = library.Application(
            id_, project.id, request.name, request.package, request.description, now, now
        )
        return CreatedApplication(id_, project.world.hex())

    @serves(applications.DELETE)
    async def delete(self, request: applications.ApplicationRequest) -> Accepted:
        found, games = self.project.application(request.application), self.project.library
        if games.versions_of(found.id):
            raise cph_refusal(IN_USE, reason="the application has versions")
        del games.applications[found.id]
        return Accepted()

    @serves(applications.SERVERS)
    async def servers(self, request: applications.DeploymentQuery) -> ServerDeploymentPage:
        """List the servers of the region that have packages of an application."""
        rows = (ServerDeployment(server, *_named(version)) for server, version in self._on_servers(request))
        return ServerDeploymentPage(page(rows, request.offset, request.limit))

    @serves(applications.PHONES)
    async def phones(self, request: applications.DeploymentQuery) -> PhoneDeploymentPage:
        rows = (PhoneDeployment(phone, *_named(version)) for phone, version in self._on_phones(request))
        return PhoneDeploymentPage(page(rows, request.offset, request.limit))

    def _on_servers(self, query: applications.DeploymentQuery) -> Iterator[tuple[str, Version]]:
        games, there = self.project.library, {server.id for server in self.project.servers()}
        application = self.project.application(query.application)
        versions = {version.id: version for version in games.versions_of(application.id)}
        for server, ids in games.on_servers.items():
            if server in there:
                yield from ((server, versions[one]) for one in ids if one in versions)

    def _on_phones(self, query: applications.DeploymentQuery) -> Iterator[tuple[str, Version]]:
        games, application = self.project.library, self.project.application(query.application)
        for phone in games.on_phones:
            yield from ((phone, one) for one in games.installed(phone) if one.application == application.id)


def _named(version: Version) -> tuple[str, str, str, str]:
    return version.id, version.code, version.name, version.activity


def _row(found: library.Application) -> Application:
    return Application(
        found.id,
        found.name,
        found.package,
        description=found.description,
        created_at=found.created,
        updated_at=found.updated,
    )
