"""What clients connect to phones with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.fleet import Running
from koophone_async.emulator.server.errors import Refusal, cph
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import connections
from koophone_async.services.cph.connections import Access, Connection, RefusedConnection

if TYPE_CHECKING:
    from koophone_async.emulator.cph.project import Site
    from koophone_async.emulator.fleet import Phone


@frozen
class Connections:
    """Hands out tickets, a new one each time."""

    site: Site

    @serves(connections.CONNECTIONS)
    async def connect(self, request: connections.ConnectionRequest) -> connections.Connections:
        """Hand out a ticket for each phone that runs, and tell why the others have none."""
        good, bad = list[Connection](), list[RefusedConnection]()
        for phone in dict.fromkeys(request.phones):
            try:
                good.append(self._connection(phone))
            except Refusal as no:
                bad.append(RefusedConnection(phone, no.code, no.message))
        return connections.Connections(tuple(good), tuple(bad))

    def _connection(self, id_: str) -> Connection:
        phone = self.site.phone(id_)
        if phone.running is not Running.RUNNING or phone.frozen:
            raise cph(error_table.NO_ACCESS, reason=id_)
        return Connection(id_, self._access(phone))

    def _access(self, phone: Phone) -> Access:
        server, world = self.site.estate.servers.of(phone), self.site.world
        return Access(
            server.public_ip,
            server.internal_ip,
            port=10000 + phone.number % 50000,
            session=world.hex(),
            timestamp=str(int(self.site.now.timestamp() * 1000)),
            ticket=world.hex(20),
        )
