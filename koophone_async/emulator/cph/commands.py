"""ADB commands."""

from __future__ import annotations

import asyncio
import math
import posixpath
import re
from collections.abc import Callable
from typing import Final

from attrs import frozen

from koophone_async.emulator.android import system
from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.jobs import job_row
from koophone_async.emulator.cph.object_storage import unpack
from koophone_async.emulator.cph.project import Resource, running
from koophone_async.emulator.jobs.engine import Effect, EffectError, Job, Run, narrowed
from koophone_async.emulator.jobs.phone_effects import install, run_shell
from koophone_async.emulator.server.routing import serves
from koophone_async.operation import AnyOperation
from koophone_async.services.cph import commands
from koophone_async.services.cph.commands import (
    MAX_SECONDS_PER_CALL,
    MAX_SECONDS_PER_PHONE,
    AdbCommand,
    CommandResult,
)
from koophone_async.services.cph.jobs import JobState
from koophone_async.services.cph.started_jobs import JobEntry, Started

_APK: Final = re.compile(r"(?P<package>.+?)(?:-(?P<version>[\d.]+))?\.apk")


@frozen
class OnRunningPhone(Effect):
    """An effect that fails if the phone is not running at its turn."""

    def begin(self, run: Run) -> None:
        run.require_running()


@frozen
class AdbEffect(OnRunningPhone):
    """The effect of an ADB command, of which a server runs one after the other."""

    exclusive = True
    request: AdbCommand


@frozen
class Shell(AdbEffect):
    """Runs a shell command."""

    def begin(self, run: Run) -> None:
        run_shell(run, self.request.content)

    def finish(self, run: Run) -> None:
        _ = run.phone  # fails if it was deleted meanwhile


@frozen
class Push(AdbEffect):
    """Unpacks a tar file."""

    def finish(self, run: Run) -> None:
        place = self.request.content.removeprefix("obs://")
        tar = run.world.cph.storage.get(place, "/data/local/tmp")
        unpack(tar, run.phone.android, int(run.at.timestamp()))


@frozen
class Install(AdbEffect):
    """Installs the app that the first package is named after: `package.apk` or `package-version.apk`."""

    def finish(self, run: Run) -> None:
        first = next(word for word in self.request.content.split() if word.startswith("obs://"))
        named = _APK.fullmatch(posixpath.basename(first))
        if named is None:
            run.job.output = "Failure [INSTALL_PARSE_FAILED_NOT_APK]\n"
            raise EffectError(error_table.COMMAND_FAILED)
        install(run, named["package"], named["version"] or "1.0")
        run.job.output = "Success\n"


@frozen
class Uninstall(AdbEffect):
    """Uninstalls an app."""

    def finish(self, run: Run) -> None:
        ran = system.run(run.phone.android, f"pm uninstall {self.request.content}", run.at)
        run.job.output = ran.output
        if ran.status:
            raise EffectError(error_table.COMMAND_FAILED)


class Commands(Resource):
    """Runs ADB commands: each server runs one after the other, in the order in which they came."""

    @serves(commands.PUSH, counted=False)
    async def push(self, request: commands.PushFile) -> Started:
        return self._start(commands.PUSH, request, Push)

    @serves(commands.INSTALL, counted=False)
    async def install(self, request: commands.InstallApp) -> Started:
        """Start to install an app on phones. Nothing is downloaded: the file name determines the app."""
        return self._start(commands.INSTALL, request, Install)

    @serves(commands.INSTALL_SPLIT, counted=False)
    async def install_split(self, request: commands.InstallSplitApp) -> Started:
        return self._start(commands.INSTALL_SPLIT, request, Install)

    @serves(commands.UNINSTALL, counted=False)
    async def uninstall(self, request: commands.UninstallApp) -> Started:
        return self._start(commands.UNINSTALL, request, Uninstall)

    @serves(commands.RUN, counted=False)
    async def run(self, request: commands.RunCommand) -> Started:
        return self._start(commands.RUN, request, Shell)

    def _start(
        self,
        operation: AnyOperation,
        request: AdbCommand,
        effect: Callable[[AdbCommand], Effect],
        seconds: float | None = None,
    ) -> Started:
        effects = [
            (phone, effect(narrowed(request, phones=(phone,), servers=()))) for phone in self._phones(request)
        ]
        return self.project.on_phones(operation, effects, running, seconds)

    def _phones(self, request: AdbCommand) -> list[str]:
        """Return the ids of the phones of a request, or of all phones on its servers.

        Raises:
            Refusal: One of the servers is unknown (CPS.0015).
        """
        if request.phones:
            return list(request.phones)
        servers = [self.project.server(server) for server in request.servers]
        return [phone.cph_id for one in servers for phone in self.project.world.fleet.on_server(one.index)]

    @serves(commands.RUN_SYNC, counted=False)
    async def run_sync(self, request: commands.RunCommand) -> commands.CommandResults:
        """Run a command on phones and return the output.

        It waits for its turn like any ADB command, and takes only what it sleeps. A phone that is not done
        after 2 s, or when the call has taken 30 s, is reported as running.
        """
        started = self._start(commands.RUN_SYNC, request, Shell, seconds=0.0)
        jobs = self.project.jobs.by_id
        await self._wait([jobs[job] for job in started.targets_by_job])
        results = tuple(self._result(entry) for entry in started.jobs)
        return commands.CommandResults(results, started.request)

    async def _wait(self, jobs: list[Job]) -> None:
        clock, engine = self.project.world.clock, self.project.jobs
        until = clock() + MAX_SECONDS_PER_CALL
        engine.settle()
        while due := [at for job in jobs if (at := _reported_at(job)) > clock()]:
            if (at := min(*due, until, engine.next_event(until))) <= clock():
                return
            await asyncio.sleep(at - clock())
            engine.settle()

    def _result(self, entry: JobEntry) -> CommandResult:
        if entry.id is None:
            return CommandResult(entry.phone, None, JobState.FAILED, entry.error_code, entry.error_message)
        job = job_row(self.project, self.project.jobs.by_id[entry.id])
        code = job.error_code or ""
        return CommandResult(entry.phone, job.id, job.state, code, job.error_message or "", job.output)


def _reported_at(job: Job) -> float:
    """Return when the result of a phone is known: its job has ended, or its time is over."""
    if job.began is None:
        return math.inf
    return min(job.began + MAX_SECONDS_PER_PHONE, math.inf if job.ends is None else job.ends)
