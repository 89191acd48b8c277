"""Drive an attempt from where the journal has it, and write how it ended or was left."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import define, evolve, field

from koophone_async.batches import Outcome, State
from koophone_async.exception_groups import first_error
from koophone_async.rollouts import events
from koophone_async.rollouts.execution.admission import Admission
from koophone_async.rollouts.execution.attempt import Attempt
from koophone_async.rollouts.execution.attempt_plans import plan_of
from koophone_async.rollouts.execution.clients import Clients
from koophone_async.rollouts.execution.local_waves import LocalWaves
from koophone_async.rollouts.execution.phones import PhoneTable
from koophone_async.rollouts.execution.restore import restore
from koophone_async.rollouts.execution.runner import Runner
from koophone_async.rollouts.execution.stop_tally import StopTally
from koophone_async.rollouts.journal import ChunkState, Journal, RolloutState, WaitingFor
from koophone_async.rollouts.journal.records import ENDED_STATES
from koophone_async.rollouts.plans.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from koophone_async.rollouts.execution.restore import SentChunk
    from koophone_async.rollouts.execution.starts import Start
    from koophone_async.rollouts.journal import Driver
    from koophone_async.session import Session

_ENDED_EARLY: Final = frozenset({RolloutState.STOPPED, RolloutState.CANCELLED})
_LEFT: Final = _ENDED_EARLY | {RolloutState.INTERRUPTED}
"""States in which phones that were not sent are reported as such."""

OnEnd: TypeAlias = "Callable[[int, int, Iterable[Outcome]], None]"

_UNDO_FOLLOWS: Final = "its undo follows"


@define(eq=False)
class Drive:
    """What one process does of an attempt."""

    _journal: Journal
    _start: Start
    _session: Session | None
    _now: Callable[[], datetime]
    _on_end: OnEnd
    """Called with a step, a wave and outcomes of phones that take no further step."""

    _waits_at_gates: bool
    state: RolloutState = field(default=RolloutState.RUNNING, init=False)
    reason: str | None = field(default=None, init=False)
    """Why nothing more is sent; None if everything was."""

    runner: Runner | None = field(default=None, init=False)
    """What sends now; None before the journal was read."""

    async def run(self) -> None:
        """Drive the attempt until it ends or is left."""
        start = self._start
        attempt = self._attempt(start.attempt, start.plan, start.waves, start.wave)
        try:
            async with Clients(start.plan, self._session, start.max_wait) as clients:
                await self._prepare(start.driver)
                left = await self._await_unfinished(clients) if start.is_undo else None
                await start.driver.flush()  # what was awaited counts below
                chunks = await self._restore(attempt, with_earlier=start.is_resumed)
                if start.ignores_stop:
                    attempt.tally = StopTally(start.plan.stop, start.waves, start.plan.steps, start.wave)
                attempt.tally.sizes = await self._sizes_of_waves(attempt)
                if not start.ignores_stop and (reason := attempt.tally.judge()) is not None:
                    attempt.admission.stop(reason)
                start.driver.update(
                    wave=start.wave,
                    began_at=start.driver.rollout.began_at or self._now(),
                    counts=attempt.phones.counts,
                )
                if left is None:
                    await self._send(attempt, clients, chunks)
                else:
                    self.state, self.reason = left, left.value
            await self._finish(attempt)
        except BaseException as error:  # noqa: BLE001 - raised again
            self.state = RolloutState.INTERRUPTED
            attempt.write()
            with suppress(Exception):  # the first error is raised
                await self._leave(start.driver)
            raise first_error(error) from None

    async def _sizes_of_waves(self, attempt: Attempt) -> Sequence[int] | None:
        """Return how many phones of each wave an attempt has; None if it has all."""
        if attempt.number == 1:
            return None
        sizes = [0] * len(attempt.waves)
        async for starts in self._journal.attempt_starts(attempt.driver.rollout.id, attempt.number):
            for position, _ in starts:
                sizes[attempt.wave_of(position) - 1] += 1
        return sizes

    async def _prepare(self, driver: Driver) -> None:
        """Close the shards that workers have, and mark the rollout as running."""
        if driver.rollout.handover is not None:
            await self._journal.shards.close_all(driver)
            driver.update(handover=None)
        # What is restored may be written, and a rollout that has ended has no such counts.
        driver.update(state=RolloutState.RUNNING, reason=None, ended_at=None)

    async def _restore(self, attempt: Attempt, *, with_earlier: bool = False) -> Sequence[SentChunk]:
        return await restore(self._journal, attempt, with_earlier=with_earlier)

    async def _leave(self, driver: Driver) -> None:
        """Leave the rollout to another process."""
        await driver.release(state=RolloutState.INTERRUPTED)

    def _attempt(self, number: int, plan: Plan, waves: Sequence[int], wave: int) -> Attempt:
        return Attempt(
            number,
            plan.steps,
            waves,
            self._start.driver,
            Admission(plan.concurrency),
            PhoneTable(self._start.driver.rollout.targets),
            StopTally(plan.stop, waves, plan.steps, wave),
            self._now,
        )

    def _runner(self, plan: Plan, attempt: Attempt, clients: Clients, on_end: OnEnd, wave: int) -> Runner:
        """Return what drives an attempt from a wave on."""
        waves = LocalWaves(self._journal, plan, attempt, clients, on_end)
        return Runner(self._journal, plan, attempt, clients, waves, wave, self._waits_at_gates)

    async def _send(self, attempt: Attempt, clients: Clients, chunks: Sequence[SentChunk]) -> None:
        start = self._start
        self.runner = self._runner(start.plan, attempt, clients, self._on_end, start.wave)
        self.state = await self.runner.drive(chunks)
        self.reason = self.runner.reason

    async def _await_unfinished(self, clients: Clients) -> RolloutState | None:
        """Await the jobs that earlier attempts left running, since an undo must follow them on each phone.

        Returns:
            The state in which the rollout is left; None if the undo may go on.
        """
        driver = self._start.driver
        left = {chunk.attempt for chunk in driver.open_chunks if chunk.state is ChunkState.SENT}
        for earlier in await self._journal.attempts(driver.rollout.id):
            if earlier.attempt not in left or earlier.attempt >= self._start.attempt:
                continue
            plan = plan_of(Plan.from_json(driver.rollout.plan), earlier.kind)
            plan, waves = evolve(plan, deadline=None), earlier.waves or driver.rollout.waves
            attempt = self._attempt(earlier.attempt, plan, waves, len(waves))
            attempt.admission.stop(_UNDO_FOLLOWS)
            chunks = await self._restore(attempt)
            self.runner = self._runner(plan, attempt, clients, _ignore, len(waves))
            await self.runner.drive(chunks)
            if attempt.is_interrupted:
                return RolloutState.INTERRUPTED
            if self.runner.is_cancelled:
                return RolloutState.CANCELLED
        return None

    async def _finish(self, attempt: Attempt) -> None:
        """Report what was not sent, and write how the rollout ended or was left."""
        if self.state in _LEFT:
            await self._report_unsent(attempt)
        if self.state in _ENDED_EARLY:
            attempt.phones.end_pending(State.NOT_SENT)
        attempt.write()
        place = {events.ATTEMPT: attempt.number, events.COUNTS: attempt.phones.counts}
        attempt.driver.log(self.state.value, {**place, "reason": self.reason} if self.reason else place)
        await attempt.driver.release(
            state=self.state,
            waiting_for=WaitingFor.APPROVAL if self.state is RolloutState.WAITING else None,
            reason=self.reason,
            counts=attempt.phones.counts,
            ended_at=self._now() if self.state in ENDED_STATES else None,
        )

    async def _report_unsent(self, attempt: Attempt) -> None:
        async for block in self._journal.targets(attempt.driver.rollout.id):
            for target in block:
                if attempt.phones.is_waiting(target.position):
                    outcome = Outcome(target.id, State.NOT_SENT, error_message=self.reason)
                    step = attempt.phones.step(target.position)
                    self._on_end(step, attempt.wave_of(target.position), (outcome,))


def _ignore(step: int, wave: int, outcomes: Iterable[Outcome]) -> None:
    """Report nothing: outcomes of earlier attempts are in the journal only."""
