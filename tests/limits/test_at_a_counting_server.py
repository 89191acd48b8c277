"""Quotas at a server in a process of its own, which counts what arrives in each second."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from bisect import bisect_left
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

from koophone_async import AccessKey, Endpoints, Quota, Session
from koophone_async.operation import Operation

SERVER: Final = Path(__file__).parent / "counting_server.py"


@frozen
class Note:
    text: str = "n1"


@frozen
class Done:
    text: str | None = None


WRITE: Final = Operation(
    "koophone.notes.write", "POST", "/v1/notes", Note, Done, source="made up", repeatable=False
)
READ: Final = Operation(
    "koophone.notes.read", "GET", "/v1/notes", Note, Done, source="made up", repeatable=True
)


async def call(url: str, operation: Operation[Note, Done], quota: Quota, calls: int) -> None:
    """Make many calls at once, whose quota lets only some of them go in each second."""
    async with Session(
        AccessKey("access", "secret"),
        endpoints=Endpoints(koophone=url),
        quotas={operation.name: (quota,)},
        environ={},
    ) as session:
        await asyncio.gather(*(session.send(operation, Note()) for _ in range(calls)))


def arrivals(operation: Operation[Note, Done], quota: Quota, calls: int) -> list[float]:
    """Return when each call arrived at the server."""
    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        asyncio.run(call(url, operation, quota, calls))
        return sorted(json.loads(server.communicate()[0]))


@pytest.mark.process
@pytest.mark.parametrize("operation", [WRITE, READ], ids=["with a body", "without a body"])
@pytest.mark.parametrize("permits", [50, 400])
def test_no_second_has_more_arrivals_than_the_quota(operation: Operation[Note, Done], permits: int) -> None:
    times = arrivals(operation, Quota(permits, 1), 3 * permits)

    fullest = max(bisect_left(times, time + 1) - number for number, time in enumerate(times))
    assert len(times) == 3 * permits
    assert fullest <= permits
