"""Workers in processes of their own, on a journal in PostgreSQL, with an emulator in this process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from typing import TYPE_CHECKING, Any, Final

import pytest_asyncio
from attrs import define, field

from koophone_async.rollouts import Plan, Rollout, Selection, Step
from koophone_async.rollouts.journal import Journal
from tests.cli.conftest import settings_of

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator

    from koophone_async import Session
    from koophone_async.emulator import Emulator
    from koophone_async.rollouts.journal import RolloutRecord

_COMMAND: Final = (sys.executable, "-m", "koophone_async.cli", "rollout", "worker")


def plan(emulator: Emulator, *steps: Step, **fields: Any) -> Plan:  # noqa: ANN401 - fields of the plan
    ids = [phone.id for phone in emulator.phones]
    return Plan(targets=Selection(ids=ids), steps=steps or [Step("run", "id")], **fields)


@define(eq=False)
class Workers:
    """Worker processes of one journal."""

    emulator: Emulator
    url: str
    journal: Journal
    session: Session
    processes: list[Process] = field(factory=list["Process"], init=False)

    async def add(self, *options: str, **settings: str) -> Process:
        """Start a worker, and wait until it is ready."""
        process = await asyncio.create_subprocess_exec(
            *_COMMAND,
            "--heartbeat=3",
            *options,
            env=os.environ | settings_of(self.emulator.banner()) | {"KOOPHONE_JOURNAL": self.url, **settings},
            stderr=PIPE,
        )
        self.processes.append(process)
        assert process.stderr is not None
        line = await process.stderr.readline()
        assert line.endswith(b"is ready\n"), (line + await process.stderr.read(), await process.wait())
        return process

    async def hand_over(self, plan: Plan) -> str:
        """Start a rollout on workers, and return its id."""
        async with Rollout(plan, self.url, self.session) as rollout:
            id = await rollout.hand_over()
        assert id is not None
        return id

    async def ended(self, id: str) -> RolloutRecord:
        """Wait until a rollout has ended."""
        while True:
            record = await self.journal.find(id)
            if record.has_ended:
                return record
            await asyncio.sleep(0.2)

    async def executions(self, operation: str, count: int = 1) -> None:
        """Wait until an operation was executed on some phones."""
        while True:
            if len(self.emulator.ledger.executions(operation)) >= count:
                return
            await asyncio.sleep(0.05)

    async def stop(self) -> list[int]:
        """Stop all workers, and return their exit codes."""
        living = [process for process in self.processes if process.returncode is None]
        for process in living:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in living:
            await process.communicate()
        return [process.returncode or 0 for process in living]


@pytest_asyncio.fixture
async def workers(emulator: Emulator, session: Session, postgresql_url: str) -> AsyncGenerator[Workers]:
    async with await Journal.open(postgresql_url) as journal:
        started = Workers(emulator, postgresql_url, journal, session)
        try:
            yield started
        finally:
            for process in started.processes:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
