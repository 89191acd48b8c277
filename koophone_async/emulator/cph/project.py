"""One project: the phones and servers that it sees, and the jobs that it starts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from attrs import evolve, frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.server_inventory import Server
from koophone_async.emulator.cph.state import CphState
from koophone_async.emulator.fleet import Phone, RunningState
from koophone_async.emulator.jobs.engine import Effect, Job, Jobs
from koophone_async.emulator.server.errors import Refusal, cph_refusal
from koophone_async.emulator.world import World
from koophone_async.operation import AnyOperation
from koophone_async.services.cph.paging import PageInfo
from koophone_async.services.cph.started_jobs import JobEntry, Started

Row = TypeVar("Row")
E = TypeVar("E", bound=Effect)


@frozen
class Project:
    """The phones and servers of one project, which are those of its region."""

    jobs: Jobs
    id: str
    domain: str
    region: str

    @property
    def world(self) -> World:
        """The state of the emulated cloud."""
        return self.jobs.world

    @property
    def cph(self) -> CphState:
        """What CPH has beside phones."""
        return self.world.cph

    @property
    def now(self) -> datetime:
        """The wall clock time, in UTC."""
        return self.world.fleet.now().astimezone(UTC)

    def server(self, server: str, unknown: str = error_table.NO_SERVER) -> Server:
        """Return a server, or refuse an unknown id with the code `unknown`."""
        found = self.cph.servers.by_id.get(server)
        if found is None or not self._sees_server(found):
            raise cph_refusal(unknown, reason=server)
        return found

    def servers(self) -> list[Server]:
        """Return every server, newest first."""
        seen = [server for server in self.cph.servers if self._sees_server(server)]
        return sorted(seen, key=lambda server: (server.created, server.index), reverse=True)

    def _sees_server(self, server: Server) -> bool:
        return server.region == self.region and not server.is_ordered

    def phone(self, phone: str) -> Phone:
        """Return a phone, or refuse an id that is malformed (CPS.0004) or unknown (CPS.0005)."""
        if not re.fullmatch("[0-9a-f]{32}", phone):
            raise cph_refusal(error_table.INVALID_PHONE, reason=phone)
        try:
            found = self.world.fleet.by_cph_id(phone)
        except KeyError:
            raise cph_refusal(error_table.NO_PHONE, reason=phone) from None
        if not self._sees_phone(found):
            raise cph_refusal(error_table.NO_PHONE, reason=phone)
        return found

    def phones(self) -> list[Phone]:
        """Return every phone, newest first."""
        return self.page(0, len(self.world.fleet))[0]

    def page(self, first: int, limit: int) -> tuple[list[Phone], int]:
        """Return at most so many phones, newest first, and the total."""
        fleet, hidden = self.world.fleet, self.world.undelivered
        servers = self.cph.servers.in_region(self.region)
        if len(servers) == fleet.server_count and not hidden:
            return fleet.newest(first, first + limit), len(fleet)
        found = [phone for phone in fleet.newest() if phone.server in servers and phone.id not in hidden]
        return found[first : first + limit], len(found)

    def _sees_phone(self, phone: Phone) -> bool:
        is_here = phone.server in self.cph.servers.in_region(self.region)
        return is_here and phone.id not in self.world.undelivered

    def on_phones(
        self,
        operation: AnyOperation,
        effects: Iterable[tuple[str, E]],
        check: Callable[[Phone, E], None],
        seconds: float | None = None,
    ) -> Started:
        """Start a job on each phone, or report why there is none.

        Args:
            operation: The operation that was called.
            effects: The effect on each phone; of two on one phone the last applies.
            check: Raises a refusal if the effect is impossible on the phone.
            seconds: How long each job takes; by default that is drawn.
        """

        def start(request: str, id_: str, effect: E) -> Job:
            phone = self.phone(id_)
            check(phone, effect)
            server = self.cph.servers.of(phone).id
            return self.jobs.start(
                operation, request, effect, phone=id_, server=server, queue=server, seconds=seconds
            )

        return self.start_each(effects, lambda id_: JobEntry(phone=id_), start)

    def on_servers(
        self, operation: AnyOperation, effects: Iterable[tuple[str, Effect]], check: Callable[[Server], None]
    ) -> Started:
        """Start a job on each server, or report why there is none."""

        def start(request: str, id_: str, effect: Effect) -> Job:
            check(self.server(id_, error_table.NO_SUCH_SERVER))
            return self.on_server(operation, request, effect, id_)

        return self.start_each(effects, lambda id_: JobEntry(server=id_), start)

    def on_server(self, operation: AnyOperation, request: str, effect: Effect, server: str) -> Job:
        """Start a job on one server."""
        return self.jobs.start(operation, request, effect, server=server, queue=server)

    def start_each(
        self,
        effects: Iterable[tuple[str, E]],
        row: Callable[[str], JobEntry],
        start: Callable[[str, str, E], Job],
    ) -> Started:
        """Start the jobs of a call, and report those that are refused."""
        request, rows = self.world.hex(), list[JobEntry]()
        for id_, effect in dict(effects).items():
            try:
                rows.append(evolve(row(id_), id=start(request, id_, effect).id))
            except Refusal as refusal:
                rows.append(evolve(row(id_), error_code=refusal.code, error_message=refusal.message))
        return Started(request, tuple(rows))


@frozen
class Resource:
    """Base of the classes that handle the operations of a resource in a project."""

    project: Project


def running(phone: Phone, _: Effect | None = None) -> None:
    """Refuse a phone that is not running, or is frozen."""
    not_frozen(phone)
    if phone.running is not RunningState.RUNNING:
        raise cph_refusal(error_table.PHONE_NOT_RUNNING, reason=phone.cph_id)


def not_frozen(phone: Phone, _: Effect | None = None) -> None:
    """Refuse a phone that is frozen."""
    if phone.frozen:
        raise cph_refusal(error_table.PHONE_FROZEN, reason=phone.cph_id)


def ready(server: Server) -> None:
    """Refuse a server that is not ready."""
    if not server.is_ready:
        raise cph_refusal(error_table.SERVER_NOT_READY, reason=server.id)


def page(rows: Iterable[Row], offset: int, limit: int) -> tuple[Row, ...]:
    """Return a page of some rows."""
    return tuple(rows)[offset : offset + limit]


def marked(rows: Sequence[Row], marker: str | None, limit: int) -> tuple[tuple[Row, ...], PageInfo]:
    """Return a page of some rows, and the marker of the next one."""
    first = int(marker) if marker and marker.isdecimal() else 0
    end = first + limit
    return tuple(rows[first:end]), PageInfo(str(end) if end < len(rows) else "")
