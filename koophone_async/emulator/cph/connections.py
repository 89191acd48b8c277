"""Connections of clients to phones."""

from __future__ import annotations

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.project import Resource
from koophone_async.emulator.cph.server_setup import SERVERS_IPV6, ipv6_address
from koophone_async.emulator.fleet import Phone, RunningState
from koophone_async.emulator.server.errors import Refusal, cph_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import connections
from koophone_async.services.cph.connections import Access, Connection, RefusedConnection


class Connections(Resource):
    """Issues connection tickets, a new one each time."""

    @serves(connections.CONNECTIONS)
    async def connect(self, request: connections.ConnectionRequest) -> connections.Connections:
        """Issue a ticket for each phone that runs, and report why the others have none."""
        connected, refused = list[Connection](), list[RefusedConnection]()
        for phone in dict.fromkeys(request.phones):
            try:
                connected.append(self._connection(phone))
            except Refusal as refusal:
                refused.append(RefusedConnection(phone, refusal.code, refusal.message))
        return connections.Connections(tuple(connected), tuple(refused))

    def _connection(self, id_: str) -> Connection:
        phone = self.project.phone(id_)
        if phone.running is not RunningState.RUNNING or phone.frozen:
            raise cph_refusal(error_table.NO_ACCESS_INFO, reason=id_)
        return Connection(id_, self._access(phone))

    def _access(self, phone: Phone) -> Access:
        servers, world = self.project.cph.servers, self.project.world
        server, number = servers.of(phone), servers.address_of(phone)
        return Access(
            server.public_ip(number),
            server.internal_ip(number),
            ipv6_address(SERVERS_IPV6, server.id) if server.is_ipv6 else None,
            port=10000 + phone.number % 50000,
            session=world.hex(),
            timestamp=str(int(self.project.now.timestamp() * 1000)),
            ticket=world.hex(20),
        )
