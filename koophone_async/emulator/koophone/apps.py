"""Apps on phones."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from attrs import frozen

from koophone_async.emulator.android.system import Android
from koophone_async.emulator.fleet import Phone
from koophone_async.emulator.jobs.engine import Effect, EffectError, Run, narrowed
from koophone_async.emulator.jobs.phone_effects import install
from koophone_async.emulator.koophone.resource import Resource
from koophone_async.emulator.koophone.tasks import start_task
from koophone_async.emulator.server.routing import serves
from koophone_async.services.koophone import apps
from koophone_async.services.koophone.apps import AppType
from koophone_async.services.koophone.jobs import StartedTask


@frozen
class Install(Effect):
    """Installs the app of a request. Nothing is downloaded: the request describes the package."""

    request: apps.InstallApp
    is_expired: bool
    """Whether the download link had expired when the request came."""

    def finish(self, run: Run) -> None:
        if self.is_expired:
            raise EffectError("KOOPHONE.API.62017")
        package, version = self.request.name, self.request.version
        installed = run.require_running().android.apps.get(package)
        if installed is not None and _numbers(installed) > _numbers(version):
            raise EffectError("KOOPHONE.API.62020")
        install(run, package, version)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]


class Apps(Resource):
    """Installs and lists apps."""

    @serves(apps.INSTALL, counted=False)
    async def install(self, request: apps.InstallApp) -> StartedTask:
        phones, is_expired = self.world.free(request.instances), self._is_expired(request.url)
        prefix = "FULFILL" if request.is_fast else "ZGCA"

        def effect(phone: Phone) -> Install:
            return Install(narrowed(request, instances=(phone.id,)), is_expired)

        return start_task(self.jobs, apps.INSTALL, phones, effect, prefix)

    def _is_expired(self, url: str) -> bool:
        ends = parse_qs(urlsplit(url).query).get("Expires", [""])[0]
        return ends.isdecimal() and int(ends) <= self.world.fleet.now().timestamp()

    @serves(apps.LIST)
    async def list(self, request: apps.AppQuery) -> apps.AppPage:
        """Return one page of a phone's apps, by package."""
        (phone,) = self.world.chosen([request.instance])
        android = phone.android
        found = [
            _app(android, package)
            for package in sorted(android.apps)
            if _matches(android, package, request.type)
        ]
        first = (request.page - 1) * request.size
        return apps.AppPage(
            tuple(found[first : first + request.size]), request.page, request.size, len(found)
        )


def _matches(android: Android, package: str, type_: AppType | None) -> bool:
    return type_ is None or android.is_system(package) is (type_ is AppType.SYSTEM)


def _app(android: Android, package: str) -> apps.App:
    return apps.App(package, package.rpartition(".")[2], android.apps[package])
