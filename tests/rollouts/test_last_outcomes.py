"""What the journal shows of each phone, during a rollout and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koophone_async.batches import State
from koophone_async.emulator import Durations, Emulator, Fail
from koophone_async.rollouts.journal import last_results
from koophone_async.rollouts.plans.plan import Plan, Selection, Step
from koophone_async.rollouts.reports import last_outcomes as outcomes
from koophone_async.rollouts.reports.last_outcomes import all_outcomes, last_outcomes
from koophone_async.rollouts.rollout import Rollout

if TYPE_CHECKING:
    from koophone_async import Session
    from koophone_async.rollouts.journal import Journal

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=6, jobs=Durations(fixed=2))]

RUN = "koophone.commands.run"
TWO_STEPS = [Step("run", "id"), Step("run", "getprop")]


async def shown(journal: Journal) -> dict[str, tuple[State, int, int, int]]:
    """Return state, step, wave and attempt of each phone."""
    record = await journal.find("last")
    return {
        target.id: (outcome.state, outcome.step, outcome.wave, outcome.attempt)
        async for target, outcome in last_outcomes(journal, record)
    }


async def test_each_phone_has_its_last_step(session: Session, journal: Journal, ids: list[str]) -> None:
    await Rollout(Plan(targets=Selection(ids=ids), steps=TWO_STEPS, waves=["50%"]), journal, session)

    assert await shown(journal) == {
        id: (State.SUCCEEDED, 2, wave, 1) for id, wave in zip(ids, [1, 1, 1, 2, 2, 2], strict=True)
    }


async def test_a_stopped_rollout_shows_what_was_not_sent(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Fail(), RUN, phone=ids[0], first=1)
    await Rollout(Plan(targets=Selection(ids=ids), steps=TWO_STEPS, waves=["1"], stop="1"), journal, session)

    assert await shown(journal) == {
        ids[0]: (State.FAILED, 1, 1, 1),
        **dict.fromkeys(ids[1:], (State.NOT_SENT, 1, 2, 1)),
    }


async def test_a_retry_replaces_the_outcome(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Fail(), RUN, phone=ids[0], first=1)
    await Rollout(Plan(targets=Selection(ids=ids), steps=TWO_STEPS), journal, session)
    await Rollout.retry("last", journal, session)

    record = await journal.find("last")
    rows = [
        (outcome.attempt, outcome.step, outcome.state)
        async for target, outcome in all_outcomes(journal, record)
        if target.id == ids[0]
    ]

    assert (await shown(journal))[ids[0]] == (State.SUCCEEDED, 2, 1, 2)
    assert rows == [(1, 1, State.FAILED), (2, 1, State.SUCCEEDED), (2, 2, State.SUCCEEDED)]


@pytest.fixture(params=range(1, 7))
def few_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the outcomes of so few phones at once that some rows of results are read for several ranges."""
    monkeypatch.setattr(outcomes, "_RANGE", request.param)
    monkeypatch.setattr(last_results, "_READ_AT_ONCE", 2)


@pytest.mark.usefixtures("few_at_once")
async def test_phones_are_shown_range_by_range(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Fail(), RUN, phone=ids[2], first=1)
    await Rollout(Plan(targets=Selection(ids=ids), steps=TWO_STEPS, waves=["2", "5"]), journal, session)
    await Rollout.retry("last", journal, session)

    found = await shown(journal)

    assert list(found) == ids
    assert found == {
        id: (State.SUCCEEDED, 2, wave, 1 + (id == ids[2]))
        for id, wave in zip(ids, [1, 1, 2, 2, 2, 3], strict=True)
    }


async def test_a_rollout_left_at_its_jobs_shows_them_unfinished(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(Plan(targets=Selection(ids=ids), steps=TWO_STEPS, deadline=1), journal, session)

    assert {row[:2] for row in (await shown(journal)).values()} == {(State.UNFINISHED, 1)}


async def test_phones_that_may_still_be_sent_have_no_outcome(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = Rollout(Plan(targets=Selection(ids=ids), steps=TWO_STEPS, waves=["50%"]), journal, session)
    async with rollout:
        async for _ in rollout:
            break

    assert set(await shown(journal)) == set(ids[:3])
