"""Servers as a whole."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.bandwidths import shown
from koophone_async.emulator.cph.flavors import PHONES, SERVERS
from koophone_async.emulator.cph.project import Site, marked
from koophone_async.emulator.cph.server_inventory import BY_USE, Server, network
from koophone_async.emulator.server.errors import cph
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import server_models, servers
from koophone_async.services.cph.server import (
    Address,
    Network,
    Purchase,
    ServerDetail,
    SharedVolume,
    Volume,
)
from koophone_async.services.cph.server import Server as Row
from koophone_async.services.cph.server_models import Offering, Sale
from koophone_async.services.cph.started_jobs import Accepted, StartedOne

if TYPE_CHECKING:
    from koophone_async.services.cph.started_jobs import Started

_MILLISECONDS: Final = 10**11
"""A number this large counts milliseconds; no document says which are meant."""


@frozen
class Servers:
    """Lists, names, restarts and takes back servers."""

    site: Site

    @serves(servers.LIST)
    async def list(self, request: servers.ServerQuery) -> servers.ServerPage:
        """Give one page of the servers, the newest first."""
        found = [server for server in self.site.servers() if _fits(server, request)]
        page = found[request.offset : request.offset + request.limit]
        return servers.ServerPage(tuple(Row(**_row(self.site, server)) for server in page), len(found))

    @serves(servers.SHOW)
    async def show(self, request: servers.ServerRequest) -> ServerDetail:
        """Tell everything of one server."""
        server = self.site.server(request.server)
        line = self.site.estate.lines.get(server.bandwidth or "")
        made = server.created
        flavor = PHONES.get(server.phone_model or "")
        shared = flavor and flavor.shared_storage
        return ServerDetail(
            **_row(self.site, server),
            bandwidths=() if line is None else (shown(line),),
            volumes=(Volume(server.id[::-1], f"{server.name}-disk", 800, "SSD", made, server.updated),),
            shared_volume=SharedVolume("SSD", shared, 0) if shared else None,
            security_groups=(),
        )

    @serves(server_models.MODELS)
    async def models(self, request: server_models.ModelQuery) -> server_models.ModelPage:
        """List the flavors of servers."""
        found = [one for one in SERVERS.values() if request.product_type in (None, one.product_type)]
        return server_models.ModelPage(*marked(found, request.marker, request.limit or len(found)))

    @serves(server_models.OFFERINGS)
    async def offerings(self, request: server_models.OfferingQuery) -> server_models.OfferingPage:
        """List the flavors of servers by zone; none is sold out."""
        found = [Offering(name, f"{self.site.region}a", Sale.AVAILABLE) for name in SERVERS]
        return server_models.OfferingPage(*marked(found, request.marker, request.limit), len(found))

    @serves(servers.RENAME)
    async def rename(self, request: servers.RenameServer) -> Accepted:
        """Give a server another name."""
        self.site.server(request.server).name = request.name
        return Accepted()

    @serves(servers.RESTART, counted=False)
    async def restart(self, request: servers.ServersRequest) -> Started:
        """Restart servers, and with them all of their phones."""
        return self.site.on_servers(
            servers.RESTART, [(server, {}) for server in request.servers], _restartable
        )

    @serves(servers.DELETE, counted=False)
    async def delete(self, request: servers.DeleteServers) -> StartedOne:
        """Take back servers that are paid by use, all of them or none; there is one job for all."""
        found = [self.site.server(server) for server in dict.fromkeys(request.servers)]
        if any(server.charging != BY_USE for server in found):
            raise cph(error_table.NOT_BY_USE)
        call = self.site.world.hex()
        jobs = [self.site.file(servers.DELETE, call, server, {}).id for server in found]
        return StartedOne(call, None, jobs[0])


def _restartable(server: Server) -> None:
    if not server.is_ready:
        raise cph(error_table.NOT_RESTARTABLE, reason=server.id)


def _fits(server: Server, query: servers.ServerQuery) -> bool:
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


def _row(site: Site, server: Server) -> dict[str, Any]:
    inside, outside = server.internal_ip, server.public_ip
    return {
        "id": server.id,
        "name": server.name,
        "zone": server.zone,
        "model": server.model,
        "phone_model": server.phone_model,
        "keypair": server.keypair,
        "state": server.state,
        "network": Network(server.network),
        "vpc": server.vpc,
        "cidr": "172.31.0.0/16",
        "vpc_cidr": "172.31.0.0/16",
        "subnet": server.subnet,
        "subnet_cidr": "172.31.0.0/16",
        "addresses": (Address(inside, outside, inside, outside),),
        "resource_project": network(site.world.fleet.seed, server.region, "resources").replace("-", ""),
        "purchase": Purchase(server.order or f"CS{server.id[:14].upper()}", server.model, server.charging),
        "enterprise_project": server.enterprise_project,
        "created_at": server.created,
        "updated_at": server.updated,
    }
