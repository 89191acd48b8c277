"""A rollout as a program uses it: start or resume it, iterate over its outcomes, or await its report."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from koophone_async.batches import Report, State
from koophone_async.errors import InvalidRequest
from koophone_async.rollouts import requests
from koophone_async.rollouts.execution import new_attempts, starts
from koophone_async.rollouts.execution.drive import Drive
from koophone_async.rollouts.execution.starts import NewOptions
from koophone_async.rollouts.journal import ChunkState, Journal, JournalError, LeaseLost, RolloutState
from koophone_async.rollouts.journal.records import ENDED_STATES
from koophone_async.rollouts.reports.outcomes import PhoneOutcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Generator, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    from koophone_async.batches import Outcome
    from koophone_async.rollouts.execution.runner import Runner
    from koophone_async.rollouts.execution.starts import Start
    from koophone_async.rollouts.journal import RolloutRecord, WaitingFor
    from koophone_async.rollouts.plans.plan import Plan
    from koophone_async.session import Session


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
        judges_anew: bool = False,
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
            judges_anew: Whether one that its rule has stopped goes on if the rule, with what `reconcile` has
                settled, does not stop it again.
        """

        def begin(opened: Journal) -> Awaitable[Start]:
            return starts.resume(
                opened,
                name,
                session,
                despite_stop=despite_stop,
                deadline=deadline,
                values=values,
                judges_anew=judges_anew,
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
        only: Collection[State] = new_attempts.RETRIED,
        despite_stop: bool = False,
        ids: Collection[str] | None = None,
    ) -> Self:
        """Return a new attempt on the phones that ended in some states, from the step at which they did.

        Args:
            name: Its id, name, or `last`.
            journal: As for a new one.
            session: As for a new one.
            waits_at_gates: As for a new one.
            only: The states; by default those that failed or were refused.
            despite_stop: Whether `not_sent` may be among them in a rollout that was stopped.
            ids: Retry only those of them; default: all.
        """

        def begin(opened: Journal) -> Awaitable[Start | None]:
            return new_attempts.retry(opened, name, session, only=only, despite_stop=despite_stop, ids=ids)

        return cls._of(begin, journal, session, waits_at_gates)

    @classmethod
    def undo(  # noqa: PLR0913 - all but three are named
        cls,
        name: str,
        journal: Journal | Path | str | None = None,
        session: Session | None = None,
        *,
        ids: Collection[str] | None = None,
        stop: str | None = None,
        window: str | None = None,
    ) -> Self:
        """Return an attempt that runs the undo steps on every phone that a step may have reached.

        Args:
            name: Its id, name, or `last`.
            journal: As for a new one.
            session: As for a new one.
            ids: Undo only those of them; default: all.
            stop: When nothing more is sent, such as `2%,unknown=5`; the rule of the plan does not hold.
            window: When calls may be sent, such as `01:00-05:00 Asia/Shanghai`; that of the plan does not
                hold.
        """

        def begin(opened: Journal) -> Awaitable[Start | None]:
            return new_attempts.undo(opened, name, session, ids=ids, stop=stop, window=window)

        return cls._of(begin, journal, session, waits_at_gates=True)

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
        self._drive: Drive | None = None
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
            await self._wait_for(driving)
        finally:
            await self.interrupt()
            await self._stack.aclose()

    async def _run_to_end(self) -> Report:
        try:
            await self.start()
            await self._wait_for(self._drive_in_task())
        finally:
            await self.interrupt()
            await self._stack.aclose()
        return self.report

    async def _wait_for(self, driving: asyncio.Task[None]) -> None:
        await asyncio.wait([driving])
        if not driving.cancelled():  # else it was interrupted before it could send anything
            driving.result()

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
            if (runner := self._runner) is not None:
                await runner.interrupt()
            else:
                self._driving.cancel()
            await asyncio.wait([self._driving])
        if self._start is not None and self._start.driver.is_active:  # it has not begun
            with suppress(JournalError, LeaseLost):
                await self._start.driver.release(state=RolloutState.INTERRUPTED)

    async def hand_over(self, queue: str | None = None) -> str | None:
        """Have workers drive the rollout instead of this process, and return its id.

        Args:
            queue: The queue of the workers; default: that of workers that name none.

        Returns:
            Its id; None if there is nothing to do.

        Raises:
            InvalidRequest: The journal is not in PostgreSQL.
        """
        await self.start()
        if self._start is None or self._journal is None:
            return None
        from koophone_async.rollouts.distributed.hand_over import hand_over  # noqa: PLC0415 - needs an extra

        return await hand_over(self._journal, self._start, queue)

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
    def left_unknown(self) -> int:
        """The number of phones in calls of this attempt during which an earlier process ended."""
        if self._start is None:
            return 0
        return sum(
            len(chunk.positions)
            for chunk in self._start.driver.open_chunks
            if chunk.state is ChunkState.SENDING and chunk.attempt == self._start.attempt
        )

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
    def _runner(self) -> Runner | None:
        return None if self._drive is None else self._drive.runner

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
            self._driving = asyncio.create_task(self._run(), name=f"rollout {self.id}")
            self._driving.add_done_callback(self._on_driven)
        return self._driving

    def _on_driven(self, driving: asyncio.Task[None]) -> None:
        if not driving.cancelled():
            driving.exception()  # retrieved, because the caller who waited for it may have been cancelled
        self._changed.set()

    async def _run(self) -> None:
        if self._start is None or self._journal is None:
            self.state, self.report.is_complete = RolloutState.FINISHED, True
            return
        self._drive = drive = Drive(
            self._journal, self._start, self._session, self._now, self._report_end, self._waits_at_gates
        )
        try:
            await drive.run()
        finally:
            self.state, self.reason = drive.state, drive.reason
        self.report.is_complete = self.state in ENDED_STATES

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
