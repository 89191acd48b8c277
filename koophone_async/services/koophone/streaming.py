"""Prepare instances for streaming, authorize players, and end streams."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from attrs import field, frozen

from koophone_async.checks import IDS, MAX_ID_LENGTH, Text, ids
from koophone_async.operation import Batch, Operation, Sender
from koophone_async.services.koophone.jobs import Accepted
from koophone_async.wire import json_texts, wire


class PrepareState(IntEnum):
    """What an instance needs before it can stream (KooPhone 4.3.1).

    The China edition of 2025-08-27 has 0 to 3; the vendor's page since has 0 to 10, as the international one.
    """

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


class ProgressState(IntEnum):
    """Progress of a preparation (KooPhone 4.3.2).

    The China edition of 2025-08-27 uses all of these; the international one, and the vendor's page for China
    since, report several of them as 2.
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
    """Instances that a user will stream from."""

    user: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("user_id"))
    instances: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("instance_ids"))


@frozen
class PreparedInstance:
    """State of one instance at the start of its preparation."""

    instance: str = field(metadata=wire("instance_id"))
    state: PrepareState | int = field(metadata=wire("status"))


@frozen
class PreparedInstances:
    """State of each instance at the start of its preparation."""

    statuses: tuple[PreparedInstance, ...] = field(default=(), metadata=wire("status_list"))


@frozen
class ProgressQuery:
    """The user and instance whose preparation to query."""

    user: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("user_id"))
    instance: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("instance_id"))


@frozen
class PrepareProgress:
    """Progress of the preparation of one instance."""

    state: ProgressState | int = field(metadata=wire("status"))
    waiting: int | None = field(default=None, metadata=wire("waitingCount"))
    """Described as a waiting time, named as a count of waiting users; no unit is stated."""


@frozen
class InstanceRequest:
    """The instance of a call."""

    instance: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("instance_id"))


@frozen
class StreamAddress:
    """Address and ports of a stream."""

    address: str | None = field(default=None, metadata=wire("address", null_text=True))
    audio_port: int | None = field(default=None, metadata=wire("aport"))
    audio_type: int | None = field(default=None, metadata=wire("atype"))
    ipv6: str | None = field(default=None, metadata=wire("address_ipv6", null_text=True))


@frozen
class StreamAddresses:
    """Addresses of a stream inside and outside the cloud."""

    internal: StreamAddress | None = None
    external: StreamAddress | None = None


@frozen
class Signaling:
    """Signaling server for WebRTC players."""

    url: str | None = field(default=None, metadata=wire("signaling_url", null_text=True))
    seconds: float | None = field(default=None, metadata=wire("expired_time"))
    """Maximum duration of the stream in seconds; null in the documents' example."""

    ice_servers: tuple[str, ...] = field(default=(), metadata=wire("ice_servers", convert=json_texts))
    """Addresses; a server that is an object in the answer is its JSON text."""


@frozen
class WebRtc:
    """WebRTC settings."""

    signaling: Signaling | None = field(default=None, metadata=wire("ice_signaling"))


@frozen
class StreamResource:
    """Everything that a player needs, except the token."""

    sdk: StreamAddresses | None = None
    rtc: WebRtc | None = None
    device: str | None = field(default=None, metadata=wire("device_id", null_text=True))
    instance: str | None = field(default=None, metadata=wire("kp_id", null_text=True))


@frozen
class StreamAccess:
    """Token and addresses of one stream."""

    token: str = field(repr=False, metadata=wire("device_token", null_text=True))
    """A secret. Its lifetime is not documented."""

    resource: StreamResource | None = None
    streaming: str | None = field(default=None, metadata=wire("streamingId", null_text=True))


PREPARE: Final = Operation(
    "koophone.streaming.prepare", "POST", "/v1/instances/prepare",
    PrepareInstances, PreparedInstances, source="KooPhone 4.3.1 (2025-12-31)",
    batch=Batch("instances", max=100, one_region=True), repeatable=True,
    answer_ids=lambda answer: (status.instance for status in answer.statuses),
)  # fmt: skip

PROGRESS: Final = Operation(
    "koophone.streaming.progress", "POST", "/v1/instances/prepare-progress",
    ProgressQuery, PrepareProgress, source="KooPhone 4.3.2 (2025-12-31)", repeatable=True,
)  # fmt: skip

# Not repeatable: no document says whether a new token revokes an earlier one.
AUTHORIZE: Final = Operation(
    "koophone.streaming.authorize", "POST", "/v1/instances/{instance_id}/auth",
    InstanceRequest, StreamAccess, source="KooPhone 4.1.7 (2025-12-31)", repeatable=False,
    answer_ids=lambda answer: (answer.resource.instance,) if answer.resource else (),
)  # fmt: skip

STOP: Final = Operation(
    "koophone.streaming.stop", "POST", "/v1/instances/streaming/stop",
    InstanceRequest, Accepted, source="KooPhone 4.3.4 (2025-12-31)", repeatable=True,
)  # fmt: skip

RELEASE: Final = Operation(
    "koophone.streaming.release", "POST", "/v1/instances/session/release",
    InstanceRequest, Accepted, source="KooPhone 4.3.5 (2025-12-31)", repeatable=True,
)  # fmt: skip


@frozen
class Streaming:
    """Prepare, authorize, stop and release streams."""

    _session: Sender

    async def prepare(self, user: str, instances: Iterable[str]) -> PreparedInstances:
        """Start preparing instances, so that they can stream.

        Args:
            user: The user who will stream; at most 32 characters.
            instances: At most 100 ids, all of one region.

        Raises:
            NotFound: One of the instances does not exist (KOOPHONE.API.4001).

        API: KooPhone 4.3.1 (2025-12-31)
        """
        return await self._session.send(PREPARE, PrepareInstances(user, instances))

    async def progress(self, user: str, instance: str) -> PrepareProgress:
        """Return the progress of the preparation of one instance.

        For many instances use `instances.status`: it takes a hundred in one call.

        Args:
            user: The user who will stream; at most 32 characters.
            instance: One id.

        API: KooPhone 4.3.2 (2025-12-31)
        """
        return await self._session.send(PROGRESS, ProgressQuery(user, instance))

    async def authorize(self, instance: str) -> StreamAccess:
        """Create the token of a stream, and return it with the addresses for the player.

        Args:
            instance: One id.

        Raises:
            Forbidden: The id is wrong or not yours (KOOPHONE.API.1001).
            NoAnswer: No answer was received; a token may have been created.

        API: KooPhone 4.1.7 (2025-12-31)
        """
        return await self._session.send(AUTHORIZE, InstanceRequest(instance))

    async def stop(self, instance: str) -> Accepted:
        """Stop the stream of one instance. Its session stays open until it is released.

        Of the documents only that of the international edition has it; for China the vendor's page is newer.

        Args:
            instance: Id of an instance that is streaming.

        Raises:
            Refused: The stream was not stopped.
            NoAnswer: No answer was received; the stream may have stopped.

        API: KooPhone 4.3.4 (2025-12-31)
        """
        return await self._session.send(STOP, InstanceRequest(instance))

    async def release(self, instance: str) -> Accepted:
        """Release the session that stays open after a stream was stopped.

        Of the documents only that of the international edition has it; for China the vendor's page is newer.

        Args:
            instance: One id.

        Raises:
            Refused: The session was not released.
            NoAnswer: No answer was received; the session may have been released.

        API: KooPhone 4.3.5 (2025-12-31)
        """
        return await self._session.send(RELEASE, InstanceRequest(instance))
