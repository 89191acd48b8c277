"""Report of a rollout: what was expected, what happened, what failed, and what its log has."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attrs import define, field, frozen

from koophone_async.batches import State
from koophone_async.protocol.redaction import redact
from koophone_async.rollouts import events
from koophone_async.rollouts.journal import ChunkState, WaitingFor
from koophone_async.rollouts.plans.plan import Plan
from koophone_async.rollouts.plans.redaction import redacted, redacted_data
from koophone_async.rollouts.reports.forecast import Forecast
from koophone_async.rollouts.reports.last_outcomes import last_outcomes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from koophone_async.rollouts.journal import Journal, LogEntry, RolloutRecord
    from koophone_async.rollouts.reports.outcomes import PhoneOutcome

MAX_FAILURES: Final = 1_000
"""Phones whose failures a report has; it counts all."""

_OUTSIDE: Final = frozenset({WaitingFor.APPROVAL.value, WaitingFor.WINDOW.value, events.PERSON})
"""What is waited for outside of the time that a forecast is about."""


@frozen
class Failure:
    """A phone that did not succeed."""

    id: str
    state: str
    step: int
    wave: int
    attempt: int
    error_code: str | None
    error_message: str | None
    output: str | None


@frozen
class Cause:
    """How many phones ended in a state with a code."""

    state: str
    error_code: str | None
    phones: int


@frozen
class Gate:
    """Something that was waited for."""

    waiting_for: str
    began: datetime
    ended: datetime | None = None
    """None if it was still waited for when the process ended."""


@define
class WaveTimes:
    """When a wave of an attempt began and ended, and what was waited for in it and after it."""

    attempt: int
    wave: int
    began: datetime
    ended: datetime | None = None
    gates: list[Gate] = field(factory=list[Gate])


@frozen
class Happened:
    """What a forecast is compared with."""

    phones: int
    calls: int
    seconds: float | None
    """From the begin to the end, without the time at gates, in pauses of a person, and outside of the window;
    None if it has not ended."""


@frozen
class LogLine:
    """An entry of the log."""

    at: datetime
    by: str
    what: str
    details: Mapping[str, Any]


@frozen
class RolloutReport:
    """What became of a rollout. Secrets are redacted."""

    id: str
    name: str
    kind: str
    service: str
    state: str
    reason: str | None
    created: datetime
    created_by: str
    began: datetime | None
    ended: datetime | None
    account: str | None
    targets: int
    attempts: int
    counts: Mapping[str, int]
    forecast: Forecast | None
    happened: Happened
    causes: Sequence[Cause]
    """The most frequent one first."""

    waves: Sequence[WaveTimes]
    failures: Sequence[Failure]
    failure_count: int
    log: Sequence[LogLine]
    plan: Mapping[str, Any]

    def to_data(self) -> dict[str, Any]:
        """Return the report as plain data."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data | {"forecast": None if self.forecast is None else self.forecast.to_data()}


async def report(journal: Journal, name: str) -> RolloutReport:
    """Return the report of a rollout.

    Args:
        journal: Its journal.
        name: Its id, name, or `last`.

    Raises:
        InvalidRequest: There is no such rollout.
    """
    record = await journal.find(name)
    causes, failures, failure_count = Counter[tuple[str, str | None]](), list[Failure](), 0
    async for _, outcome in last_outcomes(journal, record):
        causes[outcome.state.value, outcome.error_code] += 1
        if not outcome.ok and outcome.state is not State.NOT_SENT:
            failure_count += 1
            if len(failures) < MAX_FAILURES:
                failures.append(_failure(outcome))
    log = await journal.read_log(record.id)
    waves = wave_times(log)
    return RolloutReport(
        record.id,
        record.name,
        record.kind.value,
        record.service,
        record.state.value,
        record.reason,
        record.created_at,
        f"{record.created_by.user}@{record.created_by.host}",
        record.began_at,
        record.ended_at,
        record.account,
        record.targets,
        record.attempt,
        dict(record.counts),
        None if record.forecast is None else Forecast.from_json(record.forecast),
        Happened(record.targets, await _calls(journal, record), _seconds(record, waves)),
        [Cause(state, code, phones) for (state, code), phones in causes.most_common()],
        waves,
        failures,
        failure_count,
        [_line(entry) for entry in log],
        redacted_data(Plan.from_json(record.plan)),
    )


def wave_times(log: Sequence[LogEntry]) -> list[WaveTimes]:
    """Return the waves that a log has, with the gates in and after each."""
    waves = dict[tuple[int, int], WaveTimes]()
    for entry in log:
        key = (int(entry.details.get(events.ATTEMPT, 0)), int(entry.details.get(events.WAVE, 0)))  # type: ignore[call-overload]
        if entry.what == events.WAVE_BEGINS:
            waves.setdefault(key, WaveTimes(*key, entry.at)).ended = None
            continue
        if entry.what == events.WAIT and key not in waves:  # for the window, before its first call
            waves[key] = WaveTimes(*key, entry.at)
        if (wave := waves.get(key)) is not None:
            _add(wave, entry)
    return list(waves.values())


def _add(wave: WaveTimes, entry: LogEntry) -> None:
    reason = str(entry.details.get(events.FOR))
    if entry.what == events.WAVE_ENDS:
        wave.ended = entry.at
    elif entry.what == events.WAIT:
        wave.gates.append(Gate(reason, entry.at))
    elif entry.what == events.GO_ON:
        for index, gate in enumerate(wave.gates):
            if gate.waiting_for == reason and gate.ended is None:
                wave.gates[index] = Gate(reason, gate.began, entry.at)


def _seconds(record: RolloutRecord, waves: Sequence[WaveTimes]) -> float | None:
    """Return how long the first attempt took, without waits that no forecast can know."""
    first = [wave for wave in waves if wave.attempt == 1]
    if record.began_at is None or not first or first[-1].ended is None:
        return None
    outside = sum(
        (
            gate.ended - gate.began
            for wave in first
            for gate in wave.gates
            if gate.ended is not None and gate.waiting_for in _OUTSIDE
        ),
        timedelta(),
    )
    return (first[-1].ended - record.began_at - outside).total_seconds()


async def _calls(journal: Journal, record: RolloutRecord) -> int:
    """Return the number of calls of the first attempt that were sent and not refused for others."""
    chunks = await journal.chunks(record.id, 1, open_only=False)
    replaced = {chunk.parent for chunk in chunks}
    return sum(chunk.chunk not in replaced and chunk.state is not ChunkState.PLANNED for chunk in chunks)


def _failure(outcome: PhoneOutcome) -> Failure:
    return Failure(
        outcome.id,
        outcome.state.value,
        outcome.step,
        outcome.wave,
        outcome.attempt,
        outcome.error_code,
        None if outcome.error_message is None else redact(outcome.error_message),
        None if outcome.output is None else redact(outcome.output),
    )


def _line(entry: LogEntry) -> LogLine:
    details = {key: redacted(value) for key, value in entry.details.items()}
    return LogLine(entry.at, f"{entry.by.user}@{entry.by.host}", entry.what, details)
