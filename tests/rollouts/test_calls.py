"""What becomes of calls that are refused, throttled or split, and of journals that cannot be written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from koophone_async.batches import State
from koophone_async.emulator import Durations, Emulator, Reset, Throttle
from koophone_async.rollouts import Journal, NewOptions, Plan, Rollout, RolloutState, Selection, Step
from koophone_async.rollouts.journal import ChunkState

if TYPE_CHECKING:
    from koophone_async import Session

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=20, jobs=Durations(fixed=2))]

RUN = "koophone.commands.run"


def plan(ids: list[str]) -> Plan:
    return Plan(targets=Selection(ids=ids), steps=[Step("run", "id")])


async def check_settled(journal: Journal) -> None:
    """Check that no chunk is left that a later driver would take up."""
    record = await journal.find("last")
    assert await journal.chunks(record.id) == []


async def test_an_unknown_id_does_not_sink_its_neighbours(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    report = await Rollout(plan([*ids, "nobody"]), journal, session)

    assert report.counts == {State.SUCCEEDED: 20, State.REFUSED: 1}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 1)
    await check_settled(journal)


async def test_each_part_of_a_refused_chunk_is_a_chunk(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(plan([*ids, "nobody"]), journal, session)

    record = await journal.find("last")
    chunks = await journal.chunks(record.id, open_only=False)
    parents = {chunk.parent for chunk in chunks}
    leaves = [chunk for chunk in chunks if chunk.chunk not in parents]
    assert sorted(position for chunk in leaves for position in chunk.positions) == list(range(21))


async def test_a_throttled_call_is_sent_again_as_another_chunk(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Throttle(), RUN, first=1)

    report = await Rollout(plan(ids), journal, session)

    record = await journal.find("last")
    first, second = await journal.chunks(record.id, open_only=False)
    assert report.counts == {State.SUCCEEDED: 20}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 1)
    assert (second.parent, first.state) == (first.chunk, ChunkState.SETTLED)


async def test_a_call_without_an_answer_is_unknown_and_not_repeated(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Reset(executed=True), RUN, first=1)
    report = await Rollout(plan(ids), journal, session)

    again = await Rollout.resume("last", journal, session)

    assert report.counts == {State.UNKNOWN: 20}
    assert again.total == 0
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 1)


@pytest.mark.emulator(phones=20, regions=["cn-north-4", "cn-east-3"], servers=2)
async def test_ids_of_several_regions_are_grouped_anew(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    report = await Rollout(plan(ids), journal, session)

    assert report.counts == {State.SUCCEEDED: 20}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 1)
    await check_settled(journal)


async def test_an_id_that_no_call_can_have_is_not_sent(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    listed = NewOptions(items=[*ids, "bad\n"])

    report = await Rollout(plan(ids), journal, session, options=listed)

    assert report.counts == {State.SUCCEEDED: 20, State.NOT_SENT: 1}
    assert (await journal.find("last")).counts == {"succeeded": 20, "not_sent": 1}


async def test_a_rollout_that_is_taken_over_sends_nothing_more(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    two_steps = Plan(targets=Selection(ids=ids), steps=[Step("run", "id"), Step("run", "id")])
    rollout = Rollout(two_steps, journal, session)
    id = await rollout.start()
    running = asyncio.ensure_future(rollout)
    await asyncio.sleep(1)  # virtual seconds: the first step runs for two

    assert id is not None
    driver = await journal.acquire(id, steal=True)

    with pytest.raises(Exception, match="taken over"):
        await running
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 1)
    await driver.release(state=RolloutState.INTERRUPTED)
    report = await Rollout.resume(id, journal, session)
    assert report.counts == {State.SUCCEEDED: 20}
    assert emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2)
