"""What each operation of CPH does to the emulated servers and phones, a desk a resource."""

from __future__ import annotations

from typing import TYPE_CHECKING

from koophone_async.emulator.cph.bandwidths import Bandwidths
from koophone_async.emulator.cph.buying import Buying
from koophone_async.emulator.cph.commands import Commands
from koophone_async.emulator.cph.connections import Connections
from koophone_async.emulator.cph.encoding_servers import EncodingServers
from koophone_async.emulator.cph.images import Images
from koophone_async.emulator.cph.jobs import Jobs
from koophone_async.emulator.cph.keypairs import Keypairs
from koophone_async.emulator.cph.phones import Phones
from koophone_async.emulator.cph.project import Site
from koophone_async.emulator.cph.scheduled_events import ScheduledEvents
from koophone_async.emulator.cph.servers import Servers
from koophone_async.emulator.cph.shared_apps import SharedApps
from koophone_async.emulator.cph.shared_files import SharedFiles
from koophone_async.emulator.cph.shared_filesystems import SharedFilesystems
from koophone_async.emulator.cph.storage import StorageOfPhones
from koophone_async.emulator.cph.tags import Tags
from koophone_async.emulator.cph.traffic import Traffic
from koophone_async.emulator.cph.undocumented import Undocumented

if TYPE_CHECKING:
    from koophone_async.emulator.server.accounts import Account
    from koophone_async.emulator.world import World

_DESKS = (
    *(Bandwidths, Buying, Commands, Connections, EncodingServers, Images, Jobs, Keypairs, Phones),
    *(ScheduledEvents, Servers, SharedApps, SharedFiles, SharedFilesystems, StorageOfPhones, Tags),
    *(Traffic, Undocumented),
)


def desks(world: World, account: Account) -> dict[str, list[object]]:
    """Set up a desk for every resource in every project, by the project's id."""
    sites = [Site(world, project.id, account.domain_id, project.name) for project in account.projects]
    return {site.project: [desk(site) for desk in _DESKS] for site in sites}
