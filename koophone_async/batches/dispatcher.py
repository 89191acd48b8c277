"""Send the chunks of a run, and find the outcome of each of their ids.

An id gets its outcome in one of four places: from the answer to its call (`_read_result`), from the end of
its job or when the run ends before (`PendingCalls`), or from an error of its call (`_send_chunk`, `send`). No
id has a task of its own: the poll scheduler calls back as jobs end.

A call may be refused as a whole because of a few wrong ids. If the refusal proves that nothing was executed,
the chunk is halved and both halves are sent, until the wrong ids are isolated: at most 2 k log2(n) more calls
for k wrong ids among n. If the ids are of several regions, they go back to the intake instead, which sorts
them, or groups them by region. Orders are neither halved nor grouped: what they cost is for their owner to
decide.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final, Generic

from attrs import define, evolve, field

from koophone_async.batches.call_log import SendingHeld, SendingStopped, settling
from koophone_async.batches.chunks import are_sorted
from koophone_async.batches.outcome_mapping import error_state
from koophone_async.batches.outcomes import NOT_IN_ANSWER, Outcome, State
from koophone_async.batches.regions import is_of_several_regions
from koophone_async.call import SendTracker
from koophone_async.errors import KooPhoneError, Refused
from koophone_async.operation import Answer, Request, Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager

    from koophone_async.batches.call_log import CallLog, LoggedCall
    from koophone_async.batches.pending_calls import PendingCalls
    from koophone_async.batches.regions import RegionLookup
    from koophone_async.batches.verb import CallResult, Verb


@define(eq=False)
class _Split:
    """What both halves of a call of several regions have in common."""

    is_mixed: bool = False
    """Whether one of them is of several regions too."""


@define(eq=False)
class _Chunk:
    """The ids of one call, until they have an outcome or jobs."""

    ids: Sequence[str]
    entry: LoggedCall | None
    """The entry of the call in the log of the run, if it has one."""

    record: Callable[[Sequence[Outcome]], None]
    split: _Split | None = None
    """Set for the halves of a call of several regions."""

    started: float | None = None
    """When the call began; None before its admission."""

    tracker: SendTracker = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Write to the log what the session does with the call."""
        self.tracker = SendTracker(bisects=len(self.ids) > 1)
        if self.entry is not None:
            self.tracker.before_send = self.entry.before_send
            self.tracker.not_executed = self.entry.not_executed

    @property
    def seconds(self) -> float:
        """Seconds since the call began."""
        return 0.0 if self.started is None else _now() - self.started


