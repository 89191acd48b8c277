"""A process that is stopped for longer than its lease, and another that takes its rollout over."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from koophone_async.rollouts import Rollout
from koophone_async.rollouts.journal import Journal
from koophone_async.rollouts.journal.lease import LENGTH
from koophone_async.rollouts.journal.machine import boot_clock
from koophone_async.rollouts.reports.last_outcomes import last_outcomes
from tests.rollouts.crashes import OPERATIONS, PHONES, Case, CrashingDriver, open_emulator

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process


def a_lease_later() -> float:
    return boot_clock() + LENGTH


@pytest.mark.parametrize("service", OPERATIONS)
@pytest.mark.parametrize(
    "point, states",
    [
        ("before it is marked", {"succeeded"}),
        ("right before a send", {"succeeded", "unfinished"}),
        ("right after a send", {"succeeded", "unfinished"}),
        ("an answer that is noted", {"succeeded", "unfinished"}),
        ("a completion", {"succeeded"}),
    ],
)
async def test_a_process_that_wakes_up_sends_only_what_it_had_marked(
    service: str, point: str, states: set[str], tmp_path: Path
) -> None:
    path, case = tmp_path / "rollouts.db", Case(service, 2)
    async with open_emulator() as emulator, CrashingDriver.start(emulator) as driver:
        ids = [case.id_of(phone) for phone in emulator.phones]
        answer = await driver.order(journal=str(path), plan=case.plan(ids), kind=point, count=3, stops=True)
        async with (
            emulator.session() as session,
            await Journal.open(path, lease_clock=a_lease_later) as journal,
        ):
            await Rollout.resume("last", journal, session)
            os.kill(int(answer.removeprefix("stopped ")), signal.SIGCONT)
            assert await driver.read_line() == "failed"  # it has lost its lease
            record = await journal.find("last")
            assert {outcome.state.value async for _, outcome in last_outcomes(journal, record)} == states

            await Rollout.resume("last", journal, session)

            assert (await journal.find("last")).counts == {"succeeded": PHONES}
        assert emulator.ledger.executions(case.operation) == dict.fromkeys(ids, case.steps)
