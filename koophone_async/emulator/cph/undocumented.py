"""The eight operations that only the table of permissions mentions.

Their requests and answers are documented nowhere: whatever is here is invented, and serves to see that a
call arrives.
"""

from __future__ import annotations

from koophone_async.emulator.cph.flavors import SERVERS
from koophone_async.emulator.cph.phones import row
from koophone_async.emulator.cph.project import Resource
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import undocumented
from koophone_async.services.cph.undocumented import RawAnswer, RawRequest
from koophone_async.wire import Json, to_wire


class Undocumented(Resource):
    """Stores what was sent, and returns it."""

    @serves(undocumented.LIST_AVAILABILITY_ZONES)
    async def zones(self, request: RawRequest) -> RawAnswer:
        """List the only zone of the region, in which nothing is sold out."""
        del request
        zone = {
            "availability_zone": f"{self.project.region}a",
            "server_models": list(SERVERS),
            "sold_out": [],
        }
        return RawAnswer({"availability_zones": [zone]})

    @serves(undocumented.LIST_SUBNETS)
    async def subnets(self, request: RawRequest) -> RawAnswer:
        del request
        found = {server.subnet: server.vpc for server in self.project.servers()}
        return RawAnswer({"subnets": [{"subnet_id": subnet, "vpc_id": vpc} for subnet, vpc in found.items()]})

    @serves(undocumented.LIST_PEERING_ROUTES)
    async def routes(self, request: RawRequest) -> RawAnswer:
        """List the routes as they were sent."""
        del request
        return RawAnswer({"routes": self.project.cph.routes})

    @serves(undocumented.CREATE_PEERING_ROUTES)
    async def add_routes(self, request: RawRequest) -> RawAnswer:
        self.project.cph.routes.append(_sent(request))
        return RawAnswer({})

    @serves(undocumented.DELETE_PEERING_ROUTES)
    async def remove_routes(self, request: RawRequest) -> RawAnswer:
        values = _sent(request).items()
        routes = self.project.cph.routes
        routes[:] = [route for route in routes if not values <= route.items()]
        return RawAnswer({})

    @serves(undocumented.EXPORT_PHONE_DETAILS)
    async def export(self, request: RawRequest) -> RawAnswer:
        del request
        return RawAnswer({"phones": [to_wire(row(self.project, phone)) for phone in self.project.phones()]})

    @serves(undocumented.CREATE_AGENCY)
    async def create_agency(self, request: RawRequest) -> RawAnswer:
        self.project.cph.agencies[self.project.id] = _sent(request)
        return RawAnswer({})

    @serves(undocumented.CHECK_AGENCY)
    async def check_agency(self, request: RawRequest) -> RawAnswer:
        del request
        return RawAnswer({"exists": self.project.id in self.project.cph.agencies})


def _sent(request: RawRequest) -> Json:
    values: Json = to_wire(request)
    return values
