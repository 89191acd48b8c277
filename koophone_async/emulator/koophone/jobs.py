"""Tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from koophone_async.emulator.server.errors import koophone
from koophone_async.emulator.server.routing import serves
from koophone_async.services.koophone import jobs

if TYPE_CHECKING:
    from koophone_async.emulator.world import World


@frozen
class Jobs:
    """Tells how far tasks are, those of reset, unassign and backup too, of which no document says so."""

    world: World

    @serves(jobs.LIST)
    async def list(self, request: jobs.TaskQuery) -> jobs.Task:
        """Show the jobs of a task that are not lost."""
        started = self.world.tasks.get(request.task, {})
        seen = tuple(job.seen(self.world.clock()) for job in started.values() if not job.is_lost)
        if not seen:
            raise koophone("1323", request.task)
        return jobs.Task(seen)
