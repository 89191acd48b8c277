"""Applications."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from attrs import frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.gaming import library
from koophone_async.emulator.gaming.project import IN_USE, Stage, page
from koophone_async.emulator.gaming.versions import shown
from koophone_async.emulator.server.errors import cph
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

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from koophone_async.emulator.gaming.library import Version


@frozen
class Applications:
    """Keeps applications, and tells where their versions are."""

    stage: Stage

    @serves(applications.LIST)
    async def list(self, request: applications.ApplicationQuery) -> ApplicationPage:
        """Give one page of the applications, the newest first."""
        found = self.stage.library.of_project(self.stage.site.project)
        fitting = [one for one in found if (request.name or "") in one.name]
        return ApplicationPage(tuple(_row(one) for one in page(fitting, request.offset, request.limit)))

    @serves(applications.SHOW)
    async def show(self, request: applications.ApplicationRequest) -> ApplicationDetail:
        """Tell everything of one application."""
        found = self.stage.application(request.application)
        versions = tuple(map(shown, self.stage.library.versions_of(found.id)))
        return ApplicationDetail(found.name, found.package, found.description, versions)

    @serves(applications.CREATE)
    async def create(self, request: applications.NewApplication) -> CreatedApplication:
        """Make an application, unless the project has as many as it may (CPS.0196)."""
        site, games = self.stage.site, self.stage.library
        if len(games.of_project(site.project)) >= games.most_applications:
            raise cph(error_table.QUOTA)
        id_, now = site.world.hex(), site.estate.now()
        games.applications[id_] = library.Application(
            id_, site.project, request.name, request.package, request.description, now, now
        )
        return CreatedApplication(id_, site.world.hex())

    @serves(applications.DELETE)
    async def delete(self, request: applications.ApplicationRequest) -> Accepted:
        """Delete an application that has no version."""
        found, games = self.stage.application(request.application), self.stage.library
        if games.versions_of(found.id):
            raise cph(IN_USE, reason="the application has versions")
        del games.applications[found.id]
        return Accepted()

    @serves(applications.SERVERS)
    async def servers(self, request: applications.DeploymentQuery) -> ServerDeploymentPage:
        """Tell which servers of the region have packages of an application."""
        rows = (ServerDeployment(server, *_named(version)) for server, version in self._on_servers(request))
        return ServerDeploymentPage(page(rows, request.offset, request.limit))

    @serves(applications.PHONES)
    async def phones(self, request: applications.DeploymentQuery) -> PhoneDeploymentPage:
        """Tell which phones have an application."""
        rows = (PhoneDeployment(phone, *_named(version)) for phone, version in self._on_phones(request))
        return PhoneDeploymentPage(page(rows, request.offset, request.limit))

    def _on_servers(self, query: applications.DeploymentQuery) -> Iterator[tuple[str, Version]]:
        games, there = self.stage.library, {server.id for server in self.stage.site.servers()}
        versions = _by_id(games.versions_of(self.stage.application(query.application).id))
        for server, held in games.on_servers.items():
            if server in there:
                yield from ((server, versions[one]) for one in held if one in versions)

    def _on_phones(self, query: applications.DeploymentQuery) -> Iterator[tuple[str, Version]]:
        games, application = self.stage.library, self.stage.application(query.application)
        for phone in games.on_phones:
            yield from ((phone, one) for one in games.installed(phone) if one.application == application.id)


def _by_id(versions: Iterable[Version]) -> dict[str, Version]:
    return {version.id: version for version in versions}


def _named(version: Version) -> tuple[str, str, str, str]:
    return version.id, version.code, version.name, version.activity


def _row(found: library.Application) -> Application:
    made, changed = map(datetime.fromisoformat, (found.created, found.updated))
    return Application(
        found.id,
        found.name,
        found.package,
        description=found.description,
        created_at=made,
        updated_at=changed,
    )
