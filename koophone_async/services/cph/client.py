"""CPH as one client."""

from __future__ import annotations

from collections.abc import Callable

from koophone_async.batches import RunOptions
from koophone_async.batches.chunks import Source
from koophone_async.operation import Quota, Sender
from koophone_async.polling import PollLimiter
from koophone_async.services.cph.bandwidths import Bandwidths
from koophone_async.services.cph.commands import Commands
from koophone_async.services.cph.completion import POLL_QUOTA, JobPoller
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

    Attributes:
        bandwidths: List and resize the bandwidths of servers.
        commands: Run ADB commands on phones: shell, push, install, uninstall.
        encoding_servers: List and restart encoding servers.
        gaming: Client of cloud mobile gaming: applications, versions, deployments.
        image_members: Share images with other accounts, and answer their offers.
        images: List and delete your own and shared images.
        jobs: Show and list jobs, and wait until they end.
        keypairs: Replace the key pairs that open ADB on servers.
        phone_images: List the images that phones can run.
        phones: List, rename, stop, restart and reset phones, and update their properties.
        scheduled_events: List, reschedule and authorize planned maintenance of servers.
        servers: List, buy, change, restart, rename and delete servers.
        shared_apps: Push, list and delete apps shared by all phones of a server.
        shared_files: Push, list and delete files shared by all phones of a server.
        shared_filesystems: Attach file systems to servers, and detach them.
        storage: Export and restore the data of phones, and expand their disks.
        tags: Tag servers, and find servers by their tags.
        traffic: Route the traffic of phones.
        undocumented: Send calls that the vendor's SDK has and no document describes.
    """

    def __init__(
        self,
        session: Sender,
        *,
        project_id: str | None = None,
        region: str | None = None,
        poll_quota: Quota = POLL_QUOTA,
    ) -> None:
        """Speak CPH through a session.

        Args:
            session: Shared with any number of other clients.
            project_id: The project that all paths name. Else HUAWEICLOUD_SDK_PROJECT_ID, else that of the
                credentials, else the project named like the region, looked up at the first call.
            region: Such as `cn-north-4`; else the session's.
            poll_quota: How often jobs are polled, at most, by all waits of this client together. A look
                tells of a hundred jobs.

        Raises:
            InvalidRequest: Nothing says where the service is: no endpoint, and no region where it is known to be.
        """
        sender = session.bind(region=region, project_id=project_id)
        sender.origin("cph")  # an unknown region raises here, not at the first call
        poller = JobPoller(sender, PollLimiter(poll_quota))
        self._sender, self._poller = sender, poller
        self.bandwidths = Bandwidths(sender)
        self.commands = Commands(sender)
        self.encoding_servers = EncodingServers(sender)
        self.gaming = Gaming(sender, poller.limiter)
        self.image_members = ImageMembers(sender)
        self.images = Images(sender)
        self.jobs = Jobs(sender, poller)
        self.keypairs = Keypairs(sender)
        self.phone_images = PhoneImages(sender)
        self.phones = Phones(sender)
        self.scheduled_events = ScheduledEvents(sender)
        self.servers = Servers(sender)
        self.shared_apps = SharedApps(sender)
        self.shared_files = SharedFiles(sender)
        self.shared_filesystems = SharedFilesystems(sender)
        self.storage = Storage(sender)
        self.tags = Tags(sender)
        self.traffic = Traffic(sender)
        self.undocumented = Undocumented(sender)

    async def project_id(self) -> str:
        """Tell the project's id, after looking it up where nobody said it.

        Raises:
            InvalidRequest: Nothing says which project or region it is.
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
        deadline: float | None = None,
        assume_unique: bool = False,
    ) -> PhoneFleet:
        """Take any number of phones, to do one thing to all of them.

        Args:
            phones: Ids, or what `phones.list` gives, which knows its server; iterable or async iterable,
                of any length. No more is drawn from it than is in flight.
            server_of: Tells the server of a phone's id, such as `{...}.get`, where only ids are given.
            max_per_server: Phones of one server for which ADB work is under way at once. A server does it one
                after the other; with more the work of others waits longer, with fewer it may run out
                before the next look. Phones whose server is not known have no bound.
            concurrency: Calls under way at once.
            in_flight: Phones at once that are drawn and not yet reported.
            deadline: Seconds after which what is not sent stays so and what runs is left running.
            assume_unique: You vouch that no phone comes twice. Otherwise each is remembered, some 100 bytes
                an id, so that nothing is done twice.
        """
        options = RunOptions(concurrency, in_flight, deadline, assume_unique, max_per_server)
        return PhoneFleet(self._sender, self._poller, phones, options, server_of)

    def server_fleet(
        self, servers: Source, *, concurrency: int = 32, deadline: float | None = None
    ) -> ServerFleet:
        """Take any number of servers, to do one thing to all of them.

        Args:
            servers: Ids, or what `servers.list` and `tags.find` give; iterable or async iterable.
            concurrency: Calls under way at once.
            deadline: Seconds after which what is not sent stays so and what runs is left running.
        """
        options = RunOptions(concurrency, deadline=deadline)
        return ServerFleet(self._sender, self._poller, servers, options)

    def encoding_fleet(
        self, encoding_servers: Source, *, concurrency: int = 32, deadline: float | None = None
    ) -> EncodingFleet:
        """Take any number of encoding servers.

        Args:
            encoding_servers: Ids, or what `encoding_servers.list` gives; iterable or async iterable.
            concurrency: Calls under way at once.
            deadline: Seconds after which what is not sent stays so and what runs is left running.
        """
        options = RunOptions(concurrency, deadline=deadline)
        return EncodingFleet(self._sender, self._poller, encoding_servers, options)
