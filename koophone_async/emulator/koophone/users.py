"""Who holds which phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from koophone_async.emulator.fleet import Running
from koophone_async.emulator.server.errors import koophone, refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.koophone import users
from koophone_async.services.koophone.jobs import Accepted, StartedTask

if TYPE_CHECKING:
    from koophone_async.emulator.world import World


@frozen
class Users:
    """Gives phones to users and takes them back."""

    world: World

    @serves(users.ASSIGN)
    async def assign(self, request: users.Assignments) -> Accepted:
        """Give phones to users; nobody gets anything where one phone is somebody else's."""
        wanted = {pair.instance: pair.user for pair in request.pairs}
        phones = self.world.free(wanted)
        for phone in phones:
            if phone.user not in (None, wanted[phone.id]):
                raise refusal("KPAPI.2209", f"{phone.id} is held by another user")
        for phone in phones:
            phone.user = wanted[phone.id]
        return Accepted()

    @serves(users.UNASSIGN)
    async def unassign(self, request: users.Assignments) -> StartedTask:
        """Take phones back and wipe them; the users hold them until that is done."""
        held = {pair.instance: pair.user for pair in request.pairs}
        phones = self.world.free(held)
        for phone in phones:
            if phone.user != held[phone.id]:
                raise koophone("2210", phone.id)
        for phone in phones:
            phone.resetting, phone.running = True, Running.STARTING
        return self.world.start_effect(users.UNASSIGN, phones, "take back", "RM_")
