"""Client of KooPhone."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

from koophone_async.polling import Deadline

if TYPE_CHECKING:
    from koophone_async.batches.chunks import Source
    from koophone_async.batches.regions import RegionMap
    from koophone_async.operation import Sender
    from koophone_async.services.koophone.apps import Apps
    from koophone_async.services.koophone.commands import Commands
    from koophone_async.services.koophone.completion import TaskPoller
    from koophone_async.services.koophone.fleet import Fleet
    from koophone_async.services.koophone.instances import Instances
    from koophone_async.services.koophone.orders import Orders
    from koophone_async.services.koophone.streaming import Streaming
    from koophone_async.services.koophone.users import Users
    from koophone_async.services.koophone.video import Video
    from koophone_async.services.koophone.waiting import Jobs
    from koophone_async.wire import Edition


class KooPhone:
    """Client of KooPhone: every documented operation, and fleets of any size.

    ```python
    started = await koophone.commands.run(ids[:100], "getprop")   # one documented call
    report = await koophone.fleet(ids).run("getprop")             # any number of ids, to the end
    ```
    """

    def __init__(self, session: Sender, *, edition: Edition | str | None = None) -> None:
        """Create a client that sends through a session.

        Args:
            session: May be shared with any number of other clients.
            edition: `china` or `international`, which number states differently; else the session's.

        Raises:
            InvalidRequest: The edition is unknown.
        """
        self._sender = session.bind(edition=edition)

    @cached_property
    def apps(self) -> Apps:
        """Install and list apps."""
        from koophone_async.services.koophone.apps import Apps

        return Apps(self._sender)

    @cached_property
    def commands(self) -> Commands:
        """Run shell commands."""
        from koophone_async.services.koophone.commands import Commands

        return Commands(self._sender)

    @cached_property
    def instances(self) -> Instances:
        """List, inspect, reset, reboot and back up instances."""
        from koophone_async.services.koophone.instances import Instances

        return Instances(self._sender)

    @cached_property
    def jobs(self) -> Jobs:
        """List the jobs of a task, and wait until they end."""
        from koophone_async.services.koophone.waiting import Jobs

        return Jobs(self._sender, self._tasks)

    @cached_property
    def orders(self) -> Orders:
        """List what is for sale, buy instances, and end subscriptions."""
        from koophone_async.services.koophone.orders import Orders

        return Orders(self._sender)

    @cached_property
    def streaming(self) -> Streaming:
        """Prepare, authorize, stop and release streams."""
        from koophone_async.services.koophone.streaming import Streaming

        return Streaming(self._sender)

    @cached_property
    def users(self) -> Users:
        """Assign instances to users, and unassign them."""
        from koophone_async.services.koophone.users import Users

        return Users(self._sender)

    @cached_property
    def video(self) -> Video:
        """Set bit rates and frame rates of the video stream."""
        from koophone_async.services.koophone.video import Video

        return Video(self._sender)

    @property
    def edition(self) -> Edition:
        """The edition whose states are used."""
        return self._sender.edition

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
        """Return a fleet: any number of instances, for operations on all of them.

        Args:
            ids: Ids, or the instances of `instances.list`, which have a region; an iterable or async
                iterable of any length. It is consumed as the run proceeds, up to `in_flight` ids ahead.
            concurrency: Maximum of concurrent calls.
            in_flight: Maximum of ids that have been read and not yet reported.
            deadline: Seconds after which nothing more is sent and running jobs are left running; None for no
                deadline. By default each call's jobs are awaited for a time that depends on the operation.
            assume_unique: Skip the check for duplicates, which needs about 100 bytes an id. An id that is
                listed twice is then sent twice.
            linger: Seconds after which an incomplete call is sent although the source may have more ids, as a
                queue may; None: it waits for a full one.
        """
        from koophone_async.batches import RunOptions
        from koophone_async.services.koophone.fleet import Fleet

        options = RunOptions(concurrency, in_flight, deadline, assume_unique, linger=linger)
        return Fleet(self._sender, self._tasks, ids, options, self._regions)

    @cached_property
    def _tasks(self) -> TaskPoller:
        from koophone_async.services.koophone.completion import TaskPoller

        return TaskPoller(self._sender)

    @cached_property
    def _regions(self) -> RegionMap:
        from koophone_async.batches.regions import RegionMap
        from koophone_async.services.koophone.instances import list_regions

        return RegionMap(partial(list_regions, self._sender))
