"""Client of CPH in one project of one region."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from koophone_async.polling import Deadline
from koophone_async.services.cph.quotas import POLL_QUOTA

if TYPE_CHECKING:
    from collections.abc import Callable

    from koophone_async.batches.chunks import Source
    from koophone_async.operation import Quota, Sender
    from koophone_async.services.cph.bandwidths import Bandwidths
    from koophone_async.services.cph.commands import Commands
    from koophone_async.services.cph.completion import JobPoller
    from koophone_async.services.cph.encoding_servers import EncodingServers
    from koophone_async.services.cph.fleet import PhoneFleet
    from koophone_async.services.cph.image_members import ImageMembers
    from koophone_async.services.cph.images import Images
    from koophone_async.services.cph.keypairs import Keypairs
    from koophone_async.services.cph.phone_images import PhoneImages
    from koophone_async.services.cph.phones import Phones
    from koophone_async.services.cph.scheduled_events import ScheduledEvents
    from koophone_async.services.cph.server_fleet import EncodingFleet, ServerFleet
    from koophone_async.services.cph.servers import Servers
    from koophone_async.services.cph.shared_apps import SharedApps
    from koophone_async.services.cph.shared_files import SharedFiles
    from koophone_async.services.cph.shared_filesystems import SharedFilesystems
    from koophone_async.services.cph.storage import Storage
    from koophone_async.services.cph.tags import Tags
    from koophone_async.services.cph.traffic import Traffic
    from koophone_async.services.cph.undocumented import Undocumented
    from koophone_async.services.cph.waiting import Jobs
    from koophone_async.services.gaming.client import Gaming


class CloudPhone:
    """Client of CPH in one project: every documented operation, and fleets of any size.

    ```python
    started = await cph.commands.run(ids[:100], "getprop")        # one documented call
    report = await cph.jobs.wait(started)                         # and its end, one job for each phone
    report = await cph.fleet(cph.phones.list()).run("getprop")    # any number of phones, to the end
    ```
    """

    def __init__(
        self,
        session: Sender,
        *,
        project_id: str | None = None,
        region: str | None = None,
        poll_quota: Quota = POLL_QUOTA,
    ) -> None:
        """Create a client on a session.

        Args:
            session: Shared with any number of other clients.
            project_id: The project that all paths name. Else HUAWEICLOUD_SDK_PROJECT_ID, else that of the
                credentials, else the project named like the region, looked up at the first call.
            region: Such as `cn-north-4`; else the session's.
            poll_quota: Maximum rate of job polls of all waits of this client together. One poll covers up
                to 100 jobs.

        Raises:
            InvalidRequest: There is no endpoint, and the region is none of the known ones.
        """
        sender = session.bind(region=region, project_id=project_id)
        sender.origin("cph")  # an unknown region raises here, not at the first call
        self._sender, self._poll_quota = sender, poll_quota

    @cached_property
    def bandwidths(self) -> Bandwidths:
        """List and resize the bandwidths of servers."""
        from koophone_async.services.cph.bandwidths import Bandwidths

        return Bandwidths(self._sender)

    @cached_property
    def commands(self) -> Commands:
        """Run ADB commands on phones: shell, push, install, uninstall."""
        from koophone_async.services.cph.commands import Commands

        return Commands(self._sender)

    @cached_property
    def encoding_servers(self) -> EncodingServers:
        """List and restart encoding servers."""
        from koophone_async.services.cph.encoding_servers import EncodingServers

        return EncodingServers(self._sender)

    @cached_property
    def gaming(self) -> Gaming:
        """Client of cloud mobile gaming: applications, versions, deployments."""
        from koophone_async.services.gaming.client import Gaming

        return Gaming(self._sender, self._poller.limiter)

    @cached_property
    def image_members(self) -> ImageMembers:
        """Share images with other accounts, and answer their offers."""
        from koophone_async.services.cph.image_members import ImageMembers

        return ImageMembers(self._sender)

    @cached_property
    def images(self) -> Images:
        """List and delete your own and shared images."""
        from koophone_async.services.cph.images import Images

        return Images(self._sender)

    @cached_property
    def jobs(self) -> Jobs:
        """Show and list jobs, and wait until they end."""
        from koophone_async.services.cph.completion import SingleJobPoller
        from koophone_async.services.cph.waiting import Jobs

        single = SingleJobPoller(self._sender, self._poller.limiter)
        return Jobs(self._sender, self._poller, single)

    @cached_property
    def keypairs(self) -> Keypairs:
        """Replace the key pairs that open ADB on servers."""
        from koophone_async.services.cph.keypairs import Keypairs

        return Keypairs(self._sender)

    @cached_property
    def phone_images(self) -> PhoneImages:
        """List the images that phones can run."""
        from koophone_async.services.cph.phone_images import PhoneImages

        return PhoneImages(self._sender)

    @cached_property
    def phones(self) -> Phones:
        """List, rename, stop, restart and reset phones, and update their properties."""
        from koophone_async.services.cph.phones import Phones

        return Phones(self._sender)

    @cached_property
    def scheduled_events(self) -> ScheduledEvents:
        """List, reschedule and authorize planned maintenance of servers."""
        from koophone_async.services.cph.scheduled_events import ScheduledEvents

        return ScheduledEvents(self._sender)

    @cached_property
    def servers(self) -> Servers:
        """List, buy, change, restart, rename and delete servers."""
        from koophone_async.services.cph.servers import Servers

        return Servers(self._sender)

    @cached_property
    def shared_apps(self) -> SharedApps:
        """Push, list and delete apps shared by all phones of a server."""
        from koophone_async.services.cph.shared_apps import SharedApps

        return SharedApps(self._sender)

    @cached_property
    def shared_files(self) -> SharedFiles:
        """Push, list and delete files shared by all phones of a server."""
        from koophone_async.services.cph.shared_files import SharedFiles

        return SharedFiles(self._sender)

    @cached_property
    def shared_filesystems(self) -> SharedFilesystems:
        """Attach file systems to servers, and detach them."""
        from koophone_async.services.cph.shared_filesystems import SharedFilesystems

        return SharedFilesystems(self._sender)

    @cached_property
    def storage(self) -> Storage:
        """Export and restore the data of phones, and expand their disks."""
        from koophone_async.services.cph.storage import Storage

        return Storage(self._sender)

    @cached_property
    def tags(self) -> Tags:
        """Tag servers, and find servers by their tags."""
        from koophone_async.services.cph.tags import Tags

        return Tags(self._sender)

    @cached_property
    def traffic(self) -> Traffic:
        """Route the traffic of phones."""
        from koophone_async.services.cph.traffic import Traffic

        return Traffic(self._sender)

    @cached_property
    def undocumented(self) -> Undocumented:
        """Send calls that the vendor's SDK has and no document describes."""
        from koophone_async.services.cph.undocumented import Undocumented

        return Undocumented(self._sender)

    async def project_id(self) -> str:
        """Return the project's id; look it up in IAM if it was not configured.

        Raises:
            InvalidRequest: Neither project nor region is configured.
            NotFound: The account has no project named like the region.
        """
        return await self._sender.project_id()

    def fleet(  # noqa: PLR0913 - all but one are named, and have defaults
        self,
        phones: Source,
        *,
        server_of: Callable[[str], str | None] | None = None,
        max_per_server: int = 30,
        concurrency: int = 32,
        in_flight: int = 100_000,
        deadline: float | Deadline | None = Deadline.DEFAULT,
        assume_unique: bool = False,
        linger: float | None = None,
    ) -> PhoneFleet:
        """Return a fleet of any number of phones, to run one operation on all of them.

        Args:
            phones: Ids, or the items of `phones.list`, which know their server; an iterable or async iterable
                of any length. At most `in_flight` items are read ahead.
            server_of: Function from a phone's id to its server's id, such as `{...}.get`, for phones that are
                plain ids.
            max_per_server: Maximum number of phones of one server with ADB jobs pending. A server runs them
                one after the other: a larger value delays other work of the server, a smaller one may leave
                it idle until the next poll. Phones whose server is unknown are not limited.
            concurrency: Maximum number of concurrent calls.
            in_flight: Maximum number of phones that were read from the source and have no outcome yet.
            deadline: Seconds after which nothing more is sent and running jobs are left running; None for no
                deadline. By default each call's jobs are awaited for a time that depends on the operation.
            assume_unique: Skip the detection of duplicates, which costs about 100 bytes an id. Without it,
                every id is processed once.
            linger: Seconds after which an incomplete call is sent although the source may have more ids, as a
                queue may; None: it waits for a full one.
        """
        from koophone_async.batches import RunOptions
        from koophone_async.services.cph.fleet import PhoneFleet

        options = RunOptions(concurrency, in_flight, deadline, assume_unique, max_per_server, linger)
        return PhoneFleet(self._sender, self._poller, phones, options, server_of)

    def server_fleet(
        self,
        servers: Source,
        *,
        concurrency: int = 32,
        deadline: float | Deadline | None = Deadline.DEFAULT,
        linger: float | None = None,
    ) -> ServerFleet:
        """Return a fleet of any number of servers, to run one operation on all of them.

        Args:
            servers: Ids, or the items of `servers.list` or `tags.find`; an iterable or async iterable.
            concurrency: Maximum number of concurrent calls.
            deadline: Seconds after which nothing more is sent and running jobs are left running; None for no
                deadline. By default each call's jobs are awaited for a time that depends on the operation.
            linger: Seconds after which an incomplete call is sent although the source may have more ids, as a
                queue may; None: it waits for a full one.
        """
        from koophone_async.batches import RunOptions
        from koophone_async.services.cph.server_fleet import ServerFleet

        options = RunOptions(concurrency, deadline=deadline, linger=linger)
        return ServerFleet(self._sender, self._poller, servers, options)

    def encoding_fleet(
        self,
        encoding_servers: Source,
        *,
        concurrency: int = 32,
        deadline: float | Deadline | None = Deadline.DEFAULT,
        linger: float | None = None,
    ) -> EncodingFleet:
        """Return a fleet of any number of encoding servers.

        Args:
            encoding_servers: Ids, or the items of `encoding_servers.list`; an iterable or async iterable.
            concurrency: Maximum number of concurrent calls.
            deadline: Seconds after which nothing more is sent and running jobs are left running; None for no
                deadline. By default each call's jobs are awaited for a time that depends on the operation.
            linger: Seconds after which an incomplete call is sent although the source may have more ids, as a
                queue may; None: it waits for a full one.
        """
        from koophone_async.batches import RunOptions
        from koophone_async.services.cph.server_fleet import EncodingFleet

        options = RunOptions(concurrency, deadline=deadline, linger=linger)
        return EncodingFleet(self._sender, self._poller, encoding_servers, options)

    @cached_property
    def _poller(self) -> JobPoller:
        from koophone_async.polling import PollLimiter
        from koophone_async.services.cph.completion import JobPoller

        return JobPoller(self._sender, PollLimiter(self._poll_quota))
