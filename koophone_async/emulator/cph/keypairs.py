"""Key pairs."""

from __future__ import annotations

from attrs import frozen

from koophone_async.emulator.cph.project import Resource
from koophone_async.emulator.cph.server_inventory import Server
from koophone_async.emulator.jobs.engine import Effect, Run
from koophone_async.emulator.server.errors import cph_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import keypairs
from koophone_async.services.cph.started_jobs import Started


@frozen
class ChangeKeypair(Effect):
    """Changes the key pair of a server."""

    request: keypairs.ServerKeypair

    def finish(self, run: Run) -> None:
        run.server.keypair = self.request.keypair


class Keypairs(Resource):
    """Changes the key pairs of servers. Any name is accepted: another service has the key pairs."""

    @serves(keypairs.UPDATE, counted=False)
    async def update(self, request: keypairs.UpdateKeypairs) -> Started:
        """Start to change key pairs; a server whose last change is unfinished is refused (CPS.0098)."""
        changing = {job.server for job in self.project.jobs.unfinished(keypairs.UPDATE)}

        def check(server: Server) -> None:
            if server.id in changing or not server.is_ready:
                raise cph_refusal("CPS.0098", reason=server.id)

        effects = [(one.server, ChangeKeypair(one)) for one in request.servers]
        return self.project.on_servers(keypairs.UPDATE, effects, check)
