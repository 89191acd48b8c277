"""Stories about games, told to an emulator in virtual time with our own client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from koophone_async import CloudPhone
from koophone_async.emulator import Durations, Emulator
from koophone_async.gaming import NewVersion
from koophone_async.virtual_time import VirtualTimeLoop
from tests.emulator.stories import Tale, stories

if TYPE_CHECKING:
    from koophone_async import Report
    from koophone_async.gaming import Gaming, Started

ACTIVITY = "com.example.chess.Main"


@frozen
class Scene:
    """An emulator of six phones on two servers, whose jobs take five seconds, and clients."""

    emulator: Emulator
    cph: CloudPhone

    @property
    def gaming(self) -> Gaming:
        return self.cph.gaming

    @property
    def phones(self) -> list[str]:
        return [phone.cph_id for phone in self.emulator.phones]

    @property
    def servers(self) -> list[str]:
        return [server.id for server in self.emulator.world.estate.servers]

    def ledger(self, operation: str) -> dict[str, int]:
        return self.emulator.ledger.executions(f"gaming.deployments.{operation}")

    async def application(self, name: str = "chess") -> str:
        return (await self.gaming.applications.create(name, f"com.example.{name}", "a game")).id

    async def version(self, application: str, code: str = "1", *, name: str = "") -> str:
        new = NewVersion(application, code, name or f"{code}.0", ACTIVITY, "games", f"chess-{code}.tar")
        return (await self.gaming.versions.create(new)).id

    async def game(self) -> tuple[str, str]:
        """Make an application with one version."""
        application = await self.application()
        return application, await self.version(application)

    async def end(self, started: Started) -> Report:
        return await self.gaming.deployments.wait(started)

    async def deployed(self) -> tuple[str, str]:
        """Make a game that is on all servers and phones."""
        application, version = await self.game()
        await self.end(await self.gaming.deployments.deploy(self.servers, [version]))
        return application, version

    async def on_server(self, server: str) -> list[str | None]:
        return [one.version async for one in self.gaming.deployments.on_server(server)]

    async def on_phone(self, phone: str) -> list[str | None]:
        return [one.version async for one in self.gaming.deployments.on_phone(phone)]

    async def packages(self, phone: str) -> str:
        result = await self.cph.commands.run_sync([phone], "pm list packages")
        return result.results[0].output or ""


async def _told(tell: Tale[Scene], settings: dict[str, Any]) -> None:
    async with virtual(**settings) as emulator, emulator.session() as session:
        await tell(Scene(emulator, CloudPhone(session, project_id=emulator.project_id)))


story: Final = stories(_told)
"""Tell a story in virtual time."""


def virtual(**settings: Any) -> Emulator:  # noqa: ANN401 - those of Emulator
    """Describe an emulator that goes by the virtual clock."""
    given: dict[str, Any] = {"phones": 6, "servers": 2, "jobs": Durations(fixed=5)}
    given |= {"now": VirtualTimeLoop.running().now} | settings
    return Emulator(**given)
