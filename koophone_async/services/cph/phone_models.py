"""Phone models: specifications of the phones on sale."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Any, Final

import msgspec
from attrs import field, frozen

from koophone_async.checks import Between, OneOf
from koophone_async.operation import Operation
from koophone_async.wire import decode, wire


class SaleState(IntEnum):
    """Whether a model is on sale (CPH 5.3.4)."""

    OFFLINE = 0
    ON_SALE = 1


class DiskMode(IntEnum):
    """Whether a phone has its own disk (CPH 5.3.4)."""

    SHARED = 0
    OWN = 1


class Product(IntEnum):
    """Product that a model belongs to (CPH 5.3.4)."""

    PHONE = 0
    GAMING = 1


class ModelVersion(IntEnum):
    """Generation of a model (CPH 5.3.4)."""

    V1 = 0
    V2 = 1


class ImageLabel(StrEnum):
    """Kind of servers that an image fits (CPH 5.3.5)."""

    PHONE = "cloud_phone"
    PHONE_1620 = "cloud_phone_1620"
    GAME = "cloud_game"
    GAME_1620 = "cloud_game_1620"
    QEMU = "qemu_phone"


@frozen
class PhoneModel:
    """A phone model on one server model."""

    name: str = field(metadata=wire("phone_model_name"))
    server_model: str | None = field(default=None, metadata=wire("server_model_name"))
    state: SaleState | int | None = field(default=None, metadata=wire("status"))
    cpu: int | None = None
    """Cores."""

    memory: int | None = None
    """MB; the document of 2020-07-30 states GB, with figures that can only be MB."""

    disk: int | None = None
    """GiB."""

    resolution: str | None = None
    """Such as `720x1280`."""

    specification: str | None = field(default=None, metadata=wire("extend_spec"))
    """A JSON object as text; its content is not documented."""

    code: str | None = field(default=None, metadata=wire("spec_code"))
    capacity: int | None = field(default=None, metadata=wire("phone_capacity"))
    """Number of phones on one server."""

    image_label: ImageLabel | str | None = None
    product: Product | int | None = field(default=None, metadata=wire("product_type"))
    version: ModelVersion | int | None = field(default=None, metadata=wire("phone_model_version"))
    dpi: int | None = None
    fps: str | None = None
    disk_mode: DiskMode | int | None = field(default=None, metadata=wire("volume_mode"))
    render_fps: int | None = None
    stream_fps: int | None = None

    @property
    def has_shared_storage(self) -> bool:
        """Whether its phones share storage of their server (CPH 4.1.7 of 2020-07-30)."""
        try:
            decoded: Any = decode(self.specification or "{}")
        except msgspec.DecodeError:
            return False
        return isinstance(decoded, dict) and "max_share_disk_size_g" in decoded


@frozen
class PhoneModelQuery:
    """Filter of the list of phone models."""

    state: SaleState | None = field(
        default=None, validator=OneOf((*SaleState, None)), metadata=wire("status")
    )
    offset: int = field(default=0, validator=Between(0, 10**9))
    limit: int = field(default=100, validator=Between(1, 100))


@frozen
class PhoneModelPage:
    """One page of the phone models. The table of 2020-07-30 calls the list `phone_model`."""

    items: tuple[PhoneModel, ...] = field(default=(), metadata=wire("phone_models", "phone_model"))
    total: int | None = field(default=None, metadata=wire("count"))
    """Not documented for this list."""


MODELS: Final = Operation(
    "cph.phones.models", "GET", "/v1/{project_id}/cloud-phone/phone-models",
    PhoneModelQuery, PhoneModelPage, source="CPH 5.3.4 (2025-02-08)", repeatable=True,
)  # fmt: skip
