"""When calls may be sent: not while something holds them, and never after a stop."""

from __future__ import annotations

import asyncio

import pytest

from koophone_async.batches.call_log import SendingHeld, SendingStopped
from koophone_async.rollouts.execution.admission import Admission

pytestmark = pytest.mark.virtual_time


async def admitted(admission: Admission) -> float:
    """Wait until a call may be sent, and return when that is."""
    async with admission.admit():
        return asyncio.get_running_loop().time()


async def test_calls_wait_until_the_last_hold_ends() -> None:
    admission, now = Admission(1), asyncio.get_running_loop().time
    begin = now()
    admission.hold("pause")
    admission.hold("window")
    waiting = asyncio.ensure_future(admitted(admission))

    await asyncio.sleep(5)
    admission.release("window")
    with pytest.raises(SendingHeld):
        admission.check()
    await asyncio.sleep(5)
    admission.release("pause")

    assert await waiting - begin == 10
    admission.check()


async def test_a_call_that_is_held_again_before_its_turn_waits_on() -> None:
    admission, now = Admission(1), asyncio.get_running_loop().time
    begin = now()
    admission.hold("pause")
    waiting = asyncio.ensure_future(admitted(admission))
    await asyncio.sleep(5)

    admission.release("pause")
    admission.hold("window")
    await asyncio.sleep(5)
    admission.release("window")

    assert await waiting - begin == 10


async def test_a_stop_refuses_calls_that_wait_with_its_first_reason() -> None:
    admission = Admission(1)
    admission.hold("pause")
    waiting = asyncio.ensure_future(admitted(admission))
    await asyncio.sleep(5)

    admission.stop("deadline")
    admission.stop("cancelled")

    with pytest.raises(SendingStopped, match="deadline"):
        await waiting


async def test_the_last_answer_ends_the_wait_for_answers() -> None:
    admission, now = Admission(2), asyncio.get_running_loop().time
    begin = now()
    for call in ("first", "second"):
        admission.begin_call(call)
        asyncio.get_running_loop().call_later(5 if call == "first" else 8, admission.end_call, call)

    await admission.wait_until_answered()

    assert now() - begin == 8
