"""Apps in the storage that all phones of a server share."""

from __future__ import annotations

import posixpath
from datetime import timedelta
from typing import Final

from attrs import frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.project import Resource, marked
from koophone_async.emulator.cph.server_inventory import Server, SharedCopy
from koophone_async.emulator.cph.shared_files import sharing
from koophone_async.emulator.jobs.engine import Effect, Run, narrowed
from koophone_async.emulator.server.errors import Refusal, cph_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import shared_apps
from koophone_async.services.cph.shared_apps import SharedApp
from koophone_async.services.cph.started_jobs import Started

SCAN_INTERVAL: Final = timedelta(hours=2)
"""How often the service scans the apps in the shared storage of a server."""


@frozen
class Push(Effect):
    """Adds an app to the shared storage of a server."""

    request: shared_apps.PushApp

    def finish(self, run: Run) -> None:
        package = self.request.package
        stem = posixpath.basename(self.request.path).removesuffix(".tar")
        version = stem.removeprefix(f"{package}-") if stem.startswith(f"{package}-") else "1.0"
        run.server.apps.append(SharedCopy(package, version, run.at))
        if self.request.preinstall:
            for phone in run.world.fleet.on_server(run.server.index):
                phone.android.apps[package] = version


@frozen
class Delete(Effect):
    """Deletes an app from the shared storage of a server."""

    request: shared_apps.DeleteApp

    def finish(self, run: Run) -> None:
        for app in run.server.apps:
            if app.package == self.request.package and app.until is None:
                app.until = run.at


class SharedApps(Resource):
    """Adds, deletes and lists shared apps."""

    @serves(shared_apps.PUSH, counted=False)
    async def push(self, request: shared_apps.PushApp) -> Started:
        """Start to share an app, in the version of its tar file: `package-version.tar`, else 1.0."""
        effects = [(one, Push(narrowed(request, servers=(one,)))) for one in request.servers]
        return self.project.on_servers(shared_apps.PUSH, effects, _sharing)

    @serves(shared_apps.DELETE, counted=False)
    async def delete(self, request: shared_apps.DeleteApp) -> Started:
        effects = [(one, Delete(narrowed(request, servers=(one,)))) for one in request.servers]
        return self.project.on_servers(shared_apps.DELETE, effects, _sharing)

    @serves(shared_apps.LIST)
    async def list(self, request: shared_apps.SharedAppQuery) -> shared_apps.SharedAppPage:
        """Return one page of a server's shared apps, as of the last scan."""
        server = self.project.server(request.server)
        epoch = self.project.world.fleet.epoch
        scanned = epoch + (self.project.now - epoch) // SCAN_INTERVAL * SCAN_INTERVAL
        found: dict[str, list[str]] = {}
        for app in server.apps:
            if app.since <= scanned and (app.until is None or app.until > scanned):
                found.setdefault(app.package, []).append(app.version)
        rows = [
            SharedApp(package, tuple(dict.fromkeys(versions)))
            for package, versions in sorted(found.items())
            if request.package in (None, package)
        ]
        return shared_apps.SharedAppPage(*marked(rows, request.marker, request.limit), scanned)


def _sharing(server: Server) -> None:
    try:
        sharing(server)
    except Refusal as refusal:
        raise cph_refusal("CPS.0147") if refusal.code == error_table.NO_SHARED_STORAGE else refusal from None
