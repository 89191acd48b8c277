"""The deadline of a rollout counts from its start, in whatever process goes on with it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pytest

from koophone_async.batches import State
from koophone_async.emulator import Durations
from koophone_async.errors import InvalidRequest
from koophone_async.rollouts import requests
from koophone_async.rollouts.execution.deadline import seconds_left
from koophone_async.rollouts.journal import Journal, LogEntry, RolloutState
from koophone_async.rollouts.journal.records import Actor
from koophone_async.rollouts.plans.plan import Between, Plan, Selection, Step
from koophone_async.rollouts.rollout import Rollout
from koophone_async.virtual_time import EPOCH

if TYPE_CHECKING:
    from koophone_async import Session

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=10, jobs=Durations(fixed=2))]


def plan(ids: list[str], **fields: Any) -> Plan:  # noqa: ANN401 - fields of the plan
    return Plan(targets=Selection(ids=ids), steps=[Step("run", "id")], **fields)


async def leave_after(rollout: Rollout, seconds: float) -> None:
    """Drive a rollout for some seconds, and leave it."""
    await rollout.start()
    driving = asyncio.ensure_future(rollout)
    await asyncio.sleep(seconds)
    await rollout.interrupt()
    await driving


async def test_it_goes_on_counting_while_no_process_drives_the_rollout(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    await leave_after(Rollout(plan(ids, deadline=60), journal, session), 1)
    await asyncio.sleep(60)

    await Rollout.resume("last", journal, session)

    record = await journal.find("last")
    assert (record.state, record.reason) == (RolloutState.STOPPED, "deadline")
    assert record.counts == {"unfinished": 10}


async def test_a_resume_has_the_rest_of_it(session: Session, journal: Journal, ids: list[str]) -> None:
    await leave_after(Rollout(plan(ids, deadline=60), journal, session), 1)
    await asyncio.sleep(50)

    assert (await Rollout.resume("last", journal, session)).counts == {State.SUCCEEDED: 10}


async def test_a_gate_at_which_the_rollout_was_left_does_not_count(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    gated = plan(ids, waves=["50%"], between=Between(approve=True), deadline=30)
    await Rollout(gated, journal, session, waits_at_gates=False)
    await asyncio.sleep(1_000)
    await requests.approve(journal, "last")

    resumed = Rollout.resume("last", journal, session, waits_at_gates=False)

    assert (await resumed).counts == {State.SUCCEEDED: 5}
    assert resumed.state is RolloutState.FINISHED


async def test_another_deadline_counts_from_its_resume_in_later_processes_too(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(plan(ids, deadline=1), journal, session)
    await leave_after(Rollout.resume("last", journal, session, deadline=60), 0.1)

    assert (await Rollout.resume("last", journal, session)).counts == {State.SUCCEEDED: 10}


async def test_a_rollout_past_its_deadline_needs_another(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(plan(ids, deadline=1), journal, session)

    with pytest.raises(InvalidRequest, match="--deadline goes on"):
        await Rollout.resume("last", journal, session, despite_stop=True)


Entry: TypeAlias = tuple[str, dict[str, object]]

BEGINS: Final[Entry] = ("wave begins", {"attempt": 1, "wave": 1})
UNDONE: Final[Entry] = ("wave begins", {"attempt": 2, "wave": 1})
COUNTED: Final[list[tuple[list[Entry], float]]] = [
    ([], 100),
    ([("start", {})], 100),
    ([UNDONE], 100),
    ([BEGINS], 90),
    ([("start", {}), BEGINS, ("wave ends", {"attempt": 1})], 80),
    ([BEGINS, ("wait", {"for": "window"}), ("go on", {"for": "window"})], 80),
    ([BEGINS, ("wait", {"for": "person"}), ("go on", {"for": "person"})], 70),
    ([BEGINS, ("wait", {"for": "approval"}), ("resume", {}), BEGINS], 80),
    ([BEGINS, ("finished", {}), ("resume", {}), BEGINS], 80),
    ([BEGINS, ("interrupted", {}), ("resume", {}), BEGINS], 60),
    ([BEGINS, ("stopped", {}), ("resume", {"deadline": 30.0}), BEGINS], 20),
]
"""Entries of the log, and the seconds that are left of 100."""


@pytest.mark.parametrize("entries, left", COUNTED)
def test_what_counts(entries: list[Entry], left: float) -> None:
    """Ten seconds pass after each entry."""
    log = [
        LogEntry(number, EPOCH + timedelta(seconds=10 * number), Actor("ada", "host"), what, details)
        for number, (what, details) in enumerate(entries)
    ]

    assert seconds_left(100, log, 1, EPOCH + timedelta(seconds=10 * len(log))) == left
