"""File systems of the tenant that servers mount."""

from __future__ import annotations

from attrs import frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.project import Resource, ready
from koophone_async.emulator.jobs.engine import Effect, EffectError, Run, narrowed
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import shared_filesystems
from koophone_async.services.cph.started_jobs import Started


@frozen
class Mount(Effect):
    """Mounts a file system."""

    request: shared_filesystems.AttachFilesystem

    def finish(self, run: Run) -> None:
        run.server.filesystems[self.request.id] = self.request.path or "/"


@frozen
class Unmount(Effect):
    """Unmounts a file system."""

    request: shared_filesystems.DetachFilesystem

    def finish(self, run: Run) -> None:
        if run.server.filesystems.pop(self.request.id, None) is None:
            raise EffectError(error_table.NO_RESOURCE)


class SharedFilesystems(Resource):
    """Mounts file systems. Any id is accepted: another service has the file systems."""

    @serves(shared_filesystems.ATTACH, counted=False)
    async def attach(self, request: shared_filesystems.AttachFilesystem) -> Started:
        """Start to mount a file system, or another directory of one that is mounted."""
        effects = [(one, Mount(narrowed(request, servers=(one,)))) for one in request.servers]
        return self.project.on_servers(shared_filesystems.ATTACH, effects, ready)

    @serves(shared_filesystems.DETACH, counted=False)
    async def detach(self, request: shared_filesystems.DetachFilesystem) -> Started:
        effects = [(one, Unmount(narrowed(request, servers=(one,)))) for one in request.servers]
        return self.project.on_servers(shared_filesystems.DETACH, effects, ready)
