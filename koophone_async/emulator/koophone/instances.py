"""Instances as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from koophone_async.emulator.fleet import Copying, Phone, Running
from koophone_async.emulator.server.errors import koophone
from koophone_async.emulator.server.routing import serves
from koophone_async.services.koophone import instances
from koophone_async.services.koophone.instances import (
    ContentState,
    CopyState,
    InstanceQuery,
    RunningState,
    Scene,
)
from koophone_async.services.koophone.jobs import Accepted, StartedTask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from koophone_async.emulator.server.accounts import Account
    from koophone_async.emulator.world import World

MOST_ROWS: Final = 100
"""Of a page, however many were asked for (the example of KooPhone 4.1.10 asks for 200)."""


@frozen
class Instances:
    """Lists, restarts, wipes and backs up phones."""

    world: World
    account: Account

    @serves(instances.LIST)
    async def list(self, request: InstanceQuery) -> instances.InstancePage:
        """Give one page of the phones; `pool_name` is read and has no effect, as there is one pool."""
        size = min(request.size, MOST_ROWS)
        first = (request.page - 1) * size
        rows, total = self._rows(request, first, size)
        return instances.InstancePage(tuple(map(self._row, rows)), request.page, size, total)

    def _rows(self, query: InstanceQuery, first: int, size: int) -> tuple[Sequence[Phone], int]:
        fleet, hidden = self.world.fleet, self.world.undelivered
        filters = (query.id, query.name, query.since, query.until, query.scene, query.order_by, query.order)
        if not hidden and not any(filters):
            return fleet.page(first, size), len(fleet)
        found = [phone for phone in self.world.phones() if _fits(phone, query)]
        if query.order_by == "instance_name":
            found.sort(key=lambda phone: phone.name)
        elif query.order_by == "create_time":
            found.sort(key=lambda phone: phone.created)
        if query.order == "desc":
            found.reverse()
        return found[first : first + size], len(found)

    def _row(self, phone: Phone) -> instances.Instance:
        project = next(project for project in self.account.projects if project.name == phone.region)
        return instances.Instance(
            phone.id,
            phone.name,
            phone.region,
            phone.model.text,
            phone.frozen,
            RunningState(phone.running),
            phone.logged_in,
            phone.user is not None,
            phone.user or "",
            "0" if phone.drawer.get("on_demand") else "1",
            project.id,
            project.name,
            "null",
            self.account.user,
            self.account.domain,
            phone.region,
            phone.region,
            CopyState(phone.backup),
            phone.backup_time,
            CopyState(phone.restore),
            phone.restore_time,
        )

    @serves(instances.STATUS)
    async def status(self, request: instances.InstancesRequest) -> instances.InstanceStatuses:
        """Tell the state of each phone, in the numbers of the edition."""
        state = _running if self.world.china else _content
        phones = self.world.chosen(request.instances)
        return instances.InstanceStatuses(tuple(instances.InstanceStatus(p.id, state(p)) for p in phones))

    @serves(instances.RESET)
    async def reset(self, request: instances.InstancesRequest) -> StartedTask:
        """Begin to wipe phones; they are starting until that is done."""
        phones = self.world.free(request.instances)
        for phone in phones:
            phone.resetting, phone.running = True, Running.STARTING
        return self.world.start_effect(instances.RESET, phones, "wipe", "RM_")

    @serves(instances.REBOOT)
    async def reboot(self, request: instances.InstancesRequest) -> Accepted:
        """Restart phones, if all of them run."""
        phones = self.world.free(request.instances)
        for phone in phones:
            if phone.running is not Running.RUNNING:
                raise koophone("5005", phone.id)
        for phone in phones:
            phone.running, phone.streaming = Running.STARTING, False
            self.world.later("run", phone)
        return Accepted()

    @serves(instances.BACKUP)
    async def backup(self, request: instances.InstancesRequest) -> StartedTask:
        """Begin to copy phones to storage; in the end they are stopped, and hold nothing."""
        phones = self.world.free(request.instances)
        for phone in phones:
            phone.backup, phone.streaming = Copying.EXECUTING, False
        return self.world.start_effect(instances.BACKUP, phones, "back up", "RM_")


def _fits(phone: Phone, query: InstanceQuery) -> bool:
    return (
        query.id in (None, phone.id)
        and (query.name or "") in phone.name
        and (query.since is None or phone.created >= query.since)
        and (query.until is None or phone.created <= query.until)
        and query.scene in (None, phone.drawer.get("scene", Scene.CLOUD_PHONE.value))
    )


def _running(phone: Phone) -> RunningState:
    return RunningState(phone.running)


def _content(phone: Phone) -> ContentState:
    """Say what a phone holds, in the numbers of the international edition."""
    if phone.backup in _BACKUP:
        return _BACKUP[phone.backup]
    if phone.restore in _RESTORE:
        return _RESTORE[phone.restore]
    if not phone.loaded or phone.resetting:
        return ContentState.IDLE
    return ContentState.STREAMING if phone.streaming else ContentState.LOADED


_BACKUP: Final = {Copying.EXECUTING: ContentState.BACKING_UP, Copying.FAILED: ContentState.BACKUP_FAILED}
_RESTORE: Final = {Copying.EXECUTING: ContentState.RESTORING, Copying.FAILED: ContentState.RESTORE_FAILED}
