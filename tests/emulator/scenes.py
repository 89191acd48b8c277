"""An emulator with its clients, and short ways to do what many tests do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from koophone_async.cph import (
    BuyServers,
    ChargedBy,
    NetworkCard,
    Period,
    PublicAddress,
    ServerBandwidth,
    ServerTerm,
    Sharing,
)
from koophone_async.emulator.android.releases import RELEASES
from koophone_async.emulator.cph.flavors import image_of
from koophone_async.gaming import NewVersion

if TYPE_CHECKING:
    from koophone_async import CloudPhone, Report, Session
    from koophone_async.cph import Job, Started
    from koophone_async.emulator import Emulator
    from koophone_async.gaming import Gaming
    from koophone_async.gaming import Started as Deploying

ACTIVITY: Final = "com.example.chess.Main"
VPC: Final = "fca063f6-b942-42a8-9004-e5545f58d6a2"
AOSP9, AOSP10, AOSP11 = map(image_of, RELEASES)


@frozen
class _Clients:
    emulator: Emulator
    session: Session
    cph: CloudPhone

    @property
    def phones(self) -> list[str]:
        return [phone.cph_id for phone in self.emulator.phones]

    @property
    def servers(self) -> list[str]:
        return [server.id for server in self.emulator.world.cph.servers]


@frozen
class Scene(_Clients):
    """Short ways to use phones and servers."""

    def ledger(self, operation: str) -> dict[str, int]:
        return self.emulator.ledger.executions(operation)

    async def jobs(self, started: Started) -> dict[str, Job]:
        assert started.request
        return {job.target: job async for job in self.cph.jobs.list([started.request])}

    async def end(self, started: Started, seconds: float = 5) -> dict[str, Job]:
        await asyncio.sleep(seconds)
        return await self.jobs(started)

    async def show(self, phone: str, command: str) -> str:
        result = await self.cph.commands.run_sync([phone], command)
        return result.results[0].output or ""


@frozen
class GamingScene(_Clients):
    """Short ways to deploy and play games."""

    @property
    def gaming(self) -> Gaming:
        return self.cph.gaming

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

    async def end(self, started: Deploying) -> Report:
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


def order(**changes: Any) -> BuyServers:  # noqa: ANN401 - the fields of BuyServers
    """One server with fifteen phones for a month, paid."""
    fields: dict[str, Any] = {
        "name": "farm",
        "model": "physical.rx1.xlarge",
        "phone_model": "rx1.cp.c15.d32.e1v1",
        "image": AOSP10,
        "vpc": VPC,
        "cards": (NetworkCard(VPC),),
        "public_address": PublicAddress(count=0),
        "bandwidth": ServerBandwidth(Sharing.DEDICATED, ChargedBy.TRAFFIC, size=100),
        "term": ServerTerm(Period.MONTH, 1, pay=1),
    }
    return BuyServers(**(fields | changes))
