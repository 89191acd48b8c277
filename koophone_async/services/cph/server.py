"""Models of a server: state, addresses, purchase, volumes."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum

from attrs import field, frozen

from koophone_async.services.cph.bandwidths import Bandwidth
from koophone_async.services.cph.encoders import format_time
from koophone_async.wire import wire


class ServerState(IntEnum):
    """State of a server (CPH 5.1.1). Four numbers mean creating; the documents make no difference."""

    CREATING = 0
    CREATING_1 = 1
    ABNORMAL = 2
    CREATING_3 = 3
    CREATING_4 = 4
    NORMAL = 5
    FROZEN = 8
    STOPPED = 10
    STOPPING = 11
    STOP_FAILED = 12
    STARTING = 13

    @property
    def is_creating(self) -> bool:
        """Whether the server is still being created."""
        return self in (self.CREATING, self.CREATING_1, self.CREATING_3, self.CREATING_4)


class Network(StrEnum):
    """Owner of a server's network (CPH 5.1.1)."""

    SYSTEM = "v1"
    OWN = "v2"


@frozen
class Address:
    """Addresses of one network card of a server."""

    internal: str | None = field(default=None, metadata=wire("server_ip"))
    public: str | None = field(default=None, metadata=wire("public_ip"))
    old_internal: str | None = field(default=None, metadata=wire("intranet_ip"))
    """The same under its former name; answers have both."""

    old_public: str | None = field(default=None, metadata=wire("access_ip"))
    """The same under its former name; answers have both."""


@frozen
class Purchase:
    """Purchase of a server."""

    order: str | None = field(default=None, metadata=wire("order_id"))
    product: str | None = field(default=None, metadata=wire("product_id"))
    charging_mode: int | None = None
    """0: yearly or monthly."""

    trial_from: datetime | None = field(
        default=None, metadata=wire("probation_begin_time", as_text=format_time)
    )
    """Only in answers of 2020."""

    trial_until: datetime | None = field(
        default=None, metadata=wire("probation_end_time", as_text=format_time)
    )


@frozen
class Server:
    """A server of the tenant."""

    id: str = field(metadata=wire("server_id"))
    """32 characters, and 31 in some of the documents' examples."""

    name: str | None = field(default=None, metadata=wire("server_name"))
    zone: str | None = field(default=None, metadata=wire("availability_zone"))
    model: str | None = field(default=None, metadata=wire("server_model_name"))
    phone_model: str | None = field(default=None, metadata=wire("phone_model_name"))
    keypair: str | None = field(default=None, metadata=wire("keypair_name"))
    state: ServerState | int | None = field(default=None, metadata=wire("status"))
    network: Network | str | None = field(default=None, metadata=wire("network_version"))
    vpc: str | None = field(default=None, metadata=wire("vpc_id"))
    """VPC of the tenant if the network is its own, else one of the service."""

    cidr: str | None = None
    vpc_cidr: str | None = None
    subnet: str | None = field(default=None, metadata=wire("subnet_id"))
    subnet_cidr: str | None = None
    addresses: tuple[Address, ...] = ()
    resource_project: str | None = field(default=None, metadata=wire("resource_project_id"))
    """Project for peering with a network of the service's; not the tenant's project."""

    purchase: Purchase | None = field(default=None, metadata=wire("metadata"))
    enterprise_project: str | None = field(default=None, metadata=wire("enterprise_project_id"))
    created_at: datetime | None = field(default=None, metadata=wire("create_time", as_text=format_time))
    updated_at: datetime | None = field(default=None, metadata=wire("update_time", as_text=format_time))


@frozen
class Volume:
    """A disk of a server."""

    id: str | None = field(default=None, metadata=wire("volume_id"))
    name: str | None = field(default=None, metadata=wire("volume_name"))
    size: int | None = field(default=None, metadata=wire("volume_size"))
    """GB."""

    type: str | None = field(default=None, metadata=wire("volume_type"))
    created_at: datetime | None = field(default=None, metadata=wire("create_time", as_text=format_time))
    updated_at: datetime | None = field(default=None, metadata=wire("update_time", as_text=format_time))


@frozen
class SharedVolume:
    """Storage that all phones of a server share."""

    type: str | None = field(default=None, metadata=wire("volume_type"))
    size: int | None = None
    """GB."""

    version: int | None = None
    """0: shared storage 1.0, 1: shared storage 2.0."""


@frozen
class ServerDetail(Server):
    """A server with its bandwidths, disks and security groups."""

    bandwidths: tuple[Bandwidth, ...] | None = field(default=None, metadata=wire("band_widths"))
    volumes: tuple[Volume, ...] | None = None
    shared_volume: SharedVolume | None = field(default=None, metadata=wire("share_volume_info"))
    security_groups: tuple[str, ...] | None = None
    """Empty in a network of the service's; None in answers of 2020."""
