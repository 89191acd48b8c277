"""What a server is bought or replaced with: ports, network, disks, and how long it is paid for."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, StrEnum
from math import inf
from typing import Any, Final

from attrs import Attribute, field, frozen
from attrs.validators import and_, optional

from koophone_async.checks import MAX_ID_LENGTH, Between, Listed, OneOf, Text, ids
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.services.cph.bandwidths import ChargedBy, Sharing
from koophone_async.services.cph.properties import (
    MaxJsonSize,
    PropertyTexts,
    json_text,
    parse_optional_properties,
)
from koophone_async.wire import wire

BYTES: Final = "bytes of UTF-8"

UUID: Final = Text(36, pattern="[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""An id of a virtual private cloud or of a subnet, such as `fca063f6-b942-42a8-9004-e5545f58d6a2`."""

MODEL: Final = Text(64, unit=BYTES)
"""A flavor's name, such as `physical.kg1.4xlarge.cp` or `kg1.cp.c20.d64SSD.e1v1`."""

KEYPAIR: Final = Text(64, unit=BYTES)
"""A key pair's name."""

IMAGE: Final = Text(MAX_ID_LENGTH, unit=BYTES)
"""The id of an image of phones."""

ONE_ADDRESS: Final = optional(Listed(max=1, each=Text(64)))
"""The id of a public address that exists; the service takes no more than one."""

TRUE_OR_FALSE: Final = {True: "true", False: "false"}
"""How the service wants some booleans written."""


def _check_not_reserved(_: object, attribute: Attribute[Any], value: str) -> None:
    if value in ("adb", "vnc"):
        raise InvalidRequest(
            "", attribute.name, f"is {value!r}, which the service keeps for itself", Rule.NOT_A_CHOICE
        )


@frozen
class Port:
    """A port of every phone that the service forwards."""

    name: str = field(validator=and_(Text(16, unit=BYTES), _check_not_reserved))
    """Not `adb` and not `vnc`."""

    number: int = field(validator=Between(10_000, 50_000), metadata=wire("listen_port"))
    is_public: bool = field(
        default=False,
        validator=OneOf((True, False)),
        metadata=wire("internet_accessible", as_text=TRUE_OR_FALSE),
    )
    """Whether it can be reached from the internet. On the wire it is text."""


class Period(IntEnum):
    """What the time that a server is paid for is counted in."""

    MONTH = 2
    YEAR = 3


def _check_max_count(term: Term, attribute: Attribute[Any], value: int) -> None:
    most, unit = (9, "months") if term.period == Period.MONTH else (10, "years")
    if value > most:
        raise InvalidRequest(
            "", attribute.name, f"is {value}; it must be 1 to {most} {unit}", Rule.OUT_OF_RANGE, most
        )


@frozen
class Term:
    """How long servers are paid for, and whether without asking."""

    period: Period | int = field(validator=OneOf((*Period,)), metadata=wire("period_type"))
    count: int = field(validator=and_(Between(1, 10), _check_max_count), metadata=wire("period_num"))
    """1 to 9 months or 1 to 10 years."""

    pay: int = field(default=0, validator=OneOf((0, 1)), metadata=wire("is_auto_pay"))
    """0 leaves an unpaid order, and no servers until it is paid."""

    mode: int = field(default=0, validator=OneOf((0,)), metadata=wire("charging_mode"))
    """0: yearly or monthly, the only mode."""


@frozen
class RenewableTerm(Term):
    """How long servers are paid for, and whether it goes on by itself."""

    renew: int | None = field(default=None, validator=OneOf((0, 1, None)), metadata=wire("is_auto_renew"))


@frozen
class ServerTerm(RenewableTerm):
    """How long servers are paid for, and which enterprise project they belong to."""

    enterprise_project: str | None = field(
        default=None, validator=Text(64), metadata=wire("enterprise_project_id")
    )
    """None or `0`: the default project."""


def _require_if_shared(bandwidth: ServerBandwidth, attribute: Attribute[Any], value: str | None) -> None:
    if bandwidth.sharing == Sharing.SHARED and value is None:
        raise InvalidRequest(
            "", attribute.name, "is missing; a shared bandwidth is named by its id", Rule.MISSING
        )


