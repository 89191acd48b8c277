"""Bandwidths of servers whose network the service defines."""

from __future__ import annotations

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.project import Resource, page
from koophone_async.emulator.cph.state import BandwidthRecord
from koophone_async.emulator.server.errors import cph_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import bandwidths
from koophone_async.services.cph.bandwidths import Bandwidth, ChargedBy, Sharing
from koophone_async.services.cph.started_jobs import Accepted


class Bandwidths(Resource):
    """Lists and resizes bandwidths."""

    @serves(bandwidths.LIST)
    async def list(self, request: bandwidths.BandwidthQuery) -> bandwidths.BandwidthPage:
        """Return one page of the bandwidths; there is no total."""
        records = self.project.cph.bandwidths.values()
        found = [one for one in records if one.is_system and one.region == self.project.region]
        rows = page(found, request.offset, request.limit)
        return bandwidths.BandwidthPage(tuple(map(bandwidth_row, rows)))

    @serves(bandwidths.UPDATE)
    async def update(self, request: bandwidths.UpdateBandwidth) -> Accepted:
        record = self.project.cph.bandwidths.get(request.bandwidth)
        if record is None or not record.is_system or record.region != self.project.region:
            raise cph_refusal(error_table.NO_BANDWIDTH, reason=request.bandwidth)
        if record.sharing != Sharing.SHARED:
            raise cph_refusal(error_table.BANDWIDTH_NOT_SHARED)
        record.size, record.updated = request.size, self.project.now
        return Accepted()


def bandwidth_row(record: BandwidthRecord) -> Bandwidth:
    """Return a bandwidth as the service shows it."""
    return Bandwidth(
        record.id,
        f"BANDWIDTH_{record.id}",
        record.size,
        ChargedBy(record.charged_by),
        Sharing(record.sharing),
        record.created,
        record.updated,
    )
