"""A rollout in one process, and the commands of others; signals leave it to a resume."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from koophone_async.rollouts import Journal
from tests.cli.rollouts.conftest import rollout

if TYPE_CHECKING:
    from collections.abc import Callable

    from koophone_async.rollouts import RolloutRecord
    from tests.cli.conftest import Process, Start

pytestmark = pytest.mark.process


def started(start: Start, *words: str) -> tuple[Process, str]:
    """Start a command that drives a rollout, and return it with the id of the rollout, once it has one."""
    process = start(*rollout(*words))
    assert process.stderr
    line = process.stderr.readline()
    assert line.startswith("koophone: rollout "), line
    return process, line.split()[-1]


def status() -> tuple[str, dict[str, int]]:
    """Return state and counts of the newest rollout, without a process."""

    async def read() -> RolloutRecord:
        async with await Journal.open() as journal:
            return await journal.find("last")

    record = asyncio.run(read())
    return record.state.value, dict(record.counts)


def wait_for_pause() -> None:
    """Wait until the first wave has ended."""
    while status()[0] != "waiting":
        pass


def test_a_paused_rollout_goes_on_in_the_process_that_drives_it(
    start: Start, plan: Callable[..., str]
) -> None:
    driving, id = started(start, "start", plan(waves=["1"], between={"pause": "2s"}))

    paused = start(*rollout("pause", "shop")).end()
    resumed = start(*rollout("resume", "shop")).end()
    watched = start(*rollout("watch", "shop")).end()

    assert (paused.code, resumed.code) == (0, 0)
    assert driving.end().code == 0
    assert watched.code == 0
    assert f"rollout {id} finished" in watched.err


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_the_rollout_to_a_resume(
    start: Start, plan: Callable[..., str], number: signal.Signals, code: int
) -> None:
    driving, id = started(start, "start", plan(waves=["1"], between={"pause": "1h"}))
    wait_for_pause()

    driving.send_signal(number)
    left = driving.end()
    interrupted = status()
    resumed = start(*rollout("cancel", "shop")).end()

    assert left.code == code
    assert "again with these" not in left.err
    assert left.err.splitlines()[-1] == f"koophone: to go on: koophone rollout resume {id}"
    assert interrupted == ("interrupted", {"pending": 9, "succeeded": 1})
    assert resumed.code == 0
    assert status()[0] == "cancelled"


def test_a_cancel_ends_the_rollout_of_another_process(start: Start, plan: Callable[..., str]) -> None:
    driving, _ = started(start, "start", plan(waves=["1"], between={"pause": "1h"}))
    wait_for_pause()

    cancelled = start(*rollout("cancel", "shop")).end()

    assert cancelled.code == 0
    assert driving.end().code == 1
    assert status() == ("cancelled", {"not_sent": 9, "succeeded": 1})


def test_a_killed_rollout_is_taken_over_at_once(start: Start, plan: Callable[..., str]) -> None:
    driving, _ = started(start, "start", plan(waves=["1"], between={"pause": "1s"}))
    driving.kill()
    driving.wait()

    resumed = start(*rollout("resume", "shop")).end()

    assert resumed.code in (0, 4)  # a canary whose call was cut is unknown, and stops the rollout
    assert sum(status()[1].values()) == 10


def test_phones_are_undone_only_if_somebody_confirms(start: Start, plan: Callable[..., str]) -> None:
    started(start, "start", plan())[0].end()

    result = start(*rollout("undo"), environ={"KOOPHONE_YES": ""}).end()

    assert result.code == 2
    assert "--yes" in result.err
