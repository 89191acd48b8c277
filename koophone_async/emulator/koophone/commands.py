"""Shell commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from koophone_async.emulator.android import system
from koophone_async.emulator.cph import error_table
from koophone_async.emulator.fleet import Phone, Running
from koophone_async.emulator.server.errors import message_of
from koophone_async.emulator.server.routing import serves
from koophone_async.services.koophone import commands
from koophone_async.services.koophone.jobs import JobState, StartedTask

if TYPE_CHECKING:
    from koophone_async.emulator.jobs import PhoneJob
    from koophone_async.emulator.world import World
    from koophone_async.operation import AnyOperation


@frozen
class Commands:
    """Runs commands on phones.

    A command runs when its call is taken, so that calls take effect in their order; its job tells of it when
    the job's time is over. `sleep` makes the job longer.
    """

    world: World

    @serves(commands.RUN, counted=False)
    async def run(self, request: commands.RunCommand) -> StartedTask:
        """Run a command on each phone, and start a job that will tell."""

        def begin(phone: Phone, job: PhoneJob, _: str) -> None:
            code, output, seconds = self._ran(commands.RUN, phone, request.command)
            job.output = output
            if code and not job.code:
                job.failed(code, message_of(code))
            if job.ends_at is not None:
                job.ends_at += seconds

        return self.world.start(commands.RUN, self.world.free(request.instances), begin)

    @serves(commands.RUN_SYNC, counted=False)
    async def run_sync(self, request: commands.RunCommand) -> commands.CommandResults:
        """Run a command on each phone and tell at once."""
        phones = self.world.free(request.instances)
        return commands.CommandResults(tuple(self._result(phone, request.command) for phone in phones))

    def _result(self, phone: Phone, command: str) -> commands.CommandResult:
        code, output, _ = self._ran(commands.RUN_SYNC, phone, command)
        state = JobState.FAILED if code else JobState.SUCCEEDED
        return commands.CommandResult(phone.id, state, code, message_of(code), output)

    def _ran(self, operation: AnyOperation, phone: Phone, command: str) -> tuple[str, str | None, float]:
        """Run a command if the phone can: an error code, the output, and the seconds that it slept."""
        if phone.running is not Running.RUNNING:
            return error_table.NOT_RUNNING, None, 0.0
        ran = system.run(phone.android, command, self.world.fleet.now())
        self.world.ledger.executed(operation.name, [phone.id])
        return error_table.COMMAND_FAILED if ran.status else "", system.cut(ran.output), ran.seconds
