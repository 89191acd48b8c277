"""Stories about CPH, told to an emulator in virtual time with our own client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from koophone_async import CloudPhone
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
from koophone_async.emulator import Durations, Emulator
from koophone_async.emulator.android.releases import RELEASES
from koophone_async.emulator.cph.flavors import image_of
from koophone_async.virtual_time import VirtualTimeLoop
from tests.emulator.stories import Tale, stories

if TYPE_CHECKING:
    from koophone_async import Session
    from koophone_async.cph import Job, Started

VPC: Final = "fca063f6-b942-42a8-9004-e5545f58d6a2"
AOSP9, AOSP10, AOSP11 = map(image_of, RELEASES)


@frozen
class Scene:
    """An emulator of six phones on two servers, whose jobs take five seconds, and a client."""

    emulator: Emulator
    session: Session
    cph: CloudPhone

    @property
    def phones(self) -> list[str]:
        return [phone.cph_id for phone in self.emulator.phones]

    @property
    def servers(self) -> list[str]:
        return [server.id for server in self.emulator.world.estate.servers]

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


async def _told(tell: Tale[Scene], settings: dict[str, Any]) -> None:
    given: dict[str, Any] = {"phones": 6, "servers": 2, "jobs": Durations(fixed=5)}
    given |= {"now": VirtualTimeLoop.running().now} | settings
    async with Emulator(**given) as emulator, emulator.session() as session:
        await tell(Scene(emulator, session, CloudPhone(session, project_id=emulator.project_id)))


story: Final = stories(_told)
"""Tell a story in virtual time."""


def order(**changes: Any) -> BuyServers:  # noqa: ANN401 - the fields of BuyServers
    """One server with fifteen phones for a month, paid."""
    given: dict[str, Any] = {
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
    return BuyServers(**(given | changes))
