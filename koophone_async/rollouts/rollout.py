"""A rollout as a program uses it: start or resume it, iterate over its outcomes, or await its report."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

from koophone_async.batches import Outcome, Report, State
from koophone_async.errors import InvalidRequest
from koophone_async.exception_groups import first_error
from koophone_async.rollouts import events, requests, starts
from koophone_async.rollouts.admission import Admission
from koophone_async.rollouts.attempt import Attempt
from koophone_async.rollouts.clients import Clients
from koophone_async.rollouts.journal import Journal, JournalError, LeaseLost, RolloutState, WaitingFor
from koophone_async.rollouts.journal.records import ENDED_STATES
from koophone_async.rollouts.outcomes import PhoneOutcome
from koophone_async.rollouts.phones import PhoneTable
from koophone_async.rollouts.restore import restore
from koophone_async.rollouts.runner import Runner
from koophone_async.rollouts.starts import NewOptions
from koophone_async.rollouts.stop_tally import StopTally

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Generator, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    from koophone_async.rollouts.journal import RolloutRecord
    from koophone_async.rollouts.plan import Plan
    from koophone_async.rollouts.starts import Start
    from koophone_async.session import Session

_ENDED_EARLY: Final = frozenset({RolloutState.STOPPED, RolloutState.CANCELLED})
_LEFT: Final = _ENDED_EARLY | {RolloutState.INTERRUPTED}
"""States in which phones that were not sent are reported as such."""


class Rollout:
    """A plan that runs on phones, written down so that another process can resume it.

    ```python
    rollout = Rollout(Plan.load("rollout.yaml"), "rollouts.db")
    async for outcome in rollout:                 # each phone, when it takes no further step
        print(outcome.id, outcome.state)
    report = await rollout                        # or all at once
    ```
    A rollout whose task is cancelled, or whose `async with` block is left early, is interrupted: what is
    known is written down, and `Rollout.resume` goes on.

    Attributes:
        id: Its id in the journal, once it has started.
        state: Its state in this process.
        reason: Why it sends nothing more; None as long as it does, and if it has finished.
        report: The outcomes so far; those of phones that another process has ended are in the journal only.
    """

    def __init__(
        self,
        plan: Plan,
        journal: Journal | Path | str | None = None,
        session: Session | None = None,
        *,
        waits_at_gates: bool = True,
        options: NewOptions | None = None,
    ) -> None:
        """Prepare a new rollout. Nothing is read, written or sent yet.

        Args:
            plan: What is done, and on which phones.
            journal: An open journal, or where it is; default: KOOPHONE_JOURNAL, else the user's own.
            session: For phones of no other profile; default: one with the settings of the environment.
            waits_at_gates: Wait where approval is needed. Otherwise the rollout is left there as `waiting`.
            options: Such as whether another rollout of the same name may be going on.
        """
        creation = options or NewOptions()
        self._prepare(
            lambda opened: starts.create(opened, plan, session, creation),
            journal,
            session,
            waits_at_gates,
        )

    @classmethod
    def resume(  # noqa: PLR0913 - all but three are named
        cls,
        name: str,
        journal: Journal | Path | str | None = None,
        session: Session | None = None,
        *,
        waits_at_gates: bool = True,
        despite_stop: bool = False,
        deadline: float | None = None,
        values: Mapping[str, str] | None = None,
    ) -> Self:
        """Return a rollout that this process takes up where another has left it.

        Args:
            name: Its id, its name (the newest one has it), or `last`.
            journal: As for a new one.
            session: As for a new one; its account must be the same.
            waits_at_gates: As for a new one.
            despite_stop: Whether to go on though its rule has stopped it, or somebody has cancelled it.
            deadline: Seconds from now, for one that has reached its deadline.
            values: Other values of the plan by path, such as a link that expired: `steps[0].install.url`.
        """

        def begin(opened: Journal) -> Awaitable[Start]:
            return starts.resume(
                opened, name, session, despite_stop=despite_stop, deadline=deadline, values=values
            )

        return cls._of(begin, journal, session, waits_at_gates)

    @classmethod
    def retry(  # noqa: PLR0913 - all but three are named
        cls,
        name: str,
        journal: Journal | Path | str | None = None,
        session: Session | None = None,
        *,
        waits_at_gates: bool = True,
        only: Collection[State] = starts.RETRIED,
        despite_stop: bool = False,
    ) -> Self:
        """Return a new attempt on the phones that ended in some states, from the step at which they did.

        Args:
            name: Its id, name, or `last`.
            journal: As for a new one.
            session: As for a new one.
            waits_at_gates: As for a new one.
            only: The states; by default those that failed or were refused.
            despite_stop: Whether `not_sent` may be among them in a rollout that was stopped.
        """

        def begin(opened: Journal) -> Awaitable[Start | None]:
            return starts.retry(opened, name, session, only=only, despite_stop=despite_stop)

        return cls._of(begin, journal, session, waits_at_gates)

    @classmethod
    def undo(
        cls, name: str, journal: Journal | Path | str | None = None, session: Session | None = None
    ) -> Self:
        """Return an attempt that runs the undo steps on every phone that a step may have reached.

        Args:
            name: Its id, name, or `last`.
            journal: As for a new one.
            session: As for a new one.
        """
        return cls._of(
            lambda opened: starts.undo(opened, name, session), journal, session, waits_at_gates=True
        )

    @classmethod
    def _of(
        cls,
        begin: Callable[[Journal], Awaitable[Start | None]],
        journal: Journal | Path | str | None,
        session: Session | None,
        waits_at_gates: bool,  # noqa: FBT001 - private
    ) -> Self:
        rollout = cls.__new__(cls)
        rollout._prepare(begin, journal, session, waits_at_gates)  # noqa: SLF001 - of this class
        return rollout

    def _prepare(
        self,
        begin: Callable[[Journal], Awaitable[Start | None]],
        journal: Journal | Path | str | None,
        session: Session | None,
        waits_at_gates: bool,  # noqa: FBT001 - private
    ) -> None:
        self._begin = begin
        self._location = journal
        self._session = session
        self._waits_at_gates = waits_at_gates
        self.id: str | None = None
        self.state: RolloutState = RolloutState.RUNNING
        self.reason: str | None = None
        self.report: Report = Report("rollout", is_complete=False)
        self._stack = AsyncExitStack()
        self._journal: Journal | None = None
        self._start: Start | None = None
        self._has_begun = False
        self._runner: Runner | None = None
        self._driving: asyncio.Task[None] | None = None
        self._ready: deque[PhoneOutcome] = deque()
        self._changed = asyncio.Event()
        self._keeps = True

    # Use as a run

    async def __aenter__(self) -> Self:
        """Return the rollout, which is interrupted when the block is left early."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Interrupt it, and close what it has opened."""
        await self.interrupt()
        await self._stack.aclose()

    def __await__(self) -> Generator[Any, None, Report]:
        """Drive the rollout to its end, or to a gate at which it is left, and return the report."""
        return self._run_to_end().__await__()

    async def __aiter__(self) -> AsyncIterator[PhoneOutcome]:
        """Iterate over outcomes as phones take no further step. They are counted in `report`."""
        if self._driving is None:
            self._keeps = False
        try:
            await self.start()
            driving = self._drive_in_task()
            while self._ready or not driving.done():
                while self._ready:
                    yield self._ready.popleft()
                self._changed.clear()
                if not driving.done():
                    await self._changed.wait()
            await driving
        finally:
            await self.interrupt()
            await self._stack.aclose()

    async def _run_to_end(self) -> Report:
        try:
            await self.start()
            await asyncio.shield(self._drive_in_task())
        finally:
            await self.interrupt()
            await self._stack.aclose()
        return self.report

    async def start(self) -> str | None:
        """Write the rollout down, or take it over, and return its id. Nothing is sent before that.

        Returns:
            Its id; None if there is nothing to do, such as no failed phone to retry.
        """
        if not self._has_begun:
            self._journal = await self._open_journal()
            self._start = await self._begin(self._journal)
            self._has_begun = True
            if self._start is not None:
                self.id = self._start.driver.rollout.id
                self.report.operation = self._start.driver.rollout.name
        return self.id

    async def interrupt(self) -> None:
        """Leave the rollout: nothing more is sent, jobs run on, and another process can resume it."""
        if self._driving is not None and not self._driving.done():
            if self._runner is not None:
                await self._runner.interrupt()
            else:
                self._driving.cancel()
            await asyncio.wait([self._driving])
        if self._start is not None and self._start.driver.is_active:  # it has not begun
            with suppress(JournalError, LeaseLost):
                await self._start.driver.release(state=RolloutState.INTERRUPTED)

    async def pause(self) -> None:
        """Send nothing more until `go_on`; jobs that run are awaited meanwhile."""
        await requests.pause(*self._named)

    async def go_on(self) -> None:
        """End a pause."""
        await requests.go_on(*self._named)

    async def approve(self, wave: int | None = None) -> None:
        """Open the gate at which the rollout stands; `wave` names it."""
        await requests.approve(*self._named, wave)

    @property
    def is_undo(self) -> bool:
        """Whether it runs the undo steps of its plan, once it has started."""
        return self._start is not None and self._start.is_undo

    @property
    def waiting_for(self) -> WaitingFor | None:
        """What it waits for now, in this process; None while it goes on."""
        return self._runner.waiting_for if self._runner else None

    @property
    def window_opens_at(self) -> datetime | None:
        """When the window opens that it waits for, in the time zone of the plan."""
        return self._runner.window_opens_at if self._runner else None

    async def cancel(self) -> None:
        """End the rollout: nothing more is sent, and what is on the wire is awaited."""
        await requests.cancel(*self._named, self._now())

    async def status(self) -> RolloutRecord:
        """Return what the journal has of it now."""
        journal, name = self._named
        return await journal.find(name)

    @property
    def _named(self) -> tuple[Journal, str]:
        if self._journal is None or self.id is None:
            raise InvalidRequest("", "rollout", "has not started")
        return self._journal, self.id

    async def _open_journal(self) -> Journal:
        if isinstance(self._location, Journal):
            return self._location
        return await self._stack.enter_async_context(await Journal.open(self._location))

    def _now(self) -> datetime:
        return datetime.now(UTC) if self._session is None else self._session.now()

    # Driving

    def _drive_in_task(self) -> asyncio.Task[None]:
        if self._driving is None:
            self._driving = asyncio.create_task(self._drive(), name=f"rollout {self.id}")
            self._driving.add_done_callback(lambda _: self._changed.set())
        return self._driving

    async def _drive(self) -> None:
        start, journal = self._start, self._journal
        if start is None or journal is None:
            self.state, self.report.is_complete = RolloutState.FINISHED, True
            return
        driver, record = start.driver, start.driver.rollout
        attempt = Attempt(
            start.attempt,
            start.plan.steps,
            start.waves,
            driver,
            Admission(start.plan.concurrency),
            PhoneTable(record.targets),
            StopTally(start.plan.stop, start.waves, start.plan.steps, start.wave),
            self._now,
        )
        try:
            chunks = await restore(journal, attempt)
            if start.ignores_stop:
                attempt.tally = StopTally(start.plan.stop, start.waves, start.plan.steps, start.wave)
            elif (reason := attempt.tally.judge()) is not None:
                attempt.admission.stop(reason)
            driver.update(
                state=RolloutState.RUNNING,
                reason=None,
                ended_at=None,
                began_at=record.began_at or self._now(),
                counts=attempt.phones.counts,
            )
            async with Clients(start.plan, self._session, start.max_wait) as clients:
                self._runner = Runner(
                    journal, start.plan, attempt, clients, self._report_end, start.wave, self._waits_at_gates
                )
                self.state = await self._runner.drive(chunks)
                self.reason = self._runner.reason
            await self._finish(journal, attempt)
        except BaseException as error:  # noqa: BLE001 - raised again
            self.state = RolloutState.INTERRUPTED
            attempt.write()
            with suppress(Exception):  # the first error is raised
                await driver.release(state=RolloutState.INTERRUPTED)
            raise first_error(error) from None

    async def _finish(self, journal: Journal, attempt: Attempt) -> None:
        """Report what was not sent, and write how the rollout ended or was left."""
        if self.state in _LEFT:
            await self._report_unsent(journal, attempt)
        if self.state in _ENDED_EARLY:
            attempt.phones.end_pending(State.NOT_SENT)
        attempt.write()
        has_ended = self.state in ENDED_STATES
        place = {events.ATTEMPT: attempt.number, events.COUNTS: attempt.phones.counts}
        attempt.driver.log(self.state.value, {**place, "reason": self.reason} if self.reason else place)
        await attempt.driver.release(
            state=self.state,
            waiting_for=WaitingFor.APPROVAL if self.state is RolloutState.WAITING else None,
            reason=self.reason,
            counts=attempt.phones.counts,
            ended_at=self._now() if has_ended else None,
        )
        self.report.is_complete = has_ended

    async def _report_unsent(self, journal: Journal, attempt: Attempt) -> None:
        async for block in journal.targets(attempt.driver.rollout.id):
            for target in block:
                if attempt.phones.is_pending(target.position):
                    outcome = Outcome(target.id, State.NOT_SENT, error_message=self.reason)
                    step = attempt.phones.step(target.position)
                    self._report_end(step, attempt.wave_of(target.position), (outcome,))

    def _report_end(self, step: int, wave: int, outcomes: Iterable[Outcome]) -> None:
        number = 1 if self._start is None else self._start.attempt
        for outcome in outcomes:
            ended = PhoneOutcome.of(outcome, step=step + 1, wave=wave, attempt=number)
            if self._keeps:
                self.report.keep(ended)
            else:
                self.report.add(ended)
                self._ready.append(ended)
        self._changed.set()
