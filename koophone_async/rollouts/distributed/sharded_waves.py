"""Waves that workers send: cut into shards, handed out, and read back from the journal as they go on."""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from typing import TYPE_CHECKING, Final, Protocol

from attrs import define, field

from koophone_async.batches import State
from koophone_async.rollouts.distributed.sharding import Cutter, shard_size
from koophone_async.rollouts.execution.phones import IN_FLIGHT, PENDING
from koophone_async.rollouts.execution.restore import resume_chunks
from koophone_async.rollouts.journal.records import AdmissionState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from koophone_async.batches import Outcome
    from koophone_async.rollouts.execution.attempt import Attempt
    from koophone_async.rollouts.execution.restore import SentChunk
    from koophone_async.rollouts.journal import Journal, Result, Target
    from koophone_async.rollouts.journal.encoding import Start
    from koophone_async.rollouts.journal.shards import NewShard, ShardRecord
    from koophone_async.rollouts.plans.plan import Plan

POLL_INTERVAL: Final = 0.5
"""Seconds between polls for what workers have done."""

_WRITTEN_AT_ONCE: Final = 50
"""Shards that are written in one transaction: others are sent while the rest of a large wave is read."""

TAKEN: Final = "taken:"
"""Prefix, before the index of a step, of the number of phones whose call the service has taken."""


class HandOut(Protocol):
    """Hands shards to workers."""

    async def __call__(self, shards: Sequence[ShardRecord]) -> None:
        """Hand out those of some shards that no worker has been asked to run yet."""
        ...


@define(eq=False)
class _OpenShard:
    """A shard that is not done, as far as its results have been read."""

    wave: int
    positions: array[int]
    rows: int = 0
    """Number of rows of results that were read."""

    number: int = 0
    """Number of the last row."""

    taken: Counter[int] = field(factory=Counter[int])
    """Phones that the service has taken, by step."""


