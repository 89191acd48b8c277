"""A run: one operation on any number of ids, with an outcome for each.

`Run` starts a driver task with a few workers. Each takes a chunk from the `Intake`, which reads ids from the
input as they are needed, and passes it to the `Dispatcher`, which sends it and finds the outcome of each id,
at once or when its job ends. Outcomes go to the `OutcomeRecorder`, where the caller picks them up. When the
driver ends, in whatever way, `_finish` records an outcome for every id that has none. A driver that is
cancelled before its first step runs none of its code, and a run that is cancelled before it starts has no
driver: for these, `_on_driver_done` and `cancel` call `_finish`.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
import warnings
from collections import Counter
from functools import cached_property, partial
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, Self

import anyio
from attrs import evolve

from koophone_async.batches.chunks import ids_without_region
from koophone_async.batches.dispatcher import Dispatcher
from koophone_async.batches.intake import Intake
from koophone_async.batches.outcomes import CANCELLED, PAST_DEADLINE, Estimate, Outcome, Report
from koophone_async.batches.pending_calls import PendingCalls
from koophone_async.batches.recorder import OutcomeRecorder
from koophone_async.batches.regions import RegionLookup
from koophone_async.batches.workload import Workload, queue_length
from koophone_async.checks import list_problem
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.exception_groups import first_error
from koophone_async.operation import Answer, Request, Sender
from koophone_async.polling.duration_model import Lognormal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence

    from anyio.abc import TaskGroup

    from koophone_async.batches.call_log import CallLog, StartedCall
    from koophone_async.batches.chunks import Item, Source
    from koophone_async.batches.verb import RunOptions, Verb

_PACKAGE: Final = str(Path(__file__).parents[1])


class Run(Generic[Request, Answer]):
    """One operation on many ids: iterate over it for outcomes as they arrive, or await it for the report.

    A run starts when it is first iterated over or awaited; one that never starts warns, as a coroutine does.
    A cancelled run stays cancelled: `report` has the outcome of every id that was read, and of the others
    too if the input is a list. An exception of the input is raised once all ids before it have their outcome.
    """

    _is_unused = False
    """Whether it was not started, cancelled or estimated; False until it is complete, for `__del__`."""

    def __init__(
        self, session: Sender, verb: Verb[Request, Answer], source: Source, options: RunOptions
    ) -> None:
        """Prepare a run; nothing is read or sent yet.

        Raises:
            InvalidRequest: The arguments of the operation are invalid for any ids; or the input is a string,
                whose letters would be taken for ids, or bytes, or not iterable.
        """
        verb.request(verb.sample)
        if problem := list_problem(source):
            raise InvalidRequest(verb.operation.name, "ids", problem, Rule.WRONG_TYPE)
        self._session = session
        self._verb = verb
        self._options = options
        report = Report(verb.operation.name, is_complete=False)
        self._recorder = OutcomeRecorder(report, options.assume_unique)
        wanted = partial(ids_without_region, source)
        self._regions = RegionLookup(verb.regions, wanted) if verb.regions and verb.by_region else None
        self._intake = Intake(verb, source, options, self._recorder, self._regions)
        self._log: CallLog | None = None
        self._resumed: Sequence[StartedCall] = ()
        self._driver: asyncio.Task[None] | None = None
        self._limit: anyio.CancelScope | None = None
        self._is_finished = False
        self._origin = _origin()
        self._is_unused = True

    def __del__(self) -> None:
        """Warn, as a coroutine does, if the run was never started."""
        if self._is_unused:
            message = f"the run of {self._verb.operation.name!r} was never awaited{self._origin}"
            warnings.warn(message, RuntimeWarning, stacklevel=2, source=self)

    @property
    def report(self) -> Report:
        """The report so far."""
        return self._recorder.report

    def log_calls_to(self, log: CallLog, resumed: Iterable[StartedCall] = ()) -> Self:
        """Write calls to a log before they are sent, which decides whether they may be; return the run.

        Call it before the run starts.

        Args:
            log: The log of this run alone.
            resumed: Calls of an earlier process, whose jobs are awaited and reported with those of this run.
                Their ids are not sent, even if the input has them too.

        Raises:
            InvalidRequest: The operation has nothing to wait for, or two of these calls are for the same id.
        """
        self._log, self._resumed = log, tuple(resumed)
        self._intake.log = log
        if problem := self._resume_problem():
            raise InvalidRequest(self._verb.operation.name, "resumed", problem, Rule.CONFLICT)
        return self

    def request(self, ids: Sequence[str]) -> Request:
        """Return the request for a chunk of ids."""
        return self._verb.request(ids)

    def discard(self) -> None:
        """Drop the run without a warning: it was created only to check its arguments, or for its requests."""
        self._is_unused = False

    def build_requests(self, build: Callable[[Sequence[str]], Request]) -> Self:
        """Build the request of each chunk by a function, when it is about to be sent; return the run.

        Call it before the run starts.
        """
        self._verb = evolve(self._verb, request=build)
        return self

    def estimate(self) -> Estimate:
        """Return the number of calls and polls and the duration, before the run starts.

        How long jobs take is what earlier jobs of the session took, or a guess if there were none.

        Raises:
            InvalidRequest: The input has no length.
        """
        self._is_unused = False
        source = self._intake.listed()
        work = self.workload((item, 1) for item in source)
        polling, name = self._session.poll_scheduler, self._verb.operation.name
        learned = polling.learned_durations(name)
        job = learned or Lognormal()
        if learned is not None and work.serial:
            length = queue_length(work.serial, self._options.max_per_partition)
            job = Lognormal(job.mu - log(length), job.sigma)
        quota_seconds = self.quota_seconds(work.calls)
        return Estimate(
            work.ids,
            work.calls,
            work.polls(job, polling.policy.poll_cost),
            quota_seconds,
            work.seconds(job, quota_seconds, is_guess=learned is None),
        )

    def workload(self, counts: Iterable[tuple[Item, int]]) -> Workload:
        """Return what the run has to do for other items than those of its input.

        Args:
            counts: Items with the number of ids that each stands for, of the same region and partition.
        """
        return Workload.of(self._verb, counts, self._intake.partition_chunk, self._options.concurrency)

    def quota_seconds(self, calls: int) -> float:
        """Return the minimum seconds that calls of its operation take under the quotas."""
        return self._session.estimate(self._verb.operation, calls)

    async def __aenter__(self) -> Self:
        """Return the run, which is cancelled when the block is left early."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cancel the rest of the run."""
        await self.cancel()

    def __await__(self) -> Generator[Any, None, Report]:
        """Run to the end and return the report, with the outcomes in the order of the ids."""
        return self._run_to_end().__await__()

    async def __aiter__(self) -> AsyncIterator[Outcome]:
        """Iterate over outcomes as they arrive. They are counted in `report`, and not kept in it.

        If the run was awaited before, iterate over the outcomes of its report once it is complete.
        """
        recorder = self._begin_iteration()
        try:
            while recorder.ready or not self._is_over:
                while recorder.ready:
                    yield recorder.ready.popleft()
                await self._wait_for_outcomes()
            self._raise_error()
            for outcome in self.report:
                yield outcome
        finally:
            await self.cancel()

    async def blocks(self) -> AsyncIterator[Sequence[Outcome]]:
        """Iterate over outcomes as they arrive, all at once that are there."""
        recorder = self._begin_iteration()
        try:
            while recorder.ready or not self._is_over:
                if recorder.ready:
                    yield recorder.take_ready()
                await self._wait_for_outcomes()
            self._raise_error()
        finally:
            await self.cancel()

    def _begin_iteration(self) -> OutcomeRecorder:
        """Start the run, if it has not started, with outcomes queued for the caller."""
        if self._driver is None and not self._is_finished:
            self._recorder.keeps = False
        self._start()
        return self._recorder

    async def _wait_for_outcomes(self) -> None:
        recorder = self._recorder
        recorder.notify()  # there is room for more ids
        await recorder.wait_until(lambda: recorder.ready or self._is_over)

    async def cancel(self) -> None:
        """Stop: nothing more is sent, and jobs are left running. `report` shows which ids that concerns.

        A run that is cancelled before it starts sends nothing, even if it is awaited later.
        """
        self._is_unused = False
        if self._driver is not None and not self._driver.done():
            self._driver.cancel()
            await asyncio.wait([self._driver])
        self._finish()

    @cached_property
    def _dispatcher(self) -> Dispatcher[Request, Answer]:
        """The dispatcher, created when needed: it refers to the run, and cycles delay `__del__`."""
        return Dispatcher(
            self._session,
            self._verb,
            self._record,
            self._recorder.discard_duplicates,
            lambda: self._stop_reason,
            self._intake.put_back,
            self._intake.put_back_sorted,
            self._pending,
            self._regions,
            self._log,
        )

    @cached_property
    def _pending(self) -> PendingCalls:
        """The calls whose jobs are awaited, created when needed for the same reason."""
        operation = self._verb.operation.name
        return PendingCalls(self._session, operation, self._record, self._options.max_wait(operation))

    @property
    def _is_over(self) -> bool:
        return self._is_finished and (self._driver is None or self._driver.done())

    @property
    def _stop_reason(self) -> str:
        is_late = self._limit is not None and self._limit.cancel_called
        return PAST_DEADLINE if is_late else CANCELLED

    def _record(self, outcomes: Sequence[Outcome]) -> None:
        self._intake.release(outcomes)
        self._recorder.record(outcomes)

    def _start(self) -> None:
        self._is_unused = False
        if self._driver is None and not self._is_finished:
            self._driver = asyncio.create_task(self._drive(), name=self._verb.operation.name)
            self._driver.add_done_callback(self._on_driver_done)

    def _on_driver_done(self, driver: asyncio.Task[None]) -> None:
        if not driver.cancelled():
            driver.exception()  # retrieved, because the caller who waited for it may have been cancelled
        self._finish()
        self._recorder.notify()

    async def _run_to_end(self) -> Report:
        self._start()
        try:
            await self._recorder.wait_until(lambda: self._is_over)
        finally:
            await self.cancel()
        self._raise_error()
        return self.report

    def _raise_error(self) -> None:
        """Raise the exception of the caller's input, if any. Errors of the service are outcomes."""
        driver = self._driver
        if driver is None or not driver.cancelled():
            error = (driver and driver.exception()) or self._intake.error
            if error is not None:
                raise error

    async def _drive(self) -> None:
        try:
            with anyio.move_on_after(self._options.seconds) as self._limit:
                self._resume_calls()
                async with anyio.create_task_group() as group:
                    if self._intake.needs_read_ahead:
                        group.start_soon(self._intake.read_ahead)
                    group.start_soon(self._work, group, self._options.concurrency - 1)
                await self._recorder.wait_until(lambda: not self._recorder.open)
        except BaseExceptionGroup as raised:
            raise first_error(raised) from None
        finally:
            self._finish()

    async def _work(self, group: TaskGroup, more: int) -> None:
        """Send chunks until there are none.

        The first one starts the next of `more` workers, so that a run has no more of them than calls.
        """
        while (chunk := await self._intake.next_chunk()) is not None:
            if more:
                group.start_soon(self._work, group, more - 1)
                more = 0
            await self._dispatcher.send(chunk)
            self._intake.end_probe()

    def _resume_problem(self) -> str | None:
        """Return why the resumed calls cannot be awaited, if they cannot."""
        if self._resumed and self._verb.resume is None:
            return "cannot be awaited: the operation starts no jobs"
        calls = Counter(id for call in self._resumed for id in set(call.jobs.values()))
        return next((f"has {count} calls for {id}" for id, count in calls.items() if count > 1), None)

    def _resume_calls(self) -> None:
        """Wait for the jobs of the resumed calls, once."""
        calls, self._resumed, resume = self._resumed, (), self._verb.resume
        if resume is None:
            return
        for call in calls:
            wait = resume(call)
            self._recorder.begin(dict.fromkeys(wait.jobs.values()))
            self._pending.resume(wait, call)

    def _finish(self) -> None:
        """Record an outcome for every id of the input that has none, once."""
        if self._is_finished:
            return
        self._is_finished = True
        self._resume_calls()
        self._pending.leave_running()
        for chunk in self._intake.unsent():
            self._dispatcher.record_unsent(chunk, self._stop_reason)
        self._recorder.finish(is_complete=self._intake.is_exhausted)


def _origin() -> str:
    """Return where the caller creates a run, if asyncio's debug mode records that for coroutines."""
    depth = sys.get_coroutine_origin_tracking_depth()
    if not depth:
        return ""
    frames = [frame for frame in traceback.extract_stack() if not frame.filename.startswith(_PACKAGE)]
    return "\nRun created at (most recent call last)\n" + "".join(traceback.format_list(frames[-depth:]))
