"""Effects on phones that several services share."""

from __future__ import annotations

from attrs import frozen

from koophone_async.emulator.android import system
from koophone_async.emulator.cph import error_table
from koophone_async.emulator.jobs.engine import Effect, Run
from koophone_async.services.koophone.instances import CopyState, RunningState


@frozen
class Restart(Effect):
    """Restarts a phone, unless a backup releases it meanwhile."""

    def begin(self, run: Run) -> None:
        run.phone.running, run.phone.streaming = RunningState.STARTING, False

    def finish(self, run: Run) -> None:
        if run.phone.loaded:
            run.phone.start_up(run.at)

    def fail(self, run: Run) -> None:
        run.phone.running = RunningState.SHUT_DOWN


@frozen
class Wipe(Restart):
    """Restores the factory's Android and restarts the phone."""

    def begin(self, run: Run) -> None:
        run.phone.resetting = True
        super().begin(run)

    def finish(self, run: Run) -> None:
        run.phone.reset()
        run.phone.resetting, run.phone.loaded = False, True
        if run.phone.restore is CopyState.FAILED:
            run.phone.restore = CopyState.PREPARING
        super().finish(run)

    def fail(self, run: Run) -> None:
        run.phone.resetting, run.phone.running = False, RunningState.UNKNOWN


def install(run: Run, package: str, version: str) -> None:
    """Install an app, if the phone is running."""
    run.require_running().android.apps[package] = version


def run_shell(run: Run, line: str) -> None:
    """Run a shell command, if the phone is running. What it sleeps extends the job."""
    ran = system.run(run.require_running().android, line, run.at)
    run.job.output = system.truncate(ran.output)
    run.job.seconds += ran.seconds
    if ran.status:
        run.job.fail(error_table.COMMAND_FAILED)
