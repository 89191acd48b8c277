"""Instances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from koophone_async.emulator.fleet import Phone
from koophone_async.emulator.jobs.engine import Effect, Run
from koophone_async.emulator.jobs.phone_effects import Restart, Wipe
from koophone_async.emulator.koophone.resource import Resource
from koophone_async.emulator.koophone.tasks import start_task
from koophone_async.emulator.server.errors import koophone_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.emulator.server.wire_structs import wire_struct
from koophone_async.services.koophone import instances
from koophone_async.services.koophone.instances import ContentState, CopyState, InstanceQuery, RunningState
from koophone_async.services.koophone.jobs import Accepted, StartedTask

MAX_ROWS: Final = 100
"""The size of a page even where more is requested (the example of KooPhone 4.1.10 requests 200)."""


@frozen
class Restore(Effect):
    """Loads the data of a backup onto a physical phone, for the user that it is prepared for."""

    user: str

    def begin(self, run: Run) -> None:
        if not run.phone.loaded:
            run.phone.restore = CopyState.EXECUTING

    def finish(self, run: Run) -> None:
        phone = run.phone
        phone.user = phone.user or self.user
        if phone.restore is CopyState.EXECUTING:
            phone.restore, phone.restore_time = CopyState.SUCCEEDED, run.at
            phone.loaded, phone.running = True, RunningState.RUNNING

    def fail(self, run: Run) -> None:
        run.phone.restore, run.phone.restore_time = CopyState.FAILED, run.at
        run.phone.prepare_failed = True


@frozen
class BackUp(Effect):
    """Copies a phone to storage and releases the physical phone."""

    def begin(self, run: Run) -> None:
        run.phone.backup, run.phone.streaming = CopyState.EXECUTING, False

    def finish(self, run: Run) -> None:
        phone = run.phone
        phone.backup, phone.backup_time = CopyState.SUCCEEDED, run.at
        phone.loaded = phone.streaming = phone.logged_in = False
        phone.running = RunningState.STOPPED
        run.jobs.complete(end_of_backup(phone), run.time)

    def fail(self, run: Run) -> None:
        run.phone.backup, run.phone.backup_time = CopyState.FAILED, run.at
        run.jobs.complete(end_of_backup(run.phone), run.time)


def end_of_backup(phone: Phone) -> str:
    """Return the name of what work waits for that can begin once the backup of a phone has ended."""
    return f"backup/{phone.id}"


class Instances(Resource):
    """Lists, restarts, resets and backs up phones."""

    @serves(instances.LIST)
    async def list(self, request: InstanceQuery) -> instances.InstancePage:
        """Return one page of the phones; `pool_name` is ignored, as there is one pool."""
        size = min(request.size, MAX_ROWS)
        first = (request.page - 1) * size
        rows, total = self._rows(request, first, size)
        return instances.InstancePage(tuple(map(self._row, rows)), request.page, size, total)

    def _rows(self, query: InstanceQuery, first: int, size: int) -> tuple[Sequence[Phone], int]:
        fleet, hidden = self.world.fleet, self.world.undelivered
        filters = (query.id, query.name, query.since, query.until, query.scene, query.order_by, query.order)
        if not hidden and not any(filters):
            return fleet.page(first, size), len(fleet)
        found = [phone for phone in self.world.phones() if _matches(phone, query)]
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
            phone.running,
            phone.logged_in,
            phone.user is not None,
            phone.user or "",
            "0" if phone.on_demand else "1",
            project.id,
            project.name,
            "null",
            self.account.user,
            self.account.domain,
            phone.region,
            phone.region,
            phone.backup,
            phone.backup_time,
            phone.restore,
            phone.restore_time,
        )

    @serves(instances.STATUS)
    async def status(self, request: instances.InstancesRequest) -> instances.InstanceStatuses:
        """Return the state of each phone, in the numbers of the edition."""
        phones = self.world.chosen(request.instances)
        states = Phone.running.of(phones) if self.world.china else map(_content, phones)
        is_unique = len(phones) == len(request.instances)
        ids = request.instances if is_unique else dict.fromkeys(request.instances)
        return _Statuses(tuple(map(_Status, ids, states)))

    @serves(instances.RESET, counted=False)
    async def reset(self, request: instances.InstancesRequest) -> StartedTask:
        """Start to reset phones; they are starting until that is done."""
        phones = self.world.free(request.instances)
        return start_task(self.jobs, instances.RESET, phones, lambda _: Wipe(), "RM_")

    @serves(instances.REBOOT)
    async def reboot(self, request: instances.InstancesRequest) -> Accepted:
        """Restart phones, if all of them run."""
        phones = self.world.free(request.instances)
        for phone in phones:
            if phone.running is not RunningState.RUNNING:
                raise koophone_refusal("5005", phone.id)
        for phone in phones:
            self.jobs.start_hidden(Restart(), phone=phone.id, operation=instances.REBOOT)
        return Accepted()

    @serves(instances.BACKUP, counted=False)
    async def backup(self, request: instances.InstancesRequest) -> StartedTask:
        """Start to copy phones to storage, if their data are on physical ones; in the end they are empty."""
        phones = self.world.free(request.instances)
        for phone in phones:
            if not phone.loaded:  # no document states the code
                raise koophone_refusal("1000", f"the data of {phone.id} are not restored")
        return start_task(self.jobs, instances.BACKUP, phones, lambda _: BackUp(), "RM_")


_Status: Final = wire_struct(instances.InstanceStatus)
_Statuses: Final = wire_struct(instances.InstanceStatuses)


def _matches(phone: Phone, query: InstanceQuery) -> bool:
    return (
        query.id in (None, phone.id)
        and (query.name or "") in phone.name
        and (query.since is None or phone.created >= query.since)
        and (query.until is None or phone.created <= query.until)
        and query.scene in (None, phone.scene)
    )


def _content(phone: Phone) -> ContentState:
    """Return the state of a phone in the numbers of the international edition."""
    if phone.backup in _BACKUP:
        return _BACKUP[phone.backup]
    if phone.restore in _RESTORE:
        return _RESTORE[phone.restore]
    if not phone.loaded or phone.resetting:
        return ContentState.IDLE
    return ContentState.STREAMING if phone.streaming else ContentState.LOADED


_BACKUP: Final = {CopyState.EXECUTING: ContentState.BACKING_UP, CopyState.FAILED: ContentState.BACKUP_FAILED}
_RESTORE: Final = {CopyState.EXECUTING: ContentState.RESTORING, CopyState.FAILED: ContentState.RESTORE_FAILED}
