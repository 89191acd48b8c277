"""Write down the calls of a rollout: each chunk before it is sent, what the service took, and every outcome.

A chunk is `planned` when it is formed, `sending` on disk before its first byte leaves, `sent` once the
service has answered with a task or request id, and `settled` when each of its phones has a final result. A
chunk that was certainly not executed is closed, and its successors are planned in the same transaction. So
`sending` on disk means after a crash that a call may have been executed, and nothing else does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import define, field

from koophone_async.batches import State
from koophone_async.batches.call_log import SendingHeld, SendingStopped, StartedCall
from koophone_async.rollouts.journal import JournalError, LeaseLost, Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from koophone_async.batches import Outcome
    from koophone_async.rollouts.execution.attempt import Attempt
    from koophone_async.rollouts.journal import ChunkRecord, Target


HELD_ELSEWHERE: Final = "held elsewhere"
"""The hold of a shard whose rollout admits no calls; whoever reads the journal again releases it."""


@define(eq=False)
class StepLog:
    """The calls of one step of one selection in one wave."""

    attempt: Attempt
    step: int
    wave: int
    selection: int
    targets: Mapping[str, Target]
    """Phones by id, of all steps: at least those that are in this one."""

    def admission(self) -> AbstractAsyncContextManager[None]:
        """Wait until a call may be sent, and occupy a slot during it."""
        return self.attempt.admission.admit()

    def plan(self, ids: Sequence[str]) -> LoggedChunk:
        """Write down a chunk that is about to be sent."""
        self.attempt.count_successes()  # these phones may be among them
        positions = {id: self.targets[id].position for id in ids}
        chunk = self.attempt.driver.plan_chunk(
            self.step, tuple(positions.values()), wave=self.wave, selection=self.selection
        )
        self.attempt.phones.begin(positions.values(), self.step)
        return LoggedChunk(self, chunk, positions)

    def unsendable(self, outcome: Outcome) -> Outcome:
        """Write down the outcome of an id that no call can have."""
        return self.plan([outcome.id]).settle(outcome)

    def resume(self, chunk: ChunkRecord, targets: Sequence[Target]) -> StartedCall:
        """Return a chunk that an earlier process sent, to be awaited.

        Args:
            chunk: The chunk, with its handle and the time of its call.
            targets: Its phones without a final result.
        """
        positions = {target.id: target.position for target in targets}
        id_of = {target.position: target.id for target in targets}
        jobs = {job: id_of[position] for job, position in (chunk.jobs or {}).items() if position in id_of}
        called_at = chunk.called_at or self.attempt.now()
        entry = LoggedChunk(self, chunk.chunk, positions, set(positions))
        return StartedCall(entry, chunk.handle or "", jobs, chunk.has_jobs, called_at)


@define(eq=False)
class LoggedChunk:
    """A chunk, from its plan to the outcome of its last phone."""

    _log: StepLog
    _chunk: int
    _open: dict[str, int]
    """Positions by id, of the phones without an outcome."""

    _taken: set[str] = field(factory=set[str])
    """Phones that the service has taken, whose jobs or states are awaited."""

    _is_sending: bool = field(default=False, init=False)
    """Whether it is `sending` on disk."""

    _results: list[Result] = field(factory=list[Result], init=False)
    """Results that are not written yet: those of one poll are written together."""

    _counted: int = field(default=0, init=False)
    """How many of these are counted; the others are successes, and are counted together."""

    _were_taken: bool = field(default=False, init=False)
    """Whether the service had taken the phones that are not counted yet before they succeeded."""

    _is_queued: bool = field(default=False, init=False)
    """Whether it will be written soon."""

    _is_unsent: bool = field(default=False, init=False)
    """Whether it was not sent because the rollout stopped, so that a resume sends its phones."""

    async def before_send(self) -> None:
        """Write that it is about to be sent, and wait until that is on disk.

        Raises:
            SendingHeld: It must wait.
            SendingStopped: Nothing more is sent, or the journal cannot be written.
        """
        attempt = self._log.attempt
        attempt.admission.check()
        if not self._is_sending:
            try:
                await attempt.driver.mark_sending(self._chunk)
            except (JournalError, LeaseLost, SendingStopped) as error:
                reason = error.reason if isinstance(error, SendingStopped) else str(error)
                attempt.admission.stop(reason)
                # The first reason, by which phones are left to a resume.
                raise SendingStopped(attempt.admission.stopped or reason) from error
            except SendingHeld:
                attempt.admission.hold(HELD_ELSEWHERE)
                raise
            self._is_sending = True
        attempt.admission.begin_call(self)

    async def not_executed(self) -> None:
        """Write that the last attempt did nothing: the next is a chunk of its own."""
        (self._chunk,) = self._replan([self._open])

    def split(self, parts: Sequence[Sequence[str]]) -> Sequence[LoggedChunk]:
        """Write that it was refused because of some ids, and is sent in parts."""
        positions = [{id: self._open[id] for id in part} for part in parts]
        chunks = zip(self._replan(positions), positions, strict=True)
        return [LoggedChunk(self._log, chunk, part) for chunk, part in chunks]

    def dissolve(self) -> None:
        """Write that it was not executed, and its ids will be in other chunks."""
        self._replan([])

    def started(self, handle: str, jobs: Mapping[str, str], *, has_jobs: bool) -> None:
        """Write the task or request id, and the jobs of the phones."""
        attempt = self._log.attempt
        attempt.admission.end_call(self)
        open_jobs = {job: self._open[id] for job, id in jobs.items() if id in self._open}
        attempt.driver.mark_sent(self._chunk, handle, open_jobs, has_jobs=has_jobs, called_at=attempt.now())
        self._taken = {id for id in jobs.values() if id in self._open}
        attempt.tally.taken(self._log.step, len(self._taken), wave=self._log.wave)

    def settle(self, outcome: Outcome) -> Outcome:
        """Write the outcome of an id, as the step's expectation judges it."""
        attempt, step = self._log.attempt, self._log.step
        is_taken = outcome.id in self._taken
        if not is_taken:  # otherwise the call has been answered before
            attempt.admission.end_call(self)
        position = self._open.pop(outcome.id)
        if outcome.ok or not attempt.is_left_to_resume(outcome):
            outcome = attempt.steps[step].judge(outcome)
            self._count(Result(position, attempt.number, step, outcome), taken=is_taken)
        elif outcome.state is State.NOT_SENT:
            attempt.phones.place(position, step)
            self._is_unsent = True
        if not self._is_queued:
            self._is_queued = True
            attempt.write_soon(self)
        return outcome

    def _count(self, result: Result, *, taken: bool) -> None:
        """Count a failure at once, as it may stop the rollout, and successes together."""
        if not result.outcome.ok:
            self._log.attempt.count_successes()
            self._log.attempt.count_failure(self._log, result, taken=taken)
            self._counted += 1
        elif taken is not self._were_taken:
            self.count_successes()
            self._were_taken = taken
        self._results.append(result)

    def count_successes(self) -> None:
        """Count the phones that have succeeded since the last time."""
        if successes := self._results[self._counted :]:
            self._counted += len(successes)
            self._log.attempt.count_passed(self._log, successes, taken=self._were_taken)

    def write(self) -> None:
        """Write what is known of its phones by now; all of it must have been counted."""
        attempt, self._is_queued = self._log.attempt, False
        if self._results:
            results, self._results, self._counted = self._results, [], 0
            attempt.driver.settle(self._chunk, results, attempt.phones.counts)
        if self._is_unsent and not self._open:
            self.dissolve()
            self._is_unsent = False

    def _replan(self, parts: Sequence[Mapping[str, int]]) -> list[int]:
        self._log.attempt.admission.end_call(self)
        self._is_sending = False
        positions = [tuple(part.values()) for part in parts]
        return self._log.attempt.driver.replan_chunk(self._chunk, positions)
