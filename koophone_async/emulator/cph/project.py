"""What one project sees of the emulated cloud, and how it starts jobs there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from attrs import frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.doings import DOINGS
from koophone_async.emulator.fleet import Phone, Running
from koophone_async.emulator.server.errors import Refusal, cph, message_of
from koophone_async.emulator.server.faults import Fail, Lose, Stick
from koophone_async.emulator.works import Work
from koophone_async.services.cph.paging import PageInfo
from koophone_async.services.cph.started_jobs import JobEntry, Started

if TYPE_CHECKING:
    from datetime import datetime

    from koophone_async.emulator.cph.server_inventory import Server
    from koophone_async.emulator.cph.state import Estate
    from koophone_async.emulator.world import World
    from koophone_async.operation import AnyOperation

Row = TypeVar("Row")
Details: TypeAlias = Mapping[str, Any]


@frozen
class Site:
    """The phones and servers of one project, which are those of its region."""

    world: World
    project: str
    domain: str
    region: str

    @property
    def estate(self) -> Estate:
        """What is there beside phones."""
        return self.world.estate

    @property
    def now(self) -> datetime:
        """The wall clock."""
        return self.world.fleet.now()

    def server(self, server: str, unknown: str = error_table.NO_SERVER) -> Server:
        """Find a server.

        Raises:
            Refusal: There is none, with the code that is given.
        """
        found = self.estate.servers.by_id.get(server)
        if found is None or not self._sees(found):
            raise cph(unknown, reason=server)
        return found

    def servers(self) -> list[Server]:
        """Every server, the newest first."""
        seen = [server for server in self.estate.servers if self._sees(server)]
        return sorted(seen, key=lambda server: (server.created, server.index), reverse=True)

    def _sees(self, server: Server) -> bool:
        return server.region == self.region and not server.is_ordered

    def phone(self, phone: str) -> Phone:
        """Find a phone.

        Raises:
            Refusal: This is no id (CPS.0004), or that of no phone (CPS.0005).
        """
        if not re.fullmatch("[0-9a-f]{32}", phone):
            raise cph(error_table.INVALID_PHONE, reason=phone)
        try:
            found = self.world.fleet.by_cph_id(phone)
        except KeyError:
            raise cph(error_table.NO_PHONE, reason=phone) from None
        if not self._stands(found):
            raise cph(error_table.NO_PHONE, reason=phone)
        return found

    def phones(self) -> list[Phone]:
        """Every phone, the newest first."""
        return self.page(0, len(self.world.fleet))[0]

    def page(self, first: int, most: int) -> tuple[list[Phone], int]:
        """At most so many of the phones, the newest first, and how many there are in all."""
        fleet, hidden = self.world.fleet, self.world.undelivered
        servers = self.estate.servers.standing(self.region)
        if len(servers) == fleet.ever and not hidden:
            return fleet.newest(first, first + most), len(fleet)
        found = [phone for phone in fleet.newest() if phone.server in servers and phone.id not in hidden]
        return found[first : first + most], len(found)

    def _stands(self, phone: Phone) -> bool:
        is_here = phone.server in self.estate.servers.standing(self.region)
        return is_here and phone.id not in self.world.undelivered

    def on_phones(
        self,
        operation: AnyOperation,
        wanted: Iterable[tuple[str, Details]],
        check: Callable[[Phone, Details], None],
        seconds: float | None = None,
    ) -> Started:
        """Start a job on each phone, or tell why there is none.

        Args:
            operation: What is done.
            wanted: The phones, each with what is to be done to it; the last counts where one comes twice.
            check: Refuses what a phone cannot do now.
            seconds: How long each job takes; else that is drawn.
        """
        request, rows = self.world.hex(), list[JobEntry]()
        for id_, details in dict(wanted).items():
            try:
                phone = self.phone(id_)
                check(phone, details)
            except Refusal as no:
                rows.append(JobEntry(phone=id_, error_code=no.code, error_message=no.message))
                continue
            server = self.estate.servers.of(phone)
            work = self.file(operation, request, server, details, phone=id_, seconds=seconds)
            rows.append(JobEntry(phone=id_, id=work.id))
        return Started(request, tuple(rows))

    def on_servers(
        self,
        operation: AnyOperation,
        wanted: Iterable[tuple[str, Details]],
        check: Callable[[Server], None],
    ) -> Started:
        """Start a job on each server, or tell why there is none."""
        request, rows = self.world.hex(), list[JobEntry]()
        for id_, details in dict(wanted).items():
            try:
                server = self.server(id_, error_table.NO_SUCH_SERVER)
                check(server)
            except Refusal as no:
                rows.append(JobEntry(server=id_, error_code=no.code, error_message=no.message))
                continue
            rows.append(JobEntry(server=id_, id=self.file(operation, request, server, details).id))
        return Started(request, tuple(rows))

    def file(  # noqa: PLR0913 - what a job is
        self,
        operation: AnyOperation,
        request: str,
        server: Server,
        details: Details,
        *,
        phone: str | None = None,
        encoder: str | None = None,
        seconds: float | None = None,
    ) -> Work:
        """Put one job into the queue of a server.

        Args:
            operation: What is done.
            request: Of which call.
            server: Whose queue it waits in.
            details: What is to be done, as JSON.
            phone: Which phone it is about; else it is about the server.
            encoder: Or which encoding server.
            seconds: How long it takes; else that is drawn.
        """
        world = self.world
        lasts = world.durations.draw(world.rng) if seconds is None else seconds
        doing = DOINGS.get(operation.name)
        work = Work(
            world.hex(), request, operation.name, server.id, lasts, phone, encoder, dict(details),
            doing is not None and doing.holds,
        )  # fmt: skip
        self._befall(operation, work)
        world.estate.works.file(work, world.clock())
        return work

    def _befall(self, operation: AnyOperation, work: Work) -> None:
        fate = self.world.plan.on_job(operation.name, work.target)
        if isinstance(fate, Stick):
            work.is_stuck = True
        elif isinstance(fate, Lose):
            work.is_lost = True
        elif isinstance(fate, Fail):
            work.failed(fate.code, message_of(fate.code) if fate.message is None else fate.message)


def running(phone: Phone, _: Details | None = None) -> None:
    """Refuse a phone that does not run, or is frozen."""
    thawed(phone)
    if phone.running is not Running.RUNNING:
        raise cph(error_table.NOT_RUNNING, reason=phone.cph_id)


def thawed(phone: Phone, _: Details | None = None) -> None:
    """Refuse a phone that is frozen."""
    if phone.frozen:
        raise cph(error_table.FROZEN, reason=phone.cph_id)


def ready(server: Server) -> None:
    """Refuse a server that is not ready."""
    if not server.is_ready:
        raise cph(error_table.NOT_READY, reason=server.id)


def marked(rows: Sequence[Row], marker: str | None, limit: int) -> tuple[tuple[Row, ...], PageInfo]:
    """Cut a page out of some rows, and mark where the next one begins."""
    first = int(marker) if marker and marker.isdecimal() else 0
    end = first + limit
    return tuple(rows[first:end]), PageInfo(str(end) if end < len(rows) else "")
