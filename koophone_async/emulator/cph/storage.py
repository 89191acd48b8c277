"""Data disks of phones."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.commands import OnRunningPhone
from koophone_async.emulator.cph.object_storage import packed, unpack
from koophone_async.emulator.cph.phones import has_own_disk
from koophone_async.emulator.cph.project import Resource, not_frozen, running
from koophone_async.emulator.fleet import Phone
from koophone_async.emulator.jobs.engine import Effect, EffectError, Run
from koophone_async.emulator.orders import place
from koophone_async.emulator.server.errors import cph_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.emulator.world import Order
from koophone_async.services.cph import storage
from koophone_async.services.cph.started_jobs import Started

DISK: Final = 0.5
"""The price of a GB of disk, in an invented currency."""

MAX_EXPANSIONS: Final = 500
"""How many expansions of a project may be unfinished (CPS.0348)."""


@frozen
class Export(OnRunningPhone):
    """Packs what was changed on a phone into object storage."""

    request: storage.Export

    def finish(self, run: Run) -> None:
        tar = packed(run.phone, self.request.include, self.request.exclude)
        run.world.cph.storage.put(self.request.bucket, self.request.path, tar)


@frozen
class Restore(OnRunningPhone):
    """Unpacks an export on a phone."""

    request: storage.Restore

    def finish(self, run: Run) -> None:
        tar = run.world.cph.storage.get(f"{self.request.bucket}/{self.request.path}", "/data")
        if tar.sdk > int(run.phone.release.sdk):
            raise EffectError(error_table.INVALID_IMAGE_VERSION)
        unpack(tar, run.phone.android, int(run.at.timestamp()))


@frozen
class Expand(Effect):
    """Enlarges the data disk of a phone."""

    request: storage.NewSize

    def finish(self, run: Run) -> None:
        run.phone.disk = self.request.size


class StorageOfPhones(Resource):
    """Exports, restores and enlarges the data disks of phones."""

    @serves(storage.EXPORT, counted=False)
    async def export(self, request: storage.ExportData) -> Started:
        """Start to pack what was changed on phones under some paths."""
        effects = [(one.phone, Export(one)) for one in request.exports]
        return self.project.on_phones(storage.EXPORT, effects, running)

    @serves(storage.RESTORE, counted=False)
    async def restore(self, request: storage.RestoreData) -> Started:
        effects = [(one.phone, Restore(one)) for one in request.restores]
        return self.project.on_phones(storage.RESTORE, effects, self._check_restore)

    def _check_restore(self, phone: Phone, effect: Restore) -> None:
        running(phone)
        if not self.project.cph.storage.has(effect.request.bucket, effect.request.path):
            raise cph_refusal(error_table.UNREGISTERED_OBJECT, reason=effect.request.path)

    @serves(storage.EXPAND, counted=False)
    async def expand(self, request: storage.ExpandVolumes) -> Started:
        """Sell larger disks, and start to enlarge them."""
        unfinished = self.project.jobs.unfinished(storage.EXPAND)
        if len(unfinished) + len(request.phones) > MAX_EXPANSIONS:
            raise cph_refusal(error_table.TOO_MANY_EXPANSIONS)
        expanding = {job.phone for job in unfinished}
        bought: dict[str, int] = {}

        def check(phone: Phone, effect: Expand) -> None:
            self._check_size(phone, effect.request.size)
            if phone.cph_id in expanding:
                raise cph_refusal(error_table.EXPANSION_RUNNING)
            bought[phone.cph_id] = effect.request.size - phone.disk

        effects = [(one.phone, Expand(one)) for one in request.phones]
        started = self.project.on_phones(storage.EXPAND, effects, check)
        if bought:
            world, cost = self.project.world, DISK * sum(bought.values())
            order = Order(world.order_id(), storage.EXPAND.name, [*bought], "disk", cost)
            place(self.project.jobs, order, paid=True)
        return started

    def _check_size(self, phone: Phone, size: int) -> None:
        not_frozen(phone)
        if not has_own_disk(self.project, phone):
            raise cph_refusal(error_table.NO_OWN_DISK)
        if size < phone.disk:
            raise cph_refusal(error_table.INVALID_VOLUME_SIZE)
