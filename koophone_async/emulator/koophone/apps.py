"""Apps on phones."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from attrs import frozen

from koophone_async.emulator.server.routing import serves
from koophone_async.services.koophone import apps
from koophone_async.services.koophone.apps import AppType

if TYPE_CHECKING:
    from koophone_async.emulator.android.system import Android
    from koophone_async.emulator.world import World
    from koophone_async.services.koophone.jobs import StartedTask


@frozen
class Apps:
    """Installs and lists apps. Nothing is downloaded: what a package says of itself is believed."""

    world: World

    @serves(apps.INSTALL)
    async def install(self, request: apps.InstallApp) -> StartedTask:
        """Install a package on each phone at the end of its job."""
        phones = self.world.free(request.instances)
        details = {"package": request.name, "version": request.version}
        if self._has_ended(request.url):
            details["problem"] = "KOOPHONE.API.62017"
        prefix = "FULFILL" if request.is_fast else "ZGCA"
        return self.world.start_effect(apps.INSTALL, phones, "install", prefix, **details)

    def _has_ended(self, url: str) -> bool:
        """Whether a download link says that its time is over."""
        ends = parse_qs(urlsplit(url).query).get("Expires", [""])[0]
        return ends.isdecimal() and int(ends) <= self.world.fleet.now().timestamp()

    @serves(apps.LIST)
    async def list(self, request: apps.AppQuery) -> apps.AppPage:
        """Give one page of a phone's apps, by package."""
        (phone,) = self.world.chosen([request.instance])
        android = phone.android
        found = [
            _app(android, package)
            for package in sorted(android.apps)
            if _fits(android, package, request.type)
        ]
        first = (request.page - 1) * request.size
        return apps.AppPage(
            tuple(found[first : first + request.size]), request.page, request.size, len(found)
        )


def _fits(android: Android, package: str, type_: AppType | None) -> bool:
    return type_ is None or android.is_system(package) is (type_ is AppType.SYSTEM)


def _app(android: Android, package: str) -> apps.App:
    return apps.App(package, package.rpartition(".")[2], android.apps[package])
