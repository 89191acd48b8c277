"""Bit rate and frame rate of the video stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import product
from typing import Any, Final, TypeVar

from attrs import Attribute, field, frozen

from koophone_async.checks import IDS, Between, Listed, OneOf, ids
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import Batch, Operation, Sender
from koophone_async.services.koophone.jobs import Accepted
from koophone_async.wire import wire

Member = TypeVar("Member", bound=StrEnum)


class Network(StrEnum):
    """How the player reaches the stream."""

    MOBILE = "MOBILE_NETWORK"
    WIFI = "WIFI"
    WIRED = "WIRED"


class Encoding(StrEnum):
    """The codec of the stream."""

    H264 = "H264"
    H265 = "H265"


@frozen
class Rate:
    """What one definition gets."""

    code_rate: int = field(validator=Between(100, 10_000, step=100, unit="kbit/s"))
    fps: int = field(validator=OneOf((30, 60)))


@frozen
class Definitions:
    """The rates of all three definitions."""

    p540: Rate = field(metadata=wire("definition_540P"))
    p720: Rate = field(metadata=wire("definition_720P"))
    p1080: Rate = field(metadata=wire("definition_1080P"))


def _all(definitions: Iterable[Definitions]) -> tuple[Definitions, ...]:
    return tuple(definitions)


def _member(kind: type[Member], given: str) -> Member:
    try:
        return kind(given)
    except ValueError:
        problem = f"is {given!r}; it must be {OneOf(tuple(kind)).limit}"
        raise InvalidRequest("", kind.__name__.lower(), problem, Rule.NOT_A_CHOICE) from None


def _network(given: str) -> Network:
    return _member(Network, given)


def _encoding(given: str) -> Encoding:
    return _member(Encoding, given)


@frozen
class VideoSetting:
    """The rates for one network and one encoding."""

    network: Network = field(metadata=wire("network_type"), converter=_network)
    encoding: Encoding = field(metadata=wire("encoding_type"), converter=_encoding)
    definitions: tuple[Definitions, ...] = field(
        converter=_all, validator=Listed(), metadata=wire("video_spec_groups")
    )
    """The documents show one entry that holds all three definitions."""


def _settings(settings: Iterable[VideoSetting]) -> tuple[VideoSetting, ...]:
    return tuple(settings)


def _all_six(_: object, attribute: Attribute[Any], value: Sequence[VideoSetting]) -> None:
    given = Counter((setting.network, setting.encoding) for setting in value)
    six = list(product(Network, Encoding))
    missing, repeated = [pair for pair in six if not given[pair]], [pair for pair in six if given[pair] > 1]
    for what, pairs, rule in (("lacks", missing, Rule.MISSING), ("repeats", repeated, Rule.NOT_UNIQUE)):
        if pairs:
            named = ", ".join(f"{network.value} with {encoding.value}" for network, encoding in pairs)
            raise InvalidRequest(
                "", attribute.name, f"{what} {named}; all six combinations go in one call, each once", rule
            )


@frozen
class SetVideo:
    """All six settings for many instances."""

    instances: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("instance_ids"))
    settings: tuple[VideoSetting, ...] = field(
        converter=_settings, validator=_all_six, metadata=wire("instance_settings")
    )


# KOOPHONE.API.1005 (5.2) refuses a call that lacks one of the six; there is no partial change
# and no way to read what is set.
SET: Final = Operation(
    "koophone.video.set", "PUT", "/v1/instances/video-setting",
    SetVideo, Accepted, source="KooPhone 4.1.4 (2025-12-31)",
    batch=Batch("instances", max=100, one_region=True), repeatable=True,
)  # fmt: skip


@frozen
class Video:
    """The stream's rates."""

    _session: Sender

    async def set(self, instances: Iterable[str], settings: Iterable[VideoSetting]) -> Accepted:
        """Set the rates of the video stream, for every network and encoding at once.

        Args:
            instances: At most 100 ids, all of one region.
            settings: All six combinations of network (mobile, Wi-Fi, wired) and encoding (H264,
                H265); rates 100 to 10,000 kbit/s in steps of 100, 30 or 60 frames a second.

        Raises:
            Refused: The service refused the whole call; nothing changed.

        API: KooPhone 4.1.4 (2025-12-31)
        """
        return await self._session.send(SET, SetVideo(instances, settings))
