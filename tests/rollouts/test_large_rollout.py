"""A rollout that takes nights, in virtual time."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import pytest

from koophone_async.emulator import Durations, Emulator
from koophone_async.rollouts import Plan, Rollout, Selection, Step
from koophone_async.rollouts.journal import RolloutState

if TYPE_CHECKING:
    from koophone_async import Session
    from koophone_async.rollouts.journal import Journal

pytestmark = pytest.mark.virtual_time

RUN: Final = "cph.commands.run_sync"
PHONES: Final = 5_000
QUOTA: Final = 6
"""Calls a minute, as documented."""

MAX_IDS: Final = 15
"""Of a call, as documented."""


@pytest.mark.nightly
@pytest.mark.emulator(phones=PHONES, servers=50, jobs=Durations(fixed=2))
async def test_waves_keep_to_the_quota_and_to_the_window(
    emulator: Emulator, session: Session, journal: Journal
) -> None:
    ids = [phone.cph_id for phone in emulator.phones]
    plan = Plan(
        service="cph",
        targets=Selection(ids=ids),
        steps=[Step("run_sync", "getprop")],
        waves=["15", "5%", "50%"],
        window="01:00-02:00 UTC",
        stop="2%",
    )
    rollout = Rollout(plan, journal, session)

    await rollout

    assert rollout.state is RolloutState.FINISHED
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 1)
    requests = [request for request in emulator.ledger.recent_requests if request.operation == RUN]
    sent = [datetime.fromisoformat(request.at) for request in requests]
    assert len(sent) == sum(-(-size // MAX_IDS) for size in (15, 235, 2_250, 2_500))
    assert {at.hour for at in sent} == {1}
    assert all((later - at).total_seconds() >= 60 for at, later in zip(sent, sent[QUOTA:], strict=False))
