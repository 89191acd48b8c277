"""What the process that drives a rollout writes: chunks, results and states, all with its epoch."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from attrs import define, evolve, field

from koophone_async.errors import KooPhoneError
from koophone_async.rollouts.journal import attempts, lease, queries
from koophone_async.rollouts.journal.attempts import NewAttempt
from koophone_async.rollouts.journal.changes import (
    SENT,
    Changes,
    FencedWriter,
    Logged,
    Planned,
    Refusals,
    RolloutChanges,
    Sent,
)
from koophone_async.rollouts.journal.encoding import from_micros, to_micros
from koophone_async.rollouts.journal.errors import JournalError, LeaseLost
from koophone_async.rollouts.journal.open_chunks import OpenChunk

if TYPE_CHECKING:
    from asyncio import Future, Task, TimerHandle
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from typing import Unpack

    from koophone_async.rollouts.journal.database import Database
    from koophone_async.rollouts.journal.records import ChunkRecord, Request, Result, RolloutRecord
    from koophone_async.rollouts.journal.writer import GroupWriter

Returned = TypeVar("Returned")

_RESULTS_DELAY: Final = 0.2
"""Seconds that results wait for others, to be written with them, if a crash could not lose them: the jobs
of their chunk are found again by its handle."""


@define(eq=False)
class Driver:
    """The right to drive one rollout, until it is released or lost.

    Methods that are not coroutines queue a change; all changes of one moment are written in one transaction,
    which also checks that no other process has taken over.
    """

    rollout: RolloutRecord
    """As it was when the lease was acquired."""

    open_chunks: Sequence[ChunkRecord]
    """Chunks of earlier drivers, of all attempts, that are not settled."""

    _writer: GroupWriter
    _fenced: FencedWriter
    now: Callable[[], datetime]
    """Returns the time that is recorded."""

    _clock: Callable[[], float]
    _last_chunk: int
    _last_request: int
    lost: asyncio.Event = field(factory=asyncio.Event, init=False)
    """Set when the lease is lost or the journal cannot be written: nothing more may be sent."""

    error: JournalError | LeaseLost | None = field(default=None, init=False)
    """Why it is lost."""

    _attempt: int = field(init=False)
    _open: dict[int, OpenChunk] = field(factory=dict[int, OpenChunk], init=False)
    _planned: dict[int, Planned] = field(factory=dict[int, Planned], init=False)
    """Chunks that are written when they are sent: until then a crash loses nothing with them."""

    _changes: Changes = field(factory=Changes, init=False)
    _unwritten: list[Changes] = field(factory=list[Changes], init=False)
    """Changes of the transaction that is running, or that failed; `flush` and `release` try these again."""

    _commit: Future[Any] | None = field(default=None, init=False)
    _timer: TimerHandle | None = field(default=None, init=False)
    _renewing: Task[None] = field(init=False)
    _renewed_at: float = field(init=False)

    @property
    def epoch(self) -> int:
        """Number of drivers that the rollout has had, with this one."""
        return self._fenced.epoch

    def __attrs_post_init__(self) -> None:
        """Restore the open chunks of earlier drivers."""
        self._attempt = self.rollout.attempt
        self._renewed_at = self._clock()
        for chunk in self.open_chunks:
            self._reopen(chunk)

    def take_chunks(self, chunks: Sequence[ChunkRecord]) -> None:
        """Replace the open chunks by those of a rollout whose shards were closed since."""
        self.open_chunks = chunks
        self._open.clear()
        for chunk in chunks:
            self._reopen(chunk)

    def start_renewing(self) -> None:
        """Renew the lease from now on, in a task."""
        self._renewing = asyncio.create_task(self._keep_renewing())

    def plan_chunk(self, step: int, positions: Sequence[int], *, wave: int = 0, selection: int = 0) -> int:
        """Plan a chunk, and return its number."""
        number = self._next_chunk()
        self._plan(Planned(number, self._attempt, step, wave, selection, tuple(positions), None))
        return number

    async def mark_sending(self, chunk: int) -> None:
        """Write that a chunk is about to be sent. When this returns, it is on disk and the chunk may be sent.

        Raises:
            LeaseLost: Another process has taken over; the chunk must not be sent.
            JournalError: It could not be written; the chunk must not be sent.
            SendingHeld: It is of a shard, and its rollout is held.
            SendingStopped: It is of a shard, and its rollout sends nothing more.
        """
        if self.error is not None:
            raise self.error
        self._write_planned(chunk)
        self._changes.sending[chunk] = to_micros(self.now())
        if (refusal := (await self._write_now()).get(chunk)) is not None:
            raise refusal

    def replan_chunk(self, chunk: int, parts: Sequence[Sequence[int]]) -> list[int]:
        """Close a chunk that was certainly not executed, plan its parts, and return their numbers."""
        old = self._open.pop(chunk)
        self._write_planned(chunk)
        self._changes.closed.append(chunk)
        numbers = [self._next_chunk() for _ in parts]
        for number, part in zip(numbers, parts, strict=True):
            self._plan(old.part(number, part, chunk))
            self._write_planned(number)
        self._write_later()
        return numbers

    def mark_sent(
        self, chunk: int, handle: str, jobs: Mapping[str, int], *, has_jobs: bool, called_at: datetime
    ) -> None:
        """Write that the service took a chunk. If the lease is lost, the new driver learns of it."""
        if (known := self._open.get(chunk)) is not None:
            known.is_sent = True
        self._changes.sent.append(Sent(chunk, handle, jobs, has_jobs, to_micros(called_at)))
        self._start_commit()  # even if the lease is lost

    def settle(self, chunk: int | None, results: Sequence[Result], counts: Mapping[str, int]) -> None:
        """Write results, and the counts after them.

        A chunk is settled once each of its phones has a result other than UNFINISHED. Results of phones that
        were in no chunk have None.
        """
        changes = self._changes
        changes.rollout["counts"] = counts
        if (of_chunk := changes.results.get(chunk)) is None:
            changes.results[chunk] = list(results)
        else:
            of_chunk += results
        if chunk is not None and (known := self._open.get(chunk)) is not None:
            self._write_planned(chunk)
            if known.is_settled_by(results):
                del self._open[chunk]
                self._changes.closed.append(chunk)
            if known.is_sent:
                self._write_later()
                return
        self._write_soon()

    def update(self, **changes: Unpack[RolloutChanges]) -> None:
        """Change fields of the rollout."""
        self._changes.rollout.update(changes)
        self._attempt = changes.get("attempt", self._attempt)
        self._write_soon()

    def log(self, what: str, details: Mapping[str, object] | None = None) -> None:
        """Add an entry to the log."""
        at = to_micros(self.now())
        self._changes.logged.append(Logged(at, self._fenced.actor, what, details or {}))
        self._write_soon()

    async def add_attempt(
        self,
        kind: str,
        starts: Iterable[tuple[int, int]],
        waves: Sequence[int] = (),
        options: Mapping[str, str] | None = None,
    ) -> int:
        """Start an attempt, and return its number; chunks that are planned from now on belong to it.

        Args:
            kind: What it is, such as `retry` or `undo`.
            starts: Position and first step of each phone.
            waves: Cumulative number of its phones at the end of each wave.
            options: Fields in which its plan differs from that of its kind.

        Raises:
            LeaseLost: Another process has taken over.
            JournalError: It could not be written.
        """
        new = NewAttempt(kind, list(starts), tuple(waves), to_micros(self.now()), options or {})
        await self.flush()
        self._attempt = await self._checked(self._writer.write(self._add_attempt, new))
        return self._attempt

    def _add_attempt(self, database: Database, new: NewAttempt) -> int:
        lease.check(database, self._fenced.key, self.epoch)
        return attempts.add(database, self.rollout.id, new)

    async def requests(self, *, reopens_late: bool = True) -> Sequence[Request]:
        """Return what other processes have asked for since the last call.

        Args:
            reopens_late: Whether calls with late handles are reopened; otherwise `late_calls` has them.

        Raises:
            LeaseLost: Another process has taken over.
            JournalError: The journal could not be read or written.
        """
        rows = await self._checked(
            self._writer.read(queries.requests_after, self.rollout.id, self._last_request)
        )
        if not rows:
            return ()
        self._changes.last_request = self._last_request = rows[-1][0].number
        self._write_soon()
        return [
            evolve(request, chunk=await self.reopen(SENT.decode(late)))
            if late is not None and reopens_late
            else request
            for request, late in rows
        ]

    async def late_calls(self) -> Sequence[Sent]:
        """Return all calls whose handles were written after another process had taken over.

        Raises:
            JournalError: The journal could not be read.
        """
        rows = await self._checked(self._writer.read(queries.late_calls, self.rollout.id))
        return [SENT.decode(sent) for sent in rows]

    async def flush(self) -> None:
        """Write everything that is queued; it is on disk when this returns.

        Raises:
            LeaseLost: Another process has taken over.
            JournalError: It could not be written.
        """
        for chunk in list(self._planned):
            self._write_planned(chunk)
        await self._write_now()

    async def renew(self) -> None:
        """Renew the lease; a task of the driver does it regularly.

        Raises:
            LeaseLost: Another process has taken over.
            JournalError: It could not be written.
        """
        renewed_at = self._clock()
        await self._checked(self._writer.write(lease.renew, self._fenced.key, self.epoch))
        self._renewed_at = renewed_at

    async def release(self, **changes: Unpack[RolloutChanges]) -> None:
        """Change fields of the rollout, write everything that is queued, and end the lease.

        Raises:
            LeaseLost: Another process has taken over.
            JournalError: It could not be written.
        """
        self._renewing.cancel()
        if changes:
            self.update(**changes)
        await self.flush()
        await self._writer.write(lease.release, self._fenced.key, self.epoch)

    @property
    def is_active(self) -> bool:
        """Whether the lease is renewed."""
        return not self._renewing.done()

    async def close(self) -> None:
        """Write what is queued, as far as that is possible, and no longer renew the lease."""
        self._renewing.cancel()
        if self._planned or self._changes != Changes():
            with suppress(KooPhoneError):
                await self.flush()

    async def _keep_renewing(self) -> None:
        """Renew the lease whenever it is time; in virtual time the loop's timers are ahead of that clock."""
        with suppress(KooPhoneError):  # `lost` is set then
            while True:
                await asyncio.sleep(lease.RENEWAL)
                if self._clock() - self._renewed_at >= lease.RENEWAL / 2:
                    await self.renew()

    def _next_chunk(self) -> int:
        self._last_chunk += 1
        return self._last_chunk

    def _plan(self, chunk: Planned) -> None:
        self._open[chunk.chunk] = OpenChunk.planned(chunk)
        self._planned[chunk.chunk] = chunk

    def _write_planned(self, chunk: int) -> None:
        """Have the next transaction write a chunk that is not written yet."""
        if (planned := self._planned.pop(chunk, None)) is not None:
            self._changes.planned.append(planned)

    def _reopen(self, chunk: ChunkRecord) -> None:
        self._open[chunk.chunk] = OpenChunk.restored(chunk)

    async def reopen(self, late: Sent) -> ChunkRecord:
        """Reopen the chunk of a late handle, in case it was closed as unknown in the meantime."""
        called_at = from_micros(late.called_at)
        self.mark_sent(late.chunk, late.handle, late.jobs, has_jobs=late.has_jobs, called_at=called_at)
        await self.flush()
        chunk = await self._writer.read(queries.chunk, self.rollout.id, late.chunk)
        self._reopen(chunk)
        return chunk

    def _write_later(self) -> None:
        if self._commit is None and self._timer is None and self.error is None:
            self._timer = asyncio.get_running_loop().call_later(_RESULTS_DELAY, self._write_soon)

    def _write_soon(self) -> None:
        if self.error is None:
            self._start_commit()

    async def _write_now(self) -> Refusals:
        """Write everything, and return the chunks that must not be sent."""
        self._start_commit()
        return await asyncio.shield(cast("Future[Refusals]", self._commit))

    def _start_commit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._commit is None:
            self._commit = self._writer.submit(self._prepare)
            self._commit.add_done_callback(self._committed)

    def _prepare(self) -> Callable[[Database], Refusals | LeaseLost]:
        """Collect what the next transaction writes."""
        changes, self._changes, self._commit = self._changes, Changes(), None
        if "counts" in changes.rollout:
            changes.rollout["counts"] = dict(changes.rollout["counts"])  # the caller goes on counting
        refused: Refusals = {}
        if self.error is not None:
            refused = dict.fromkeys(changes.sending, self.error)
            changes.sending.clear()
        self._unwritten.append(changes)
        return partial(self._write, group=tuple(self._unwritten), refused=refused)

    def _write(self, database: Database, group: Iterable[Changes], refused: Refusals) -> Refusals | LeaseLost:
        self._fenced.outputs.begin()
        for changes in group:
            result = self._fenced.write(database, changes)
            if isinstance(result, LeaseLost):
                return result
            refused = {**refused, **result}
        return refused

    def _committed(self, commit: Future[Any]) -> None:
        error = None if commit.cancelled() else commit.exception()
        if error is None or isinstance(error, LeaseLost):
            self._unwritten.clear()
            self._fenced.outputs.commit()
        for changes in self._unwritten:
            changes.sending.clear()  # they are not sent
        if error is not None:
            self._fail(error)

    async def _checked(self, writing: Awaitable[Returned]) -> Returned:
        try:
            return await writing
        except (JournalError, LeaseLost) as error:
            self._fail(error)
            raise

    def _fail(self, error: BaseException) -> None:
        if self.error is None:
            if not isinstance(error, JournalError | LeaseLost):
                error = JournalError("", self.rollout.id, f"cannot be written: {error!r}")
            self.error = error
            self.lost.set()
