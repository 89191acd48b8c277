"""Waiting for jobs: many waits, few requests.

A `PollScheduler` serves all the waits of one session and endpoint. A `Poller` says how one kind of handle
is looked at, a `PendingJobs` is one wait, a `ResumeToken` is a wait that another process can take up.
"""

from __future__ import annotations

from koophone_async.polling.handle import PollPolicy
from koophone_async.polling.poller import LimitedPoller, Poller, PollLimiter, PollResult
from koophone_async.polling.resume_token import ResumeToken
from koophone_async.polling.scheduler import PollScheduler
from koophone_async.polling.wait import JobStream, PendingJobs

__all__ = [
    "JobStream",
    "LimitedPoller",
    "PendingJobs",
    "PollLimiter",
    "PollPolicy",
    "PollResult",
    "PollScheduler",
    "Poller",
    "ResumeToken",
]
