"""How long the jobs of steps have taken in earlier rollouts, as the journal has them."""

from __future__ import annotations

from collections import Counter, defaultdict
from math import log
from typing import TYPE_CHECKING, Final

from attrs import frozen

from koophone_async.batches.workload import queue_length
from koophone_async.polling.duration_model import NO_EVIDENCE, Evidence, Lognormal, fit
from koophone_async.rollouts.plans.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from koophone_async.rollouts.journal import Journal, RolloutRecord

_MAX_ROLLOUTS: Final = 20
_ENOUGH_JOBS: Final = 2_000
"""Rollouts that are read at most, and jobs of a verb after which no more are: their mean is known to 2 %."""

_MIN_SECONDS: Final = 1e-3


@frozen
class SeenDurations:
    """Durations of jobs of one verb."""

    jobs: int
    distribution: Lognormal


async def seen_durations(
    journal: Journal, plan: Plan, serial: Collection[str] = ()
) -> Mapping[str, SeenDurations]:
    """Return how long jobs of the verbs of a plan took in the newest rollouts of its service.

    Args:
        journal: The journal.
        plan: The plan.
        serial: Verbs whose jobs a server executes one after another. Of these, the time is left out that a
            job has waited for others.
    """
    wanted = {step.verb for step in plan.steps}
    sums = dict[str, Evidence]()
    for record in await journal.rollouts(limit=_MAX_ROLLOUTS):
        if all(sums.get(verb, NO_EVIDENCE).weight >= _ENOUGH_JOBS for verb in wanted):
            break
        if record.service == plan.service and record.counts:
            other = Plan.from_json(record.plan)
            if other.resource == plan.resource and wanted & {step.verb for step in other.steps}:
                await _add(journal, record, other, wanted, serial, sums)
    return {verb: SeenDurations(int(found.weight), fit(found)) for verb, found in sums.items()}


async def _add(  # noqa: PLR0913, PLR0917 - private
    journal: Journal,
    record: RolloutRecord,
    plan: Plan,
    wanted: Collection[str],
    serial: Collection[str],
    sums: dict[str, Evidence],
) -> None:
    """Add the durations of the first attempt of a rollout."""
    verbs = [step.verb for step in plan.steps]
    length = await _queue_length(journal, record, plan) if set(serial) & set(verbs) else 1.0
    count, logarithms = 0, defaultdict[str, list[float]](list)
    async for results in journal.results(record.id, 1):
        for result in results:
            verb = verbs[result.step]
            if verb in wanted and result.outcome.ok and result.outcome.seconds > 0:
                seconds = result.outcome.seconds / (length if verb in serial else 1)
                logarithms[verb].append(log(max(seconds, _MIN_SECONDS)))
        count += len(results)
        if count >= _ENOUGH_JOBS * len(verbs):
            break
    for verb, values in logarithms.items():
        found = Evidence(len(values), sum(values), sum(value**2 for value in values))
        sums[verb] = sums.get(verb, NO_EVIDENCE) + found


async def _queue_length(journal: Journal, record: RolloutRecord, plan: Plan) -> float:
    """Return how many jobs of a server a job of a rollout has waited for, on average, and itself."""
    servers = Counter[str | None]()
    async for block in journal.targets(record.id):
        servers.update(target.server for target in block)
    servers.pop(None, None)
    largest = max(servers.values(), default=1)
    return queue_length(largest, plan.max_per_server)
