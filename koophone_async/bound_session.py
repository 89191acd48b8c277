"""A session bound to what all calls of one client share: edition, region and project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from datetime import datetime

    from yarl import URL

    from koophone_async.call import SendTracker
    from koophone_async.operation import Answer, AnyOperation, Operation, Request
    from koophone_async.polling import PollScheduler
    from koophone_async.session import Session
    from koophone_async.wire import Edition


@frozen(eq=False)
class BoundSession:
    """Sends through a session in one edition, region and project."""

    _session: Session
    edition: Edition
    region: str | None
    _project_id: str | None = field(repr=False)

    @property
    def poll_scheduler(self) -> PollScheduler:
        """The scheduler that all clients of the session share."""
        return self._session.poll_scheduler

    def now(self) -> datetime:
        """Return the time of the session's wall clock."""
        return self._session.now()

    def estimate(self, operation: AnyOperation, calls: int) -> float:
        """Return the minimum seconds that this many calls take under the quotas."""
        return self._session.estimate(operation, calls)

    def bind(
        self,
        *,
        edition: Edition | str | None = None,
        region: str | None = None,
        project_id: str | None = None,
    ) -> BoundSession:
        """Return the session with another binding; see `Session.bind`."""
        return self._session.bind(
            edition=edition or self.edition,
            region=region or self.region,
            project_id=project_id or self._project_id,
        )

    def origin(self, service: str) -> URL:
        """Return the address of a service in this region; see `Session.origin`."""
        return self._session.origin(service, self.region)

    async def project_id(self) -> str:
        """Return the id of the project, after looking it up where none was set; see `Session.project_id`."""
        return self._project_id or await self._session.project_id(self.region)

    async def send(
        self, operation: Operation[Request, Answer], request: Request, *, tracker: SendTracker | None = None
    ) -> Answer:
        """Send a request and return its answer; see `Session.send`."""
        return await self._session.send(
            operation,
            request,
            tracker=tracker,
            edition=self.edition,
            region=self.region,
            project_id=self._project_id,
        )
