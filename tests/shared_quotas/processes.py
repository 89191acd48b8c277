"""Processes that share a quota, and a server that counts what they send."""

from __future__ import annotations

import json
import subprocess
import sys
from bisect import bisect_left
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from koophone_async import Quota

_SERVER: Final = Path(__file__).parents[1] / "limits" / "counting_server.py"
_PROGRAM: Final = Path(__file__).parent / "client_program.py"


def fullest(times: Sequence[float], seconds: float) -> int:
    """Return the number of calls in the window that has most of them."""
    return max(bisect_left(times, time + seconds) - number for number, time in enumerate(times))


@define
class Processes:
    """Client processes of one counting server."""

    _server: subprocess.Popen[str]
    _url: str
    clients: list[subprocess.Popen[str]] = field(factory=list[subprocess.Popen[str]])

    @classmethod
    @contextmanager
    def run(cls) -> Generator[Processes]:
        """Run a counting server; it and the clients end with the context."""
        with _start(str(_SERVER)) as server:
            processes = cls(server, f"http://127.0.0.1:{_line(server)}")
            try:
                yield processes
            finally:
                for process in (*processes.clients, server):
                    process.kill()
                for client in processes.clients:
                    client.communicate()

    def start(self, limits: str, quota: Quota, calls: int) -> subprocess.Popen[str]:
        """Start a client, and wait until it is ready to make its calls."""
        seed = len(self.clients)
        arguments = (self._url, limits, quota.permits, quota.seconds, calls, seed)
        client = _start(str(_PROGRAM), *map(str, arguments))
        self.clients.append(client)
        assert _line(client) == "ready"
        return client

    def arrivals(self) -> list[float]:
        """Return when each call arrived at the server, which ends."""
        return sorted(json.loads(self._server.communicate()[0]))


def begin(client: subprocess.Popen[str]) -> None:
    """Have a client make its calls."""
    assert client.stdin is not None
    client.stdin.write("\n")
    client.stdin.flush()


def wait_for_first_answer(client: subprocess.Popen[str]) -> None:
    assert _line(client) == "first"


def answers(client: subprocess.Popen[str]) -> int:
    """Return how many answers a client has received in the end."""
    return int(_line(client))


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own scripts
        [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()
