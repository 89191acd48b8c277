"""Run one shard of a rollout: send and await its phones, as long as the rollout admits calls."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio
from attrs import define, field

from koophone_async.rollouts.distributed.sharded_waves import TAKEN
from koophone_async.rollouts.execution.admission import Admission
from koophone_async.rollouts.execution.attempt import Attempt
from koophone_async.rollouts.execution.call_log import HELD_ELSEWHERE
from koophone_async.rollouts.execution.local_waves import opener
from koophone_async.rollouts.execution.phones import IN_FLIGHT, PhoneTable
from koophone_async.rollouts.execution.pipeline import Pipeline
from koophone_async.rollouts.execution.restore import resume_chunks
from koophone_async.rollouts.execution.runner import ANSWER_SECONDS, INTERRUPTED
from koophone_async.rollouts.execution.stop_tally import StopTally
from koophone_async.rollouts.journal import JournalError, LeaseLost
from koophone_async.rollouts.journal.records import AdmissionState
from koophone_async.rollouts.journal.shards import STOPPED
from koophone_async.rollouts.plans.steps import next_step
from koophone_async.rollouts.plans.stop_rule import StopRule

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from koophone_async.batches import Outcome
    from koophone_async.rollouts.execution.clients import Clients
    from koophone_async.rollouts.journal import Journal, Target
    from koophone_async.rollouts.journal.shards import ShardDriver
    from koophone_async.rollouts.plans.plan import Plan

_POLL_INTERVAL: Final = 0.5
"""Seconds between polls for whether the rollout admits calls."""

_HAND_BACK_SECONDS: Final = 60.0
"""Seconds for which handing back is tried while the journal cannot be written."""


@define(eq=False, slots=False)
class TakenTally(StopTally):
    """Counts the phones that the service has taken; the driver of the rollout judges its rule."""

    by_step: Counter[int] = field(factory=Counter[int], init=False)

    def taken(self, step: int, count: int = 1, *, wave: int | None = None) -> None:
        """Count phones whose call the service has taken, and whose job is awaited."""
        self.by_step[step] += count
        super().taken(step, count, wave=wave)


@define(eq=False)
class ShardPhones(PhoneTable):
    """The phones of a shard, among those of its rollout."""

    tally: TakenTally = field(kw_only=True)

    @property
    def counts(self) -> dict[str, int]:
        """The number of phones in flight, and of those that the service has taken by step."""
        taken = {f"{TAKEN}{step}": count for step, count in self.tally.by_step.items()}
        return {IN_FLIGHT: super().counts.get(IN_FLIGHT, 0), **taken}


@define(eq=False)
class ShardRun:
    """What one worker does of a shard."""

    _journal: Journal
    _driver: ShardDriver
    _plan: Plan
    """Of the attempt."""

    _waves: Sequence[int]
    _clients: Clients
    _slots: asyncio.Semaphore
    """Those of the calls of the rollout in this process."""

    _now: Callable[[], datetime]
    _attempt: Attempt = field(init=False)
    _pipeline: Pipeline | None = field(default=None, init=False)
    _is_left: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        shard = self._driver.shard
        tally = TakenTally(StopRule(never=True), self._waves, self._plan.steps, shard.wave)
        self._attempt = Attempt(
            shard.attempt,
            self._plan.steps,
            self._waves,
            self._driver,
            Admission(self._plan.concurrency, self._slots),
            ShardPhones(self._driver.rollout.targets, tally=tally),
            tally,
            self._now,
        )

    async def run(self) -> None:
        """Send and await the phones of the shard, and hand it back.

        Raises:
            JournalError: The journal cannot be written.
            LeaseLost: Another worker has taken the shard over.
        """
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._watch_admission)
                group.start_soon(self._watch_lease)
                try:
                    await self._send()
                finally:
                    group.cancel_scope.cancel()
        except BaseException:
            self._attempt.is_interrupted = True
            self._attempt.write()
            with suppress(Exception):  # the first error is raised
                await self._driver.hand_back(is_done=False)
            raise
        await self._hand_back()

    async def interrupt(self) -> None:
        """Leave the shard to another worker: nothing more is sent, and jobs run on."""
        self._attempt.is_interrupted = True
        await self._leave(INTERRUPTED)

    async def _send(self) -> None:
        shard, driver = self._driver.shard, self._driver
        targets = {target.position: target for target, _ in driver.starts}
        for target, step in driver.starts:
            self._attempt.phones.place(target.position, step)
        await self._replay()
        chunks = await resume_chunks(self._journal, self._attempt, driver.open_chunks, targets)
        await self._poll_admission()
        open_run = await opener(self._attempt, self._clients, shard.selection)
        self._pipeline = Pipeline(self._attempt, shard.wave, shard.selection, open_run, _ignore)
        if self._is_left:
            await self._pipeline.cancel()
        await self._pipeline.run(self._waiting(targets), chunks)
        self._attempt.write()

    async def _replay(self) -> None:
        """Bring phones to where earlier workers have left them."""
        _, results = await self._journal.shards.results(self._driver.shard.key)
        phones = self._attempt.phones
        for result in results:
            outcome = result.outcome
            following = next_step(self._plan.steps, outcome.id, result.step + 1) if outcome.ok else None
            if following is None:
                phones.end(result.position, result.step, outcome.state)
            else:
                phones.pass_to(result.position, following)

    async def _waiting(self, targets: Mapping[int, Target]) -> AsyncIterator[Sequence[Target]]:
        """Return the phones that wait to be sent, in their order."""
        phones = self._attempt.phones
        yield [targets[position] for position in sorted(targets) if phones.is_pending(position)]

    async def _hand_back(self) -> None:
        """Write everything and end the lease; wait for a journal that cannot be written."""
        is_done = not self._attempt.is_interrupted
        ends_at = asyncio.get_running_loop().time() + _HAND_BACK_SECONDS
        while True:
            try:
                return await self._driver.hand_back(is_done=is_done)
            except JournalError:
                if asyncio.get_running_loop().time() > ends_at:
                    raise
            await asyncio.sleep(1.0)

    # What happens meanwhile

    async def _watch_admission(self) -> None:
        while True:
            await asyncio.sleep(_POLL_INTERVAL)
            self._driver.update(counts=self._attempt.phones.counts)
            with suppress(JournalError, LeaseLost):  # `_watch_lease` leaves then
                await self._poll_admission()

    async def _poll_admission(self) -> None:
        """Obey what the driver of the rollout has decided."""
        found = await self._journal.shards.admission(self._driver.rollout.id)
        match found.state:
            case AdmissionState.STOPPED:
                self._attempt.admission.stop(STOPPED)
            case AdmissionState.LEFT:
                await self._leave(STOPPED)
            case AdmissionState.OPEN if found.is_driven:
                self._attempt.admission.release(HELD_ELSEWHERE)
            case _:
                self._attempt.admission.hold(HELD_ELSEWHERE)

    async def _watch_lease(self) -> None:
        """Leave the shard when the journal cannot be written, or another worker has taken it over."""
        await self._driver.lost.wait()
        self._attempt.is_interrupted = True
        await self._leave(str(self._driver.error))

    async def _leave(self, reason: str) -> None:
        """Send nothing more, and wait only for the answers to calls on the wire, not for jobs."""
        self._attempt.admission.stop(reason)
        with anyio.move_on_after(ANSWER_SECONDS):
            await self._attempt.admission.wait_until_answered()
        self._is_left = True
        if self._pipeline is not None:
            await self._pipeline.cancel()


def _ignore(step: int, outcomes: Iterable[Outcome]) -> None:
    """Report nothing: the driver of the rollout reads the results in the journal."""
