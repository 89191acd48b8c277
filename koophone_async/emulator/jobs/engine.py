"""The job engine: effects, the jobs that apply them, and the queues in which jobs wait for their turn.

Nothing runs in the background: no task, no timer. `Jobs.settle` applies everything that has become due,
once and in the order of time, before anything is read. No caller can distinguish this from jobs that run by
themselves.

A job without a queue begins at once. In a queue jobs begin in the order in which they came: an exclusive
effect makes the next job wait until it is over, any other job runs beside the others (CPH 5.7 of
2025-02-08). A job can also depend on the end of others, or on the payment of an order.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import count
from typing import ClassVar, TypeAlias, TypeVar

from attrs import define, evolve, field, frozen
from attrs.validators import disabled

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.server_inventory import Server
from koophone_async.emulator.fleet import Phone, RunningState
from koophone_async.emulator.server.errors import message_of
from koophone_async.emulator.server.faults import Fail, Lose, Stick
from koophone_async.emulator.world import World
from koophone_async.operation import AnyOperation

Event: TypeAlias = Callable[[float], None]
"""Something that becomes due; it is called with the time at which it was due."""

Request = TypeVar("Request")


@frozen
class EffectError(Exception):
    """An effect failed, and its job with it."""

    code: str


def narrowed(request: Request, **targets: tuple[str, ...]) -> Request:
    """Return a request for some of its targets. It is not checked again: a lenient emulator accepts more."""
    with disabled():
        return evolve(request, **targets)  # type: ignore[misc]


@frozen
class Effect:
    """What a job does to the emulated cloud. An effect contains the operation's request and no state."""

    exclusive: ClassVar[bool] = False
    """Whether the next job of the queue waits until this one is over."""

    counted: ClassVar[bool] = True
    """Whether its beginning counts as an execution in the ledger."""

    def begin(self, run: Run) -> None:
        """Apply what happens at the job's turn.

        Raises:
            EffectError: The effect is impossible; it was not executed.
        """

    def finish(self, run: Run) -> None:
        """Apply what happens at the end of a job that has not failed.

        Raises:
            EffectError: The effect failed.
        """

    def fail(self, run: Run) -> None:
        """Apply what is visible of a job that failed."""


@define(eq=False)
class Job:
    """One effect on one phone or server."""

    id: str
    """Empty for a job that no caller can see."""

    request: str
    """The id of the call or task that started it."""

    operation: str
    effect: Effect
    seconds: float
    """How long it takes from its turn on, which the beginning can extend."""

    phone: str | None = None
    """By KooPhone's id or by CPH's, as the service of the operation names phones."""

    server: str | None = None
    encoder: str | None = None
    queue: str | None = None
    waits_for: set[str] = field(factory=set[str])
    """Jobs that must end, and orders that must be paid, before it can begin."""

    began: float | None = None
    ends: float | None = None
    """None before its turn, and for a job that never ends."""

    code: str = ""
    message: str = ""
    output: str | None = None
    is_stuck: bool = False
    is_lost: bool = False
    leaves: RunningState | None = None
    """The state in which its failure leaves the phone, if a fault decides it."""

    @property
    def target(self) -> str:
        """The id of what the effect is applied to."""
        return self.phone or self.encoder or self.server or ""

    @property
    def service(self) -> str:
        """The service whose operation started it."""
        return self.operation.partition(".")[0]

    def ended(self, now: float) -> bool:
        """Return whether it is over."""
        return self.ends is not None and self.ends <= now

    def status(self, now: float) -> str:
        """Return its status in a word."""
        if self.is_lost:
            return "lost"
        if self.began is None:
            return "waiting"
        if not self.ended(now):
            return "running"
        return "failed" if self.code else "succeeded"

    def fail(self, code: str, message: str | None = None) -> None:
        """Make it end in failure, unless it fails already."""
        if not self.code:
            self.code, self.message = code, message_of(code) if message is None else message


