"""What CPH's jobs do to servers: first at their turn, then at their end."""

from __future__ import annotations

import posixpath
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from koophone_async.emulator.android import system
from koophone_async.emulator.android.releases import RELEASES
from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.flavors import PHONES
from koophone_async.emulator.doings import start_up
from koophone_async.emulator.fleet import Running
from koophone_async.services.cph import (
    encoding_servers,
    keypairs,
    server_changes,
    servers,
    shared_apps,
    shared_files,
    shared_filesystems,
)
from koophone_async.services.cph.server import ServerState
from koophone_async.wire import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from koophone_async.emulator.cph.server_inventory import Server
    from koophone_async.emulator.works import Work
    from koophone_async.emulator.world import World

_CAPACITY_KB: Final = 33 * 1024 * 1024


@frozen
class ServerJob:
    """A job of one server while something happens."""

    world: World
    work: Work
    server: Server
    at: datetime

    @property
    def details(self) -> Mapping[str, Any]:
        """What is to be done."""
        return self.work.details


@frozen
class ServerDoing:
    """What one kind of job does."""

    begin: Callable[[ServerJob], None]
    end: Callable[[ServerJob], str | None]
    broken: Callable[[ServerJob], None]
    """What becomes of the server when the job failed."""


def _nothing(job: ServerJob) -> None:
    del job


def _go_down(job: ServerJob) -> None:
    job.server.state = ServerState.STARTING
    for phone in job.world.fleet.on_server(job.server.index):
        phone.running, phone.streaming = Running.STARTING, False


def _come_up(job: ServerJob) -> None:
    job.server.state = ServerState.NORMAL
    for phone in job.world.fleet.on_server(job.server.index):
        start_up(phone)


def _break(job: ServerJob) -> None:
    job.server.state = ServerState.ABNORMAL


def _remake(job: ServerJob) -> None:
    job.server.state = ServerState.CREATING_3


def _remade(job: ServerJob) -> None:
    fleet, server = job.world.fleet, job.server
    for phone in fleet.on_server(server.index):
        fleet.remove(phone.id)
    for name in ("phone_model", "keypair", "vpc", "subnet"):
        if (value := job.details.get(name)) is not None:
            setattr(server, name, value)
    server.network, server.updated, server.state = "v2", job.at, ServerState.NORMAL
    populate(job.world, server, job.details["image"], job.details["properties"])


def populate(world: World, server: Server, image: str, properties: Mapping[str, str] | None) -> None:
    """Put phones on a server, as many as their flavor has on one."""
    flavor = PHONES[server.phone_model or ""]
    # An image that was deleted since it was ordered leaves the service's own.
    release = world.estate.release_of(image, server.region) or RELEASES[0]
    for number in range(1, flavor.capacity + 1):
        name = f"{server.name}-{number:05}"
        phone = world.fleet.add(name, server.region, flavor.model, release, server.index)
        phone.drawer["image"] = image
        if properties:
            phone.drawer["property"] = dict(properties)
            start_up(phone)


def _delete(job: ServerJob) -> None:
    job.world.estate.servers.remove(job.server)


def _key(job: ServerJob) -> None:
    job.server.keypair = job.details["keypair"]


def _stop_encoding(job: ServerJob) -> None:
    job.server.encoder_restarting = True


def _encode_again(job: ServerJob) -> None:
    job.server.encoder_restarting = False


def _unpack(job: ServerJob) -> None:
    tar = job.world.estate.storage.get(f"{job.details['bucket']}/{job.details['path']}", "/data")
    job.server.files |= {
        path: {"size": len(text.encode()), "at": job.at.isoformat()}
        for path, text in tar.files.items()
        if not path.endswith("/")
    }


def _remove(job: ServerJob) -> str | None:
    files, wanted = job.server.files, [path.rstrip("/") for path in job.details["paths"]]
    gone = [file for file in files for path in wanted if file == path or file.startswith(f"{path}/")]
    for file in dict.fromkeys(gone):
        del files[file]
    return None if gone else "CPS.0155"


def _list(job: ServerJob) -> None:
    entries = list(_entries(job.server, job.details["path"].rstrip("/")))
    first, most = job.details["offset"], job.details["limit"]
    listing = {
        "files_in_path": entries[first : first + most],
        "share_base_capacity": _capacity(job.server.files.values()),
    }
    job.work.output = system.cut(encode(listing).decode())


def _entries(server: Server, path: str) -> Iterator[str]:
    """Write what lies in a directory as `ls` does; directories count 4,096 bytes."""
    below = {
        file.removeprefix(f"{path}/").partition("/")[0]: file
        for file in server.files
        if file.startswith(f"{path}/")
    }
    for name, file in sorted(below.items()):
        held, is_file = server.files[file], posixpath.join(path, name) == file
        changed = datetime.fromisoformat(held["at"])
        size = held["size"] if is_file else 4096
        yield f"{size}\t {changed:%b}\t {changed.day}\t {changed:%H:%M}\t {name}\t "


def _capacity(files: Iterable[Mapping[str, Any]]) -> str:
    used = 186 * 1024 + sum(file["size"] for file in files) // 1024
    percent = max(1, 100 * used // _CAPACITY_KB)
    return f"33G\t {used // 1024}M\t {(_CAPACITY_KB - used) // 1024 // 1024}G\t {percent}%\t "


def _share(job: ServerJob) -> None:
    package = job.details["package"]
    stem = posixpath.basename(job.details["path"]).removesuffix(".tar")
    version = stem.removeprefix(f"{package}-") if stem.startswith(f"{package}-") else "1.0"
    job.server.apps.append(
        {"package": package, "version": version, "since": job.at.isoformat(), "until": None}
    )
    if job.details["preinstall"]:
        for phone in job.world.fleet.on_server(job.server.index):
            phone.android.apps[package] = version


def _unshare(job: ServerJob) -> None:
    for app in job.server.apps:
        if app["package"] == job.details["package"] and app["until"] is None:
            app["until"] = job.at.isoformat()


def _mount(job: ServerJob) -> None:
    job.server.filesystems[job.details["id"]] = job.details["path"]


def _unmount(job: ServerJob) -> str | None:
    mounted = job.server.filesystems.pop(job.details["id"], None)
    return error_table.NO_RESOURCE if mounted is None else None


def _whole(end: Callable[[ServerJob], str | None]) -> ServerDoing:
    return ServerDoing(_nothing, end, _nothing)


SERVER_DOINGS: Final[Mapping[str, ServerDoing]] = {
    servers.RESTART.name: ServerDoing(_go_down, _come_up, _break),
    servers.DELETE.name: _whole(_delete),
    server_changes.CHANGE.name: ServerDoing(_remake, _remade, _break),
    keypairs.UPDATE.name: _whole(_key),
    encoding_servers.RESTART.name: ServerDoing(_stop_encoding, _encode_again, _nothing),
    shared_files.PUSH.name: _whole(_unpack),
    shared_files.LIST.name: _whole(_list),
    shared_files.DELETE.name: _whole(_remove),
    shared_apps.PUSH.name: _whole(_share),
    shared_apps.DELETE.name: _whole(_unshare),
    shared_filesystems.ATTACH.name: _whole(_mount),
    shared_filesystems.DETACH.name: _whole(_unmount),
}
"""What the jobs of servers do, by operation."""
