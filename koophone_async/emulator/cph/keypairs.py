"""Key pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from koophone_async.emulator.server.errors import cph
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import keypairs

if TYPE_CHECKING:
    from koophone_async.emulator.cph.project import Site
    from koophone_async.emulator.cph.server_inventory import Server
    from koophone_async.services.cph.started_jobs import Started


@frozen
class Keypairs:
    """Lets other key pairs open phones. Any name is taken: key pairs are made by another service."""

    site: Site

    @serves(keypairs.UPDATE, counted=False)
    async def update(self, request: keypairs.UpdateKeypairs) -> Started:
        """Change the key pairs of servers, of each not before the last change is over (CPS.0098)."""
        pending = self.site.estate.works.open(keypairs.UPDATE.name, self.site.world.clock())
        busy = {work.server for work in pending}

        def check(server: Server) -> None:
            if server.id in busy or not server.is_ready:
                raise cph("CPS.0098", reason=server.id)

        wanted = [(one.server, {"keypair": one.keypair}) for one in request.servers]
        return self.site.on_servers(keypairs.UPDATE, wanted, check)
