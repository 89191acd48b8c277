"""Whatever happens to a rollout, its journal and the phones agree, and no phone takes a step twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from koophone_async.batches import State
from koophone_async.emulator import Durations, Emulator, Fail, Reset, Throttle
from koophone_async.errors import InvalidRequest
from koophone_async.operation import Quota
from koophone_async.rollouts import Between, Plan, Rollout, Selection, Step, requests
from koophone_async.rollouts.journal import ChunkState, Journal, LeaseLost
from koophone_async.rollouts.journal.lease import LENGTH
from koophone_async.rollouts.reports.last_outcomes import last_outcomes
from koophone_async.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from koophone_async import Session
    from koophone_async.rollouts.journal import RolloutRecord

RUN: Final = "koophone.commands.run"
REBOOT: Final = "koophone.instances.reboot"
PHONES: Final = 12
FAULTS: Final = (Fail(), Throttle(100, "1 second"), Reset(), Reset(executed=True))
NAME: Final = "shop"
HOUR: Final = 3_600
"""Seconds in which anything ends that a process does."""


class RolloutMachine(RuleBasedStateMachine):
    """One rollout, the process that drives it, and others that interfere."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.stack = AsyncExitStack()
        self.driving: asyncio.Task[object] | None = None
        self.rollout: Rollout | None = None

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - what the coroutine returns
        return self.runner.run(asyncio.wait_for(work, HOUR))

    # What there is

    @initialize(
        steps=st.integers(1, 3),
        waves=st.sampled_from([["100%"], ["1"], ["2", "50%"]]),
        stop=st.sampled_from([None, "never", "2"]),
        approve=st.booleans(),
        is_limited=st.booleans(),
    )
    def start(
        self, *, steps: int, waves: Sequence[str], stop: str | None, approve: bool, is_limited: bool
    ) -> None:
        self.do(self._open(is_limited=is_limited))
        plan = Plan(
            name=NAME,
            targets=Selection(ids=self.ids),
            steps=[Step("run", f"echo {number}") for number in range(steps)],
            waves=waves,
            stop=stop,
            between=Between(approve=approve),
            undo=[Step("reboot")],
        )
        self.do(self._drive(partial(Rollout, plan)))

    async def _open(self, *, is_limited: bool) -> None:
        loop = VirtualTimeLoop.running()
        self.directory = self.stack.enter_context(TemporaryDirectory())
        quotas = {"koophone": [Quota(3, 20)] if is_limited else []}
        emulator = Emulator(PHONES, now=loop.now, jobs=Durations(median=2), quotas=quotas)
        self.emulator = await self.stack.enter_async_context(emulator)
        self.observer = await self.stack.enter_async_context(await self._journal())
        self.ids = [phone.id for phone in self.emulator.phones]

    async def _journal(self) -> Journal:
        loop = VirtualTimeLoop.running()
        return await Journal.open(Path(self.directory) / "rollouts.db", now=loop.now, lease_clock=loop.time)

    async def _drive(self, create: Callable[[Journal, Session], Rollout]) -> None:
        """Drive a rollout, unless one is driven, with a journal and a session as of another process."""
        if self.is_driven:
            return
        started = asyncio.Event()

        async def drive() -> None:
            async with await self._journal() as journal, self.emulator.session() as session:
                rollout = create(journal, session)
                with suppress(LeaseLost):
                    try:
                        await rollout.start()
                    except InvalidRequest:
                        return  # such as a retry of a rollout that has not ended
                    finally:
                        started.set()
                    self.rollout = rollout
                    await rollout

        self.driving = asyncio.create_task(drive())
        await started.wait()

    # What happens

    @rule(seconds=st.sampled_from([0.01, 0.5, 2, 10, 100]))
    def wait(self, seconds: float) -> None:
        self.do(asyncio.sleep(seconds))

    @rule(fault=st.sampled_from(FAULTS), phone=st.integers(0, PHONES - 1))
    def plan_fault(self, fault: Any, phone: int) -> None:  # noqa: ANN401 - an action
        self.do(self._plan_fault(fault, phone))

    async def _plan_fault(self, fault: Any, phone: int) -> None:  # noqa: ANN401 - an action
        self.emulator.fault(fault, RUN, phone=self.ids[phone], first=1)

    @rule()
    def interrupt(self) -> None:
        if self.is_driven and self.rollout is not None:
            self.do(self.rollout.interrupt())

    @rule(is_awake=st.booleans())
    def lose_lease(self, *, is_awake: bool) -> None:
        """Stop the process from writing, as one that dies, or that was stopped and wakes up."""
        if self.is_driven:
            self.do(self._lose_lease(is_awake=is_awake))

    async def _lose_lease(self, *, is_awake: bool) -> None:
        driving = self.driving
        assert driving is not None
        async with await self._journal() as thief:
            await thief.acquire(NAME, steal=True)
        if is_awake:
            await asyncio.sleep(LENGTH)
        driving.cancel()
        await asyncio.wait([driving])
        await asyncio.sleep(LENGTH)

    @rule(despite_stop=st.booleans())
    def resume(self, *, despite_stop: bool) -> None:
        self.do(self._drive(partial(Rollout.resume, NAME, despite_stop=despite_stop)))

    @rule(only=st.sampled_from([{State.FAILED, State.REFUSED}, {State.NOT_SENT}, {State.UNKNOWN}]))
    def retry(self, only: set[State]) -> None:
        self.do(self._drive(partial(Rollout.retry, NAME, only=only, despite_stop=True)))

    @rule()
    def undo(self) -> None:
        self.do(self._drive(partial(Rollout.undo, NAME)))

    @rule(request=st.sampled_from(["pause", "go_on", "approve", "cancel"]))
    def request(self, request: str) -> None:
        self.do(self._request(request))

    async def _request(self, request: str) -> None:
        with suppress(InvalidRequest):
            if request == "cancel":
                await requests.cancel(self.observer, NAME, VirtualTimeLoop.running().now())
            else:
                await getattr(requests, request)(self.observer, NAME)

    @property
    def is_driven(self) -> bool:
        return self.driving is not None and not self.driving.done()

    # What must hold

    @invariant()
    def journal_and_phones_agree(self) -> None:
        if self.driving is not None:
            self.do(self._check())

    async def _check(self) -> None:
        record = await self.observer.find(NAME)
        await self._check_executions(record)
        assert sum(record.counts.values()) in (0, PHONES)
        if record.has_ended and not self.is_driven:
            await self._check_outcomes(record)

    async def _check_executions(self, record: RolloutRecord) -> None:
        """Compare executions with what was executed, and with what may have been, by the journal."""
        kinds = {each.attempt: each.kind for each in await self.observer.attempts(record.id)}
        succeeded = {
            (result.position, result.attempt, result.step)
            async for block in self.observer.results(record.id)
            for result in block
            if result.outcome.ok
        }
        executions = {name: dict(self.emulator.ledger.executions(name)) for name in (RUN, REBOOT)}
        sent = {
            (position, chunk.attempt, chunk.step)
            for chunk in await self.observer.chunks(record.id, open_only=False)
            if chunk.state is not ChunkState.PLANNED
            for position in chunk.positions
        }

        def count(calls: set[tuple[int, int, int]], position: int, operation: str) -> int:
            name = {kind: REBOOT if kind == "undo" else RUN for kind in kinds.values()}
            return sum(at == position and name[kinds[attempt]] == operation for at, attempt, _ in calls)

        for position, id in enumerate(self.ids):
            for operation, of_phones in executions.items():
                executed = of_phones.get(id, 0)
                assert executed >= count(succeeded, position, operation)
                assert executed <= count(sent, position, operation)

    async def _check_outcomes(self, record: RolloutRecord) -> None:
        outcomes = [pair async for pair in last_outcomes(self.observer, record)]
        assert [target.id for target, _ in outcomes] == self.ids
        if not await self.observer.chunks(record.id):
            assert Counter(outcome.state.value for _, outcome in outcomes) == record.counts

    def teardown(self) -> None:
        try:
            if self.driving is not None:
                self.do(self._end())
        finally:
            self.do(self.stack.aclose())
            self.runner.close()

    async def _end(self) -> None:
        """End the rollout, and check it."""
        driving = self.driving
        assert driving is not None
        if not driving.done():
            await self._request("cancel")
            await asyncio.wait([driving])
            driving.result()
        await self._check()
        record = await self.observer.find(NAME)
        if record.has_ended:
            assert not {"pending", "in_flight"} & record.counts.keys()


def run_machine(examples: int, steps: int, *, is_repeatable: bool) -> None:
    run_state_machine_as_test(
        RolloutMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=is_repeatable,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def test_journal_and_phones_agree() -> None:
    run_machine(examples=5, steps=12, is_repeatable=True)


@pytest.mark.nightly
def test_journal_and_phones_agree_in_long_stories() -> None:
    run_machine(examples=100, steps=40, is_repeatable=True)
