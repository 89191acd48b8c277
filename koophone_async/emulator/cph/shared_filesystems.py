"""File systems of the tenant's own that servers mount."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from koophone_async.emulator.cph.project import Site, ready
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import shared_filesystems

if TYPE_CHECKING:
    from koophone_async.services.cph.started_jobs import Started


@frozen
class SharedFilesystems:
    """Mounts file systems. Any id is taken: they are made by another service."""

    site: Site

    @serves(shared_filesystems.ATTACH, counted=False)
    async def attach(self, request: shared_filesystems.AttachFilesystem) -> Started:
        """Mount a file system, or another directory of one that is mounted."""
        details = {"id": request.id, "path": request.path or "/"}
        wanted = [(server, details) for server in request.servers]
        return self.site.on_servers(shared_filesystems.ATTACH, wanted, ready)

    @serves(shared_filesystems.DETACH, counted=False)
    async def detach(self, request: shared_filesystems.DetachFilesystem) -> Started:
        """Unmount a file system; a job that finds it nowhere fails (CPS.0302)."""
        wanted = [(server, {"id": request.id}) for server in request.servers]
        return self.site.on_servers(shared_filesystems.DETACH, wanted, ready)
