"""Files in the storage that all phones of a server share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.flavors import PHONES
from koophone_async.emulator.cph.project import Site, ready
from koophone_async.emulator.server.errors import cph
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import shared_files

if TYPE_CHECKING:
    from koophone_async.emulator.cph.server_inventory import Server
    from koophone_async.services.cph.started_jobs import Started


@frozen
class SharedFiles:
    """Unpacks, lists and deletes shared files."""

    site: Site

    @serves(shared_files.PUSH, counted=False)
    async def push(self, request: shared_files.PushFiles) -> Started:
        """Unpack a tar file: what an export packed, else one file in `/data` that is named after it."""
        details = {"bucket": request.bucket, "path": request.path}
        return self.site.on_servers(shared_files.PUSH, [(one, details) for one in request.servers], sharing)

    @serves(shared_files.LIST, counted=False)
    async def list(self, request: shared_files.ListFiles) -> Started:
        """Begin to list a directory; the listing is the output of the jobs, cut after 1,024 bytes."""
        details = {"path": request.path, "offset": request.offset, "limit": request.limit}
        return self.site.on_servers(shared_files.LIST, [(one, details) for one in request.servers], sharing)

    @serves(shared_files.DELETE, counted=False)
    async def delete(self, request: shared_files.DeleteFiles) -> Started:
        """Delete files and directories; a job that finds none of them fails (CPS.0155)."""
        details = {"paths": request.paths}
        return self.site.on_servers(shared_files.DELETE, [(one, details) for one in request.servers], sharing)


def sharing(server: Server) -> None:
    """Refuse a server whose phones share no storage, or that is not ready."""
    ready(server)
    flavor = PHONES.get(server.phone_model or "")
    if flavor is None or not flavor.shared_storage:
        raise cph(error_table.NO_SHARED_STORAGE, reason=server.id)
