"""Requests to a rollout from another terminal or machine: pause, go on, approve, cancel."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import evolve

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts import events
from koophone_async.rollouts.journal import LeaseHeld, RequestKind, RolloutState, WaitingFor
from koophone_async.rollouts.reports.last_outcomes import last_outcomes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from koophone_async.rollouts.journal import Journal, RolloutRecord


async def pause(journal: Journal, name: str) -> RolloutRecord:
    """Send nothing more until somebody resumes the rollout; jobs that run are awaited meanwhile.

    Raises:
        InvalidRequest: No process drives it.
    """
    record = await _driven(journal, name)
    await journal.request(record.id, RequestKind.PAUSE)
    return record


async def go_on(journal: Journal, name: str) -> RolloutRecord:
    """Resume a rollout that is paused, in the process that drives it.

    Raises:
        InvalidRequest: No process drives it.
    """
    record = await _driven(journal, name)
    await journal.request(record.id, RequestKind.RESUME)
    return record


async def approve(journal: Journal, name: str, wave: int | None = None) -> RolloutRecord:
    """Open the gate at which a rollout stands.

    Args:
        journal: Its journal.
        name: Its id, name, or `last`.
        wave: The wave after which the gate is; None for the present one.

    Raises:
        InvalidRequest: The rollout does not stand at that gate.
    """
    record = await journal.find(name)
    if record.waiting_for is not WaitingFor.APPROVAL:
        problem = f"{record.id} waits for no approval: it is {describe_state(record)}"
        raise InvalidRequest("", "rollout", problem, Rule.CONFLICT)
    if wave is not None and wave != record.wave:
        problem = f"is {wave}, and the rollout stands at the gate after wave {record.wave}"
        raise InvalidRequest("", "wave", problem, Rule.CONFLICT)
    await journal.request(record.id, RequestKind.APPROVE, wave=record.wave)
    await journal.log(record.id, events.APPROVE, {events.ATTEMPT: record.attempt, events.WAVE: record.wave})
    return record


async def cancel(journal: Journal, name: str, now: datetime) -> RolloutRecord:
    """End a rollout: nothing more is sent, and what is on the wire is awaited by the process that drives it.

    Raises:
        InvalidRequest: It has ended.
    """
    record = await journal.find(name)
    if record.has_ended:
        raise InvalidRequest("", "rollout", f"{record.id} is {record.state} already", Rule.CONFLICT)
    await journal.log(record.id, events.CANCEL)
    if not await journal.request(record.id, RequestKind.CANCEL):
        with suppress(LeaseHeld):  # a worker has a part of it, and whoever drives it next ends it
            await _end(journal, record.id, now)
    return record


async def _end(journal: Journal, id: str, now: datetime) -> None:
    """End a rollout that no process drives, and of which none runs a shard.

    Raises:
        LeaseHeld: One does.
    """
    driver = await journal.acquire(id)
    try:
        await journal.shards.close_all(driver)
    except LeaseHeld:
        await driver.release()
        raise
    await driver.requests()
    await driver.release(
        state=RolloutState.CANCELLED,
        waiting_for=None,
        reason="cancelled",
        counts=await _counts_if_ended(journal, driver.rollout),
        ended_at=now,
    )


async def _counts_if_ended(journal: Journal, record: RolloutRecord) -> Mapping[str, int]:
    """Return the number of phones by state, if nothing is sent or awaited any more."""
    ended = evolve(record, state=RolloutState.CANCELLED, driver=None)
    return Counter([outcome.state.value async for _, outcome in last_outcomes(journal, ended)])


async def _driven(journal: Journal, name: str) -> RolloutRecord:
    record = await journal.find(name)
    if record.driver is None and (record.handover is None or record.has_ended):
        problem = f"{record.id} is {describe_state(record)}, and no process drives it"
        raise InvalidRequest("", "rollout", problem, Rule.CONFLICT)
    return record


def describe_state(record: RolloutRecord) -> str:
    """Return the state of a rollout, and what it waits for."""
    return f"{record.state} for {record.waiting_for}" if record.waiting_for else record.state
