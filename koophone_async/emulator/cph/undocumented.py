"""The eight operations that only the table of permissions names.

What they take and answer is documented nowhere: whatever is here is the emulator's own invention, good for
seeing that a call arrives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from koophone_async.emulator.cph.flavors import SERVERS
from koophone_async.emulator.cph.phones import row
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import undocumented
from koophone_async.services.cph.phone import Phone
from koophone_async.services.cph.undocumented import RawAnswer, RawRequest
from koophone_async.wire import to_wire

if TYPE_CHECKING:
    from koophone_async.emulator.cph.project import Site
    from koophone_async.wire import Json


@frozen
class Undocumented:
    """Keeps what it is given, and shows it again."""

    site: Site

    @serves(undocumented.LIST_AVAILABILITY_ZONES)
    async def zones(self, request: RawRequest) -> RawAnswer:
        """List the one zone of the region, in which nothing is sold out."""
        del request
        zone = {"availability_zone": f"{self.site.region}a", "server_models": list(SERVERS), "sold_out": []}
        return RawAnswer({"availability_zones": [zone]})

    @serves(undocumented.LIST_SUBNETS)
    async def subnets(self, request: RawRequest) -> RawAnswer:
        """List the subnets that servers are in."""
        del request
        found = {server.subnet: server.vpc for server in self.site.servers()}
        return RawAnswer({"subnets": [{"subnet_id": subnet, "vpc_id": vpc} for subnet, vpc in found.items()]})

    @serves(undocumented.LIST_PEERING_ROUTES)
    async def routes(self, request: RawRequest) -> RawAnswer:
        """Show the routes as they were given."""
        del request
        return RawAnswer({"routes": self.site.estate.routes})

    @serves(undocumented.CREATE_PEERING_ROUTES)
    async def add_routes(self, request: RawRequest) -> RawAnswer:
        """Keep what is given as one route."""
        self.site.estate.routes.append(_given(request))
        return RawAnswer({})

    @serves(undocumented.DELETE_PEERING_ROUTES)
    async def remove_routes(self, request: RawRequest) -> RawAnswer:
        """Forget the routes that have all the values that are given."""
        given = _given(request).items()
        kept = [route for route in self.site.estate.routes if not given <= route.items()]
        self.site.estate.routes[:] = kept
        return RawAnswer({})

    @serves(undocumented.EXPORT_PHONE_DETAILS)
    async def export(self, request: RawRequest) -> RawAnswer:
        """Show the rows of all phones."""
        del request
        return RawAnswer(
            {"phones": [to_wire(Phone(**row(self.site, phone))) for phone in self.site.phones()]}
        )

    @serves(undocumented.CREATE_AGENCY)
    async def create_agency(self, request: RawRequest) -> RawAnswer:
        """Keep what the agency is made with."""
        self.site.estate.agencies[self.site.project] = _given(request)
        return RawAnswer({})

    @serves(undocumented.CHECK_AGENCY)
    async def check_agency(self, request: RawRequest) -> RawAnswer:
        """Tell whether there is an agency."""
        del request
        return RawAnswer({"exists": self.site.project in self.site.estate.agencies})


def _given(request: RawRequest) -> Json:
    given: Json = to_wire(request)
    return given
