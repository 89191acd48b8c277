"""An emulator, a database, workers in processes of their own, and rollouts that they run."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString

import psycopg
import pytest
from attrs import define, field

from koophone_async import Endpoints, Session
from koophone_async.batches import State
from koophone_async.emulator import Durations, Emulator
from koophone_async.rollouts import Plan, Rollout, Selection, Step
from koophone_async.rollouts.journal import Journal
from koophone_async.rollouts.reports.last_outcomes import last_outcomes
from tests.cli.conftest import settings_of
from tests.distributed.links import Link
from tests.postgresql_server import PostgresServer

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator, Awaitable, Callable

WORKERS: Final = 3
ROLLOUTS: Final = 4
"""Rollouts that run at the same time."""

PHONES: Final = 60
"""Phones of a rollout; each has its own, so that a call that arrives late is not taken for another's."""

STEPS: Final = 2
RUN: Final = "koophone.commands.run"
_COMMAND: Final = (sys.executable, "-m", "koophone_async.cli", "rollout", "worker", "--heartbeat=3")
_POLL_SECONDS: Final = 0.05


@define(eq=False)
class Worker:
    """A worker's process, with links of its own to the database and to the cloud."""

    process: Process
    database: Link
    cloud: Link
    _links: AsyncExitStack
    _discarding: asyncio.Task[None]
    """Reads what it logs, so that it never waits for a reader."""

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def end(self) -> None:
        """Wait for its end, and close its links."""
        await self.process.wait()
        await self._discarding
        await self._links.aclose()


@define(eq=False)
class Site:
    """Where rollouts run."""

    emulator: Emulator
    server: PostgresServer
    journal: Journal
    _session: Session
    workers: list[Worker] = field(factory=list["Worker"], init=False)
    _ids: list[str] = field(init=False)
    """Phones that no rollout has had."""

    _rollouts: dict[str, list[str]] = field(factory=dict[str, "list[str]"], init=False)
    """Phones by the id of the rollout."""

    def __attrs_post_init__(self) -> None:
        self._ids = [phone.id for phone in self.emulator.phones]

    @classmethod
    @asynccontextmanager
    async def open(cls, rollouts: int, directory: Path | None = None) -> AsyncGenerator[Site]:
        """Start an emulator with phones for so many rollouts, and a database in a directory."""
        jobs, no_quotas = Durations(median=0.3), {"koophone": ()}
        with PostgresServer.run(directory) as server:
            async with (
                Emulator(rollouts * PHONES, jobs=jobs, quotas=no_quotas) as emulator,
                Session(
                    emulator.access_key, endpoints=Endpoints(koophone=emulator.endpoint), environ={}
                ) as session,
                await Journal.open(server.url()) as journal,
            ):
                site = cls(emulator, server, journal, session)
                try:
                    yield site
                finally:
                    await site.stop_workers(signal.SIGKILL)

    async def add_worker(self, *, hours_ahead: int = 0) -> None:
        """Start a worker, whose clock may be wrong, and wait until it is ready."""
        host, _, port = self.emulator.endpoint.removeprefix("http://").rpartition(":")
        async with AsyncExitStack() as links:
            database = await links.enter_async_context(
                Link.to(lambda: asyncio.open_unix_connection(self.server.socket))
            )
            cloud = await links.enter_async_context(Link.to(lambda: asyncio.open_connection(host, int(port))))
            process = await asyncio.create_subprocess_exec(
                *_COMMAND,
                env=os.environ
                | settings_of(self.emulator.banner())
                | {
                    "KOOPHONE_JOURNAL": f"postgresql://postgres@127.0.0.1:{database.port}/postgres",
                    "KOOPHONE_ENDPOINT": f"http://127.0.0.1:{cloud.port}",
                }
                | (_wrong_clock(hours_ahead) if hours_ahead else {}),
                stderr=asyncio.subprocess.PIPE,
            )
            assert process.stderr is not None
            line = await process.stderr.readline()
            discarding = asyncio.create_task(_discard(process.stderr))
            self.workers.append(Worker(process, database, cloud, links.pop_all(), discarding))
        assert line.endswith(b"is ready\n"), line

    async def replace_workers(self) -> None:
        """Start workers for those that have ended."""
        for worker in [worker for worker in self.workers if not worker.is_alive]:
            self.workers.remove(worker)
            await worker.end()
        while len(self.workers) < WORKERS:
            await self.add_worker()

    async def stop_workers(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop all workers."""
        for worker in self.workers:
            worker.signal(number)
        for worker in self.workers:
            await worker.end()
        self.workers.clear()

    async def start_rollouts(self) -> None:
        """Start as many rollouts as have ended since the last time."""
        ended = [id for id in self._rollouts if (await self.journal.find(id)).has_ended]
        for _ in range(ROLLOUTS - len(self._rollouts) + len(ended)):
            await self._start_rollout()

    async def _start_rollout(self) -> None:
        ids, self._ids = self._ids[:PHONES], self._ids[PHONES:]
        plan = Plan(
            targets=Selection(ids=ids),
            steps=[Step("run", f"echo {number}") for number in range(STEPS)],
            waves=["30%"],
            stop="never",
        )
        async with Rollout(plan, self.journal, self._session) as rollout:
            id = await rollout.hand_over()
        assert id is not None
        self._rollouts[id] = ids

    async def end_rollouts(self) -> None:
        """Wait for the end of all rollouts, whatever becomes of workers meanwhile."""
        for id in self._rollouts:
            while not (await self.journal.find(id)).has_ended:
                await self.replace_workers()
                await asyncio.sleep(_POLL_SECONDS)

    async def check(self) -> Counter[State]:
        """Compare the journal with what phones have executed, and return the number of phones by state."""
        executed = self.emulator.ledger.executions(RUN)
        states = Counter[State]()
        for id, ids in self._rollouts.items():
            record = await self.journal.find(id)
            outcomes = {target.id: outcome async for target, outcome in last_outcomes(self.journal, record)}
            assert list(outcomes) == ids
            assert record.counts == Counter(outcome.state.value for outcome in outcomes.values())
            for phone, outcome in outcomes.items():
                allowed = {State.SUCCEEDED: {STEPS}, State.UNKNOWN: {outcome.step - 1, outcome.step}}
                assert executed.get(phone, 0) in allowed.get(outcome.state, ()), outcome
                states[outcome.state] += 1
        return states

    async def restart_a_database_that_ended(self) -> None:
        """Start the database if it has ended by itself."""
        if not self.server.is_running:
            await asyncio.to_thread(self.server.start)

    async def rows(self, statement: LiteralString) -> list[tuple[int]]:
        """Return what the database has; nothing while it is being restarted."""
        with suppress(psycopg.Error):
            return await asyncio.to_thread(self.server.execute, statement)
        return []

    async def until(self, condition: Callable[[], Awaitable[bool]], seconds: float) -> bool:
        """Wait until a condition holds, but not longer than so many seconds; return whether it does."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not await condition():  # noqa: ASYNC110 - of other processes
                    await asyncio.sleep(_POLL_SECONDS)
                return True
        return False


def _wrong_clock(hours_ahead: int) -> dict[str, str]:
    """Return variables that set the wall clock of a process; the program `faketime` would fork."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        pytest.skip("needs faketime: apt-get install faketime")
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{hours_ahead:+}h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


async def _discard(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass
