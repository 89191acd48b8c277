"""Set bit rates and frame rates of the video stream."""

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
    """Network that the player is connected to."""

    MOBILE = "MOBILE_NETWORK"
    WIFI = "WIFI"
    WIRED = "WIRED"


class Encoding(StrEnum):
    """Codec of the stream."""

    H264 = "H264"
    H265 = "H265"


@frozen
class VideoRate:
    """Bit rate and frame rate of one definition."""

    code_rate: int = field(validator=Between(100, 10_000, step=100, unit="kbit/s"))
    fps: int = field(validator=OneOf((30, 60)))


@frozen
class VideoRates:
    """Rates of all three definitions."""

    p540: VideoRate = field(metadata=wire("definition_540P"))
    p720: VideoRate = field(metadata=wire("definition_720P"))
    p1080: VideoRate = field(metadata=wire("definition_1080P"))


def _rates(definitions: Iterable[VideoRates]) -> tuple[VideoRates, ...]:
    return tuple(definitions)


def _member(enum: type[Member], value: str) -> Member:
    try:
        return enum(value)
    except ValueError:
        problem = f"is {value!r}; it must be {OneOf(tuple(enum)).limit}"
        raise InvalidRequest("", enum.__name__.lower(), problem, Rule.NOT_A_CHOICE) from None


def _network(value: str) -> Network:
    return _member(Network, value)


def _encoding(value: str) -> Encoding:
    return _member(Encoding, value)


@frozen
class VideoSetting:
    """Rates for one network and one encoding."""

    network: Network = field(metadata=wire("network_type"), converter=_network)
    encoding: Encoding = field(metadata=wire("encoding_type"), converter=_encoding)
    definitions: tuple[VideoRates, ...] = field(
        converter=_rates, validator=Listed(), metadata=wire("video_spec_groups")
    )
    """The documents show one entry with all three definitions."""


def _settings(settings: Iterable[VideoSetting]) -> tuple[VideoSetting, ...]:
    return tuple(settings)


def _all_six(_: object, attribute: Attribute[Any], value: Sequence[VideoSetting]) -> None:
    counts = Counter((setting.network, setting.encoding) for setting in value)
    six = list(product(Network, Encoding))
    missing, repeated = [pair for pair in six if not counts[pair]], [pair for pair in six if counts[pair] > 1]
    for verb, pairs, rule in (("lacks", missing, Rule.MISSING), ("repeats", repeated, Rule.NOT_UNIQUE)):
        if pairs:
            names = ", ".join(f"{network.value} with {encoding.value}" for network, encoding in pairs)
            problem = f"{verb} {names}; one call sets all six combinations, each once"
            raise InvalidRequest("", attribute.name, problem, rule)


@frozen
class SetVideo:
    """The six settings of many instances."""

    instances: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("instance_ids"))
    settings: tuple[VideoSetting, ...] = field(
        converter=_settings, validator=_all_six, metadata=wire("instance_settings")
    )


# KOOPHONE.API.1005 (5.2) refuses a call that lacks one of the six: settings cannot be changed one by one,
# and no call returns the current ones.
SET: Final = Operation(
    "koophone.video.set", "PUT", "/v1/instances/video-setting",
    SetVideo, Accepted, source="KooPhone 4.1.4 (2025-12-31)",
    batch=Batch("instances", max=100, one_region=True), repeatable=True,
)  # fmt: skip


@frozen
class Video:
    """Set bit rates and frame rates of the video stream."""

    _session: Sender

    async def set(self, instances: Iterable[str], settings: Iterable[VideoSetting]) -> Accepted:
        """Set the rates of the video stream for every network and encoding.

        Args:
            instances: At most 100 ids, all of one region.
            settings: All six combinations of network (mobile, Wi-Fi, wired) and encoding (H264,
                H265); rates 100 to 10,000 kbit/s in steps of 100, 30 or 60 frames a second.

        Raises:
            Refused: The service refused the whole call; nothing changed.

        API: KooPhone 4.1.4 (2025-12-31)
        """
        return await self._session.send(SET, SetVideo(instances, settings))
