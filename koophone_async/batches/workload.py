"""Workload of a run: how many calls and polls it needs, and how long its work is likely to take."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from koophone_async.batches.chunks import id_and_region
from koophone_async.polling.expectations import expected_polls

if TYPE_CHECKING:
    from collections.abc import Iterable

    from koophone_async.batches.chunks import Item
    from koophone_async.batches.verb import Verb
    from koophone_async.polling.duration_model import Lognormal

CALL_SECONDS: Final = 0.2
"""Assumed seconds from a request to its answer."""


@frozen
class Workload:
    """What a run has to do, as far as it is known before anything is sent."""

    ids: int
    calls: int
    """Calls that start the work, without polls and retries."""

    serial: int = 0
    """Ids of the partition that has the most, which executes its jobs one after another; 0 for none."""

    waits: bool = False
    """Whether the calls start jobs, which are polled."""

    handles_per_poll: int = 1
    """Calls whose jobs one poll can list."""

    concurrency: int = 1

    @classmethod
    def of(
        cls, verb: Verb[Any, Any], counts: Iterable[tuple[Item, int]], partition_chunk: int, concurrency: int
    ) -> Workload:
        """Return the workload of a verb.

        Args:
            verb: The verb.
            counts: Items with the number of ids that each stands for, of the same region and partition.
            partition_chunk: Maximum of ids in a call for one partition.
            concurrency: Maximum of concurrent calls.
        """
        together, partitions = Counter[str | None](), Counter[str]()
        for item, count in counts:
            partition = verb.partition(item) if verb.partition else None
            if partition is None:
                together[_region(verb, item) if verb.by_region else None] += count
            else:
                partitions[partition] += count
        calls = sum(math.ceil(count / verb.max_ids) for count in together.values())
        calls += sum(math.ceil(count / partition_chunk) for count in partitions.values())
        return cls(
            together.total() + partitions.total(),
            calls,
            max(partitions.values(), default=0),
            verb.starts_jobs,
            verb.handles_per_poll,
            concurrency,
        )

    def polls(self, job: Lognormal, poll_cost: float) -> int:
        """Return the number of polls that are expected.

        Args:
            job: Durations of the jobs; of those of a partition, without the time that they wait for others.
            poll_cost: What a poll costs under full load, in seconds of unseen wait.
        """
        if not self.waits or not self.calls:
            return 0
        polled = math.ceil(self.calls / self.handles_per_poll)
        if self.serial:
            return math.ceil(self.serial * job.mean / _SERIAL_INTERVAL) * polled
        return expected_polls(job, self.ids / polled, polled, poll_cost)

    def seconds(self, job: Lognormal, quota_seconds: float, *, is_guess: bool = False) -> float:
        """Return how long the work is likely to take.

        Args:
            job: Durations of the jobs, as for `polls`.
            quota_seconds: How long the quotas delay the last call.
            is_guess: Whether the durations are assumed. Their spread is then how little is known of the
                operation, not how jobs of it differ.
        """
        if not self.ids:
            return 0.0
        calling = max(quota_seconds, math.ceil(self.calls / self.concurrency) * CALL_SECONDS)
        if not self.waits:
            return calling
        last = job.mean if is_guess else job.quantile(self.ids / (self.ids + 1))
        return max(calling + last, self.serial * job.mean)


_SERIAL_INTERVAL: Final = 15.0
"""Seconds between polls of jobs that wait for each other, if nothing ends sooner."""


def queue_length(ids: int, max_in_flight: int) -> float:
    """Return how many jobs of a partition a job waits for, on average, and itself.

    The k-th job waits for all before it, but for no more than may be in flight: so the time from the call to
    the end of a job, divided by this, is what the job itself takes.
    """
    full = min(ids, max_in_flight)
    return (full * (full + 1) / 2 + (ids - full) * max_in_flight) / ids


def _region(verb: Verb[Any, Any], item: Item) -> str | None:
    id, region = id_and_region(item)
    return region or (verb.regions.get(str(id)) if verb.regions is not None else None)
