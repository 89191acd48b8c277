"""Command tables of CPH and of its part cloud mobile gaming."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve

from koophone_async.cli.commands.fleet_commands import Details, Inventory, Service, derive_verbs
from koophone_async.services.cph.bandwidths import Bandwidths
from koophone_async.services.cph.client import CloudPhone
from koophone_async.services.cph.commands import Commands
from koophone_async.services.cph.connections import Access
from koophone_async.services.cph.encoding_servers import (
    EncodingServer,
    EncodingServerQuery,
    EncodingServers,
)
from koophone_async.services.cph.fleet import PhoneFleet
from koophone_async.services.cph.image_members import ImageMembers
from koophone_async.services.cph.images import Images
from koophone_async.services.cph.keypairs import Keypairs
from koophone_async.services.cph.listings import Listing
from koophone_async.services.cph.phone import Phone
from koophone_async.services.cph.phone_images import PhoneImages
from koophone_async.services.cph.phones import PhoneQuery, Phones
from koophone_async.services.cph.scheduled_events import ScheduledEvents
from koophone_async.services.cph.server import Server
from koophone_async.services.cph.server_fleet import EncodingFleet, ServerFleet
from koophone_async.services.cph.servers import ServerQuery, Servers
from koophone_async.services.cph.shared_apps import SharedApps
from koophone_async.services.cph.shared_files import SharedFiles
from koophone_async.services.cph.shared_filesystems import SharedFilesystems
from koophone_async.services.cph.started_jobs import Started
from koophone_async.services.cph.storage import Storage
from koophone_async.services.cph.tags import Tags
from koophone_async.services.cph.traffic import Traffic
from koophone_async.services.cph.undocumented import Undocumented
from koophone_async.services.cph.waiting import Jobs
from koophone_async.services.gaming import started_jobs as gaming
from koophone_async.services.gaming.applications import Applications
from koophone_async.services.gaming.deployments import Deployments
from koophone_async.services.gaming.fleet import Fleet as GamingFleet
from koophone_async.services.gaming.versions import Versions

PHONES: Final = Inventory(
    "phones",
    "cph.phones.list",
    Phone,
    PhoneQuery,
    lambda cph, query: cph.phones.list(query),
    CloudPhone.fleet,
    runs_commands=True,
)
SERVERS: Final = Inventory(
    "servers",
    "cph.servers.list",
    Server,
    ServerQuery,
    lambda cph, query: cph.servers.list(query),
    CloudPhone.server_fleet,
    lambda cph, tags: cph.tags.find(tags),
    example='state == normal and name ~ "shop-*"',
    has_phones=True,
)
ENCODING_SERVERS: Final = Inventory(
    "encoding servers",
    "cph.encoding_servers.list",
    EncodingServer,
    EncodingServerQuery,
    lambda cph, query: cph.encoding_servers.list(query),
    CloudPhone.encoding_fleet,
)


def _gaming_fleet(cph: CloudPhone, *args: Any, **options: Any) -> GamingFleet:  # noqa: ANN401 - passed on
    return cph.gaming.fleet(*args, **options)


_GAMING_SERVERS: Final = evolve(SERVERS, fleet=_gaming_fleet)
_GAMING_PHONES: Final = evolve(PHONES, fleet=_gaming_fleet, runs_commands=False)


async def _read_properties(cph: CloudPhone, phone: str) -> Mapping[str, str]:
    details = await cph.phones.show(phone)
    return {**details.properties, **(details.custom or {})}


def _export_to(args: Mapping[str, Any], phone: str) -> Mapping[str, Any]:
    """Return arguments for one phone, whose path need not contain its id."""
    return {**args, "path": {phone: args["path"].replace("{phone}", phone)}}


_DETAILS: Final = {
    "commands.install": Details(labels={"content": "--apk"}),
    "commands.install_split": Details(labels={"content": "--apks"}),
    "commands.push": Details(labels={"content": "--tar"}),
    "commands.run": Details(labels={"content": "--command"}),
    "commands.run_sync": Details(labels={"content": "--command"}),
    "commands.uninstall": Details(destroys="uninstall the app from", labels={"content": "--package"}),
    "encoding_servers.restart": Details(destroys="restart"),
    "phones.connections": Details(reads=Access),
    "phones.migrate": Details(destroys="overwrite the data of"),
    "phones.reset": Details(destroys="erase the data of"),
    "phones.update_properties": Details(shows_changes=_read_properties),
    "servers.delete": Details(SERVERS, destroys="delete, with their phones and data,"),
    "servers.restart": Details(destroys="restart, with their phones,"),
    "shared_apps.delete": Details(destroys="delete the shared app of"),
    "shared_files.delete": Details(destroys="delete the shared files of"),
    "shared_files.list": Details(reads=Listing),
    "shared_filesystems.attach": Details(labels={"id": "--filesystem"}),
    "shared_filesystems.detach": Details(labels={"id": "--filesystem"}),
    "storage.export": Details(for_one=_export_to),
    "storage.restore": Details(destroys="overwrite the data of"),
}

_BY_PARAMETER: Final = {"phone": PHONES, "server": SERVERS, "servers": SERVERS}

SERVICE: Final = Service(
    ("cph",),
    CloudPhone,
    {
        "bandwidths": Bandwidths,
        "commands": Commands,
        "encoding_servers": EncodingServers,
        "image_members": ImageMembers,
        "images": Images,
        "jobs": Jobs,
        "keypairs": Keypairs,
        "phone_images": PhoneImages,
        "phones": Phones,
        "scheduled_events": ScheduledEvents,
        "servers": Servers,
        "shared_apps": SharedApps,
        "shared_files": SharedFiles,
        "shared_filesystems": SharedFilesystems,
        "storage": Storage,
        "tags": Tags,
        "traffic": Traffic,
        "undocumented": Undocumented,
    },
    derive_verbs(
        "cph",
        Started,
        {PhoneFleet: PHONES, ServerFleet: SERVERS, EncodingFleet: ENCODING_SERVERS},
        _DETAILS,
    ),
    details=_DETAILS,
    wait_resource="jobs",
    inventories_by_parameter=_BY_PARAMETER,
    inventories=(PHONES, SERVERS, ENCODING_SERVERS),
)

_GAMING_DETAILS: Final = {
    "deployments.remove": Details(destroys="remove the versions from"),
    "deployments.undeploy": Details(destroys="undeploy the versions from"),
    "deployments.update": Details(_GAMING_PHONES),
}

GAMING: Final = Service(
    ("cph", "gaming"),
    CloudPhone,
    {"applications": Applications, "deployments": Deployments, "versions": Versions},
    derive_verbs(
        "gaming",
        gaming.Started,
        {GamingFleet: _GAMING_SERVERS},
        _GAMING_DETAILS,
    ),
    details=_GAMING_DETAILS,
    about="Cloud mobile gaming: applications, their versions, and deployments.",
    client_path=("gaming",),
    wait_resource="deployments",
    inventories_by_parameter=_BY_PARAMETER,
)
