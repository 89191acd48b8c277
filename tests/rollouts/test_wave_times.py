"""Waves and gates as the log of a rollout has them."""

from __future__ import annotations

from datetime import timedelta

from koophone_async.rollouts import events
from koophone_async.rollouts.journal import Actor, LogEntry
from koophone_async.rollouts.reports.report import Gate, WaveTimes, wave_times
from koophone_async.virtual_time import EPOCH


def at(seconds: int) -> LogEntry:
    """Return an entry that belongs to no wave."""
    return LogEntry(seconds, EPOCH + timedelta(seconds=seconds), Actor("user", "host"), "start", {})


def entry(seconds: int, what: str, reason: str | None = None) -> LogEntry:
    details = {events.ATTEMPT: 1, events.WAVE: 1} | ({} if reason is None else {events.FOR: reason})
    return LogEntry(seconds, at(seconds).at, at(seconds).by, what, details)


def test_gates_that_overlap_end_by_their_own_reason() -> None:
    log = [
        at(0),
        entry(1, events.WAVE_BEGINS),
        entry(2, events.WAIT, "window"),
        entry(3, events.WAIT, events.PERSON),
        entry(5, events.GO_ON, events.PERSON),
        entry(8, events.GO_ON, "window"),
        entry(9, events.WAIT, "window"),
        entry(10, events.WAVE_ENDS),
    ]

    gates = [
        Gate("window", at(2).at, at(8).at),
        Gate(events.PERSON, at(3).at, at(5).at),
        Gate("window", at(9).at),
    ]
    assert wave_times(log) == [WaveTimes(1, 1, at(1).at, at(10).at, gates)]


def test_a_window_that_is_closed_before_the_wave_begins_is_a_gate_of_it() -> None:
    log = [
        entry(1, events.WAIT, "window"),
        entry(2, events.WAVE_BEGINS),
        entry(9, events.GO_ON, "window"),
        entry(10, events.WAVE_ENDS),
    ]

    assert wave_times(log) == [WaveTimes(1, 1, at(1).at, at(10).at, [Gate("window", at(1).at, at(9).at)])]


def test_a_wave_that_a_resume_continues_ends_once() -> None:
    log = [
        entry(1, events.WAVE_BEGINS),
        entry(2, events.WAVE_ENDS),
        entry(5, events.WAVE_BEGINS),
    ]

    assert wave_times(log) == [WaveTimes(1, 1, at(1).at, None)]
    assert wave_times([*log, entry(9, events.WAVE_ENDS)]) == [WaveTimes(1, 1, at(1).at, at(9).at)]
