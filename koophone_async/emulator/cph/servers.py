"""Servers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from attrs import asdict, evolve, frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.bandwidths import bandwidth_row
from koophone_async.emulator.cph.flavors import PHONES, SERVERS
from koophone_async.emulator.cph.project import Project, Resource, marked, page
from koophone_async.emulator.cph.server_inventory import BY_USE, Server, network
from koophone_async.emulator.fleet import RunningState
from koophone_async.emulator.jobs.engine import Effect, Run
from koophone_async.emulator.server.errors import cph_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import server_models, servers
from koophone_async.services.cph.server import (
    Address,
    Network,
    Purchase,
    ServerDetail,
    ServerState,
    SharedVolume,
    Volume,
)
from koophone_async.services.cph.server import Server as Row
from koophone_async.services.cph.server_models import Offering, Sale
from koophone_async.services.cph.started_jobs import Accepted, Started, StartedOne

_MILLISECONDS: Final = 10**11
"""A number this large is in milliseconds, a smaller one in seconds; no document states the unit."""


@frozen
class Restart(Effect):
    """Restarts a server and all of its phones."""

    def begin(self, run: Run) -> None:
        run.server.state = ServerState.STARTING
        for phone in run.world.fleet.on_server(run.server.index):
            phone.running, phone.streaming = RunningState.STARTING, False

    def finish(self, run: Run) -> None:
        run.server.state = ServerState.NORMAL
        for phone in run.world.fleet.on_server(run.server.index):
            phone.start_up(run.at)

    def fail(self, run: Run) -> None:
        run.server.state = ServerState.ABNORMAL


@frozen
class Delete(Effect):
    """Deletes a server and its phones."""

    def finish(self, run: Run) -> None:
        run.world.cph.servers.remove(run.server)


class Servers(Resource):
    """Lists, renames, restarts and deletes servers."""

    @serves(servers.LIST)
    async def list(self, request: servers.ServerQuery) -> servers.ServerPage:
        """Return one page of the servers, newest first."""
        found = [server for server in self.project.servers() if _matches(server, request)]
        rows = page(found, request.offset, request.limit)
        return servers.ServerPage(tuple(_row(self.project, server) for server in rows), len(found))

    @serves(servers.SHOW)
    async def show(self, request: servers.ServerRequest) -> ServerDetail:
        server = self.project.server(request.server)
        names = dict.fromkeys(name for name in (server.bandwidth, server.ipv6_bandwidth) if name)
        return ServerDetail(
            **asdict(_row(self.project, server), recurse=False),
            bandwidths=tuple(bandwidth_row(self.project.cph.bandwidths[name]) for name in names),
            volumes=_volumes(server),
            shared_volume=_shared_volume(server),
            security_groups=(),
        )

    @serves(server_models.MODELS)
    async def models(self, request: server_models.ModelQuery) -> server_models.ModelPage:
        found = [one for one in SERVERS.values() if request.product_type in (None, one.product_type)]
        return server_models.ModelPage(*marked(found, request.marker, request.limit or len(found)))

    @serves(server_models.OFFERINGS)
    async def offerings(self, request: server_models.OfferingQuery) -> server_models.OfferingPage:
        """List the flavors of servers by zone; none is sold out."""
        found = [Offering(name, f"{self.project.region}a", Sale.AVAILABLE) for name in SERVERS]
        return server_models.OfferingPage(*marked(found, request.marker, request.limit), len(found))

    @serves(servers.RENAME)
    async def rename(self, request: servers.RenameServer) -> Accepted:
        self.project.server(request.server).name = request.name
        return Accepted()

    @serves(servers.RESTART, counted=False)
    async def restart(self, request: servers.ServersRequest) -> Started:
        effects = [(server, Restart()) for server in request.servers]
        return self.project.on_servers(servers.RESTART, effects, _restartable)

    @serves(servers.DELETE, counted=False)
    async def delete(self, request: servers.DeleteServers) -> StartedOne:
        """Start to delete servers that are paid by use, all or none; the answer has the job of the first."""
        found = [self.project.server(server) for server in dict.fromkeys(request.servers)]
        if any(server.charging != BY_USE for server in found):
            raise cph_refusal(error_table.NOT_PAY_PER_USE)
        call = self.project.world.hex()
        jobs = [self.project.on_server(servers.DELETE, call, Delete(), server.id) for server in found]
        return StartedOne(call, None, jobs[0].id)


def _volumes(server: Server) -> tuple[Volume, ...]:
    system = Volume(server.id[::-1], f"{server.name}-disk", 800, "SSD", server.created, server.updated)
    ordered = server.data_disk
    count = 0 if ordered is None else ordered.count or 1
    return (
        system,
        *(
            evolve(
                system,
                id=f"{number:02x}{server.id[:1:-1]}",
                name=f"{server.name}-data-{number}",
                size=ordered.size,
                type=ordered.type,
            )
            for number in range(1, count + 1)
            if ordered
        ),
    )


def _shared_volume(server: Server) -> SharedVolume | None:
    """Return the storage that the phones of a server share: as ordered, or that of the flavor."""
    if server.shared_disk is not None:
        return SharedVolume(server.shared_disk.type, server.shared_disk.size, 1)
    flavor = PHONES.get(server.phone_model or "")
    return SharedVolume("SSD", flavor.shared_storage, 0) if flavor and flavor.shared_storage else None


def _restartable(server: Server) -> None:
    if not server.is_ready:
        raise cph_refusal(error_table.SERVER_NOT_RESTARTABLE, reason=server.id)


def _matches(server: Server, query: servers.ServerQuery) -> bool:
    return (
        (query.name or "") in server.name
        and query.id in (None, server.id)
        and query.network in (None, server.network)
        and query.phone_model in (None, server.phone_model)
        and query.state in (None, server.state)
        and (query.since is None or server.created >= _moment(query.since))
        and (query.until is None or server.created <= _moment(query.until))
    )


def _moment(number: int) -> datetime:
    return datetime.fromtimestamp(number / 1000 if number > _MILLISECONDS else number, UTC)


def _address(server: Server, number: int) -> Address:
    inside, outside = server.internal_ip(number), server.public_ip(number)
    return Address(inside, outside, inside, outside)


def _row(project: Project, server: Server) -> Row:
    return Row(
        id=server.id,
        name=server.name,
        zone=server.zone,
        model=server.model,
        phone_model=server.phone_model,
        keypair=server.keypair,
        state=server.state,
        network=Network(server.network),
        vpc=server.vpc,
        cidr=server.cidr,
        vpc_cidr=server.cidr,
        subnet=server.subnet,
        subnet_cidr=server.cidr,
        addresses=tuple(_address(server, number) for number in range(server.address_count)),
        resource_project=network(project.world.fleet.seed, server.region, "resources").replace("-", ""),
        purchase=Purchase(server.order or f"CS{server.id[:14].upper()}", server.model, server.charging),
        enterprise_project=server.enterprise_project,
        created_at=server.created,
        updated_at=server.updated,
    )
