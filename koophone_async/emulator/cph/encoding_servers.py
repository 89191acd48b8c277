"""Encoding servers: every server has one."""

from __future__ import annotations

from attrs import frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.project import Resource, page
from koophone_async.emulator.cph.server_inventory import Server
from koophone_async.emulator.jobs.engine import Effect, Job, Run
from koophone_async.emulator.server.errors import cph_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import encoding_servers
from koophone_async.services.cph.encoding_servers import (
    EncodingAccess,
    EncodingFilter,
    EncodingServer,
    EncodingState,
    EncodingType,
)
from koophone_async.services.cph.started_jobs import JobEntry, Started


@frozen
class Restart(Effect):
    """Restarts an encoding server."""

    def begin(self, run: Run) -> None:
        run.server.encoder_restarting = True

    def finish(self, run: Run) -> None:
        run.server.encoder_restarting = False


class EncodingServers(Resource):
    """Lists and restarts encoding servers."""

    @serves(encoding_servers.LIST)
    async def list(
        self, request: encoding_servers.EncodingServerQuery
    ) -> encoding_servers.EncodingServerPage:
        """Return one page of the encoding servers; there is no total."""
        found = [server for server in self.project.servers() if _matches(server, request)]
        rows = page(found, request.offset, request.limit)
        return encoding_servers.EncodingServerPage(tuple(map(_row, rows)))

    @serves(encoding_servers.RESTART, counted=False)
    async def restart(self, request: encoding_servers.RestartEncodingServers) -> Started:
        """Start to restart encoding servers; only this answer maps jobs to them."""

        def start(call: str, encoder: str, effect: Restart) -> Job:
            server = self.project.cph.servers.encoders.get(encoder)
            if server is None or server not in self.project.servers():
                raise cph_refusal(error_table.NO_ENCODING_SERVER)
            return self.project.jobs.start(
                encoding_servers.RESTART, call, effect, server=server.id, encoder=encoder, queue=server.id
            )

        effects = [(encoder, Restart()) for encoder in request.encoding_servers]
        return self.project.start_each(effects, lambda id_: JobEntry(encoding_server=id_), start)


def _state(server: Server) -> EncodingState:
    if server.encoder_restarting:
        return EncodingState.RESTARTING
    return EncodingState.CREATING if server.state.is_creating else EncodingState.RUNNING


def _matches(server: Server, query: encoding_servers.EncodingServerQuery) -> bool:
    wanted = EncodingState.CREATING if query.state in _CREATING else query.state
    return (
        query.server in (None, server.id)
        and query.type in (None, EncodingType.SERVER)
        and wanted in (None, _state(server))
    )


_CREATING = (EncodingFilter.CREATING_100, EncodingFilter.CREATING_1014)


def _row(server: Server) -> EncodingServer:
    inside, outside = server.internal_ip(), server.public_ip()
    access = EncodingAccess(6900, 6900, inside, None, outside, inside, outside, "cph_app_server")
    return EncodingServer(
        server.encoder,
        f"ENCODE_{server.name}",
        "10.237.0.2",
        None,
        server.id,
        server.keypair,
        EncodingType.SERVER,
        _state(server),
        (access,),
    )
