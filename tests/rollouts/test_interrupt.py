"""Rollouts that are left before they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koophone_async.batches import State
from koophone_async.rollouts import Plan, Rollout, Selection, Step
from koophone_async.rollouts.journal import RolloutState

if TYPE_CHECKING:
    from koophone_async import Session
    from koophone_async.rollouts.journal import Journal

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=10)]


async def test_one_that_was_only_started_can_be_resumed_at_once(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    async with Rollout(Plan(targets=Selection(ids=ids), steps=[Step("run", "id")]), journal, session) as left:
        await left.start()
    record = await journal.find("last")
    assert (record.state, record.driver) == (RolloutState.INTERRUPTED, None)

    report = await Rollout.resume("last", journal, session)

    assert report.counts == {State.SUCCEEDED: 10}
