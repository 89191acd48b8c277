"""Client of cloud mobile gaming."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from koophone_async.polling import Deadline

if TYPE_CHECKING:
    from koophone_async.batches.chunks import Source
    from koophone_async.operation import Sender
    from koophone_async.polling import PollLimiter
    from koophone_async.services.gaming.applications import Applications
    from koophone_async.services.gaming.completion import DeploymentPoller
    from koophone_async.services.gaming.deployments import Deployments
    from koophone_async.services.gaming.fleet import Fleet
    from koophone_async.services.gaming.versions import Versions


class Gaming:
    """Client of cloud mobile gaming: every documented operation, and fleets of any size.

    ```python
    report = await cph.gaming.fleet(servers).deploy([version])
    ```
    """

    def __init__(self, session: Sender, limiter: PollLimiter | None = None) -> None:
        """Create a client on a session that is bound to a project, as `CloudPhone` does.

        Args:
            session: Shared with any number of other clients.
            limiter: Maximum rate of job polls, shared with the other clients of the project.
        """
        self._session, self._limiter = session, limiter

    @cached_property
    def applications(self) -> Applications:
        """Create, list, show and delete games, and find where they are deployed."""
        from koophone_async.services.gaming.applications import Applications

        return Applications(self._session)

    @cached_property
    def deployments(self) -> Deployments:
        """Deploy versions to servers and phones, update and remove them, and wait for it."""
        from koophone_async.services.cph.completion import SingleJobPoller
        from koophone_async.services.gaming.deployments import Deployments

        single = SingleJobPoller(self._session, self._poller.limiter)
        return Deployments(self._session, self._poller, single)

    @cached_property
    def versions(self) -> Versions:
        """Create, show and delete versions of games."""
        from koophone_async.services.gaming.versions import Versions

        return Versions(self._session)

    def fleet(  # noqa: PLR0913 - all but one are named, and have defaults
        self,
        ids: Source,
        *,
        concurrency: int = 32,
        in_flight: int = 100_000,
        deadline: float | Deadline | None = Deadline.DEFAULT,
        assume_unique: bool = False,
        linger: float | None = None,
    ) -> Fleet:
        """Return a fleet of any number of servers, or of phones for `update`, to run one operation on.

        Args:
            ids: Iterable or async iterable of any length. At most `in_flight` ids are read ahead.
            concurrency: Maximum number of concurrent calls.
            in_flight: Maximum number of ids that were read from the source and have no outcome yet.
            deadline: Seconds after which nothing more is sent and running jobs are left running; None for no
                deadline. By default each call's jobs are awaited for a time that depends on the operation.
            assume_unique: Skip the detection of duplicates, which costs about 100 bytes an id. Without it,
                every id is processed once.
            linger: Seconds after which an incomplete call is sent although the source may have more ids, as a
                queue may; None: it waits for a full one.
        """
        from koophone_async.batches import RunOptions
        from koophone_async.services.gaming.fleet import Fleet

        options = RunOptions(concurrency, in_flight, deadline, assume_unique, linger=linger)
        return Fleet(self._session, self._poller, ids, options)

    @cached_property
    def _poller(self) -> DeploymentPoller:
        from koophone_async.polling import PollLimiter
        from koophone_async.services.cph.quotas import POLL_QUOTA
        from koophone_async.services.gaming.completion import DeploymentPoller

        return DeploymentPoller(self._session, self._limiter or PollLimiter(POLL_QUOTA))