@frozen
class Run:
    """A job at the moment at which its effect is applied."""

    jobs: Jobs
    job: Job
    time: float
    """By the clock of the world."""

    @property
    def world(self) -> World:
        """The state of the emulated cloud."""
        return self.jobs.world

    @property
    def at(self) -> datetime:
        """The wall clock time."""
        return self.world.moment(self.time)

    @property
    def phone(self) -> Phone:
        """The phone of the job; raises `EffectError` if it no longer exists (CPS.0005)."""
        id_, fleet = self.job.phone or "", self.world.fleet
        try:
            return fleet[id_] if id_ in fleet else fleet.by_cph_id(id_)
        except KeyError:
            raise EffectError(error_table.NO_PHONE) from None

    @property
    def server(self) -> Server:
        """The server of the job; raises `EffectError` if it no longer exists (CPS.0159)."""
        try:
            return self.world.cph.servers.by_id[self.job.server or ""]
        except KeyError:
            raise EffectError(error_table.NO_SUCH_SERVER) from None

    def require_running(self) -> Phone:
        """Return the phone of the job; raise `EffectError` if it is not running (CPS.0141)."""
        if self.phone.running is not RunningState.RUNNING:
            raise EffectError(error_table.PHONE_NOT_RUNNING)
        return self.phone


