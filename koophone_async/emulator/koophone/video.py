"""Video settings."""

from __future__ import annotations

from koophone_async.emulator.koophone.resource import Resource
from koophone_async.emulator.server.routing import serves
from koophone_async.services.koophone import video
from koophone_async.services.koophone.jobs import Accepted


class Video(Resource):
    """Stores the video settings of phones. Nothing reads them: no document has an operation for it."""

    @serves(video.SET)
    async def set(self, request: video.SetVideo) -> Accepted:
        for phone in self.world.chosen(request.instances):
            phone.video = request.settings
        return Accepted()