@define(eq=False)
class Dispatcher(Generic[Request, Answer]):
    """Sends chunks, and records the outcome of each of their ids exactly once."""

    _session: Sender
    _verb: Verb[Request, Answer]
    _record: Callable[[Sequence[Outcome]], None]
    _discard_duplicates: Callable[[int], None]
    """Uncounts ids that a chunk has twice, although the caller guaranteed that there are none."""

    _stop_reason: Callable[[], str]
    """Returns why the run is being stopped."""

    _put_back: Callable[[Sequence[str]], None]
    """Puts ids back into the input, to be grouped by region."""

    _put_back_sorted: Callable[[Sequence[str]], bool]
    """Puts ids back and sorts the rest of the input, once, if that is possible and changes the chunks."""

    _pending: PendingCalls
    _regions: RegionLookup | None = None
    _log: CallLog | None = None

    async def send(self, ids: Sequence[str]) -> None:
        """Send a chunk, and its halves if it is refused because of some of its ids."""
        unsettled = [self._chunk(ids, None if self._log is None else self._log.plan(ids))]
        try:
            while unsettled:
                halves = await self._send_chunk(unsettled[-1])
                unsettled.pop()
                # A half of several regions is halved again only after the other one was sent: if that is too,
                # it is better to look the regions up.
                is_by_region = any(half.split for half in halves)
                unsettled = [*halves, *unsettled] if is_by_region else [*unsettled, *halves]
        except BaseException as error:
            reason = (
                self._stop_reason() if isinstance(error, asyncio.CancelledError) else type(error).__name__
            )
            for chunk in reversed(unsettled):
                self._settle_unanswered(chunk, reason)
            raise

    def record_unsent(self, ids: Iterable[str], message: str) -> None:
        """Record that ids were not sent, in no call."""
        self._record([Outcome(id, State.NOT_SENT, error_message=message) for id in ids])

    async def _send_chunk(self, chunk: _Chunk) -> Sequence[_Chunk]:
        """Send a chunk, and settle its ids or wait for their jobs; return the halves that are to be sent."""
        try:
            result = self._verb.read(await self._admit_and_send(chunk), chunk.ids)
        except SendingStopped as stopped:
            self._settle_unanswered(chunk, stopped.reason)
        except KooPhoneError as error:
            may_split = _blames_ids(error) and not self._verb.operation.order
            if len(chunk.ids) > 1 and (chunk.started is None or may_split):
                return await self._separate(chunk, error)
            self._settle_all(chunk, chunk.ids, *error_state(error, sent=chunk.tracker.sent))
        else:
            self._read_result(chunk, result)
        return ()

    def _chunk(self, ids: Sequence[str], entry: LoggedCall | None, split: _Split | None = None) -> _Chunk:
        return _Chunk(ids, entry, settling(self._record, entry), split)

    async def _admit_and_send(self, chunk: _Chunk) -> Answer:
        """Send a chunk once it may be sent; what its request reads anew is read after the wait for that."""
        while True:
            async with self._admission():
                request = self._verb.request(chunk.ids)
                chunk.started = _now()
                try:
                    return await self._send(request, chunk.tracker)
                except SendingHeld:
                    continue

    def _admission(self) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._log is None else self._log.admission()

    async def _send(self, request: Request, tracker: SendTracker) -> Answer:
        if self._verb.send is not None:
            return await self._verb.send(self._session, request, tracker)
        return await self._session.send(self._verb.operation, request, tracker=tracker)

    async def _separate(self, chunk: _Chunk, error: KooPhoneError) -> Sequence[_Chunk]:
        """Return the halves of a refused chunk, or put its ids back if they are of several regions."""
        is_mixed = self._regions is not None and is_of_several_regions(error) and len(chunk.ids) > _PAIR
        if is_mixed and await self._is_put_back(chunk):
            if chunk.entry is not None:
                chunk.entry.dissolve()
            return ()
        halves, split = _halves(chunk.ids), _Split() if is_mixed else None
        entries = (None, None) if chunk.entry is None else chunk.entry.split(halves)
        return [self._chunk(ids, entry, split) for ids, entry in zip(halves, entries, strict=True)]

    async def _is_put_back(self, chunk: _Chunk) -> bool:
        """Put ids of several regions back into the input, sorted or once the regions are known."""
        regions = self._regions
        if regions is None:
            return False
        if self._put_back_sorted(chunk.ids):
            regions.expect_order()
            return True
        # If one region ends in a sorted chunk, and the next begins, one of its halves is of a single region.
        may_halve = are_sorted(chunk.ids) and not (chunk.split and chunk.split.is_mixed)
        is_separated = await regions.separates(chunk.ids, if_short=may_halve)
        if is_separated:
            self._put_back(chunk.ids)
        elif chunk.split is not None:
            chunk.split.is_mixed = True
        return is_separated

    def _read_result(self, chunk: _Chunk, result: CallResult) -> None:
        """Settle the ids that have an outcome, and wait for the jobs of others; the rest is unknown."""
        outcomes, missing = tuple(result.outcomes), dict.fromkeys(chunk.ids)
        self._discard_duplicates(len(chunk.ids) - len(missing))
        known: list[Outcome] = []
        for outcome in outcomes:
            if outcome.id in missing:
                del missing[outcome.id]
                known.append(outcome)
        wait, jobs = result.wait, dict[str, str]()
        if wait is not None:
            jobs = {job: id for job, id in wait.jobs.items() if id in missing}
            for id in jobs.values():
                missing.pop(id, None)
        if wait is not None and jobs and chunk.entry is not None:
            chunk.entry.started(wait.handle, jobs, has_jobs=wait.has_jobs)
        seconds = chunk.seconds
        if known:
            chunk.record([evolve(outcome, seconds=seconds) for outcome in known])
        if wait is not None and jobs:
            self._pending.add(wait, jobs, chunk.record, seconds)
        if missing:
            self._settle_all(chunk, missing, State.UNKNOWN, NOT_IN_ANSWER)

    def _settle_unanswered(self, chunk: _Chunk, message: str) -> None:
        state = State.UNKNOWN if chunk.tracker.sent else State.NOT_SENT
        self._settle_all(chunk, chunk.ids, state, message)

    def _settle_all(
        self, chunk: _Chunk, ids: Iterable[str], state: State, message: str, code: str | None = None
    ) -> None:
        """Record the same outcome for several ids of a chunk."""
        seconds = chunk.seconds
        chunk.record(
            [Outcome(id, state, error_code=code, error_message=message, seconds=seconds) for id in ids]
        )


_PAIR: Final = 2
"""Two ids are halved, which separates them without a look-up."""


def _blames_ids(error: KooPhoneError) -> bool:
    return isinstance(error, Refused) and error.blames_ids


def _halves(part: Sequence[str]) -> list[Sequence[str]]:
    """Return both halves, the first one last: the next part to send is taken from the end."""
    half = len(part) // 2
    return [part[half:], part[:half]]


def _now() -> float:
    return asyncio.get_running_loop().time()
