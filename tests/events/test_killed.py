"""A receiver process that is killed repeatedly loses no event that it answered with 200."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from attrs import define

from koophone_async.events import HEARTBEAT, serialize
from tests.events.samples import beat

PROGRAM: Final = Path(__file__).parent / "receiver_program.py"
JSON: Final = {"Content-Type": "application/json"}


@define
class Program:
    """The receiver as a separate process."""

    process: subprocess.Popen[str]
    address: str

    @classmethod
    def start(cls, journal: Path, done: Path) -> Program:
        process = subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, str(PROGRAM), str(journal), str(done)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        return cls(process, process.stdout.readline().strip())

    def wait_killed(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()
        assert self.process.wait() == -signal.SIGKILL


async def burst(program: Program, sessions: list[str], killed_after: int) -> set[str]:
    """Send heartbeats of all sessions concurrently, kill the program meanwhile, return those answered."""
    answered = set[str]()

    async def one(client: aiohttp.ClientSession, session: str) -> None:
        with suppress(aiohttp.ClientError):
            async with client.post(
                program.address + HEARTBEAT.path, data=serialize(beat(session)), headers=JSON
            ) as answer:
                assert answer.status == 200
                answered.add(session)
        if len(answered) == killed_after:
            program.process.kill()

    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=20)) as client,
        asyncio.TaskGroup() as group,
    ):
        for session in sessions:
            group.create_task(one(client, session))
    return answered


def wait_until_handled(done: Path, answered: set[str], program: Program) -> set[str]:
    while not answered <= (handled := set(done.read_text().split() if done.exists() else ())):
        assert program.process.poll() is None
    return handled


@pytest.mark.process
def test_answered_events_survive_a_kill(tmp_path: Path) -> None:
    journal, done = tmp_path / "events.db", tmp_path / "done"
    sent, answered = set[str](), set[str]()
    for turn in range(3):
        sessions = [f"{turn}-{number}" for number in range(200)]
        program = Program.start(journal, done)
        answered |= asyncio.run(burst(program, sessions, killed_after=20 + 50 * turn))
        sent |= set(sessions)
        program.wait_killed()

    program = Program.start(journal, done)
    handled = wait_until_handled(done, answered, program)
    program.process.kill()
    program.wait_killed()

    assert 20 + 70 + 120 <= len(answered) < len(sent)
    assert handled <= sent
