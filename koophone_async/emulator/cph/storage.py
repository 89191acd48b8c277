"""Data of phones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.orders import DISK, place
from koophone_async.emulator.cph.phones import disk_of, flavor
from koophone_async.emulator.cph.project import Details, Site, running, thawed
from koophone_async.emulator.server.errors import cph
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import storage

if TYPE_CHECKING:
    from koophone_async.emulator.fleet import Phone
    from koophone_async.services.cph.started_jobs import Started

MOST_EXPANSIONS: Final = 500
"""That have not ended, of a project (CPS.0348)."""


@frozen
class StorageOfPhones:
    """Exports data, puts it back, and gives more room."""

    site: Site

    @serves(storage.EXPORT, counted=False)
    async def export(self, request: storage.ExportData) -> Started:
        """Pack what phones changed under some paths, and keep it."""
        wanted = [
            (
                one.phone,
                {"include": one.include, "exclude": one.exclude, "bucket": one.bucket, "path": one.path},
            )
            for one in request.exports
        ]
        return self.site.on_phones(storage.EXPORT, wanted, running)

    @serves(storage.RESTORE, counted=False)
    async def restore(self, request: storage.RestoreData) -> Started:
        """Unpack what an export kept; data of a newer Android fail (CPS.0254)."""
        wanted = [(one.phone, {"bucket": one.bucket, "path": one.path}) for one in request.restores]
        return self.site.on_phones(storage.RESTORE, wanted, self._may_restore)

    def _may_restore(self, phone: Phone, wanted: Details) -> None:
        running(phone)
        if not self.site.estate.storage.has(wanted["bucket"], wanted["path"]):
            raise cph(error_table.UNREGISTERED, reason=wanted["path"])

    @serves(storage.EXPAND, counted=False)
    async def expand(self, request: storage.ExpandVolumes) -> Started:
        """Sell larger disks."""
        pending = self.site.estate.works.open(storage.EXPAND.name, self.site.world.clock())
        if len(pending) + len(request.phones) > MOST_EXPANSIONS:
            raise cph(error_table.TOO_MANY_EXPANSIONS)
        busy = {work.phone for work in pending}
        more: dict[str, int] = {}

        def check(phone: Phone, wanted: Details) -> None:
            self._may_grow(phone, wanted["size"])
            if phone.cph_id in busy:
                raise cph(error_table.EXPANDING)
            more[phone.cph_id] = wanted["size"] - disk_of(phone)

        started = self.site.on_phones(
            storage.EXPAND, [(one.phone, {"size": one.size}) for one in request.phones], check
        )
        if more:
            place(self.site, storage.EXPAND, more, "disk", DISK * sum(more.values()), paid=True)
        return started

    def _may_grow(self, phone: Phone, size: int) -> None:
        thawed(phone)
        if not flavor(self.site, phone).own_disk:
            raise cph(error_table.NO_OWN_DISK)
        if size < disk_of(phone):
            raise cph(error_table.SMALLER)
