"""The stream's rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from koophone_async.emulator.server.routing import serves
from koophone_async.services.koophone import video
from koophone_async.services.koophone.jobs import Accepted
from koophone_async.wire import to_wire

if TYPE_CHECKING:
    from koophone_async.emulator.world import World


@frozen
class Video:
    """Keeps the video settings of phones, in the drawer of each under `video`."""

    world: World

    @serves(video.SET)
    async def set(self, request: video.SetVideo) -> Accepted:
        """Keep all six settings for each phone."""
        settings = [to_wire(setting) for setting in request.settings]
        for phone in self.world.chosen(request.instances):
            phone.drawer["video"] = settings
        return Accepted()
