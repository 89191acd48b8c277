"""A session as one client uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

if TYPE_CHECKING:
    from datetime import datetime

    from koophone_async.operation import AnyOperation
    from koophone_async.polling import PollScheduler
    from koophone_async.session import Session


@define(eq=False)
class Channel:
    """What the clients of one session share; each sends in its own way."""

    session: Session

    @property
    def poll_scheduler(self) -> PollScheduler:
        """Who looks at jobs for all clients of the session."""
        return self.session.poll_scheduler

    def now(self) -> datetime:
        """Tell the time by the wall clock of the session."""
        return self.session.now()

    def estimate(self, operation: AnyOperation, calls: int) -> float:
        """Tell the least time that the quotas leave for so many calls, in seconds."""
        return self.session.limits.estimate(operation.name, operation.quotas, calls)
