"""Drive an attempt of a rollout: its waves, and what may hold, stop or end it.

The runner has the lease of the rollout while it drives. Everything that it knows is in the journal too, so
that another process can resume the rollout wherever this one ends.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio
from attrs import define, field

from koophone_async.rollouts import events
from koophone_async.rollouts.execution.deadline import OUTSIDE_DEADLINE, seconds_left
from koophone_async.rollouts.execution.restore import resume_chunks
from koophone_async.rollouts.journal import JournalError, LeaseLost, RequestKind, RolloutState, WaitingFor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from koophone_async.rollouts.execution.attempt import Attempt
    from koophone_async.rollouts.execution.clients import Clients
    from koophone_async.rollouts.execution.local_waves import Waves
    from koophone_async.rollouts.execution.restore import SentChunk
    from koophone_async.rollouts.journal import Journal, Request
    from koophone_async.rollouts.plans.plan import Plan

_REQUEST_INTERVAL: Final = 1.0
"""Seconds between polls for what other terminals request."""

ANSWER_SECONDS: Final = 10.0
"""Seconds for which the answers to calls on the wire are awaited when the rollout is left."""

_MAX_WINDOW_SLEEP: Final = 30.0
"""Seconds after which the wall clock is read again: it may have been set meanwhile."""

_QUOTA_SECONDS: Final = 2.0
"""Seconds that the next call must wait for the quota, for the rollout to be waiting for it."""

INTERRUPTED: Final = "interrupted"
CANCELLED_BY_REQUEST: Final = "cancelled"
DEADLINE: Final = "deadline"


@define(eq=False)
class Runner:
    """Drives one attempt, from the wave that was reached to the end."""

    _journal: Journal
    _plan: Plan
    _attempt: Attempt
    _clients: Clients
    _waves: Waves
    """Sends and awaits the phones of each wave."""

    _wave: int = 1
    """The wave that was reached."""

    _waits_at_gates: bool = True
    """Whether to wait where approval is needed; otherwise the rollout is left there."""

    reopens_late: bool = field(default=True, kw_only=True)
    """Whether calls with late handles are awaited by this process."""

    _end: RolloutState = field(default=RolloutState.FINISHED, init=False)
    _reasons: set[WaitingFor] = field(factory=set[WaitingFor], init=False)
    """What is waited for before anything is sent."""

    window_opens_at: datetime | None = field(default=None, init=False)
    """When the window opens that is waited for, in its time zone."""

    is_cancelled: bool = field(default=False, init=False)
    """Whether somebody has cancelled the rollout."""

    _seconds_left: float | None = field(default=None, init=False)
    """Seconds of the deadline that were left when this process began; None if there is none."""

    _is_paused: bool = field(default=False, init=False)
    _approved: int = field(default=0, init=False)
    """The last wave after which the next one was approved."""

    _late: list[SentChunk] = field(factory=list["SentChunk"], init=False)
    """Calls of an earlier process that was stopped, whose handles it has written down after all."""

    _awaited: set[int] = field(factory=set[int], init=False)
    """Numbers of the chunks of earlier processes that are awaited, each once."""

    _changed: asyncio.Event = field(factory=asyncio.Event, init=False)

    async def drive(self, chunks: Sequence[SentChunk]) -> RolloutState:
        """Run the remaining waves.

        Args:
            chunks: Calls that an earlier process sent, whose jobs are awaited.

        Returns:
            The state in which the rollout is left.

        Raises:
            JournalError: The journal cannot be written.
            LeaseLost: Another process has taken the rollout over.
        """
        driver = self._attempt.driver
        self._awaited.update(chunk.chunk for chunk, _ in chunks)
        log = await self._journal.read_log(driver.rollout.id)
        approvals = [entry.details for entry in log if entry.what == events.APPROVE]
        if {events.ATTEMPT: self._attempt.number, events.WAVE: self._wave} in approvals:
            self._approved = self._wave  # an earlier process has not passed the gate
        if (deadline := self._plan.deadline) is not None:
            self._seconds_left = seconds_left(deadline, log, self._attempt.number, driver.now())
        await self._poll_requests()
        async with anyio.create_task_group() as group:
            for watch in (self._watch_requests, self._watch_window, self._watch_deadline, self._watch_lease):
                group.start_soon(watch)
            try:
                await self._run_waves(chunks)
            finally:
                group.cancel_scope.cancel()
        if driver.error is not None:
            raise driver.error
        return self._end

    def pause(self, *, paused: bool) -> None:
        """Send nothing until a person ends the pause, or end it."""
        self._is_paused = paused
        if paused:
            self._attempt.admission.hold(RequestKind.PAUSE)
        else:
            self._attempt.admission.release(RequestKind.PAUSE)
        self._write_state()

    async def interrupt(self) -> None:
        """Leave the rollout to another process: send nothing more, and leave jobs running."""
        self._attempt.is_interrupted = True
        await self._leave(RolloutState.INTERRUPTED, INTERRUPTED)

    @property
    def reason(self) -> str | None:
        """Why nothing more is sent; None if everything was."""
        return self._attempt.admission.stopped

    # Waves

    async def _run_waves(self, chunks: Sequence[SentChunk]) -> None:
        while self._attempt.waves:
            self._attempt.driver.update(wave=self._wave)
            self._log(events.WAVE_BEGINS, {})
            await self._waves.run(self._wave, chunks)
            self._log(events.WAVE_ENDS, {events.COUNTS: self._attempt.phones.counts})
            chunks, self._late = self._late, []
            if chunks and not self._is_stopped:
                continue
            if not self._is_stopped and (reason := self._attempt.tally.end_wave()) is not None:
                self._stop(RolloutState.STOPPED, reason)
            following = self._next_wave()
            if self._is_stopped or following is None or not await self._pass_gate(following):
                return
            self._wave = self._attempt.tally.wave = following

    def _next_wave(self) -> int | None:
        """Return the next wave with phones that wait to be sent; None if there is none.

        A retry has no phones in some waves, and no gates after these.
        """
        waves = self._attempt.waves
        first = next(self._attempt.phones.pending(waves[self._wave - 1], waves[-1]), None)
        return None if first is None else self._attempt.wave_of(first)

    # Ends

    @property
    def _is_stopped(self) -> bool:
        if self.reason is not None and self._end is RolloutState.FINISHED:
            self._end = RolloutState.STOPPED  # by the stop rule, which knows only the admission
        return self.reason is not None

    def _stop(self, state: RolloutState, reason: str) -> None:
        """Send nothing more, and wait for what is on the wire. The first reason remains."""
        if not self._is_stopped:
            self._end = state
            self._attempt.admission.stop(reason)
        self._changed.set()

    async def _leave(self, state: RolloutState, reason: str) -> None:
        """Send nothing more, and wait only for the answers to calls on the wire, not for jobs."""
        self._stop(state, reason)
        with anyio.move_on_after(ANSWER_SECONDS):
            await self._attempt.admission.wait_until_answered()
        await self._waves.cancel()

    # Gates

    async def _pass_gate(self, following: int) -> bool:
        """Wait until the next wave may start; return False if the rollout is left or stopped here."""
        between, now = self._plan.between, asyncio.get_running_loop().time
        opens_at = now() + between.pause
        try:
            while not self._is_stopped:
                pause = max(0.0, opens_at - now())
                if between.approve and self._approved < self._wave:
                    self._wait_for(WaitingFor.APPROVAL)
                    if not self._waits_at_gates:
                        await self._poll_requests()
                        if self._approved < self._wave:
                            self._stop(RolloutState.WAITING, f"wave {following} needs approval")
                        continue
                elif pause or self._is_paused:
                    self._go_on(WaitingFor.APPROVAL)
                    if pause:
                        self._wait_for(WaitingFor.PAUSE)
                else:
                    return True
                await self._wait_for_change(pause or None)
            return False
        finally:
            self._go_on(WaitingFor.APPROVAL, WaitingFor.PAUSE)

    async def _wait_for_change(self, seconds: float | None) -> None:
        self._changed.clear()
        with anyio.move_on_after(seconds):
            await self._changed.wait()

    def _wait_for(self, reason: WaitingFor) -> None:
        self._log_waits(events.WAIT, {reason} - self._reasons)
        self._reasons.add(reason)
        self._write_state()

    def _go_on(self, *reasons: WaitingFor) -> None:
        self._log_waits(events.GO_ON, self._reasons.intersection(reasons))
        self._reasons.difference_update(reasons)
        self._write_state()

    def _log_waits(self, what: str, reasons: Iterable[WaitingFor]) -> None:
        """Log that something is waited for or no longer; the quota, which delays many calls, is left out."""
        for reason in reasons:
            if reason is not WaitingFor.QUOTA:
                self._log(what, {events.FOR: reason.value})

    def _log(self, what: str, details: Mapping[str, object]) -> None:
        place = {events.ATTEMPT: self._attempt.number, events.WAVE: self._wave}
        self._attempt.driver.log(what, {**place, **details})

    @property
    def waiting_for(self) -> WaitingFor | None:
        """What the rollout waits for: a person's pause goes before a gate, a gate before the window."""
        return next((reason for reason in WaitingFor if reason in self._reasons), None)

    def _write_state(self) -> None:
        """Write what is waited for."""
        waiting_for = self.waiting_for
        state = RolloutState.WAITING if waiting_for else RolloutState.RUNNING
        self._attempt.driver.update(
            state=RolloutState.PAUSED if self._is_paused else state, waiting_for=waiting_for
        )

    # What happens meanwhile

    async def _watch_requests(self) -> None:
        while True:
            await asyncio.sleep(_REQUEST_INTERVAL)
            with suppress(JournalError, LeaseLost):  # `_watch_lease` then waits for answers
                await self._poll_requests()
            self._report_quota()

    def _report_quota(self) -> None:
        """Write that calls wait for the quota, or no longer do, once that takes seconds."""
        seconds = self._clients.seconds_to_next_call()
        is_waiting = seconds is not None and seconds >= _QUOTA_SECONDS
        if is_waiting is not (WaitingFor.QUOTA in self._reasons):
            (self._wait_for if is_waiting else self._go_on)(WaitingFor.QUOTA)

    async def _poll_requests(self) -> None:
        """Obey what other terminals requested since the last poll."""
        for request in await self._attempt.driver.requests(reopens_late=self.reopens_late):
            await self._obey(request)
            self._changed.set()

    async def _obey(self, request: Request) -> None:
        match request.kind:
            case RequestKind.PAUSE | RequestKind.RESUME:
                is_pause = request.kind is RequestKind.PAUSE
                what = events.WAIT if is_pause else events.GO_ON
                self._log(what, {events.FOR: events.PERSON, "by": f"{request.by.user}@{request.by.host}"})
                self.pause(paused=is_pause)
            case RequestKind.CANCEL:
                self.is_cancelled = True
                self._stop(RolloutState.CANCELLED, CANCELLED_BY_REQUEST)
            case RequestKind.APPROVE:
                self._approved = max(self._approved, request.wave or self._wave)
            case RequestKind.AWAIT if request.chunk is not None and request.chunk.chunk not in self._awaited:
                self._awaited.add(request.chunk.chunk)
                self._late += await resume_chunks(self._journal, self._attempt, [request.chunk])
            case _:
                pass

    async def _watch_window(self) -> None:
        """Suspend calls while the window is closed."""
        window = self._plan.window
        while window is not None:
            now = self._attempt.now()
            opening = window.next_opening(now)
            self.window_opens_at = opening if opening > now else None
            if opening > now:
                self._attempt.admission.hold(WaitingFor.WINDOW)
                self._wait_for(WaitingFor.WINDOW)
            else:
                self._attempt.admission.release(WaitingFor.WINDOW)
                self._go_on(WaitingFor.WINDOW)
            change = opening if opening > now else window.closes_at(now)
            await asyncio.sleep(min(_MAX_WINDOW_SLEEP, (change - now).total_seconds()))

    async def _watch_deadline(self) -> None:
        """Stop at the deadline. Time at gates and outside of the window does not count."""
        if self._seconds_left is None:
            return
        left, now = self._seconds_left, asyncio.get_running_loop().time
        while left > 0:
            before = now()
            await asyncio.sleep(min(1.0, left))
            if not self._reasons & OUTSIDE_DEADLINE:
                left -= now() - before
        await self._leave(RolloutState.STOPPED, DEADLINE)

    async def _watch_lease(self) -> None:
        """Leave the rollout when the journal cannot be written, or another process has taken it over."""
        driver = self._attempt.driver
        await driver.lost.wait()
        self._attempt.is_interrupted = True
        await self._leave(RolloutState.INTERRUPTED, str(driver.error))
