"""What a call writes down when the rollout is left while it waits for the journal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from koophone_async.batches import Outcome, State
from koophone_async.batches.call_log import SendingStopped
from koophone_async.rollouts import Journal, Step
from koophone_async.rollouts.execution.admission import Admission
from koophone_async.rollouts.execution.attempt import Attempt
from koophone_async.rollouts.execution.call_log import StepLog
from koophone_async.rollouts.execution.phones import PhoneTable
from koophone_async.rollouts.execution.stop_tally import StopTally
from koophone_async.rollouts.journal import NewRollout, Target
from koophone_async.rollouts.plans.stop_rule import StopRule
from koophone_async.session import utc_now

if TYPE_CHECKING:
    from koophone_async.rollouts.journal import Driver

PHONE = Target(0, "phone", "cn-north-4")
STEPS = [Step("run", "id")]


def attempt_of(driver: Driver) -> Attempt:
    tally = StopTally(StopRule(never=True), (1,), STEPS, 1)
    return Attempt(1, STEPS, (1,), driver, Admission(1), PhoneTable(1), tally, utc_now)


async def test_a_call_that_loses_its_lease_while_left_is_left_to_a_resume(journal: Journal) -> None:
    rollout = await journal.create(NewRollout("shop", "koophone", waves=(1,)), [PHONE])
    attempt = attempt_of(await journal.acquire(rollout.id))
    call = StepLog(attempt, 0, 1, 0, {PHONE.id: PHONE}).plan([PHONE.id])
    await journal.acquire(rollout.id, steal=True)
    sending = asyncio.ensure_future(call.before_send())
    await asyncio.sleep(0)  # until it waits for the journal
    attempt.admission.stop("interrupted")

    with pytest.raises(SendingStopped) as stopped:
        await sending
    call.settle(Outcome(PHONE.id, State.NOT_SENT, error_message=stopped.value.reason))

    assert stopped.value.reason == "interrupted"
    assert attempt.phones.is_pending(0)
