"""On uvloop, client and emulator do what they do on asyncio's own loop."""

from __future__ import annotations

import asyncio
import re
import sys
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import uvloop

from koophone_async import KooPhone, Quota, Retries, State, Timeouts
from koophone_async.cli import runner
from koophone_async.emulator import (
    Delay,
    Duplicate,
    Durations,
    Emulator,
    Fault,
    Garble,
    Omit,
    Refuse,
    Reset,
    Stall,
    Throttle,
    Truncate,
)
from koophone_async.errors import KooPhoneError
from koophone_async.services.koophone import commands, instances
from koophone_async.timers import Timer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from koophone_async.emulator.server.faults import Action

NewLoop: TypeAlias = "Callable[[], asyncio.AbstractEventLoop]"

on_both_loops = pytest.mark.parametrize(
    "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
STATUS = instances.STATUS.name


def run(loop: NewLoop, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - what the work returns
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(work)


async def state_after(action: Action) -> object:
    """Return the state that a faulty emulator answers, or the error."""
    async with (
        Emulator(phones=2, faults=[Fault(action)]) as emulator,
        emulator.session(retries=Retries(attempts=1), timeouts=Timeouts(read=0.2)) as session,
    ):
        try:
            return await KooPhone(session).instances.status(["phone0001", "phone0002"])
        except KooPhoneError as error:
            return type(error), re.sub(r"[0-9a-f]{32}|:\d{4,5}", "", str(error))  # request id and port
        finally:
            assert emulator.ledger.requests == 1


@pytest.mark.parametrize(
    "action",
    [
        Delay(0), Duplicate(), Garble(), Garble("head"), Omit(), Refuse(), Reset(), Reset(executed=True),
        Stall(), Stall(executed=True), Throttle(), Truncate(),
    ],
    ids=str,
)  # fmt: skip
def test_a_fault_has_the_same_result_as_on_asyncio(action: Action) -> None:
    assert run(uvloop.new_event_loop, state_after(action)) == run(asyncio.new_event_loop, state_after(action))


async def fleet_run() -> tuple[int, set[int]]:
    async with Emulator(phones=300, jobs=Durations(fixed=0.02)) as emulator, emulator.session() as session:
        report = await KooPhone(session).fleet([phone.id for phone in emulator.phones]).run("id")
        return report.counts[State.SUCCEEDED], set(emulator.ledger.executions(commands.RUN.name).values())


@on_both_loops
def test_a_fleet_runs_each_command_once(loop: NewLoop) -> None:
    assert run(loop, fleet_run()) == (300, {1})


async def calls_within_a_quota() -> int:
    quotas = {STATUS: [Quota(2, 0.05)]}
    async with Emulator(phones=1, quotas=quotas) as emulator, emulator.session(quotas=quotas) as session:
        await asyncio.gather(*(KooPhone(session).instances.status(["phone0001"]) for _ in range(5)))
        return sum(request.status == 200 for request in emulator.ledger.recent_requests)


@on_both_loops
def test_calls_wait_for_their_quota(loop: NewLoop) -> None:
    assert run(loop, calls_within_a_quota()) == 5


async def firings() -> list[str]:
    timer, fired, done = Timer(), list[str](), asyncio.Event()
    now = asyncio.get_running_loop().time()
    timer.set(now, lambda: fired.append("cancelled"))
    timer.cancel()
    timer.set(now + 60, lambda: fired.append("too late"))
    assert timer.due == now + 60
    timer.set(now, done.set)
    assert timer.due == now
    await done.wait()
    assert timer.due == inf
    return fired


@on_both_loops
def test_a_timer_can_be_moved_and_cancelled(loop: NewLoop) -> None:
    assert run(loop, firings()) == []


def test_a_command_runs_on_uvloop_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    with asyncio.Runner(loop_factory=runner.new_event_loop) as installed:
        assert isinstance(installed.get_loop(), uvloop.Loop)

    monkeypatch.setitem(sys.modules, "uvloop", None)
    with asyncio.Runner(loop_factory=runner.new_event_loop) as missing:
        assert isinstance(missing.get_loop(), asyncio.BaseEventLoop)
