"""Streaming."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from koophone_async.emulator.fleet import CopyState, Phone, RunningState
from koophone_async.emulator.jobs.engine import Effect, Run
from koophone_async.emulator.jobs.phone_effects import Restart
from koophone_async.emulator.koophone.instances import Restore, end_of_backup
from koophone_async.emulator.koophone.resource import Resource
from koophone_async.emulator.server.errors import koophone_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.koophone import streaming
from koophone_async.services.koophone.jobs import Accepted
from koophone_async.services.koophone.streaming import PrepareState, ProgressState
from koophone_async.wire import Edition

_IN_CHINA: Final = frozenset(
    {PrepareState.READY, PrepareState.TO_BE_RESTORED, PrepareState.TO_BE_ASSIGNED, PrepareState.BACKING_UP}
)
"""The answers of `prepare` in the China edition (001 4.3.1); the vendor's page of 2026 has 0 to 10."""

_PROGRESS: Final = {
    PrepareState.READY: ProgressState.READY,
    PrepareState.TO_BE_RESTORED: ProgressState.RESTORING,
    PrepareState.TO_BE_ASSIGNED: ProgressState.QUEUING,
    PrepareState.BACKING_UP: ProgressState.BACKING_UP,
    PrepareState.RESETTING: ProgressState.RESETTING,
    PrepareState.RESTARTING: ProgressState.RESTARTING,
    PrepareState.OFFLINE: ProgressState.OFFLINE,
    # No document relates these states of `prepare` to those of `progress`.
    PrepareState.REPLACING: ProgressState.OFFLINE,
    PrepareState.RESTORING_EXPIRED: ProgressState.RESTORING,
    PrepareState.RESTORING_EXPIRED_FAILED: ProgressState.FAILED,
    PrepareState.MAINTAINING: ProgressState.OFFLINE,
}
_INTERNATIONAL: Final = frozenset(
    {
        *(ProgressState.READY, ProgressState.QUEUING, ProgressState.RESTORING),
        *(ProgressState.BACKING_UP, ProgressState.FAILED),
    }
)
"""The answers of `progress` in the international edition (002 4.3.2), and in China since 2026.

There RESTORING, "restoring and offline", stands for all others.
"""


@frozen
class Assign(Effect):
    """Assigns a phone to the user that it is prepared for."""

    user: str

    def finish(self, run: Run) -> None:
        run.phone.user = run.phone.user or self.user

    def fail(self, run: Run) -> None:
        run.phone.prepare_failed = True


@frozen
class Start(Restart):
    """Starts a phone that is prepared."""

    def fail(self, run: Run) -> None:
        super().fail(run)
        run.phone.prepare_failed = True


class Streaming(Resource):
    """Prepares phones for streaming, and issues access tokens."""

    @serves(streaming.PREPARE)
    async def prepare(self, request: streaming.PrepareInstances) -> streaming.PreparedInstances:
        """Start whatever phones need before they can stream, and return what that is.

        A phone that is being backed up is restored after that.
        """
        phones = self.world.chosen(request.instances, unknown="4001")
        if any(phone.user not in (None, request.user) for phone in phones):
            raise koophone_refusal("1001", "an instance is assigned to another user")
        return streaming.PreparedInstances(tuple(self._prepared(phone, request.user) for phone in phones))

    def _prepared(self, phone: Phone, user: str) -> streaming.PreparedInstance:
        state = _state(phone)
        phone.prepared_for, phone.prepare_failed = user, False
        if state is PrepareState.TO_BE_RESTORED and phone.restore is not CopyState.EXECUTING:
            self.jobs.start_hidden(Restore(user), phone=phone.id, operation=streaming.PREPARE)
        elif state is PrepareState.BACKING_UP:
            self.jobs.start_hidden(
                Restore(user), phone=phone.id, after=end_of_backup(phone), operation=streaming.PREPARE
            )
        elif state is PrepareState.OFFLINE:
            self.jobs.start_hidden(Start(), phone=phone.id, operation=streaming.PREPARE)
        if phone.user is None:
            self.jobs.start_hidden(Assign(user), phone=phone.id, operation=streaming.PREPARE)
        is_shown = state in _IN_CHINA or not self.world.has_old_states
        return streaming.PreparedInstance(phone.id, state if is_shown else PrepareState.TO_BE_RESTORED)

    @serves(streaming.PROGRESS)
    async def progress(self, request: streaming.ProgressQuery) -> streaming.PrepareProgress:
        (phone,) = self.world.chosen([request.instance], unknown="4001")
        if phone.prepared_for != request.user:  # no document states the code
            raise koophone_refusal("1000", f"{phone.id} was not prepared for this user")
        progress = ProgressState.FAILED if phone.prepare_failed else _PROGRESS[_state(phone)]
        if progress not in _INTERNATIONAL and not self.world.has_old_states:
            progress = ProgressState.RESTORING
        return streaming.PrepareProgress(progress, 0 if progress is ProgressState.READY else 1)

    @serves(streaming.AUTHORIZE)
    async def authorize(self, request: streaming.InstanceRequest) -> streaming.StreamAccess:
        """Issue a new token, and start the stream."""
        (phone,) = self.world.free([request.instance])
        if phone.running is not RunningState.RUNNING:
            raise koophone_refusal("62010", phone.id)
        phone.streaming = phone.logged_in = True
        streaming_id = None if self.world.china else self.world.hex(8)
        return streaming.StreamAccess(self.world.hex(), self._resource(phone), streaming_id)

    def _resource(self, phone: Phone) -> streaming.StreamResource:
        # Of a range that is reserved for examples, so that nobody is called.
        host = f"198.51.100.{phone.number % 254 + 1}"
        sdk = streaming.StreamAddresses(
            streaming.StreamAddress(), streaming.StreamAddress(host, 10000 + phone.number % 50000, 1)
        )
        rtc = streaming.WebRtc(streaming.Signaling(f"http://{host}:18082"))
        return streaming.StreamResource(sdk, rtc, phone.cph_id, phone.id)

    # In China only since 2026, by the vendor's pages; the document of 2025-08-27 lacks both.
    @serves(streaming.STOP, only=Edition.INTERNATIONAL, newer=True)
    async def stop(self, request: streaming.InstanceRequest) -> Accepted:
        """End the stream of a phone; its session stays."""
        (phone,) = self.world.chosen([request.instance])
        phone.streaming = False
        return Accepted()

    @serves(streaming.RELEASE, only=Edition.INTERNATIONAL, newer=True)
    async def release(self, request: streaming.InstanceRequest) -> Accepted:
        (phone,) = self.world.chosen([request.instance])
        phone.logged_in = phone.streaming = False
        return Accepted()


def _state(phone: Phone) -> PrepareState:
    """Return what a phone needs before it can stream, unless something else is done with it."""
    return _need(phone) if phone.prepare_state is None else phone.prepare_state


def _need(phone: Phone) -> PrepareState:
    """Return what a phone needs before it can stream, the longest wait first."""
    if phone.backup is CopyState.EXECUTING:
        return PrepareState.BACKING_UP
    if not phone.loaded:
        return PrepareState.TO_BE_RESTORED
    if phone.resetting:
        return PrepareState.RESETTING
    if phone.running is RunningState.STARTING:
        return PrepareState.RESTARTING
    if phone.running is not RunningState.RUNNING:
        return PrepareState.OFFLINE
    return PrepareState.TO_BE_ASSIGNED if phone.user is None else PrepareState.READY
