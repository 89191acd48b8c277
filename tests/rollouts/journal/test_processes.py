"""Several processes with one journal, and processes that are killed or stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import pytest
from attrs import define

from koophone_async.batches import State
from koophone_async.rollouts.journal import (
    ChunkState,
    Journal,
    LeaseHeld,
    NewRollout,
    RequestKind,
    RolloutRecord,
    RolloutState,
)
from tests.rollouts.journal.samples import all_results, run_sql, targets

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = pytest.mark.process

PROGRAM: Final = Path(__file__).parent / "driver_program.py"
ROOT: Final = Path(__file__).parents[3]


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, str(PROGRAM), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


@define
class Program:
    """A driver in a process of its own."""

    process: subprocess.Popen[str]
    epoch: int

    @classmethod
    def drive(cls, location: str, rollout: str) -> Self:
        process = start(location, rollout)
        assert process.stdout is not None
        return cls(process, int(process.stdout.readline()))

    def order(self, order: str) -> str:
        self.begin(order)
        return self.read_line()

    def begin(self, order: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()

    def read_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> list[str]:
        """Kill the process, and return the lines that it had printed."""
        self.process.kill()
        rest, _ = self.process.communicate()
        return rest.splitlines()


@pytest.fixture
async def rollout(location: str) -> RolloutRecord:
    async with await Journal.open(location) as journal:
        return await journal.create(NewRollout("shop", "cph"), targets(3))


@pytest.fixture
def program(location: str, rollout: RolloutRecord) -> Generator[Program]:
    program = Program.drive(location, rollout.id)
    yield program
    program.kill()


async def test_a_driver_that_was_killed_is_replaced_at_once(
    location: str, rollout: RolloutRecord, program: Program
) -> None:
    assert program.order("send") == "send 1"
    async with await Journal.open(location) as journal:
        with pytest.raises(LeaseHeld) as refused:
            await journal.acquire(rollout.id)
        assert refused.value.holder.pid == program.process.pid

        program.kill()
        driver = await journal.acquire(rollout.id)
        assert driver.epoch == program.epoch + 1
        assert [chunk.state for chunk in driver.open_chunks] == [ChunkState.SENDING]


async def test_a_driver_that_was_stopped_is_locked_out(
    location: str, rollout: RolloutRecord, program: Program
) -> None:
    assert program.order("send") == "send 1"
    program.process.send_signal(signal.SIGSTOP)
    run_sql(location, "UPDATE leases SET expires_at = 0")
    async with await Journal.open(location) as journal:
        driver = await journal.acquire(rollout.id)
        assert [chunk.state for chunk in driver.open_chunks] == [ChunkState.SENDING]
        program.process.send_signal(signal.SIGCONT)

        assert program.order("send") == "LeaseLost"
        assert program.order("sent") == "LeaseLost"
        assert [one.state for one in await journal.chunks(rollout.id)] == [ChunkState.SENT]
        assert [one.kind for one in await driver.requests()] == [RequestKind.AWAIT]


@pytest.mark.parametrize("lines", [1, 2, 9, 40, 150])
async def test_a_kill_loses_nothing_that_was_on_disk(
    location: str, rollout: RolloutRecord, program: Program, lines: int
) -> None:
    program.begin("loop")
    printed = [program.read_line() for _ in range(lines)] + program.kill()
    words = [line.split() for line in printed if line]
    sending = {int(number) for word, number in words if word == "sending"}
    settled = {int(number) for word, number in words if word == "settled"}

    async with await Journal.open(location) as journal:
        chunks = await journal.chunks(rollout.id, open_only=False)
        states = {chunk.chunk: chunk.state for chunk in chunks}
        results = await all_results(journal, rollout.id)
    assert len(sending) + len(settled) >= lines
    assert sending <= {chunk for chunk, state in states.items() if state is not ChunkState.PLANNED}
    on_disk = {chunk for chunk, state in states.items() if state is ChunkState.SETTLED}
    assert settled <= on_disk
    assert [one.outcome.state for one in results] == [State.SUCCEEDED] * 3 * len(on_disk)


async def test_twenty_processes_share_a_new_journal(location: str) -> None:
    process = start(location, "--many", "20")
    process.communicate()
    assert process.returncode == 0

    async with await Journal.open(location) as journal:
        rollouts = await journal.rollouts(state=RolloutState.FINISHED)
        assert {one.name for one in rollouts} == {f"rollout-{number}" for number in range(20)}
        for one in rollouts:
            assert len(await all_results(journal, one.id)) == 15
