"""Server flavors, and the zones where they are on sale."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final

from attrs import field, frozen

from koophone_async.checks import Between, OneOf
from koophone_async.operation import Operation
from koophone_async.services.cph.buying import SDK_SOURCE
from koophone_async.services.cph.paging import PageInfo
from koophone_async.wire import wire


class ProductType(IntEnum):
    """Product that a flavor belongs to (CPH 5.1.3)."""

    PHONES = 0
    GAMING = 1


@frozen
class SystemDisk:
    """System disk of a server, if it is a cloud disk."""

    size: int | None = None
    type: str | None = field(default=None, metadata=wire("volume_type"))


@frozen
class Hardware:
    """Hardware of a flavor, as free text."""

    cpu: str | None = None
    memory: str | None = None
    disk: str | None = None
    network: str | None = field(default=None, metadata=wire("network_interface"))
    gpu: str | None = None
    bare_flavor: str | None = field(default=None, metadata=wire("bms_flavor"))
    gpus: int | None = field(default=None, metadata=wire("gpu_count"))
    numa_nodes: int | None = field(default=None, metadata=wire("numa_count"))
    system_disk: SystemDisk | None = field(default=None, metadata=wire("os_volume"))


@frozen
class ServerModel:
    """A server flavor."""

    name: str = field(metadata=wire("server_model_name"))
    """Such as `physical.rx1.xlarge`; the `model` of an order."""

    type: str | None = field(default=None, metadata=wire("server_type"))
    """Such as `Hi1616`."""

    cores: int | None = field(default=None, metadata=wire("cpu"))
    memory: int | None = None
    """GB; phone models use MB."""

    hardware: Hardware | None = field(default=None, metadata=wire("extend_spec"))
    product_type: ProductType | int | None = None
    free_size: int | None = None
    """GB of disk included in the price."""

    max_disks: int | None = field(default=None, metadata=wire("disk_max_num"))
    """Maximum number of cloud disks; 0: local disks only. Only the vendor's SDK has it."""


class Sale(StrEnum):
    """Whether a flavor is on sale."""

    AVAILABLE = "available"
    SOLD_OUT = "sellout"


@frozen
class Offering:
    """A server flavor in one zone, and whether it is on sale there."""

    model: str = field(metadata=wire("model_name"))
    zone: str | None = field(default=None, metadata=wire("available_zone"))
    sale: Sale | str | None = field(default=None, metadata=wire("sell_status"))


@frozen
class ModelQuery:
    """Filter of the list of server flavors."""

    product_type: ProductType | int | None = field(default=None, validator=OneOf((*ProductType, None)))
    # Only the vendor's SDK has pages here.
    limit: int | None = field(default=None, validator=Between(1, 100))
    marker: str | None = None


@frozen
class ModelPage:
    """One page of the server flavors; in the document of 2025, all of them."""

    items: tuple[ServerModel, ...] = field(default=(), metadata=wire("server_models"))
    next: PageInfo | None = field(default=None, metadata=wire("page_info"))


@frozen
class OfferingQuery:
    """Filter of the list of offerings: where to start."""

    limit: int = field(default=100, validator=Between(1, 1000))
    marker: str | None = None


@frozen
class OfferingPage:
    """One page of the list of offerings."""

    items: tuple[Offering, ...] = field(default=(), metadata=wire("models"))
    next: PageInfo | None = field(default=None, metadata=wire("page_info"))
    total: int | None = field(default=None, metadata=wire("count"))


MODELS: Final = Operation(
    "cph.servers.models", "GET", "/v1/{project_id}/cloud-phone/server-models",
    ModelQuery, ModelPage, source="CPH 5.1.3 (2025-02-08)", repeatable=True,
)  # fmt: skip

OFFERINGS: Final = Operation(
    "cph.servers.offerings", "GET", "/v1/{project_id}/server-model-offerings",
    OfferingQuery, OfferingPage, source=SDK_SOURCE, repeatable=True,
)  # fmt: skip
