"""The handlers of CPH's operations, one class for each resource."""

from __future__ import annotations

from koophone_async.emulator.cph.bandwidths import Bandwidths
from koophone_async.emulator.cph.buying import Buying
from koophone_async.emulator.cph.commands import Commands
from koophone_async.emulator.cph.connections import Connections
from koophone_async.emulator.cph.encoding_servers import EncodingServers
from koophone_async.emulator.cph.images import Images
from koophone_async.emulator.cph.jobs import Jobs
from koophone_async.emulator.cph.keypairs import Keypairs
from koophone_async.emulator.cph.phones import Phones
from koophone_async.emulator.cph.project import Project
from koophone_async.emulator.cph.scheduled_events import ScheduledEvents
from koophone_async.emulator.cph.servers import Servers
from koophone_async.emulator.cph.shared_apps import SharedApps
from koophone_async.emulator.cph.shared_files import SharedFiles
from koophone_async.emulator.cph.shared_filesystems import SharedFilesystems
from koophone_async.emulator.cph.storage import StorageOfPhones
from koophone_async.emulator.cph.tags import Tags
from koophone_async.emulator.cph.traffic import Traffic
from koophone_async.emulator.cph.undocumented import Undocumented
from koophone_async.emulator.jobs.engine import Jobs as JobEngine
from koophone_async.emulator.server.accounts import Account

_HANDLERS = (
    *(Bandwidths, Buying, Commands, Connections, EncodingServers, Images, Jobs, Keypairs, Phones),
    *(ScheduledEvents, Servers, SharedApps, SharedFiles, SharedFilesystems, StorageOfPhones, Tags),
    *(Traffic, Undocumented),
)


def handlers(jobs: JobEngine, account: Account) -> dict[str, list[object]]:
    """Return the handlers of every resource, by the id of the project."""
    projects = [Project(jobs, project.id, account.domain_id, project.name) for project in account.projects]
    return {project.id: [handler(project) for handler in _HANDLERS] for project in projects}
