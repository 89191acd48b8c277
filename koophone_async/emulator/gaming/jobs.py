"""The jobs of gaming: packages that come to servers and go, versions that come to phones and go.

A server takes in or deletes one package after the other; its phones install and uninstall side by side,
and install once the package is there. The job that stands for all of a server's ends with the last of
them, and fails if one of them did. When each will end is known from the start; what it does is done then.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from koophone_async.emulator.agenda import Agenda, Due
from koophone_async.emulator.cph import error_table
from koophone_async.emulator.fleet import Running
from koophone_async.emulator.server.errors import message_of
from koophone_async.emulator.server.faults import Fail, Lose, Stick
from koophone_async.emulator.works import Work
from koophone_async.services.gaming.started_jobs import JobKind, StartedJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from koophone_async.emulator.gaming.library import Library, Version
    from koophone_async.emulator.world import World
    from koophone_async.operation import AnyOperation

END: Final = "game"
"""What the agenda calls the end of such a job."""


@define(eq=False)
class GameAgenda(Agenda):
    """An agenda that carries out the ends of gaming jobs itself, each in its turn among everything else."""

    end: Callable[[Due], None] = field(init=False, repr=False)

    def until(self, now: float) -> Iterator[Due]:
        """Take out what is due, earliest first, and carry out what is of gaming."""
        for due in super().until(now):
            if due.effect == END:
                self.end(due)
            else:
                yield due


@frozen
class Step:
    """One job that is to be filed."""

    kind: JobKind
    server: str
    version: Version | None = None
    phone: str | None = None


@define(eq=False)
class Jobs:
    """Files jobs, and ends them."""

    world: World
    library: Library
    _busy: dict[str, float] = field(factory=dict[str, float], init=False)
    """Until when a server has packages to take in or delete."""

    def begin(self, operation: AnyOperation, request: str, steps: Iterable[Step]) -> list[StartedJob]:
        """File the jobs of one server, or of one phone, of a call.

        Args:
            operation: What is done.
            request: Of which call.
            steps: In the order of the answer; one that stands for all stands first, and a package before
                the phones that install it.
        """
        whole: Work | None = None
        started, parts = list[StartedJob](), list[Work]()
        packages = dict[str, Work]()
        for step in steps:
            work = self._work(operation, request, step)
            started.append(_shown(step, work))
            if step.version is None:
                whole = work
                continue
            self._set_end(step, work, packages.get(step.version.id))
            parts.append(work)
            if step.phone is None:
                packages[step.version.id] = work
        if whole is not None:
            whole.details["parts"] = [work.id for work in parts]
            self._ends(whole, max(map(_end_of, parts), default=self.world.clock()))
        return started

    def _work(self, operation: AnyOperation, request: str, step: Step) -> Work:
        world = self.world
        seconds, now = world.durations.draw(world.rng), world.clock()
        details = {"kind": int(step.kind), "version": None if step.version is None else step.version.id}
        work = Work(world.hex(), request, operation.name, step.server, seconds, step.phone, None, details)
        work.began = now
        self._befall(operation, work)
        works = world.estate.works
        works.by_id[work.id] = work
        works.by_request.setdefault(request, []).append(work)
        return work

    def _befall(self, operation: AnyOperation, work: Work) -> None:
        fate = self.world.plan.on_job(operation.name, work.target)
        work.is_stuck, work.is_lost = isinstance(fate, Stick), isinstance(fate, Lose)
        if isinstance(fate, Fail):
            work.failed(fate.code, message_of(fate.code) if fate.message is None else fate.message)

    def _set_end(self, step: Step, work: Work, package: Work | None) -> None:
        now = self.world.clock()
        if step.phone:
            begins = _end_of(package) if package and step.kind is JobKind.INSTALL else now
            self._ends(work, begins + work.seconds)
            return
        over = max(now, self._busy.get(step.server, now)) + work.seconds
        self._ends(work, over)
        if not work.is_stuck:
            self._busy[step.server] = over

    def _ends(self, work: Work, at: float) -> None:
        if work.is_stuck or at == math.inf:
            return
        work.ends = at
        self.world.agenda.add(Due(at, END, "", work.id))

    def is_under_way(self, version: str) -> bool:
        """Whether a job about a version has not ended."""
        now = self.world.clock()
        works = self.world.estate.works.by_id.values()
        return any(work.details.get("version") == version and not work.ended(now) for work in works)

    def end(self, due: Due) -> None:
        """Let a job do what it does, or fail."""
        work = self.world.estate.works.by_id[due.job or ""]
        if not work.code and (code := self._end(work)):
            work.failed(code, error_table.CPS[code][1])

    def _end(self, work: Work) -> str | None:
        """Do what a job does; answers the code of what is in the way."""
        if work.server not in self.world.estate.servers.by_id:
            return error_table.NO_SUCH_SERVER
        version = work.details["version"]
        if version is None:
            parts = (self.world.estate.works.by_id[part] for part in work.details["parts"])
            return next((part.code for part in parts if part.code), None)
        return self._do(work, JobKind(work.details["kind"]), self.library.versions[version])

    def _do(self, work: Work, kind: JobKind, version: Version) -> str | None:
        library = self.library
        if work.phone:
            if kind is JobKind.UNINSTALL:
                return self._on_phone(work.phone, version, library.uninstall)
            if library.has(work.server, version.id):
                return self._on_phone(work.phone, version, library.install)
            return error_table.NO_RESOURCE
        if kind is JobKind.PUSH:
            library.put(work.server, version.id)
            return None
        return None if library.take(work.server, version.id) else error_table.NO_RESOURCE

    def _on_phone(self, phone: str, version: Version, do: Callable[[str, Version], None]) -> str | None:
        try:
            found = self.world.fleet.by_cph_id(phone)
        except KeyError:
            return error_table.NO_PHONE
        if found.running is not Running.RUNNING:
            return error_table.NOT_RUNNING
        do(phone, version)
        return None


def _end_of(work: Work) -> float:
    return math.inf if work.ends is None else work.ends


def _shown(step: Step, work: Work) -> StartedJob:
    version = None if step.version is None else step.version.id
    return StartedJob(step.kind, work.id, step.server, step.phone, version)
