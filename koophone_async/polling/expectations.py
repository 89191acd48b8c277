"""How many polls jobs will need, if they take as long as a distribution says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from koophone_async.polling.policy import PollPolicy, cost_share

if TYPE_CHECKING:
    from koophone_async.polling.duration_model import Lognormal

_MAX_POLLS: Final = 10_000
_OPEN: Final = 0.5
"""Expected number of open jobs below which all are taken to have ended."""


def expected_polls(job: Lognormal, jobs: float, handles: int, poll_cost: float) -> int:
    """Return the number of polls until all jobs have ended, by the rule that the scheduler polls by.

    Args:
        job: Durations of the jobs.
        jobs: Jobs that one poll covers.
        handles: Handles that are polled separately.
        poll_cost: What a poll costs under full load, in seconds of unseen wait.
    """
    cost, age, polls = poll_cost * cost_share(handles), 0.0, 0
    while jobs >= _OPEN and polls < _MAX_POLLS:
        due = job.poll_age(age, cost / jobs, age + PollPolicy().max_interval)
        _, ended = job.unseen_wait(age, due)
        age, jobs, polls = due, jobs * (1 - ended), polls + 1
    return math.ceil(polls * handles)
