"""Which way traffic takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.project import Details, Site, thawed
from koophone_async.emulator.server.errors import cph
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import traffic
from koophone_async.services.cph.traffic import Route

if TYPE_CHECKING:
    from koophone_async.emulator.fleet import Phone
    from koophone_async.services.cph.started_jobs import Started


@frozen
class Traffic:
    """Leads the traffic of phones."""

    site: Site

    @serves(traffic.ROUTE, counted=False)
    async def route(self, request: traffic.RouteTraffic) -> Started:
        """Lead traffic another way; through an encoding server only where that runs."""
        wanted = [(phone, {"route": request.route.value}) for phone in request.phones]
        return self.site.on_phones(traffic.ROUTE, wanted, self._may_lead)

    def _may_lead(self, phone: Phone, wanted: Details) -> None:
        thawed(phone)
        through = wanted["route"] == Route.ENCODING_CONTAINER.value
        if through and self.site.estate.servers.of(phone).encoder_restarting:
            raise cph(error_table.NO_ENCODER_RUNS)
