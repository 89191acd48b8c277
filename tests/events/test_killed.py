"""A process that is really killed, again and again, loses nothing that it answered with 200."""

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

from koophone_async.events import HEARTBEAT, write
from tests.events.service import beat

PROGRAM: Final = Path(__file__).parent / "killed_program.py"
JSON: Final = {"Content-Type": "application/json"}


@define
class Program:
    """The program in a process of its own."""

    process: subprocess.Popen[str]
    address: str

    @classmethod
    def start(cls, journal: Path, done: Path) -> Program:
        process = subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, str(PROGRAM), str(journal), str(done)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        return cls(process, process.stdout.readline().strip())

    def killed(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()
        assert self.process.wait() == -signal.SIGKILL


async def burst(program: Program, sessions: list[str], killed_after: int) -> set[str]:
    """Tell of all sessions at once, kill the program in the middle, and give those answered with 200."""
    taken = set[str]()

    async def one(client: aiohttp.ClientSession, session: str) -> None:
        with suppress(aiohttp.ClientError):
            async with client.post(
                program.address + HEARTBEAT.path, data=write(beat(session)), headers=JSON
            ) as answer:
                assert answer.status == 200
                taken.add(session)
        if len(taken) == killed_after:
            program.process.kill()

    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=20)) as client,
        asyncio.TaskGroup() as group,
    ):
        for session in sessions:
            group.create_task(one(client, session))
    return taken


def until_heard(done: Path, taken: set[str], program: Program) -> set[str]:
    while not taken <= (heard := set(done.read_text().split() if done.exists() else ())):
        assert program.process.poll() is None
    return heard


@pytest.mark.process
def test_what_was_answered_is_heard_although_the_process_is_killed(tmp_path: Path) -> None:
    journal, done = tmp_path / "events.db", tmp_path / "done"
    sent, taken = set[str](), set[str]()
    for turn in range(3):
        sessions = [f"{turn}-{number}" for number in range(200)]
        program = Program.start(journal, done)
        taken |= asyncio.run(burst(program, sessions, killed_after=20 + 50 * turn))
        sent |= set(sessions)
        program.killed()

    program = Program.start(journal, done)
    heard = until_heard(done, taken, program)
    program.process.kill()
    program.killed()

    assert 20 + 70 + 120 <= len(taken) < len(sent)
    assert heard <= sent
