"""Waiting for jobs: many waits, few requests.

A `PollScheduler` serves all the waits of one session and endpoint. A `Poller` says how one kind of handle
is looked at, a `Watch` is one wait, a `Ticket` is a wait that another process can take up.
"""

from __future__ import annotations

from koophone_async.polling.handle import Pace
from koophone_async.polling.poller import Allowance, Paced, Poller, Seen
from koophone_async.polling.resume_token import Ticket
from koophone_async.polling.scheduler import PollScheduler
from koophone_async.polling.wait import Wait, Watch

__all__ = ["Allowance", "Pace", "Paced", "PollScheduler", "Poller", "Seen", "Ticket", "Wait", "Watch"]
