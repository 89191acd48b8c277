"""Files in the storage that all phones of a server share."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from attrs import frozen

from koophone_async.emulator.android import system
from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.flavors import PHONES
from koophone_async.emulator.cph.project import Resource, ready
from koophone_async.emulator.cph.server_inventory import Server, SharedFile
from koophone_async.emulator.jobs.engine import Effect, EffectError, Run, narrowed
from koophone_async.emulator.server.errors import cph_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import shared_files
from koophone_async.services.cph.started_jobs import Started
from koophone_async.wire import encode

_CAPACITY_KB: Final = 33 * 1024 * 1024


@frozen
class Push(Effect):
    """Unpacks a tar file."""

    request: shared_files.PushFiles

    def finish(self, run: Run) -> None:
        tar = run.world.cph.storage.get(f"{self.request.bucket}/{self.request.path}", "/data")
        for path, text in tar.files.items():
            if not path.endswith("/"):
                run.server.files[path] = SharedFile(len(text.encode()), run.at)


@frozen
class List(Effect):
    """Lists a directory."""

    request: shared_files.ListFiles

    def finish(self, run: Run) -> None:
        request, files = self.request, run.server.files
        entries = list(_entries(files, request.path.rstrip("/")))
        listing = {
            "files_in_path": entries[request.offset : request.offset + request.limit],
            "share_base_capacity": _capacity(files.values()),
        }
        run.job.output = system.truncate(encode(listing).decode())


def _entries(files: Mapping[str, SharedFile], path: str) -> Iterator[str]:
    """Format the contents of a directory as `ls` does; directories count 4,096 bytes."""
    below = {
        file.removeprefix(f"{path}/").partition("/")[0]: file for file in files if file.startswith(f"{path}/")
    }
    for name, file in sorted(below.items()):
        changed = files[file].changed
        size = files[file].size if posixpath.join(path, name) == file else 4096
        yield f"{size}\t {changed:%b}\t {changed.day}\t {changed:%H:%M}\t {name}\t "


def _capacity(files: Iterable[SharedFile]) -> str:
    used = 186 * 1024 + sum(file.size for file in files) // 1024
    percent = max(1, 100 * used // _CAPACITY_KB)
    return f"33G\t {used // 1024}M\t {(_CAPACITY_KB - used) // 1024 // 1024}G\t {percent}%\t "


@frozen
class Delete(Effect):
    """Deletes files and directories."""

    request: shared_files.DeleteFiles

    def finish(self, run: Run) -> None:
        files, paths = run.server.files, [path.rstrip("/") for path in self.request.paths]
        deleted = {file for file in files for path in paths if file == path or file.startswith(f"{path}/")}
        for file in deleted:
            del files[file]
        if not deleted:
            raise EffectError("CPS.0155")


class SharedFiles(Resource):
    """Unpacks, lists and deletes shared files."""

    @serves(shared_files.PUSH, counted=False)
    async def push(self, request: shared_files.PushFiles) -> Started:
        """Start to unpack a tar file: an export, or one file in `/data` that is named after the tar file."""
        effects = [(one, Push(narrowed(request, servers=(one,)))) for one in request.servers]
        return self.project.on_servers(shared_files.PUSH, effects, sharing)

    @serves(shared_files.LIST, counted=False)
    async def list(self, request: shared_files.ListFiles) -> Started:
        """Start to list a directory; the listing is the output of the jobs, cut after 1,024 bytes."""
        effects = [(one, List(narrowed(request, servers=(one,)))) for one in request.servers]
        return self.project.on_servers(shared_files.LIST, effects, sharing)

    @serves(shared_files.DELETE, counted=False)
    async def delete(self, request: shared_files.DeleteFiles) -> Started:
        effects = [(one, Delete(narrowed(request, servers=(one,)))) for one in request.servers]
        return self.project.on_servers(shared_files.DELETE, effects, sharing)


def sharing(server: Server) -> None:
    """Refuse a server whose phones share no storage, or that is not ready."""
    ready(server)
    flavor = PHONES.get(server.phone_model or "")
    if flavor is None or not flavor.shared_storage:
        raise cph_refusal(error_table.NO_SHARED_STORAGE, reason=server.id)
