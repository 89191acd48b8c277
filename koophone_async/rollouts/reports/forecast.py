"""Forecast of a rollout: its phones, waves, calls and polls, and how long it is likely to take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping  # msgspec reads the annotations
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attrs import frozen

from koophone_async.polling.duration_model import Lognormal
from koophone_async.polling.policy import PollPolicy
from koophone_async.rollouts.execution.targets import resolve
from koophone_async.rollouts.journal import Target
from koophone_async.rollouts.plans.steps import bind
from koophone_async.rollouts.plans.waves import WavePlan
from koophone_async.rollouts.reports.seen_durations import SeenDurations, seen_durations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from koophone_async.batches import Run
    from koophone_async.batches.workload import Workload
    from koophone_async.rollouts.execution.clients import Clients
    from koophone_async.rollouts.execution.targets import Targets
    from koophone_async.rollouts.journal import Journal
    from koophone_async.rollouts.plans.plan import Plan
    from koophone_async.rollouts.plans.steps import Step
    from koophone_async.rollouts.plans.windows import Window

_MAX_SERVERS: Final = 20
"""Servers whose number of phones is kept: those with the most."""

UNLISTED: Final = "not listed"
DUPLICATE: Final = "selected more than once"

_MAX_WINDOWS: Final = 1_000


@frozen
class StepForecast:
    """What one step is expected to take."""

    verb: str
    operation: str
    phones: int
    calls: int
    polls: int
    quota: str | None
    """Such as `6 calls in 60 s`; None if no document states one."""

    quota_share: float | None
    """Share of that quota that the calls use, while the rollout lasts."""

    min_seconds: float
    """The minimum duration of the calls that the quotas allow."""

    seen: int
    """Number of jobs in the journal that the durations are known by; 0 if they are assumed."""


@frozen
class Forecast:
    """What a rollout is expected to take."""

    phones: int
    regions: Mapping[str, int]
    servers: Mapping[str, int]
    """The servers with the most phones."""

    server_count: int
    states: Mapping[str, int]
    skipped: Mapping[str, int]
    """What is left out, by the reason."""

    waves: tuple[int, ...]
    """How many phones are reached after each wave."""

    skipped_waves: tuple[str, ...]
    """Waves that would add no phone."""

    steps: tuple[StepForecast, ...]
    min_seconds: float
    """By the quotas and the pauses between waves."""

    seconds: float
    """The likely duration, without the time at gates and outside of the window."""

    likely_end: datetime
    """When it is likely to end, with the window, if every gate is opened at once."""

    @property
    def calls(self) -> int:
        """The number of calls that start work."""
        return sum(step.calls for step in self.steps)

    @property
    def polls(self) -> int:
        """The number of polls."""
        return sum(step.polls for step in self.steps)

    @property
    def is_guess(self) -> bool:
        """Whether the journal knows no durations of some step."""
        return any(not step.seen for step in self.steps)

    def to_data(self) -> dict[str, Any]:
        """Return the forecast as plain data, with its sums."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data | {"calls": self.calls, "polls": self.polls, "is_guess": self.is_guess}

    def to_json(self) -> str:
        """Return the forecast as JSON, which `from_json` reads."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Forecast:
        """Return the forecast that `to_json` wrote."""
        return msgspec.json.decode(text, type=Forecast)


async def forecast(
    plan: Plan, targets: Targets, clients: Clients, now: datetime, journal: Journal | None = None
) -> Forecast:
    """Return what a rollout of a plan is expected to take.

    Args:
        plan: The plan.
        targets: Its phones.
        clients: The clients of its selections, whose quotas count.
        now: When it starts.
        journal: The journal with the durations of earlier rollouts.
    """
    waves = WavePlan.of(plan.waves, len(targets))
    parts = [
        await _StepWork.of(step, index, plan, targets, waves.ends, clients)
        for index, step in enumerate(plan.steps)
    ]
    seen: Mapping[str, SeenDurations] = {}
    if journal is not None:
        seen = await seen_durations(journal, plan, _serial_verbs(parts))
    pauses = plan.between.pause * max(0, len(waves.ends) - 1)
    min_seconds = max(pauses, _min_seconds(parts))  # what a quota delays may pass in a pause
    likely = pauses + sum(
        sum(part.wave_seconds(wave, seen.get(part.step.verb)) for part in parts)
        for wave in range(len(waves.ends))
    )
    seconds = max(likely, min_seconds)
    servers = targets.count("server")
    servers.pop(None, None)
    return Forecast(
        len(targets),
        _named(targets.count("region")),
        dict(_named(servers).most_common(_MAX_SERVERS)),
        len(servers),
        _named(targets.count("state")),
        _skipped(plan, targets),
        waves.ends,
        tuple(str(wave) for wave in waves.skipped),
        tuple(part.forecast(seen.get(part.step.verb), seconds) for part in parts),
        min_seconds,
        seconds,
        _end(now, seconds, plan.window),
    )


async def forecast_plan(plan: Plan, clients: Clients, now: datetime, journal: Journal | None) -> Forecast:
    """List the phones of a plan, with their states, and return what a rollout is expected to take."""
    targets = await resolve(plan, clients, with_states=True)
    return await forecast(plan, targets, clients, now, journal)


@frozen
class _StepWork:
    """The workload of a step in each wave."""

    step: Step
    run: Run[Any, Any]
    operation: Any
    waves: Sequence[Sequence[Workload]]
    """By wave, one for each selection."""

    @classmethod
    async def of(  # noqa: PLR0913, PLR0917 - private
        cls,
        step: Step,
        index: int,
        plan: Plan,
        targets: Targets,
        ends: Sequence[int],
        clients: Clients,
    ) -> _StepWork:
        runs = list[Any]()
        for selection in range(len(plan.targets)):
            run = bind(step, (await clients.fleet(selection))(()), path=f"steps[{index}]")
            run.discard()
            runs.append(run)
        waves = list[list[Any]]()
        for first, end in zip((0, *ends), ends, strict=False):
            counts = _places(step, targets, first, end)
            waves.append(
                [
                    run.workload((item, count) for item, count in counts if item.selection == selection)
                    for selection, run in enumerate(runs)
                ]
            )
        return cls(step, runs[0], plan.verb(step).operation, waves)

    def total(self, attribute: str) -> int:
        return sum(getattr(work, attribute) for wave in self.waves for work in wave)

    def wave_seconds(self, wave: int, seen: SeenDurations | None) -> float:
        """Return the likely duration of a wave of this step alone."""
        job = _durations(seen)
        works = self.waves[wave]
        quota = self.run.quota_seconds(sum(work.calls for work in works))
        return max(work.seconds(job, quota, is_guess=seen is None) for work in works)

    def forecast(self, seen: SeenDurations | None, seconds: float) -> StepForecast:
        calls, quotas = self.total("calls"), self.operation.quotas
        quota = min(quotas, key=lambda quota: quota.permits / quota.seconds, default=None)
        job, cost = _durations(seen), PollPolicy().poll_cost
        share = quota and min(1.0, calls / (quota.permits * max(1.0, seconds / quota.seconds)))
        return StepForecast(
            self.step.verb,
            self.operation.name,
            self.total("ids"),
            calls,
            sum(work.polls(job, cost) for wave in self.waves for work in wave),
            quota and f"{quota.permits} calls in {quota.seconds:g} s",
            share,
            self.run.quota_seconds(calls),
            0 if seen is None else seen.jobs,
        )


def _durations(seen: SeenDurations | None) -> Lognormal:
    return Lognormal() if seen is None else seen.distribution


def _serial_verbs(parts: Iterable[_StepWork]) -> set[str]:
    return {part.step.verb for part in parts if part.total("serial")}


def _places(step: Step, targets: Targets, first: int, end: int) -> list[tuple[Target, int]]:
    """Return one target for each place that has phones of a wave, and their number."""
    ids, places = targets.ids[first:end], targets.places[first:end]
    if step.only is not None:
        members = [(id, place) for id, place in zip(ids, places, strict=True) if step.applies_to(id)]
        ids, places = [id for id, _ in members], [place for _, place in members]
    counts, samples = Counter(places), dict(zip(places, ids, strict=True))
    return [
        (Target(0, samples[place], place.region, place.server, place.selection), count)
        for place, count in counts.items()
    ]


def _min_seconds(parts: Sequence[_StepWork]) -> float:
    """Return how long the quotas delay the last call: steps of one operation share its quota."""
    calls, runs = Counter[str](), dict[str, Any]()
    for part in parts:
        calls[part.operation.name] += part.total("calls")
        runs[part.operation.name] = part.run
    return max((run.quota_seconds(calls[name]) for name, run in runs.items()), default=0.0)


def _named(counts: Counter[str | None]) -> Counter[str]:
    return Counter({"unknown" if name is None else name: count for name, count in counts.most_common()})


def _skipped(plan: Plan, targets: Targets) -> dict[str, int]:
    stated = {index for index, selection in enumerate(plan.selections) if not selection.is_listed}
    places = Counter(targets.places)
    has_states = any(place.state is not None for place in places)
    unlisted = sum(
        count for place, count in places.items() if place.state is None and place.selection in stated
    )
    found = {DUPLICATE: targets.duplicates, UNLISTED: unlisted if has_states else 0}
    for index, step in enumerate(plan.steps):
        if step.only is not None:
            others = sum(not step.applies_to(id) for id in targets.ids)
            found[f"not in `only` of step {index + 1}"] = others
    return {reason: count for reason, count in found.items() if count}


def _end(now: datetime, seconds: float, window: Window | None) -> datetime:
    """Return when work that takes some seconds ends, if it goes on only while a window is open."""
    if window is None:
        return now + timedelta(seconds=seconds)
    left, at = timedelta(seconds=seconds), now
    for _ in range(_MAX_WINDOWS):
        at = max(at, window.next_opening(at))
        closes = window.closes_at(at)
        if at + left <= closes:
            break
        left, at = left - (closes - at), closes
    return at + left