@define(eq=False)
class Jobs:
    """All jobs, their queues, and the schedule of what becomes due."""

    world: World = field(repr=False)
    by_id: dict[str, Job] = field(factory=dict[str, Job], init=False)
    by_request: dict[str, list[Job]] = field(factory=dict[str, list[Job]], init=False)
    _hidden: dict[int, Job] = field(factory=dict[int, Job], init=False)
    """Jobs that no caller can see, until they are over, by identity."""

    _schedule: list[tuple[float, int, Event]] = field(factory=list[tuple[float, int, Event]], init=False)
    """A heap; the number orders what is due at the same time."""

    _numbers: Iterator[int] = field(factory=count, init=False)
    _queues: dict[str, deque[Job]] = field(factory=dict[str, deque[Job]], init=False)
    _free_at: dict[str, float] = field(factory=dict[str, float], init=False)
    """When the next turn of a queue can be."""

    _dependents: dict[str, list[Job]] = field(factory=dict[str, list[Job]], init=False)
    """The jobs that wait for a job to end or an order to be paid."""

    def __len__(self) -> int:
        """Return the number of scheduled events."""
        return len(self._schedule)

    def next_event(self, latest: float) -> float:
        """Return when the next event is due, or `latest` if that is earlier."""
        return min(self._schedule[0][0], latest) if self._schedule else latest

    def settle(self) -> float:
        """Apply everything that is due, and return the time up to which that was done."""
        now = self.world.clock()
        while self._schedule and self._schedule[0][0] <= now:
            at, _, event = heapq.heappop(self._schedule)
            event(at)
        return now

    def of_request(self, *requests: str) -> list[Job]:
        """Return the jobs of some calls, in the order of the calls, without those that are lost."""
        found = (job for request in dict.fromkeys(requests) for job in self.by_request.get(request, ()))
        return [job for job in found if not job.is_lost]

    def unfinished(self, operation: AnyOperation) -> list[Job]:
        """Return the jobs of an operation that are not over."""
        now = self.world.clock()
        return [job for job in self.by_id.values() if job.operation == operation.name and not job.ended(now)]

    def start(  # noqa: PLR0913 - the facts of a job
        self,
        operation: AnyOperation,
        request: str,
        effect: Effect,
        *,
        phone: str | None = None,
        server: str | None = None,
        encoder: str | None = None,
        queue: str | None = None,
        waits_for: Iterable[str] = (),
        seconds: float | None = None,
    ) -> Job:
        """Start a job, to which the planned faults apply. By default its duration is random."""
        seconds = self._draw() if seconds is None else seconds
        job = Job(
            self.world.hex(), request, operation.name, effect, seconds,
            phone, server, encoder, queue, set(waits_for)
        )  # fmt: skip
        self._apply_fault(job)
        self._add(job, self.world.clock())
        return job

    def start_hidden(
        self,
        effect: Effect,
        *,
        phone: str | None = None,
        server: str | None = None,
        after: str | None = None,
        operation: AnyOperation | None = None,
    ) -> None:
        """Start work that no caller can see as a job, now or once something is complete, such as an order.

        The faults of the operation that wants it affect it, if the operation is named; what is lost never
        begins.
        """
        waits_for = set[str]() if after is None else {after}
        job = Job("", "", "", effect, self._draw(), phone, server, waits_for=waits_for)
        if operation is not None:
            job.operation = operation.name
            self._apply_fault(job)
        if not job.is_lost:
            self._add(job, self.world.clock())

    def wait_for(self, job: Job, ids: Iterable[str]) -> None:
        """Add conditions to a job that is already waiting."""
        for id_ in ids:
            job.waits_for.add(id_)
            self._dependents.setdefault(id_, []).append(job)

    def complete(self, id_: str, at: float | None = None) -> None:
        """Start what waited for a job or an order."""
        for job in self._dependents.pop(id_, ()):
            job.waits_for.discard(id_)
            if not job.waits_for:
                self._line_up(job, self.world.clock() if at is None else at)

    def _draw(self) -> float:
        return self.world.durations.draw(self.world.rng)

    def _apply_fault(self, job: Job) -> None:
        fate = self.world.plan.on_job(job.operation, job.target)
        job.is_stuck, job.is_lost = isinstance(fate, Stick), isinstance(fate, Lose)
        if isinstance(fate, Fail):
            job.fail(fate.code, fate.message)
            job.leaves = None if fate.leaves is None else RunningState(fate.leaves)

    def _add(self, job: Job, at: float) -> None:
        self._record(job)
        self._await(job, at)

    def _await(self, job: Job, at: float) -> None:
        self.wait_for(job, tuple(job.waits_for))
        if not job.waits_for:
            self._line_up(job, at)

    def _record(self, job: Job) -> None:
        if job.id:
            self.by_id[job.id] = job
            self.by_request.setdefault(job.request, []).append(job)
        else:
            self._hidden[id(job)] = job

    def _line_up(self, job: Job, at: float) -> None:
        if job.queue is None:
            self._begin(job, at)
            return
        queue = self._queues.setdefault(job.queue, deque())
        queue.append(job)
        if len(queue) == 1:
            self._schedule_turn(job.queue, at)

    def _schedule_turn(self, queue: str, at: float) -> None:
        self._schedule_event(max(at, self._free_at.get(queue, at)), partial(self._turn, queue))

    def _schedule_event(self, at: float, event: Event) -> None:
        heapq.heappush(self._schedule, (at, next(self._numbers), event))

    def _turn(self, name: str, at: float) -> None:
        queue = self._queues[name]
        job = queue.popleft()
        over = self._begin(job, at)
        self._free_at[name] = over if job.effect.exclusive else at
        if queue:
            self._schedule_turn(name, at)

    def _begin(self, job: Job, at: float) -> float:
        """Apply the beginning of a job, and return when it would be over."""
        job.began = at
        try:
            job.effect.begin(Run(self, job, at))
        except EffectError as error:
            job.fail(error.code)
        else:
            if job.id and job.effect.counted:
                self.world.ledger.executed(job.operation, [job.target])
        over = at + job.seconds
        if not job.is_stuck:
            job.ends = over
            self._schedule_event(over, partial(self._end, job))
        return over

    def _end(self, job: Job, at: float) -> None:
        run = Run(self, job, at)
        if not job.code:
            try:
                job.effect.finish(run)
            except EffectError as error:
                job.fail(error.code)
        if job.code:
            with suppress(EffectError):  # of a target that is gone nothing is visible
                job.effect.fail(run)
                if job.leaves is not None:
                    run.phone.running = job.leaves
        self._hidden.pop(id(job), None)
        self.complete(job.id, at)

    @property
    def snapshot(self) -> list[Job]:
        """All jobs that a snapshot contains."""
        return [*self.by_id.values(), *self._hidden.values()]

    def restore(self, jobs: Iterable[Job], now: float) -> None:
        """Restore state from the jobs of a snapshot, everything due before `now` being done."""
        jobs = tuple(jobs)
        for job in jobs:
            self._record(job)
            if job.began is None:
                continue
            if job.ends is not None and not job.ended(now):
                self._schedule_event(job.ends, partial(self._end, job))
            if job.queue is not None and job.effect.exclusive:
                over = job.began if job.ends is None else job.ends
                self._free_at[job.queue] = max(over, self._free_at.get(job.queue, over))
        for job in jobs:
            if job.began is None:
                self._await(job, now)
