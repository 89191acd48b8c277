"""How much of a plan's deadline is left: it counts from the start of the attempt, in whatever process.

The log of the rollout has when it began, when it waited at a gate or for its window, and when it had ended or
was left at a gate. These times do not count. That no process drove it counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import define, field

from koophone_async.rollouts import events
from koophone_async.rollouts.journal import RolloutState, WaitingFor
from koophone_async.rollouts.journal.records import ENDED_STATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from koophone_async.rollouts.journal import LogEntry

OUTSIDE_DEADLINE: Final = frozenset({WaitingFor.APPROVAL, WaitingFor.PAUSE, WaitingFor.WINDOW})
"""What is waited for without using up the deadline."""

_LEFT: Final = ENDED_STATES | {RolloutState.WAITING}
"""States that are logged when nothing more is done until somebody wants it."""


def seconds_left(deadline: float, log: Iterable[LogEntry], attempt: int, now: datetime) -> float:
    """Return the seconds that are left of a deadline; 0 or less if it has passed.

    Args:
        deadline: Of the plan; a resume with another one begins to count anew.
        log: Of the rollout.
        attempt: The attempt that it is for.
        now: The time by the clock of the log.
    """
    clock = _Clock(attempt, deadline)
    for entry in log:
        clock.advance(entry.at)
        clock.process(entry)
    clock.advance(now)
    return clock.left


@define
class _Clock:
    attempt: int
    left: float
    _at: datetime | None = field(default=None, init=False)
    _wave: Mapping[str, object] | None = field(default=None, init=False)
    """The wave of the attempt that was last begun; None before the first."""

    _waits: set[object] = field(factory=set[object], init=False)
    """What is waited for; also the state in which the rollout was left."""

    def advance(self, at: datetime) -> None:
        """Use up the time since the last entry, unless it does not count."""
        if self._at is not None and self._wave is not None and not self._waits:
            self.left -= max(0.0, (at - self._at).total_seconds())
        self._at = at

    def process(self, entry: LogEntry) -> None:
        """Learn from an entry whether the time after it counts."""
        subject = entry.details.get(events.FOR)
        match entry.what:
            case events.WAVE_BEGINS if entry.details[events.ATTEMPT] == self.attempt:
                if entry.details == self._wave:  # another process goes on, and waits for itself
                    self._waits.clear()
                self._wave = entry.details
            case events.WAIT if subject in OUTSIDE_DEADLINE:
                self._waits.add(subject)
            case events.GO_ON:
                self._waits.discard(subject)
            case events.RESUME if events.DEADLINE in entry.details:
                self.left = float(str(entry.details[events.DEADLINE]))
            case state if state in _LEFT:
                self._waits.add(state)
            case _:
                pass
