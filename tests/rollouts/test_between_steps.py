"""Phones that have passed a step, and wait for the next one when the rollout stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koophone_async.batches import State
from koophone_async.emulator import Durations, Emulator, Fail, Stick
from koophone_async.rollouts import Plan, Rollout, Selection, Step
from koophone_async.rollouts.journal import RolloutState
from koophone_async.rollouts.reports.last_outcomes import last_outcomes

if TYPE_CHECKING:
    from koophone_async import Session
    from koophone_async.rollouts.journal import Journal

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=10, jobs=Durations(fixed=2))]

RUN = "koophone.commands.run"
STEPS = [Step("run", "id"), Step("run", "getprop")]


async def test_a_deadline_leaves_them_unsent(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Stick(), RUN, phone=ids[0])
    plan = Plan(targets=Selection(ids=ids), steps=STEPS, deadline=4)

    report = await Rollout(plan, journal, session)

    assert report.counts == {State.UNFINISHED: 1, State.NOT_SENT: 9}
    assert (await journal.find("last")).counts == {"unfinished": 1, "not_sent": 9}


async def test_a_resume_sends_them(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Fail(), RUN, phone=ids[0], first=1)
    plan = Plan(targets=Selection(ids=ids), steps=STEPS, stop="1")
    await Rollout(plan, journal, session)

    await Rollout.resume("last", journal, session, despite_stop=True)

    assert (await journal.find("last")).counts == {"failed": 1, "succeeded": 9}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2) | {ids[0]: 1}


async def test_a_retry_of_others_leaves_them_unsent(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Fail(), RUN, phone=ids[0], first=1)
    plan = Plan(targets=Selection(ids=ids), steps=STEPS, stop="1")
    rollout = Rollout(plan, journal, session)
    await rollout
    assert rollout.state is RolloutState.STOPPED

    await Rollout.retry("last", journal, session)

    record = await journal.find("last")
    assert record.counts == {"succeeded": 1, "not_sent": 9}
    outcomes = [outcome async for _, outcome in last_outcomes(journal, record)]
    assert [outcome.state for outcome in outcomes] == [State.SUCCEEDED, *[State.NOT_SENT] * 9]


async def test_a_retry_takes_them_from_the_step_that_they_wait_for(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Fail(), RUN, phone=ids[0], first=1)
    plan = Plan(targets=Selection(ids=ids), steps=STEPS, stop="1")
    await Rollout(plan, journal, session)

    report = await Rollout.retry("last", journal, session, only={State.NOT_SENT}, despite_stop=True)

    assert report.counts == {State.SUCCEEDED: 9}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2) | {ids[0]: 1}