def _require_if_dedicated(bandwidth: ServerBandwidth, attribute: Attribute[Any], value: int | None) -> None:
    if bandwidth.sharing == Sharing.DEDICATED and value is None:
        raise InvalidRequest(
            "", attribute.name, "is missing; a dedicated bandwidth needs its size in Mbit/s", Rule.MISSING
        )


@frozen
class ServerBandwidth:
    """The bandwidth of servers: a shared one that exists, or a dedicated one of some size."""

    sharing: Sharing | int = field(validator=OneOf((*Sharing,)), metadata=wire("band_width_share_type"))
    charged_by: ChargedBy | int = field(
        validator=OneOf((*ChargedBy,)), metadata=wire("band_width_charge_mode")
    )
    id: str | None = field(
        default=None, validator=[Text(64), _require_if_shared], metadata=wire("band_width_id")
    )
    """Which shared bandwidth."""

    size: int | None = field(
        default=None,
        validator=[Between(1, inf, unit="Mbit/s"), _require_if_dedicated],
        metadata=wire("band_width_size"),
    )
    """Mbit/s of a dedicated bandwidth; no document states the most."""


class AddressType(StrEnum):
    """Whose network a public address is in (CPH 5.1.4)."""

    CHINA_TELECOM = "5_telcom"
    CHINA_UNICOM = "5_union"
    DYNAMIC_BGP = "5_bgp"
    STATIC_BGP = "5_sbgp"


@frozen
class NewAddress:
    """A public address to be made."""

    type: AddressType | str = field(validator=OneOf((*AddressType,)))


def optional_ids(given: Iterable[str] | None) -> tuple[str, ...] | None:
    """Take any iterable of ids, or None."""
    return None if given is None else ids(given)


@frozen
class PublicAddress:
    """Public addresses of a server: one that exists, new ones, or none.

    `PublicAddress(count=0)` wants none; what nothing at all means is not documented.
    """

    new: NewAddress | None = field(default=None, metadata=wire("eip"))
    existing: tuple[str, ...] | None = field(
        default=None, converter=optional_ids, validator=ONE_ADDRESS, metadata=wire("ids")
    )
    """The id of one public address; more are not supported."""

    count: int | None = field(default=None, validator=Between(0, inf))
    """0 to as many as the phones have; the service takes 1 where nothing is said."""


class DiskType(StrEnum):
    """What a disk is made of (CPH 5.1.4)."""

    SSD = "SSD"
    GENERAL_PURPOSE_SSD = "GPSSD"


@frozen
class Disk:
    """A disk for phones, or one that they share."""

    type: DiskType | str = field(validator=OneOf((*DiskType,)), metadata=wire("volume_type"))
    size: int = field(validator=Between(10, 32_768, unit="GiB"))
    """GiB."""


@frozen(kw_only=True)
class NewPhones:
    """The phones that a server is to hold."""

    phone_model: str = field(validator=MODEL, metadata=wire("phone_model_name"))
    image: str = field(validator=IMAGE, metadata=wire("image_id"))
    keypair: str | None = field(default=None, validator=KEYPAIR, metadata=wire("keypair_name"))
    """The key pair that opens ADB."""

    ports: tuple[Port, ...] | None = None


@frozen(kw_only=True)
class TenantNetwork(NewPhones):
    """Phones in a network of the tenant's own."""

    vpc: str = field(validator=UUID, metadata=wire("tenant_vpc_id"))
    public_address: PublicAddress = field(metadata=wire("public_ip"))
    bandwidth: ServerBandwidth = field(metadata=wire("band_width"))
    phones_per_address: int | None = field(
        default=None, validator=Between(1, inf), metadata=wire("phone_count_per_ip")
    )
    """1 to as many as a server holds. The service takes one virtual address for all where nothing is said."""

    phone_disk: Disk | None = field(default=None, metadata=wire("phone_data_volume"))
    """Flavors of version 2.0 need it."""

    shared_disk: Disk | None = field(default=None, metadata=wire("server_share_data_volume"))
    """For flavors of version 2.0 only."""

    zone: str | None = field(default=None, validator=Text(64), metadata=wire("availability_zone"))
    """Such as `cn-east-3a`. When a server is replaced, only the vendor's SDK knows it."""

    properties: PropertyTexts | None = field(
        default=None,
        converter=parse_optional_properties,
        validator=MaxJsonSize(8192),
        metadata=wire("property", as_text=json_text),
    )
    """Properties of the phones. Only the vendor's SDK knows it."""
