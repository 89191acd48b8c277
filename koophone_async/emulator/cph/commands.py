"""ADB work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from attrs import frozen

from koophone_async.emulator.cph.jobs import seen
from koophone_async.emulator.cph.project import Site, running
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import commands
from koophone_async.services.cph.commands import (
    MAX_SECONDS_PER_CALL,
    MAX_SECONDS_PER_PHONE,
    AdbCommand,
    CommandResult,
)
from koophone_async.services.cph.jobs import JobState

if TYPE_CHECKING:
    from koophone_async.emulator.works import Work
    from koophone_async.operation import AnyOperation
    from koophone_async.services.cph.started_jobs import JobEntry, Started


@frozen
class Commands:
    """Does ADB work: each server does one piece after the other, in the order in which it was asked for."""

    site: Site

    @serves(commands.PUSH, counted=False)
    async def push(self, request: commands.PushFile) -> Started:
        """Unpack a tar file on phones."""
        return self._start(commands.PUSH, request)

    @serves(commands.INSTALL, counted=False)
    async def install(self, request: commands.InstallApp) -> Started:
        """Install an app on phones. Nothing is downloaded: the app is what its package is called."""
        return self._start(commands.INSTALL, request)

    @serves(commands.INSTALL_SPLIT, counted=False)
    async def install_split(self, request: commands.InstallSplitApp) -> Started:
        """Install an app of several packages, called what the first one is."""
        return self._start(commands.INSTALL_SPLIT, request)

    @serves(commands.UNINSTALL, counted=False)
    async def uninstall(self, request: commands.UninstallApp) -> Started:
        """Remove an app from phones."""
        return self._start(commands.UNINSTALL, request)

    @serves(commands.RUN, counted=False)
    async def run(self, request: commands.RunCommand) -> Started:
        """Run a command on phones. What it sleeps makes its job longer."""
        return self._start(commands.RUN, request)

    def _start(self, operation: AnyOperation, request: AdbCommand, seconds: float | None = None) -> Started:
        wanted = [(phone, {"content": request.content}) for phone in self._phones(request)]
        return self.site.on_phones(operation, wanted, running, seconds)

    def _phones(self, request: AdbCommand) -> list[str]:
        """Name the phones, or all that are on some servers.

        Raises:
            Refusal: One of the servers is not there (CPS.0015).
        """
        if request.phones:
            return list(request.phones)
        servers = [self.site.server(server) for server in request.servers]
        return [phone.cph_id for one in servers for phone in self.site.world.fleet.on_server(one.index)]

    @serves(commands.RUN_SYNC, counted=False)
    async def run_sync(self, request: commands.RunCommand) -> commands.CommandResults:
        """Run a command on phones and tell at once.

        It takes its turn like any ADB work and no longer than what it sleeps. Who has not ended after 2 s, or
        when the call has taken 30 s, is told of as running.
        """
        started = self._start(commands.RUN_SYNC, request, seconds=0.0)
        works = self.site.estate.works.by_id
        await self._wait([works[job] for job in started.targets_by_job])
        results = tuple(self._result(entry) for entry in started.jobs)
        return commands.CommandResults(results, started.request)

    async def _wait(self, works: list[Work]) -> None:
        world = self.site.world
        until = world.clock() + MAX_SECONDS_PER_CALL
        world.settle()
        while due := [at for work in works if (at := self._told_at(work)) > world.clock()]:
            if (at := min(*due, until, world.agenda.next(until))) <= world.clock():
                return
            await asyncio.sleep(at - world.clock())
            world.settle()

    def _told_at(self, work: Work) -> float:
        """When there is something to tell of a phone: it has ended, or used up its time."""
        if work.began is None:
            return float("inf")
        return min(work.began + MAX_SECONDS_PER_PHONE, float("inf") if work.ends is None else work.ends)

    def _result(self, entry: JobEntry) -> CommandResult:
        if entry.id is None:
            return CommandResult(entry.phone, None, JobState.FAILED, entry.error_code, entry.error_message)
        job = seen(self.site, self.site.estate.works.by_id[entry.id])
        code = job.error_code or ""
        return CommandResult(entry.phone, job.id, job.state, code, job.error_message or "", job.output)
