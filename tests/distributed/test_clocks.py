"""Workers whose clocks are hours wrong: leases go by the clock of the database."""

from __future__ import annotations

import signal

import pytest

from koophone_async.batches import State
from tests.distributed.site import PHONES, ROLLOUTS, Site

pytestmark = [pytest.mark.system, pytest.mark.process, pytest.mark.timeout(600)]


@pytest.mark.parametrize("hours", [(1, 0, -1), (-1, 1, 0)])
async def test_workers_with_wrong_clocks_run_every_step_once(hours: tuple[int, ...]) -> None:
    async with Site.open(ROLLOUTS) as site:
        for number in hours:
            await site.add_worker(hours_ahead=number)
        await site.start_rollouts()
        site.workers[0].signal(signal.SIGKILL)
        await site.end_rollouts()
        await site.stop_workers()

        states = await site.check()

    assert states.total() == ROLLOUTS * PHONES
    assert states[State.SUCCEEDED] > states[State.UNKNOWN]
