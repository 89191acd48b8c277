"""Versions of applications."""

from __future__ import annotations

from attrs import evolve

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.gaming import library
from koophone_async.emulator.gaming.deployments import Step
from koophone_async.emulator.gaming.library import Library
from koophone_async.emulator.gaming.project import IN_USE, TAKEN, Resource
from koophone_async.emulator.server.errors import cph_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph.started_jobs import Accepted
from koophone_async.services.gaming import versions
from koophone_async.services.gaming.versions import CreatedVersion, Version


class Versions(Resource):
    """Manages versions."""

    @serves(versions.SHOW)
    async def show(self, request: versions.VersionRequest) -> Version:
        found = self.project.version(request.version)
        return evolve(version_row(found), application=found.application)

    @serves(versions.CREATE)
    async def create(self, request: versions.NewVersion) -> CreatedVersion:
        """Create a version, unless its code is taken or the project has the maximum (CPS.0196)."""
        project, games = self.project, self.project.library
        application = self.project.application(request.application)
        if any(one.code == request.code for one in games.versions_of(application.id)):
            raise cph_refusal(TAKEN, reason=f"version_code {request.code} is taken")
        if _count(games, project.id) >= games.max_versions:
            raise cph_refusal(error_table.QUOTA_EXCEEDED)
        id_, now = project.world.hex(), project.now
        fields = (request.code, request.name, request.activity, request.bucket, request.path)
        games.versions[id_] = library.Version(id_, application.id, *fields, now)
        application.updated = now
        return CreatedVersion(id_, project.world.hex())

    @serves(versions.DELETE)
    async def delete(self, request: versions.VersionRequest) -> Accepted:
        """Delete a version that is not deployed, nor being deployed."""
        found, games = self.project.version(request.version), self.project.library
        if games.is_deployed(found) or self._is_in_progress(found.id):
            raise cph_refusal(IN_USE, reason="the version is in use")
        games.forget(found)
        games.applications[found.application].updated = self.project.now
        return Accepted()

    def _is_in_progress(self, version: str) -> bool:
        now = self.project.world.clock()
        jobs = (job for job in self.project.jobs.by_id.values() if not job.ended(now))
        return any(isinstance(job.effect, Step) and job.effect.version == version for job in jobs)


def _count(games: Library, project: str) -> int:
    return sum(games.applications[one.application].project == project for one in games.versions.values())


def version_row(found: library.Version) -> Version:
    """Return a version as the details of its application show it."""
    return Version(
        found.id,
        found.code,
        found.name,
        activity=found.activity,
        bucket=found.bucket,
        path=found.path,
        created_at=found.created,
        updated_at=found.created,
    )
