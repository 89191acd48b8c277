"""KooPhone as one client."""

from __future__ import annotations

from koophone_async.batches import RunOptions
from koophone_async.batches.chunks import Source
from koophone_async.operation import Sender
from koophone_async.services.koophone.apps import Apps
from koophone_async.services.koophone.commands import Commands
from koophone_async.services.koophone.completion import Tasks
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

    Attributes:
        apps: Install and list apps.
        commands: Run shell commands.
        instances: List, inspect, reset, reboot and back up instances.
        jobs: List the jobs of a task, and wait until they end.
        orders: List what is for sale, buy instances, and end subscriptions.
        streaming: Prepare, authorize, stop and release streams.
        users: Assign instances to users, and unassign them.
        video: Set bit rates and frame rates of the video stream.
    """

    def __init__(self, session: Sender, *, edition: Edition | str | None = None) -> None:
        """Speak KooPhone through a session.

        Args:
            session: Shared with any number of other clients.
            edition: Whose meaning of states is used, `china` or `international`; else the session's.
        """
        sender = session.bind(edition=edition)
        tasks = Tasks(sender)
        self._sender, self._tasks = sender, tasks
        self.apps = Apps(sender)
        self.commands = Commands(sender)
        self.instances = Instances(sender)
        self.jobs = Jobs(sender, tasks)
        self.orders = Orders(sender)
        self.streaming = Streaming(sender)
        self.users = Users(sender)
        self.video = Video(sender)

    @property
    def edition(self) -> Edition:
        """Whose meaning of states is used."""
        return self._sender.edition

    def fleet(
        self,
        ids: Source,
        *,
        concurrency: int = 32,
        in_flight: int = 100_000,
        deadline: float | None = None,
        assume_unique: bool = False,
    ) -> Fleet:
        """Take any number of instances, to do one thing to all of them.

        Args:
            ids: Ids, or what `instances.list` gives, which knows its region; iterable or async
                iterable, of any length. No more is drawn from it than is in flight.
            concurrency: Calls under way at once.
            in_flight: Ids at once that are drawn and not yet reported.
            deadline: Seconds after which what is not sent stays so and what runs is left running.
            assume_unique: You vouch that no id comes twice. Otherwise each is remembered, some 100 bytes
                an id, so that none is done twice.
        """
        options = RunOptions(concurrency, in_flight, deadline, assume_unique)
        return Fleet(self._sender, self._tasks, ids, options)
