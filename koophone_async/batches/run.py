"""One verb over any number of ids, with an outcome for each.

A few workers draw ids, build chunks and send them; no phone is waited for in a task of
its own. Jobs are watched by the session's poll scheduler, which calls back as each one ends.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Collection,
    Generator,
    Iterable,
    Iterator,
    Sequence,
    Sized,
)
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Self, cast

import anyio
from attrs import define, evolve

from koophone_async.batches.chunks import Chunker, Item, Partitions, Source, identify, problem
from koophone_async.batches.outcome_mapping import of_error, of_job, unfinished
from koophone_async.batches.outcomes import (
    CANCELLED,
    SAYS_NOTHING,
    TOO_LATE,
    Estimate,
    Outcome,
    Report,
    State,
)
from koophone_async.call import SendTracker
from koophone_async.errors import InvalidRequest, KooPhoneError, Refused
from koophone_async.operation import Answer, Request, Sender
from koophone_async.polling import PendingJobs, ResumeToken

if TYPE_CHECKING:
    from koophone_async.batches.verb import Ended, Reading, RunOptions, Verb, Wait


@define(eq=False)
class _Watching:
    """Jobs of one call that are being watched."""

    wait: Wait
    jobs: dict[str, str]
    """Open ones, job id to id."""

    began: float
    pending: PendingJobs[Any] | None = None


class Run(Generic[Request, Answer]):
    """A verb over ids: iterate it for each outcome as it comes, or await it for the report.

    It starts when it is first iterated or awaited. When it is cancelled, `report` still holds
    what became of every id that was drawn, and of the rest where the input is a list. An error of the
    input is raised when all that was drawn before it has its outcome.
    """

    def __init__(
        self, session: Sender, verb: Verb[Request, Answer], source: Source, options: RunOptions
    ) -> None:
        """Prepare a run; nothing is drawn and nothing sent yet.

        Raises:
            InvalidRequest: The verb's arguments are wrong, whatever the ids; or these are one text, which would be
                taken letter by letter.
        """
        verb.request(verb.sample)
        if isinstance(source, str):
            raise InvalidRequest(verb.operation.name, "ids", f"is the string {source!r}; pass a list of ids")
        self._session = session
        self._verb = verb
        self._source = source
        self._items = aiter(source) if isinstance(source, AsyncIterable) else self._until_dry(iter(source))
        self._options = options
        self._chunker = Chunker(verb.most, verb.by_region)
        self._lane = verb.partition
        self._partitions = Partitions(
            options.per_partition, min(verb.most, max(1, options.per_partition // 3))
        )
        self._step = self._partitions.chunk if verb.partition else verb.most
        self._drawing = asyncio.Lock()
        self._is_dry = False
        self._broken: Exception | None = None
        """What the caller's own input raised, which then has ended."""

        self._keeps = True
        self._seen: dict[str, Outcome | None] = {}
        self._open = 0
        self._watched: set[_Watching] = set()
        self._ready: deque[Outcome] = deque()
        self._changed = asyncio.Event()
        self._driver: asyncio.Task[None] | None = None
        self._limit: anyio.CancelScope | None = None
        self.report: Report = Report(verb.operation.name)

    def estimate(self) -> Estimate:
        """Say before the start how many calls this is and how long the quotas make it last.

        Raises:
            InvalidRequest: The input has no length.
        """
        if not isinstance(self._source, Sized):
            raise InvalidRequest(
                self._verb.operation.name, "ids", "have no length, so they cannot be estimated"
            )
        count = len(self._source)
        calls = self._calls(count)
        return Estimate(count, calls, self._session.estimate(self._verb.operation, calls))

    def _calls(self, count: int) -> int:
        partition, source = self._verb.partition, self._source
        if partition is None or not isinstance(source, Collection):
            return math.ceil(count / self._verb.most)
        partitions = Counter(map(partition, source))
        free = math.ceil(partitions.pop(None, 0) / self._verb.most)
        return free + sum(math.ceil(count / self._partitions.chunk) for count in partitions.values())

    async def __aenter__(self) -> Self:
        """Use it in a block to be sure that it is cancelled when the block is left early."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cancel what is left."""
        await self.cancel()

    def __await__(self) -> Generator[Any, None, Report]:
        """Run to the end and give the report, with the outcomes in the order of the ids."""
        return self._finish().__await__()

    async def __aiter__(self) -> AsyncIterator[Outcome]:
        """Give each outcome as it comes. They are counted in `report`, and not kept in it.

        Where the run was awaited before, it gives those of the report when all are there.
        """
        if self._driver is None:
            self._keeps = False
        self._start()
        try:
            while self._ready or not self._is_over:
                while self._ready:
                    yield self._ready.popleft()
                self._changed.set()
                await self._until(lambda: self._ready or self._is_over)
            self._reraise()
            for outcome in self.report.outcomes.values():
                yield outcome
        finally:
            await self.cancel()

    async def cancel(self) -> None:
        """Stop: what has not been sent stays so, jobs go on unwatched. `report` says which is which."""
        if self._driver is not None and not self._driver.done():
            self._driver.cancel()
            await asyncio.wait([self._driver])

    @property
    def _is_over(self) -> bool:
        return self._driver is not None and self._driver.done()

    def _start(self) -> None:
        if self._driver is None:
            self._driver = asyncio.create_task(self._drive(), name=self._verb.operation.name)
            self._driver.add_done_callback(self._over)

    def _over(self, driver: asyncio.Task[None]) -> None:
        if not driver.cancelled():
            driver.exception()  # looked at here, because who waited for it may have been cancelled
        self._changed.set()

    async def _finish(self) -> Report:
        self._start()
        try:
            await self._until(lambda: self._is_over)
        finally:
            await self.cancel()
        self._reraise()
        return self.report

    def _reraise(self) -> None:
        """Raise what the caller's own input raised; what the service did is an outcome."""
        if self._driver is not None and not self._driver.cancelled():
            error = self._driver.exception() or self._broken
            if error is not None:
                raise error

    async def _until(self, condition: Callable[[], object]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def _drive(self) -> None:
        try:
            with anyio.move_on_after(self._options.deadline) as self._limit:
                async with anyio.create_task_group() as group:
                    for _ in range(self._options.concurrency):
                        group.start_soon(self._work)
                await self._until(lambda: not self._open)
        except BaseExceptionGroup as raised:
            raise _only(raised) from None
        finally:
            self._give_up()

    async def _work(self) -> None:
        while (chunk := await self._next()) is not None:
            await self._send(chunk)

    async def _next(self) -> list[str] | None:
        """Draw ids until a chunk is full; None when the input has ended and all are taken."""
        async with self._drawing:
            while True:
                if chunk := self._partitions.give() or await self._draw() or self._left_over():
                    return chunk
                if self._is_dry and not self._partitions.held:
                    return None
                if not self._may_draw():
                    self._changed.clear()
                    await self._changed.wait()

    def _left_over(self) -> list[str] | None:
        """Give less than a chunk where nothing more can be drawn for it now."""
        if self._may_draw():
            return None
        return self._partitions.give(partial=True) or (self._chunker.rest() if self._is_dry else None)

    def _may_draw(self) -> bool:
        flying = self._flying
        return not self._is_dry and (not flying or flying + self._step <= self._options.in_flight)

    @property
    def _flying(self) -> int:
        # What is held for a chunk does not count: nothing else would ever make room for it.
        return self._open - self._chunker.held + len(self._ready)

    async def _draw(self) -> list[str] | None:
        """Draw until a chunk is full, or no more may be drawn."""
        if not self._may_draw():
            return None
        try:
            if isinstance(self._items, Iterator):
                room = max(1, self._options.in_flight - self._flying)
                return next(filter(None, map(self._take, islice(self._items, room))), None)
            async for item in self._items:
                chunk = self._take(item)
                if chunk or not self._may_draw():
                    return chunk
        except Exception as error:  # noqa: BLE001 - the caller's own; raised when what was drawn is done
            self._broken = error
        self._is_dry = True
        return None

    def _until_dry(self, source: Iterator[Item]) -> Iterator[Item]:
        try:
            yield from source
        finally:
            self._is_dry = True

    def _take(self, item: Item) -> list[str] | None:
        """Take one id that is new; answer a chunk when one is full."""
        given, region = identify(item)
        id, wrong = str(given), problem(given)
        if self._keeps or not self._options.assume_unique:
            if id in self._seen:
                return None
            self._seen[id] = None
        self._open += 1
        if wrong:
            self._end(Outcome(id, State.NOT_SENT, error_message=wrong))
            return None
        try:
            partition = self._lane and self._lane(item)
        except Exception as error:
            self._end(Outcome(id, State.NOT_SENT, error_message=type(error).__name__))
            raise
        if partition is None:
            return self._chunker.add(id, region)
        self._partitions.add(id, partition)
        return self._partitions.give()

    async def _send(self, chunk: Sequence[str]) -> None:
        """Send a chunk, and its halves where it is refused for some of its ids."""
        parts = [chunk]
        while parts:
            part = parts.pop()
            began, tracker, request = _now(), SendTracker(bisects=len(part) > 1), None
            try:
                request = self._verb.request(part)
                reading = self._verb.read(await self._ask(request, tracker), part)
            except KooPhoneError as error:
                # An order that was refused is left to its owner, whoever of its ids was at fault.
                may_halve = _is_about_ids(error) and not self._verb.operation.order
                if len(part) > 1 and (request is None or may_halve):
                    parts += _halves(part)
                else:
                    state, message, code = of_error(error, left=tracker.sent)
                    self._end_all(part, state, message, began, code)
            except BaseException as error:
                is_stopped = isinstance(error, asyncio.CancelledError)
                why = self._end_word if is_stopped else type(error).__name__
                self._end_all(part, State.UNKNOWN if tracker.sent else State.NOT_SENT, why, began)
                for rest in parts:
                    self._end_all(rest, State.NOT_SENT, why, began)
                raise
            else:
                self._settle(part, reading, began)

    async def _ask(self, request: Request, tracker: SendTracker) -> Answer:
        verb = self._verb
        if verb.ask is not None:
            return await verb.ask(self._session, request, tracker)
        return await self._session.send(verb.operation, request, tracker=tracker)

    def _settle(self, part: Sequence[str], reading: Reading, began: float) -> None:
        """Take each id's end, or the job to watch for it; an id that the answer leaves out is unknown."""
        missing = dict.fromkeys(part)
        self._open -= len(part) - len(missing)  # one that came twice, against what the caller vouched for
        for outcome in reading.ends:
            if outcome.id in missing:
                del missing[outcome.id]
                self._end(evolve(outcome, seconds=_now() - began))
        if reading.wait is not None:
            jobs: dict[str, str] = {}
            for job, id in reading.wait.jobs.items():
                if id in missing:
                    del missing[id]
                    jobs[job] = id
            if jobs:
                self._watch(reading.wait, jobs, began)
        self._end_all(missing, State.UNKNOWN, SAYS_NOTHING, began)

    def _watch(self, wait: Wait, jobs: dict[str, str], began: float) -> None:
        watching = _Watching(wait, jobs, began)
        self._watched.add(watching)

        def on_end(job_id: str, job: Ended | None) -> None:
            id = jobs.pop(job_id)
            if not jobs:
                self._watched.discard(watching)
            seconds = _now() - began
            try:
                outcome = of_job(id, job_id, job, seconds, wait.value)
            except BaseException:
                self._end(of_job(id, job_id, job, seconds))
                raise
            self._end(outcome)

        def on_done(pending: PendingJobs[Any]) -> None:
            if jobs:
                self._leave_running(watching, str(pending.error or "still running"))

        watching.pending = self._session.poll_scheduler.subscribe(
            wait.poller,
            wait.handle,
            tuple(jobs),
            operation=self._verb.operation.name,
            on_end=on_end,
            on_done=on_done,
        )

    def _give_up(self) -> None:
        """Give an outcome to everything that was asked for and has none."""
        for watching in tuple(self._watched):
            self._leave_running(watching)
        self._leave_unsent()
        self._lane = None  # what is not sent needs none
        if isinstance(self._source, Collection) and isinstance(self._items, Iterator):
            for chunk in filter(None, map(self._take, self._items)):
                self._end_all(chunk, State.NOT_SENT, self._end_word, _now())
            self._leave_unsent()
        if self._keeps:
            self.report.outcomes = {id: outcome for id, outcome in self._seen.items() if outcome is not None}

    @property
    def _end_word(self) -> str:
        return TOO_LATE if self._limit is not None and self._limit.cancel_called else CANCELLED

    def _leave_unsent(self) -> None:
        while chunk := self._chunker.rest() or self._partitions.rest():
            self._end_all(chunk, State.NOT_SENT, self._end_word, _now())

    def _leave_running(self, watching: _Watching, why: str = "still running") -> None:
        self._watched.discard(watching)
        if watching.pending is not None:
            watching.pending.cancel()
        wait = watching.wait
        started_at = self._session.now() - timedelta(seconds=_now() - watching.began)
        resume_token = ResumeToken(self._verb.operation.name, wait.handle, watching.jobs, started_at)
        for job in watching.jobs:
            self._end(
                unfinished(resume_token, job, _now() - watching.began, why, can_be_awaited=wait.resume_tokens)
            )

    def _end_all(
        self, ids: Iterable[str], state: State, message: str, began: float, code: str | None = None
    ) -> None:
        seconds = _now() - began
        for id in ids:
            self._end(Outcome(id, state, error_code=code, error_message=message, seconds=seconds))

    def _end(self, outcome: Outcome) -> None:
        self._open -= 1
        self._partitions.ended(outcome.id)
        self.report.add(outcome)
        if self._keeps:
            self._seen[outcome.id] = outcome
        else:
            self._ready.append(outcome)
        self._changed.set()


def _is_about_ids(error: KooPhoneError) -> bool:
    """Whether some ids of the call are the reason, and nothing was done for any of them."""
    return isinstance(error, Refused) and error.blames_ids


def _halves(part: Sequence[str]) -> list[Sequence[str]]:
    """Cut in two, the first half last, because the next part to send is taken from the end."""
    half = len(part) // 2
    return [part[half:], part[:half]]


def _now() -> float:
    return asyncio.get_running_loop().time()


def _only(raised: BaseException) -> BaseException:
    """Take the first error out of the groups that task groups wrap around it."""
    while isinstance(raised, BaseExceptionGroup):
        raised = cast("BaseExceptionGroup[BaseException]", raised).exceptions[0]
    return raised
