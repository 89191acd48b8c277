"""What a poll may cost, and how the load of a session changes that."""

from __future__ import annotations

from math import exp, inf
from typing import Final

from attrs import define, field, frozen
from attrs.validators import ge, gt


@frozen
class PollPolicy:
    """How eagerly jobs are polled. All times are in seconds."""

    poll_cost: float = field(default=10.0, validator=gt(0))
    """The unseen wait, summed over all jobs that a poll covers, at which the poll is worth its request."""

    max_interval: float = field(default=15.0, validator=gt(0))
    """After this long a handle is polled whatever the model expects."""

    grace_period: float = field(default=15.0, validator=ge(0))
    """How long after its start a job may be missing from answers without counting as missed."""

    miss_interval: float = field(default=2.0, validator=gt(0))
    """The minimum time between two answers that both count a job as missed; the third makes it lost."""

    max_in_flight: int = field(default=16, validator=gt(0))
    """How many polls may be in flight at once."""


_WINDOW: Final = 3.0
"""Seconds within which a poll is forgotten: its weight decays exponentially."""

_FULL_LOAD: Final = 30.0
"""Polls within the window plus open handles from which a poll has its full cost."""

_MIN_COST: Final = 0.02
"""The minimum share of the full cost: 0.2 s of unseen wait instead of 10 s."""


def cost_share(load: float) -> float:
    """Return the share of the full cost that a poll has under a load of recent polls and open handles."""
    return max(_MIN_COST, min(1.0, load / _FULL_LOAD) ** 2)


@define(eq=False)
class PollLoad:
    """How busy a scheduler is, which decides what share of `PollPolicy.poll_cost` a poll costs.

    Under full load the whole cost applies. Below, it falls with the square of the load, down to 2 %: when a
    session waits for a single job, its end should be seen within a second, and the requests are there.
    """

    handles: int = 0
    """Open handles."""

    _polls: float = 0.0
    """Recent polls, decayed as of `_polls_at`."""

    _polls_at: float = 0.0
    _highest: float = 0.0
    """The highest share with which a poll was planned since the cost last fell."""

    def add_poll(self, now: float) -> None:
        """Count a poll."""
        self._polls, self._polls_at = self._recent(now) + 1, now

    def cost_share(self, now: float) -> float:
        """Return the share of the full cost that a poll has now, and remember it for `has_fallen`."""
        share = cost_share(self._recent(now) + self.handles)
        self._highest = max(self._highest, share)
        return share

    def has_fallen(self, now: float) -> bool:
        """Return whether the cost has halved since polls were planned, so that they should be replanned."""
        highest, self._highest = self._highest, 0.0
        if self.cost_share(now) < highest / 2:
            return True
        self._highest = highest
        return False

    def next_check(self, now: float) -> float:
        """Return when to check again: the cost falls with time, and whenever a handle is done."""
        return now + _WINDOW / 4 if self.handles < _FULL_LOAD and self._highest > _MIN_COST else inf

    def _recent(self, now: float) -> float:
        return self._polls * exp((self._polls_at - now) / _WINDOW)
