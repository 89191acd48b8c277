"""Shell commands."""

from __future__ import annotations

from attrs import frozen

from koophone_async.emulator.android import system
from koophone_async.emulator.cph import error_table
from koophone_async.emulator.fleet import Phone, RunningState
from koophone_async.emulator.jobs.engine import Effect, Run, narrowed
from koophone_async.emulator.jobs.phone_effects import run_shell
from koophone_async.emulator.koophone.resource import Resource
from koophone_async.emulator.koophone.tasks import start_task
from koophone_async.emulator.server.errors import message_of
from koophone_async.emulator.server.routing import serves
from koophone_async.services.koophone import commands
from koophone_async.services.koophone.jobs import JobState, StartedTask


@frozen
class Shell(Effect):
    """Runs a command."""

    request: commands.RunCommand

    def begin(self, run: Run) -> None:
        run_shell(run, self.request.command)


class Commands(Resource):
    """Runs commands on phones.

    A command runs when its call arrives, so that calls take effect in their order; its job only ends later.
    """

    @serves(commands.RUN, counted=False)
    async def run(self, request: commands.RunCommand) -> StartedTask:
        """Run a command on each phone, and start jobs that will report the output."""
        phones = self.world.free(request.instances)
        return start_task(
            self.jobs, commands.RUN, phones, lambda phone: Shell(narrowed(request, instances=(phone.id,)))
        )

    @serves(commands.RUN_SYNC, counted=False)
    async def run_sync(self, request: commands.RunCommand) -> commands.CommandResults:
        phones = self.world.free(request.instances)
        return commands.CommandResults(tuple(self._result(phone, request.command) for phone in phones))

    def _result(self, phone: Phone, command: str) -> commands.CommandResult:
        code, output = error_table.PHONE_NOT_RUNNING, None
        if phone.running is RunningState.RUNNING:
            ran = system.run(phone.android, command, self.world.fleet.now())
            self.world.ledger.executed(commands.RUN_SYNC.name, [phone.id])
            code, output = error_table.COMMAND_FAILED if ran.status else "", system.truncate(ran.output)
        state = JobState.FAILED if code else JobState.SUCCEEDED
        return commands.CommandResult(phone.id, state, code, message_of(code), output)