@define(eq=False)
class ShardedWaves:
    """Waves that workers send, for the process that drives the rollout."""

    _journal: Journal
    _plan: Plan
    _attempt: Attempt
    _on_end: Callable[[int, int, Sequence[Outcome]], None]
    """Called with a step, a wave, and the outcomes of phones that take no further step."""

    _hand_out: HandOut
    _earlier: Sequence[ShardRecord] = ()
    """Shards of this attempt that an earlier driver has written, and that are not done."""

    _hand_out_interval: float = 10.0
    """Seconds after which shards that nobody runs are handed out again."""

    _open: dict[int, _OpenShard] = field(factory=dict[int, _OpenShard], init=False)
    _assigned: bytearray = field(init=False)
    """Whether each phone is in an open shard, by position."""

    _in_flight: int = field(default=0, init=False)
    _untaken: Counter[tuple[int, int]] = field(factory=Counter[tuple[int, int]], init=False)
    """Phones that were counted as taken and have no result yet, by wave and step."""

    _is_left: bool = field(default=False, init=False)
    _changed: asyncio.Event = field(factory=asyncio.Event, init=False)
    _admission: AdmissionState | None = field(default=None, init=False)
    _counts: Mapping[str, int] | None = field(default=None, init=False)
    _handed_out_at: float = field(default=0.0, init=False)
    _reopened: set[int] = field(factory=set[int], init=False)
    """Chunks with late handles that are awaited, each once."""

    def __attrs_post_init__(self) -> None:
        self._assigned = bytearray(self._attempt.phones.size)

    async def run(self, wave: int, chunks: Sequence[SentChunk]) -> None:
        """Have all steps run on the phones of a wave, and read the results."""
        await self._resume_earlier()
        waiting: Sequence[SentChunk] = chunks
        while True:
            await self._write_shards(wave, waiting)
            self.write_admission()
            if not self._open:
                return
            await self._read_until_done()
            if self._attempt.is_interrupted:
                return
            waiting = await self._late_chunks()

    async def cancel(self) -> None:
        """Leave jobs running; if this process is interrupted, leave the shards to the next driver."""
        self._is_left = True
        self.write_admission()
        self._changed.set()

    def write_admission(self) -> None:
        """Write whether workers may send calls, unless the next driver decides that."""
        admission = self._attempt.admission
        if self._attempt.is_interrupted:
            return
        if self._is_left:
            state = AdmissionState.LEFT
        elif admission.stopped is not None:
            state = AdmissionState.STOPPED
        else:
            state = AdmissionState.HELD if admission.is_held else AdmissionState.OPEN
        if state is not self._admission:
            self._admission = state
            self._attempt.driver.update(admission=state)

    # Shards

    async def _resume_earlier(self) -> None:
        earlier, self._earlier = self._earlier, ()
        for record in earlier:
            starts = await self._journal.shards.starts(record.key)
            self._add(record, starts)

    async def _write_shards(self, wave: int, chunks: Sequence[SentChunk]) -> None:
        """Write shards of calls to be awaited, and of the phones of a wave that wait and are in none."""
        first, end = self._attempt.range_of(wave)
        cutter = Cutter(self._plan, shard_size(self._attempt.phones.count_pending(first, end)))
        for chunk, members in chunks:
            cutter.add_call(chunk, members)
        shards: list[NewShard] = []
        if self._attempt.admission.stopped is None:
            async for block in self._journal.targets(self._attempt.driver.rollout.id, first, end):
                shards += cutter.add(self._waiting(block))
                if len(shards) >= _WRITTEN_AT_ONCE:
                    await self._write(wave, shards)
                    shards.clear()
        await self._write(wave, [*shards, *cutter.rest()])

    async def _write(self, wave: int, shards: Sequence[NewShard]) -> None:
        """Write shards in one transaction, and hand them out."""
        if not shards:
            return
        driver = self._attempt.driver
        records = await self._journal.shards.create(driver, self._attempt.number, wave, shards)
        for record, shard in zip(records, shards, strict=True):
            self._add(record, shard.starts)
        await self._hand_out(records)
        self.write_admission()
        self._handed_out_at = asyncio.get_running_loop().time()

    def _add(self, record: ShardRecord, starts: Sequence[Start]) -> None:
        positions = array("L", (target.position for target, _ in starts))
        self._open[record.key.shard] = _OpenShard(record.wave, positions)
        for position in positions:
            self._assigned[position] = True

    def _waiting(self, block: Iterable[Target]) -> Iterator[Start]:
        """Yield the phones of a block that wait and are in no open shard, with the step of each."""
        phones = self._attempt.phones
        for target in block:
            if phones.is_pending(target.position) and not self._assigned[target.position]:
                yield target, phones.step(target.position)

    async def _late_chunks(self) -> Sequence[SentChunk]:
        """Reopen calls whose handles were written late, if their phones are still unknown."""
        phones = self._attempt.phones
        late = [
            call
            for call in await self._attempt.driver.late_calls()
            if call.chunk not in self._reopened
            and any(phones.state(position) is State.UNKNOWN for position in call.jobs.values())
        ]
        self._reopened.update(call.chunk for call in late)
        chunks = [await self._attempt.driver.reopen(call) for call in late]
        current = [chunk for chunk in chunks if chunk.attempt == self._attempt.number]
        for chunk in current:
            for position in chunk.positions:
                if phones.is_unknown_at(position, chunk.step):
                    wave = self._attempt.wave_of(position)
                    self._attempt.tally.replaced(chunk.step, State.UNKNOWN, wave=wave)
        return await resume_chunks(self._journal, self._attempt, current)

    # Results

    async def _read_until_done(self) -> None:
        while self._open:
            if self._attempt.admission.stopped is not None and not self._attempt.is_interrupted:
                await self._journal.shards.close_unbegun(self._attempt.driver)
            await self._read()
            if self._attempt.is_interrupted or not self._open:
                return
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), POLL_INTERVAL)
            except TimeoutError:
                continue

    async def _read(self) -> None:
        """Read what workers have done since the last time."""
        rollout = self._attempt.driver.rollout.id
        records = [
            record
            for record in await self._journal.shards.from_number(rollout, min(self._open))
            if record.key.shard in self._open
        ]
        for record in records:
            await self._read_shard(record, self._open[record.key.shard])
        running = [record for record in records if not record.is_done]
        self._in_flight = sum(record.counts.get(IN_FLIGHT, 0) for record in running)
        self._write_counts()
        await self._hand_out_again([record for record in running if record.holder is None])

    async def _read_shard(self, record: ShardRecord, shard: _OpenShard) -> None:
        self._count_taken(record, shard)
        if record.results != shard.rows:
            shard.number, results = await self._journal.shards.results(record.key, shard.number)
            shard.rows = record.results
            self._take(results, shard.wave)
        if record.is_done:
            self._close(record.key.shard, shard)

    def _count_taken(self, record: ShardRecord, shard: _OpenShard) -> None:
        """Count the phones that the service has taken since the last time."""
        for name, count in record.counts.items():
            if name.startswith(TAKEN):
                step = int(name.removeprefix(TAKEN))
                new = count - shard.taken[step]
                if new > 0:  # fewer if another worker has taken the shard over
                    shard.taken[step] = count
                    self._untaken[shard.wave, step] += new
                    self._attempt.tally.taken(step, new, wave=shard.wave)

    def _take(self, results: Iterable[Result], wave: int) -> None:
        """Count results, and stop if the rule demands it."""
        attempt = self._attempt
        for position, _, step, outcome, *_ in results:
            following = attempt.next_step(outcome.id, step + 1) if outcome.ok else None
            if following is None:
                attempt.phones.end(position, step, outcome.state)
            else:
                attempt.phones.advance(position, following)
            was_taken = outcome.state is not State.REFUSED and self._untaken[wave, step] > 0
            self._untaken[wave, step] -= was_taken
            reason = attempt.tally.ended(outcome.id, step, outcome.state, taken=was_taken, wave=wave)
            if reason is not None:
                attempt.admission.stop(reason)
            if following is None:
                self._on_end(step, wave, (outcome,))

    def _close(self, number: int, shard: _OpenShard) -> None:
        """Put phones that their worker did not send before the step that they have reached."""
        del self._open[number]
        phones = self._attempt.phones
        for position in shard.positions:
            self._assigned[position] = False
            if phones.is_waiting(position):
                phones.place(position, phones.step(position))

    def _write_counts(self) -> None:
        """Write the phones by state; those that a worker has sent and that have no result are in flight."""
        counts = self._attempt.phones.counts
        sent = max(0, min(counts.get(PENDING, 0), self._in_flight - counts.get(IN_FLIGHT, 0)))
        if sent:
            counts[PENDING] -= sent
            counts[IN_FLIGHT] = counts.get(IN_FLIGHT, 0) + sent
            counts = {name: count for name, count in counts.items() if count}
        if counts != self._counts:
            self._counts = counts
            self._attempt.driver.update(counts=counts)

    async def _hand_out_again(self, shards: Sequence[ShardRecord]) -> None:
        """Hand out shards that nobody runs, in case their jobs are lost."""
        now = asyncio.get_running_loop().time()
        if shards and now - self._handed_out_at >= self._hand_out_interval:
            self._handed_out_at = now
            await self._hand_out(shards)
