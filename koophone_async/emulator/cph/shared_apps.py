"""Apps in the storage that all phones of a server share."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from attrs import frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.project import Site, marked
from koophone_async.emulator.cph.shared_files import sharing
from koophone_async.emulator.server.errors import Refusal, cph
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import shared_apps
from koophone_async.services.cph.shared_apps import SharedApp

if TYPE_CHECKING:
    from koophone_async.emulator.cph.server_inventory import Server
    from koophone_async.services.cph.started_jobs import Started

BETWEEN_LOOKS: Final = timedelta(hours=2)
"""How often the service looks at what a server shares."""


@frozen
class SharedApps:
    """Shares apps, and tells which ones are shared."""

    site: Site

    @serves(shared_apps.PUSH, counted=False)
    async def push(self, request: shared_apps.PushApp) -> Started:
        """Share an app, in the version that its tar file is called by: `package-version.tar`, else 1.0."""
        details = {"package": request.package, "path": request.path, "preinstall": bool(request.preinstall)}
        return self.site.on_servers(shared_apps.PUSH, [(one, details) for one in request.servers], _sharing)

    @serves(shared_apps.DELETE, counted=False)
    async def delete(self, request: shared_apps.DeleteApp) -> Started:
        """Share an app no longer."""
        details = {"package": request.package}
        return self.site.on_servers(shared_apps.DELETE, [(one, details) for one in request.servers], _sharing)

    @serves(shared_apps.LIST)
    async def list(self, request: shared_apps.SharedAppQuery) -> shared_apps.SharedAppPage:
        """Give one page of a server's shared apps as the service last saw them, at most two hours ago."""
        server = self.site.server(request.server)
        epoch = self.site.world.fleet.epoch
        looked = epoch + (self.site.now - epoch) // BETWEEN_LOOKS * BETWEEN_LOOKS
        found: dict[str, list[str]] = {}
        for app in server.apps:
            gone = app["until"] is not None and datetime.fromisoformat(app["until"]) <= looked
            if datetime.fromisoformat(app["since"]) <= looked and not gone:
                found.setdefault(app["package"], []).append(app["version"])
        rows = [
            SharedApp(package, tuple(dict.fromkeys(versions)))
            for package, versions in sorted(found.items())
            if request.package in (None, package)
        ]
        return shared_apps.SharedAppPage(*marked(rows, request.marker, request.limit), looked)


def _sharing(server: Server) -> None:
    try:
        sharing(server)
    except Refusal as no:
        raise cph("CPS.0147") if no.code == error_table.NO_SHARED_STORAGE else no from None
