"""Versions of applications."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.gaming import library
from koophone_async.emulator.gaming.project import IN_USE, TAKEN, Stage
from koophone_async.emulator.server.errors import cph
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph.started_jobs import Accepted
from koophone_async.services.gaming import versions
from koophone_async.services.gaming.versions import CreatedVersion, Version

if TYPE_CHECKING:
    from koophone_async.emulator.gaming.library import Library


@frozen
class Versions:
    """Keeps versions."""

    stage: Stage

    @serves(versions.SHOW)
    async def show(self, request: versions.VersionRequest) -> Version:
        """Tell everything of one version."""
        found = self.stage.version(request.version)
        return evolve(shown(found), application=found.application)

    @serves(versions.CREATE)
    async def create(self, request: versions.NewVersion) -> CreatedVersion:
        """Make a version, unless its code is taken or the project has as many as it may (CPS.0196)."""
        site, games = self.stage.site, self.stage.library
        application = self.stage.application(request.application)
        if any(one.code == request.code for one in games.versions_of(application.id)):
            raise cph(TAKEN, reason=f"version_code {request.code} is taken")
        if _count(games, site.project) >= games.most_versions:
            raise cph(error_table.QUOTA)
        id_, now = site.world.hex(), site.estate.now()
        given = (request.code, request.name, request.activity, request.bucket, request.path)
        games.versions[id_] = library.Version(id_, application.id, *given, now)
        application.updated = now
        return CreatedVersion(id_, site.world.hex())

    @serves(versions.DELETE)
    async def delete(self, request: versions.VersionRequest) -> Accepted:
        """Delete a version that is on no server and no phone, and on its way to none."""
        found, games = self.stage.version(request.version), self.stage.library
        if games.is_somewhere(found) or self.stage.jobs.is_under_way(found.id):
            raise cph(IN_USE, reason="the version is in use")
        games.forget(found)
        games.applications[found.application].updated = self.stage.site.estate.now()
        return Accepted()


def _count(games: Library, project: str) -> int:
    return sum(games.applications[one.application].project == project for one in games.versions.values())


def shown(found: library.Version) -> Version:
    """Say what an application's details say of a version."""
    made = datetime.fromisoformat(found.created)
    return Version(
        found.id,
        found.code,
        found.name,
        activity=found.activity,
        bucket=found.bucket,
        path=found.path,
        created_at=made,
        updated_at=made,
    )
