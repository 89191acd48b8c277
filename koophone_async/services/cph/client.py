"""CPH as one client."""

from __future__ import annotations

from koophone_async.errors import Misuse
from koophone_async.services.cph.bandwidths import Bandwidths
from koophone_async.services.cph.channel import REGIONS, ProjectChannel
from koophone_async.services.cph.commands import Commands
from koophone_async.services.cph.encoding_servers import EncodingServers
from koophone_async.services.cph.image_members import ImageMembers
from koophone_async.services.cph.images import Images
from koophone_async.services.cph.jobs import Jobs
from koophone_async.services.cph.keypairs import Keypairs
from koophone_async.services.cph.phone_images import PhoneImages
from koophone_async.services.cph.phones import Phones
from koophone_async.services.cph.scheduled_events import ScheduledEvents
from koophone_async.services.cph.servers import Servers
from koophone_async.services.cph.shared_apps import SharedApps
from koophone_async.services.cph.shared_files import SharedFiles
from koophone_async.services.cph.shared_filesystems import SharedFilesystems
from koophone_async.services.cph.storage import Storage
from koophone_async.services.cph.tags import Tags
from koophone_async.services.cph.traffic import Traffic
from koophone_async.services.cph.undocumented import Undocumented
from koophone_async.session import Session


class CloudPhone:
    """Cloud phones on servers of one's own: every operation, in one project of one region.

    ```python
    started = await cph.commands.run(ids[:100], "getprop")   # one documented call
    jobs = [job async for job in cph.jobs.list([started.request])]
    ```
    """

    def __init__(self, session: Session, *, project_id: str | None = None, region: str | None = None) -> None:
        """Speak CPH through a session.

        Args:
            session: Shared with any number of other clients.
            project_id: The project that all paths name. Else HUAWEICLOUD_SDK_PROJECT_ID, else that of the
                credentials, else the project named like the region, looked up at the first call.
            region: Such as `cn-north-4`; else the session's.

        Raises:
            Misuse: Nothing says where the service is: no endpoint, and no region where it is known to be.
        """
        region = region or session.region
        origin = session.origin("cph", region)
        if origin.host == f"cph.{region}.myhuaweicloud.com" and region not in REGIONS:
            problem = f"is {region!r}; without an endpoint it must be one of {', '.join(REGIONS)}"
            raise Misuse("", "region", problem)
        channel = ProjectChannel(session, region, project_id)
        self._channel = channel
        self.bandwidths = Bandwidths(channel)
        self.commands = Commands(channel)
        self.encoding_servers = EncodingServers(channel)
        self.image_members = ImageMembers(channel)
        self.images = Images(channel)
        self.jobs = Jobs(channel)
        self.keypairs = Keypairs(channel)
        self.phone_images = PhoneImages(channel)
        self.phones = Phones(channel)
        self.scheduled_events = ScheduledEvents(channel)
        self.servers = Servers(channel)
        self.shared_apps = SharedApps(channel)
        self.shared_files = SharedFiles(channel)
        self.shared_filesystems = SharedFilesystems(channel)
        self.storage = Storage(channel)
        self.tags = Tags(channel)
        self.traffic = Traffic(channel)
        self.undocumented = Undocumented(channel)

    async def project_id(self) -> str:
        """Tell the project's id, after looking it up where nobody said it.

        Raises:
            Misuse: Nothing says which project or region it is.
            NotFound: The account has no project named like the region.
        """
        return await self._channel.project()
