"""Read ids from the input of a run, and make chunks of them.

The input may be longer than memory, slow, or never end. So it is read only as fast as chunks are taken: not
more than `in_flight` ids are read and not yet reported. Workers take turns to read (`next_chunk` holds a
lock), because an async iterator must not be advanced by two of them at once.

A chunk leaves as soon as it is full. An incomplete one leaves only when nothing more can be added to it: the
input has ended, or the limit of ids in flight is reached. Ids that wait in incomplete chunks do not count
towards that limit: only ids in flight make room, by ending, and a limit used up by waiting ids would never be
freed. With `linger`, an incomplete chunk also leaves some seconds after its oldest id came. An asynchronous
input, whose next id may take longer than that, is then read by a task of its own (`read_ahead`).

If all ids of a call must be of one region and the regions are unknown, the first chunk is a probe: the
others wait for its answer, for a second at most. If it is refused because of its regions, its ids are put
back, sorted or after a look-up (see `regions`), so that one call is wasted and not one for each worker.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable, Iterator, Sequence
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Any, Final, cast

import anyio

from koophone_async.batches.chunks import (
    BlockSource,
    Chunker,
    Item,
    Partitions,
    Source,
    are_plain_ids,
    are_sorted,
    id_and_region,
    id_of,
    id_problem,
)
from koophone_async.batches.outcomes import Outcome, State
from koophone_async.errors import InvalidRequest

if TYPE_CHECKING:
    from koophone_async.batches.call_log import CallLog
    from koophone_async.batches.recorder import OutcomeRecorder
    from koophone_async.batches.regions import RegionLookup
    from koophone_async.batches.verb import RunOptions, Verb

_MAX_PROBE: Final = 1.0
"""Seconds that other chunks wait for the answer to the first one, if the regions of ids are unknown."""


class Intake:
    """The input of one run, as chunks."""

    def __init__(
        self,
        verb: Verb[Any, Any],
        source: Source,
        options: RunOptions,
        recorder: OutcomeRecorder,
        regions: RegionLookup | None,
    ) -> None:
        """Prepare to read an input; nothing is read yet."""
        self._verb = verb
        self._source = source
        self._items: Iterator[Item] | AsyncIterator[Sequence[Item]] = (
            _blocks(source) if isinstance(source, AsyncIterable) else self._until_end(iter(source))
        )
        self._block: deque[Item] = deque()
        """Items that have come and were not added, if the input is asynchronous."""

        self._max_in_flight = options.in_flight
        self._recorder = recorder
        self._linger = options.linger
        self.needs_read_ahead: bool = options.linger is not None and isinstance(source, AsyncIterable)
        """Whether chunks may have to leave while the input is waited for."""

        clock = None if options.linger is None else _now
        self._chunker = Chunker(verb.max_ids, verb.by_region, clock)
        self.partition_chunk: int = min(verb.max_ids, max(1, options.max_per_partition // 3))
        """Maximum of ids in a call for one partition."""

        self._partitions = Partitions(options.max_per_partition, self.partition_chunk, clock)
        self._partition_of = verb.partition
        self._chunk_size = self.partition_chunk if verb.partition else verb.max_ids
        self._regions = regions
        self._complete: deque[list[str]] = deque()
        self._probed: asyncio.Event | None = None
        self._reading = asyncio.Lock()
        self._has_ended = False
        self._is_sorted = False
        self._returned = set[str]()
        """Ids in the rest of the input that were read before."""

        self.log: CallLog | None = None
        self.error: Exception | None = None
        """The exception that the input raised, which has ended it."""

    def listed(self) -> Collection[Item]:
        """Return the input, if it is a list.

        Raises:
            InvalidRequest: The input has no length, or can be read only once.
        """
        if not isinstance(self._source, Collection):
            raise InvalidRequest(
                self._verb.operation.name, "ids", "have no length, so they cannot be estimated"
            )
        return self._source

    async def next_chunk(self) -> list[str] | None:
        """Read ids until a chunk can leave; return None when the input has ended and all chunks have left."""
        async with self._reading:
            if self._probed is None and self._regions is not None and self._regions.is_in_order:
                self.put_back_sorted(())
            if self._probed is not None:
                with anyio.move_on_after(_MAX_PROBE):
                    await self._probed.wait()
            if self._regions is not None:
                await self._regions.wait()
            while True:
                if chunk := await self._ready_chunk():
                    if self._regions is not None and self._probed is None:
                        self._probed = asyncio.Event()
                        if self._regions.get(chunk[0]) is not None:
                            self._probed.set()
                    return chunk
                if self._has_ended and not self._partitions.waiting:
                    return None
                if not self._may_read or self.needs_read_ahead:
                    with anyio.CancelScope(deadline=self._due):
                        await self._recorder.wait_for_change()

    async def read_ahead(self) -> None:
        """Read the input to its end, no faster than chunks are taken."""
        while not self._has_ended:
            await self._recorder.wait_until(lambda: self._may_read and not self._complete)
            if chunk := await self._read():
                self._complete.append(chunk)
            self._recorder.notify()

    def end_probe(self) -> None:
        """Release the other chunks: a call has been answered."""
        if self._probed is not None:
            self._probed.set()

    def put_back(self, ids: Sequence[str]) -> None:
        """Put ids back that were not executed; they leave again in chunks of the regions known by now."""
        for id in (*self._chunker.reopen(), *ids):
            if chunk := self._chunker.add((id,), self._region_of(id)):
                self._complete.append(chunk)
        self._recorder.notify()  # a worker may wait for room, which these ids have left

    def put_back_sorted(self, ids: Sequence[str]) -> bool:
        """Put ids back that were not executed, and sort the rest of the input by id.

        Returns False, and does nothing, if that was done before, if the input can be read only once, or if
        sorting does not change its chunks.
        """
        if (
            self._is_sorted
            or not isinstance(self._source, Collection)
            or not isinstance(self._items, Iterator)
        ):
            return False
        self._is_sorted = True
        if len(self._source) <= self._verb.max_ids or are_sorted(self._source):
            return False
        unread = list[Item]()
        try:
            unread.extend(self._items)
        except Exception as error:  # noqa: BLE001 - of the caller's input, as in `_read`
            self.error = error
        self._returned = {*self._chunker.reopen(), *ids}
        self._items = self._until_end(iter(sorted([*self._returned, *unread], key=id_of)))
        self._has_ended = False
        self.end_probe()
        self._probed = None  # the first chunk of the sorted ids is one too
        self._recorder.notify()  # a worker may wait for room, which these ids have left
        return True

    def _region_of(self, id: str) -> str | None:
        return self._regions.get(id) if self._regions is not None else None

    async def _ready_chunk(self) -> list[str] | None:
        """Return a chunk that may leave now; read more of the input if there is none."""
        chunk = self._complete_chunk()
        if chunk is None and not self.needs_read_ahead:
            chunk = await self._read()
        return chunk or self._incomplete_chunk() or self._overdue_chunk()

    def _complete_chunk(self) -> list[str] | None:
        if not self._complete:
            return self._partitions.next_chunk()
        self._recorder.notify()  # more may be read ahead
        return self._complete.popleft()

    def release(self, outcomes: Iterable[Outcome]) -> None:
        """Make room for other ids in the partitions of those that have ended."""
        if self._partition_of is not None:
            for outcome in outcomes:
                self._partitions.release(outcome.id)

    def unsent(self) -> Iterable[list[str]]:
        """Yield what is not sent when a run ends early: waiting ids, and the unread ids of a list."""
        yield from self._flush()
        self._partition_of = None  # what is not sent needs none
        if isinstance(self._source, Collection) and isinstance(self._items, Iterator):
            try:
                yield from filter(None, map(self._add, self._items))
            except Exception as error:  # noqa: BLE001 - of the caller's input, as in `_read`
                self.error = error
            yield from self._flush()

    @property
    def is_exhausted(self) -> bool:
        """Whether the input was read to its end, without an error."""
        return self._has_ended and self.error is None

    @property
    def _waiting(self) -> int:
        """Ids that were read and are in no call, and so leave room for others."""
        return self._chunker.waiting + len(self._returned)

    @property
    def _may_read(self) -> bool:
        in_flight = self._recorder.unreported - self._waiting
        return not self._has_ended and (not in_flight or in_flight + self._chunk_size <= self._max_in_flight)

    def _incomplete_chunk(self) -> list[str] | None:
        if self._may_read:
            return None
        return self._partitions.next_chunk(partial=True) or (
            self._chunker.flush() if self._has_ended else None
        )

    @property
    def _due(self) -> float:
        """When the oldest incomplete chunk leaves although more ids may come; infinite if none does."""
        return (
            inf if self._linger is None else self._linger + min(self._chunker.oldest, self._partitions.oldest)
        )

    def _overdue_chunk(self) -> list[str] | None:
        if self._linger is None or self._due > _now():
            return None
        if self._chunker.oldest <= self._partitions.oldest:
            return self._chunker.flush()
        return self._partitions.oldest_chunk()

    def _flush(self) -> Iterable[list[str]]:
        while chunk := self._complete_chunk() or self._chunker.flush() or self._partitions.flush():
            yield chunk

    async def _read(self) -> list[str] | None:
        """Read until a chunk is full, or until no more may be read; ahead only what comes at once."""
        try:
            while self._may_read:
                items = (
                    self._items if isinstance(self._items, Iterator) else await self._next_items(self._items)
                )
                room = max(1, self._max_in_flight - self._recorder.unreported + self._waiting)
                chunk = self._take_chunk(islice(items, room))
                if chunk or self.needs_read_ahead:
                    return chunk
        except Exception as error:  # noqa: BLE001 - of the caller's input; raised after the ids before it
            self.error = error
            self._has_ended = True
        return None

    async def _next_items(self, blocks: AsyncIterator[Sequence[Item]]) -> Iterator[Item]:
        """Wait for a block of the input, unless some of the last one is left."""
        while not self._block and not self._has_ended:
            try:
                self._block.extend(await anext(blocks))
            except StopAsyncIteration:
                self._has_ended = True
        return self._left_of_block()

    def _left_of_block(self) -> Iterator[Item]:
        while self._block:
            yield self._block.popleft()

    def _until_end(self, source: Iterator[Item]) -> Iterator[Item]:
        try:
            yield from source
        finally:
            self._has_ended = True

    def _take_chunk(self, items: Iterator[Item]) -> list[str] | None:
        """Add items until they complete a chunk, and return it; None if there are too few."""
        if self._partition_of is not None:
            return next(filter(None, map(self._add, items)), None)
        chunk = None
        while chunk is None:
            block = list[Item]()
            try:
                block.extend(islice(items, self._chunker.room))
            finally:  # if the input raises, the items before are added
                chunk = self._add_block(block)
            if not block:
                break
        return chunk

    def _add_block(self, block: Sequence[Item]) -> list[str] | None:
        """Add items that complete one chunk at most; return it if they do."""
        has_regions = self._regions is not None and not self._regions.is_empty
        if not has_regions and not self._returned and are_plain_ids(block):
            return self._chunker.add(self._recorder.begin(cast("Sequence[str]", block)), None)
        return next(filter(None, [self._add(item) for item in block]), None)

    def _add(self, item: Item) -> list[str] | None:
        """Add an item to its chunk, unless it is a duplicate or invalid; return the chunk if it is full."""
        raw_id, region = id_and_region(item)
        id, problem = str(raw_id), id_problem(raw_id)
        if id in self._returned:
            self._returned.remove(id)
        elif not self._recorder.begin((id,)):
            return None
        if problem:
            self._reject(id, problem)
            return None
        try:
            partition = self._partition_of and self._partition_of(item)
        except Exception as error:
            self._reject(id, type(error).__name__)
            raise
        if partition is None:
            return self._chunker.add((id,), region or self._region_of(id))
        self._partitions.add(id, partition)
        return self._partitions.next_chunk()

    def _reject(self, id: str, problem: str) -> None:
        """Record that no call can have an id."""
        outcome = Outcome(id, State.NOT_SENT, error_message=problem)
        self._recorder.record([outcome if self.log is None else self.log.unsendable(outcome)])


async def _blocks(source: AsyncIterable[Item]) -> AsyncIterator[Sequence[Item]]:
    if isinstance(source, BlockSource):
        async for block in source.blocks():
            yield block
    else:
        async for item in source:
            yield (item,)


def _now() -> float:
    return asyncio.get_running_loop().time()
