"""Making instances ready to stream, the keys to the stream, and ending it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from attrs import field, frozen

from koophone_async.checks import IDS, MAX_ID_LENGTH, Text, ids
from koophone_async.operation import Batch, Operation, Sender
from koophone_async.services.koophone.jobs import Accepted
from koophone_async.wire import wire


class PrepareState(IntEnum):
    """What stands between an instance and streaming (KooPhone 4.3.1; China knows 0 to 3)."""

    READY = 0
    TO_BE_RESTORED = 1
    TO_BE_ASSIGNED = 2
    BACKING_UP = 3
    RESETTING = 4
    RESTARTING = 5
    OFFLINE = 6
    REPLACING = 7
    RESTORING_EXPIRED = 8
    RESTORING_EXPIRED_FAILED = 9
    MAINTAINING = 10


class Progress(IntEnum):
    """How far the preparation is (KooPhone 4.3.2).

    The China edition tells all of these apart; the international one folds several into 2.
    """

    READY = 0
    QUEUING = 1
    RESTORING = 2
    BACKING_UP = 3
    RESETTING = 4
    RESTARTING = 5
    OFFLINE = 6
    FAILED = -1


@frozen
class PrepareInstances:
    """Instances that a user is about to stream from."""

    user: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("user_id"))
    instances: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("instance_ids"))


@frozen
class Prepared:
    """Where one instance stands."""

    instance: str = field(metadata=wire("instance_id"))
    state: PrepareState | int = field(metadata=wire("status"))


@frozen
class PreparedList:
    """Where each instance stands."""

    statuses: tuple[Prepared, ...] = field(default=(), metadata=wire("status_list"))


@frozen
class ProgressQuery:
    """Whose preparation to look at."""

    user: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("user_id"))
    instance: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("instance_id"))


@frozen
class PrepareProgress:
    """How far one instance is."""

    state: Progress | int = field(metadata=wire("status"))
    waiting: int | None = field(default=None, metadata=wire("waitingCount"))
    """Described as a waiting time and named as a number of waiting ones; no unit is stated."""


@frozen
class OneInstance:
    """The instance that a call is about."""

    instance: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("instance_id"))


@frozen
class Address:
    """Where a stream can be reached."""

    address: str | None = None
    audio_port: int | None = field(default=None, metadata=wire("aport"))
    audio_type: int | None = field(default=None, metadata=wire("atype"))
    ipv6: str | None = field(default=None, metadata=wire("address_ipv6"))


@frozen
class Addresses:
    """The stream's addresses inside and outside the cloud."""

    internal: Address | None = None
    external: Address | None = None


@frozen
class Signaling:
    """How a WebRTC player signals."""

    url: str | None = field(default=None, metadata=wire("signaling_url"))
    seconds: float | None = field(default=None, metadata=wire("expired_time"))
    """How long the stream may last, in seconds; null in the documents' example."""

    ice_servers: tuple[str, ...] = ()


@frozen
class Rtc:
    """WebRTC."""

    signaling: Signaling | None = field(default=None, metadata=wire("ice_signaling"))


@frozen
class StreamResource:
    """Everything that a player needs but the token."""

    sdk: Addresses | None = None
    rtc: Rtc | None = None
    device: str | None = field(default=None, metadata=wire("device_id"))
    instance: str | None = field(default=None, metadata=wire("kp_id"))


@frozen
class StreamAccess:
    """The keys to one stream."""

    token: str = field(repr=False, metadata=wire("device_token"))
    """A secret. Its lifetime is not stated."""

    resource: StreamResource | None = None
    streaming: str | None = field(default=None, metadata=wire("streamingId"))


PREPARE: Final = Operation(
    "koophone.streaming.prepare", "POST", "/v1/instances/prepare",
    PrepareInstances, PreparedList, source="KooPhone 4.3.1 (2025-12-31)",
    batch=Batch("instances", max=100, one_region=True), repeatable=True,
)  # fmt: skip

PROGRESS: Final = Operation(
    "koophone.streaming.progress", "POST", "/v1/instances/prepare-progress",
    ProgressQuery, PrepareProgress, source="KooPhone 4.3.2 (2025-12-31)", repeatable=True,
)  # fmt: skip

# Whether a new token ends an earlier one is not stated, so asking twice is not taken for harmless.
AUTHORIZE: Final = Operation(
    "koophone.streaming.authorize", "POST", "/v1/instances/{instance_id}/auth",
    OneInstance, StreamAccess, source="KooPhone 4.1.7 (2025-12-31)", repeatable=False,
)  # fmt: skip

STOP: Final = Operation(
    "koophone.streaming.stop", "POST", "/v1/instances/streaming/stop",
    OneInstance, Accepted, source="KooPhone 4.3.4 (2025-12-31)", repeatable=True,
)  # fmt: skip

RELEASE: Final = Operation(
    "koophone.streaming.release", "POST", "/v1/instances/session/release",
    OneInstance, Accepted, source="KooPhone 4.3.5 (2025-12-31)", repeatable=True,
)  # fmt: skip


@frozen
class Streaming:
    """Streams from instances to players."""

    _session: Sender

    async def prepare(self, user: str, instances: Iterable[str]) -> PreparedList:
        """Bring instances into the state from which they can stream.

        Args:
            user: Who will stream, at most 32 characters.
            instances: At most 100 ids, all of one region.

        Raises:
            NotFound: One of the instances does not exist (KOOPHONE.API.4001).

        API: KooPhone 4.3.1 (2025-12-31)
        """
        return await self._session.send(PREPARE, PrepareInstances(user, instances))

    async def progress(self, user: str, instance: str) -> PrepareProgress:
        """Tell how far the preparation of one instance is.

        For many, the state of a hundred at once (`instances.status`) costs a hundredth of the calls.

        Args:
            user: Who will stream, at most 32 characters.
            instance: One id.

        API: KooPhone 4.3.2 (2025-12-31)
        """
        return await self._session.send(PROGRESS, ProgressQuery(user, instance))

    async def authorize(self, instance: str) -> StreamAccess:
        """Get the token and the addresses that a player needs to open the stream.

        Args:
            instance: One id.

        Raises:
            Forbidden: The id is wrong or not yours (KOOPHONE.API.1001).
            NoAnswer: No answer came; a token may have been made and nobody knows it.

        API: KooPhone 4.1.7 (2025-12-31)
        """
        return await self._session.send(AUTHORIZE, OneInstance(instance))

    async def stop(self, instance: str) -> Accepted:
        """End the streaming of one instance. Its session lives on until it is released.

        In the international edition only.

        Args:
            instance: One id, of an instance that is streaming.

        Raises:
            Refused: The streaming goes on.
            NoAnswer: No answer came; it may have ended.

        API: KooPhone 4.3.4 (2025-12-31)
        """
        return await self._session.send(STOP, OneInstance(instance))

    async def release(self, instance: str) -> Accepted:
        """Release the session that remains after streaming has ended.

        In the international edition only.

        Args:
            instance: One id.

        Raises:
            Refused: The session lives on.
            NoAnswer: No answer came; it may have been released.

        API: KooPhone 4.3.5 (2025-12-31)
        """
        return await self._session.send(RELEASE, OneInstance(instance))
