"""Bandwidths of servers whose network the service defines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.state import Line, when
from koophone_async.emulator.server.errors import cph
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import bandwidths
from koophone_async.services.cph.bandwidths import Bandwidth, ChargedBy, Sharing
from koophone_async.services.cph.started_jobs import Accepted

if TYPE_CHECKING:
    from koophone_async.emulator.cph.project import Site


@frozen
class Bandwidths:
    """Lists bandwidths and gives them other sizes."""

    site: Site

    @serves(bandwidths.LIST)
    async def list(self, request: bandwidths.BandwidthQuery) -> bandwidths.BandwidthPage:
        """Give one page of the bandwidths; there is no total."""
        found = [line for line in self.site.estate.lines.values() if line.region == self.site.region]
        page = found[request.offset : request.offset + request.limit]
        return bandwidths.BandwidthPage(tuple(map(shown, page)))

    @serves(bandwidths.UPDATE)
    async def update(self, request: bandwidths.UpdateBandwidth) -> Accepted:
        """Give a shared bandwidth another size."""
        line = self.site.estate.lines.get(request.bandwidth)
        if line is None or line.region != self.site.region:
            raise cph(error_table.NO_BANDWIDTH, reason=request.bandwidth)
        if line.sharing != Sharing.SHARED:
            raise cph(error_table.NOT_SHARED)
        line.size, line.updated = request.size, self.site.estate.now()
        return Accepted()


def shown(line: Line) -> Bandwidth:
    """Say what the service shows of a bandwidth."""
    name = f"BANDWIDTH_{line.id}"
    sharing, charged = Sharing(line.sharing), ChargedBy(line.charged_by)
    return Bandwidth(line.id, name, line.size, charged, sharing, when(line.created), when(line.updated))
