"""The assignment of phones to users."""

from __future__ import annotations

from attrs import frozen

from koophone_async.emulator.jobs.engine import Run
from koophone_async.emulator.jobs.phone_effects import Wipe
from koophone_async.emulator.koophone.resource import Resource
from koophone_async.emulator.koophone.tasks import start_task
from koophone_async.emulator.server.errors import koophone_refusal, refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.koophone import users
from koophone_async.services.koophone.jobs import Accepted, StartedTask


@frozen
class Unassign(Wipe):
    """Resets a phone and removes its user."""

    def finish(self, run: Run) -> None:
        super().finish(run)
        run.phone.user, run.phone.logged_in, run.phone.prepared_for = None, False, None


class Users(Resource):
    """Assigns phones to users and unassigns them."""

    @serves(users.ASSIGN)
    async def assign(self, request: users.Assignments) -> Accepted:
        """Assign phones to users, or none of them if one is assigned to somebody else."""
        assignments = {pair.instance: pair.user for pair in request.pairs}
        phones = self.world.free(assignments)
        for phone in phones:
            if phone.user not in (None, assignments[phone.id]):
                raise refusal("KPAPI.2209", f"{phone.id} is assigned to another user")
        for phone in phones:
            phone.user = assignments[phone.id]
        return Accepted()

    @serves(users.UNASSIGN, counted=False)
    async def unassign(self, request: users.Assignments) -> StartedTask:
        """Start to reset phones; they stay assigned until that is done."""
        assigned = {pair.instance: pair.user for pair in request.pairs}
        phones = self.world.free(assigned)
        for phone in phones:
            if phone.user != assigned[phone.id]:
                raise koophone_refusal("2210", phone.id)
        return start_task(self.jobs, users.UNASSIGN, phones, lambda _: Unassign(), "RM_")
