"""A session as KooPhone uses it: in one edition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from koophone_async.services.channel import Channel

if TYPE_CHECKING:
    from koophone_async.call import SendTracker
    from koophone_async.operation import Answer, Operation, Request
    from koophone_async.wire import Edition


@define(eq=False)
class EditionChannel(Channel):
    """Sends, and reads states in the words of one edition."""

    edition: Edition

    async def send(
        self, operation: Operation[Request, Answer], request: Request, tracker: SendTracker | None = None
    ) -> Answer:
        """Send one request; see `Session.send`."""
        return await self.session.send(operation, request, edition=self.edition, tracker=tracker)
