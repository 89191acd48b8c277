"""Models of a phone: state, ports, purchase."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from typing import Final

from attrs import field, frozen

from koophone_async.services.cph.encoders import format_time
from koophone_async.services.cph.order_models import DiskType
from koophone_async.services.cph.phone_models import DiskMode
from koophone_async.services.cph.properties import PropertyTexts, json_text, read_properties
from koophone_async.services.cph.traffic import Route
from koophone_async.wire import wire

_TRUTH: Final = {True: "true", False: "false"}


class PhoneState(IntEnum):
    """State of a phone (CPH 5.3.1). For servers and jobs the same numbers mean other things."""

    CREATING_AS_WELL = 0
    """Only in answers of 2020-07-30, beside 1."""

    CREATING = 1
    RUNNING = 2
    RESETTING = 3
    RESTARTING = 4
    FROZEN = 6
    STOPPING = 7
    STOPPED = 8
    RESET_FAILED = -5
    RESTART_FAILED = -6
    ABNORMAL = -7
    CREATE_FAILED = -8
    STOP_FAILED = -9


class PhoneType(IntEnum):
    """Whether a phone is a trial phone (CPH 5.3.1)."""

    COMMON = 0
    TRIAL = 1


@frozen
class PhoneOrder:
    """Purchase of a phone."""

    order: str | None = field(default=None, metadata=wire("order_id"))
    product: str | None = field(default=None, metadata=wire("product_id"))
    trial_from: datetime | None = field(
        default=None, metadata=wire("probation_begin_time", as_text=format_time)
    )
    """Only in answers of 2020-07-30, like `trial_until`."""

    trial_until: datetime | None = field(
        default=None, metadata=wire("probation_end_time", as_text=format_time)
    )


@frozen
class Phone:
    """A phone of the project."""

    id: str = field(metadata=wire("phone_id"))
    name: str | None = field(default=None, metadata=wire("phone_name"))
    server: str | None = field(default=None, metadata=wire("server_id"))
    state: PhoneState | int | None = field(default=None, metadata=wire("status"))
    """An int for a state that this version does not know."""

    type: PhoneType | int | None = None
    model: str | None = field(default=None, metadata=wire("phone_model_name"))
    image: str | None = field(default=None, metadata=wire("image_id"))
    image_version: str | None = None
    """Such as `AOSP 9.0`."""

    imei: str | None = None
    route: Route | str | None = field(default=None, metadata=wire("traffic_type"))
    disk_mode: DiskMode | int | None = field(default=None, metadata=wire("volume_mode"))
    zone: str | None = field(default=None, metadata=wire("availability_zone"))
    is_encrypted: bool | None = field(default=None, metadata=wire("has_encrypt"))
    has_vnc: bool | None = field(default=None, metadata=wire("vnc_enable", as_text=_TRUTH))
    """Deprecated since 2025-02-08."""

    bought: PhoneOrder | None = field(default=None, metadata=wire("metadata"))
    created_at: datetime | None = field(default=None, metadata=wire("create_time", as_text=format_time))
    updated_at: datetime | None = field(default=None, metadata=wire("update_time", as_text=format_time))


@frozen
class PhonePort:
    """A port of a phone and its addresses."""

    name: str | None = field(default=None, metadata=wire("type"))
    phone_ip: str | None = field(default=None, metadata=wire("phone_ip", "device_ip"))
    server_ip: str | None = field(default=None, metadata=wire("server_ip", "intranet_ip"))
    public_ip: str | None = field(default=None, metadata=wire("public_ip", "access_ip"))
    """Empty if the port is not public."""

    phone_ipv6: str | None = None
    server_ipv6: str | None = None
    listen_port: int | None = None
    access_port: int | None = None
    """Port at the public address."""


@frozen
class DataVolume:
    """Data disk of a phone."""

    type: DiskType | str | None = field(default=None, metadata=wire("volume_type"))
    size: int | None = field(default=None, metadata=wire("volume_size"))
    """GiB."""


@frozen
class PhoneDetails(Phone):
    """A phone with its ports, properties and disk."""

    properties: PropertyTexts = field(
        factory=dict[str, str], converter=read_properties, metadata=wire("property", as_text=json_text)
    )
    """Text by name. Names may be deprecated ones; nothing is checked."""

    custom: Mapping[str, str] | None = field(default=None, metadata=wire("custom_property"))
    """Custom properties. Only the vendor's SDK has it."""

    ports: tuple[PhonePort, ...] = field(default=(), metadata=wire("access_infos"))
    disk: DataVolume | None = field(default=None, metadata=wire("phone_data_volume"))
