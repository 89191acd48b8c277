"""Run shell commands on instances."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from koophone_async.checks import IDS, Text, ids
from koophone_async.operation import Batch, Operation, Sender
from koophone_async.services.koophone.jobs import JobState, StartedTask
from koophone_async.wire import wire


@frozen
class RunCommand:
    """A shell command to run on many instances."""

    instances: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("instance_ids"))
    # The documents allow a set of characters without the space, and use spaces in their example.
    command: str = field(validator=Text(1024, unit="bytes of UTF-8"))


@frozen
class CommandResult:
    """Result of a synchronous command on one instance."""

    instance: str = field(metadata=wire("instance_id"))
    state: JobState | int = field(metadata=wire("status"))
    """RUNNING means that the service stopped waiting; there is no task to poll for the result."""

    error_code: str | None = None
    error_message: str | None = field(default=None, metadata=wire("error_msg"))
    output: str | None = field(default=None, metadata=wire("execute_msg"))
    """The first 1,024 bytes, also of failed commands."""


@frozen
class CommandResults:
    """One result for each instance that the answer lists."""

    results: tuple[CommandResult, ...] = field(default=(), metadata=wire("cmd_results"))


RUN: Final = Operation(
    "koophone.commands.run", "POST", "/v1/instances/async-command",
    RunCommand, StartedTask, source="KooPhone 4.1.2 (2025-12-31)",
    batch=Batch("instances", max=100, one_region=True), repeatable=False,
)  # fmt: skip

RUN_SYNC: Final = Operation(
    "koophone.commands.run_sync", "POST", "/v1/instances/sync-command",
    RunCommand, CommandResults, source="KooPhone 4.1.1 (2025-12-31)",
    batch=Batch("instances", max=100, one_region=True), repeatable=False,
)  # fmt: skip


@frozen
class Commands:
    """Run shell commands, with or without waiting for their output."""

    _session: Sender

    async def run(self, instances: Iterable[str], command: str) -> StartedTask:
        """Start a shell command on instances without waiting for its output.

        Args:
            instances: At most 100 ids, all of one region.
            command: At most 1,024 bytes of UTF-8.

        Raises:
            Refused: The service refused the whole call; nothing ran.
            NoAnswer: No answer was received; the command may have run.

        API: KooPhone 4.1.2 (2025-12-31)
        """
        return await self._session.send(RUN, RunCommand(instances, command))

    async def run_sync(self, instances: Iterable[str], command: str) -> CommandResults:
        """Run a short shell command on instances and return the output of each.

        That there is an answer does not mean that the command succeeded: each result has its own state.

        Args:
            instances: At most 100 ids, all of one region.
            command: At most 1,024 bytes of UTF-8; use `run` for commands that take long.

        Raises:
            Refused: The service refused the whole call; nothing ran.
            NoAnswer: No answer was received; the command may have run.

        API: KooPhone 4.1.1 (2025-12-31)
        """
        return await self._session.send(RUN_SYNC, RunCommand(instances, command))
