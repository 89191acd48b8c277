"""Streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from koophone_async.emulator.fleet import Copying, Phone, Running
from koophone_async.emulator.server.errors import koophone
from koophone_async.emulator.server.routing import serves
from koophone_async.services.koophone import streaming
from koophone_async.services.koophone.jobs import Accepted
from koophone_async.services.koophone.streaming import (
    PrepareState,
    ProgressState,
    StreamAddress,
    StreamAddresses,
)
from koophone_async.wire import Edition

if TYPE_CHECKING:
    from koophone_async.emulator.world import World

_IN_CHINA: Final = frozenset(
    {PrepareState.READY, PrepareState.TO_BE_RESTORED, PrepareState.TO_BE_ASSIGNED, PrepareState.BACKING_UP}
)
"""The answers of `prepare` that the China edition knows."""

_PROGRESS: Final = {
    PrepareState.READY: ProgressState.READY,
    PrepareState.TO_BE_RESTORED: ProgressState.RESTORING,
    PrepareState.TO_BE_ASSIGNED: ProgressState.QUEUING,
    PrepareState.BACKING_UP: ProgressState.BACKING_UP,
    PrepareState.RESETTING: ProgressState.RESETTING,
    PrepareState.RESTARTING: ProgressState.RESTARTING,
    PrepareState.OFFLINE: ProgressState.OFFLINE,
}
_ABROAD: Final = frozenset(
    {ProgressState.READY, ProgressState.QUEUING, ProgressState.RESTORING, ProgressState.BACKING_UP}
)
"""The answers of `progress` that the international edition knows; 2 stands for the others."""


@frozen
class Streaming:
    """Makes phones ready to stream, and hands out the keys."""

    world: World

    @serves(streaming.PREPARE)
    async def prepare(self, request: streaming.PrepareInstances) -> streaming.PreparedInstances:
        """Tell what stands between phones and streaming, and begin to remove it."""
        phones = self.world.chosen(request.instances, unknown="4001")
        if any(phone.user not in (None, request.user) for phone in phones):
            raise koophone("1001", "an instance is held by another user")
        return streaming.PreparedInstances(tuple(self._prepared(phone, request.user) for phone in phones))

    def _prepared(self, phone: Phone, user: str) -> streaming.PreparedInstance:
        state = _state(phone)
        if state is PrepareState.TO_BE_RESTORED and phone.restore is not Copying.EXECUTING:
            self.world.bring_back(phone, self.world.clock())
        elif state is PrepareState.BACKING_UP:
            phone.drawer["wanted"] = True
        elif state is PrepareState.OFFLINE:
            phone.running = Running.STARTING
            self.world.later("run", phone)
        if phone.user is None and phone.drawer.get("awaited_by") is None:
            phone.drawer["awaited_by"] = user
            self.world.later("assign", phone, user=user)
        told = PrepareState.TO_BE_RESTORED if self.world.china and state not in _IN_CHINA else state
        return streaming.PreparedInstance(phone.id, told)

    @serves(streaming.PROGRESS)
    async def progress(self, request: streaming.ProgressQuery) -> streaming.PrepareProgress:
        """Tell how far one phone is."""
        (phone,) = self.world.chosen([request.instance], unknown="4001")
        progress = _PROGRESS[_state(phone)]
        if not self.world.china and progress not in _ABROAD:
            progress = ProgressState.RESTORING
        return streaming.PrepareProgress(progress, 0 if progress is ProgressState.READY else 1)

    @serves(streaming.AUTHORIZE)
    async def authorize(self, request: streaming.InstanceRequest) -> streaming.StreamAccess:
        """Hand out a new token, and let the stream begin."""
        (phone,) = self.world.free([request.instance])
        if phone.running is not Running.RUNNING:
            raise koophone("62010", phone.id)
        phone.streaming = phone.logged_in = True
        streaming_id = None if self.world.china else self.world.hex(8)
        return streaming.StreamAccess(self.world.hex(), self._resource(phone), streaming_id)

    def _resource(self, phone: Phone) -> streaming.StreamResource:
        # Of a range that is kept for examples, so that nobody is called.
        host = f"198.51.100.{phone.number % 254 + 1}"
        sdk = StreamAddresses(StreamAddress(), StreamAddress(host, 10000 + phone.number % 50000, 1))
        rtc = streaming.WebRtc(streaming.Signaling(f"http://{host}:18082"))
        return streaming.StreamResource(sdk, rtc, phone.cph_id, phone.id)

    @serves(streaming.STOP, only=Edition.INTERNATIONAL)
    async def stop(self, request: streaming.InstanceRequest) -> Accepted:
        """End the stream of a phone; its session stays."""
        (phone,) = self.world.chosen([request.instance])
        phone.streaming = False
        return Accepted()

    @serves(streaming.RELEASE, only=Edition.INTERNATIONAL)
    async def release(self, request: streaming.InstanceRequest) -> Accepted:
        """End the session of a phone."""
        (phone,) = self.world.chosen([request.instance])
        phone.logged_in = phone.streaming = False
        return Accepted()


def _state(phone: Phone) -> PrepareState:
    """Say what stands between a phone and streaming, the longest wait first."""
    if phone.backup is Copying.EXECUTING:
        return PrepareState.BACKING_UP
    if not phone.loaded:
        return PrepareState.TO_BE_RESTORED
    if phone.resetting:
        return PrepareState.RESETTING
    if phone.running is Running.STARTING:
        return PrepareState.RESTARTING
    if phone.running is not Running.RUNNING:
        return PrepareState.OFFLINE
    return PrepareState.TO_BE_ASSIGNED if phone.user is None else PrepareState.READY
