"""Video settings."""

from __future__ import annotations

from attrs import frozen

from koophone_async.emulator.server.routing import serves
from koophone_async.emulator.world import World
from koophone_async.services.koophone import video
from koophone_async.services.koophone.jobs import Accepted


@frozen
class Video:
    """Stores the video settings of phones. Nothing reads them: no document has an operation for it."""

    world: World

    @serves(video.SET)
    async def set(self, request: video.SetVideo) -> Accepted:
        for phone in self.world.chosen(request.instances):
            phone.video = request.settings
        return Accepted()
