"""Models that several orders of servers share: ports, network, disks, billing period."""

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
from koophone_async.wire import doc, wire

BYTES: Final = "bytes of UTF-8"

UUID: Final = Text(36, pattern="[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""Id of a virtual private cloud or of a subnet, such as `fca063f6-b942-42a8-9004-e5545f58d6a2`."""

MODEL: Final = Text(64, unit=BYTES)
"""A flavor's name, such as `physical.kg1.4xlarge.cp` or `kg1.cp.c20.d64SSD.e1v1`."""

KEYPAIR: Final = Text(64, unit=BYTES)
"""Name of a key pair."""

IMAGE: Final = Text(MAX_ID_LENGTH, unit=BYTES)
"""Id of a phone image."""

ONE_ADDRESS: Final = optional(Listed(max=1, each=Text(64)))
"""Id of an existing public address; the service accepts at most one."""

TRUE_OR_FALSE: Final = {True: "true", False: "false"}
"""Encoding of booleans that the service wants as text."""


def _check_not_reserved(_: object, attribute: Attribute[Any], value: str) -> None:
    if value in ("adb", "vnc"):
        raise InvalidRequest(
            "", attribute.name, f"is {value!r}, which the service reserves", Rule.NOT_A_CHOICE
        )


@frozen
class Port:
    """A port that the service forwards on every phone."""

    name: str = field(validator=and_(Text(16, unit=BYTES), _check_not_reserved))
    """Not `adb` and not `vnc`."""

    number: int = field(validator=Between(10_000, 50_000), metadata=wire("listen_port"))
    is_public: bool = field(
        default=False,
        validator=OneOf((True, False)),
        metadata=wire("internet_accessible", as_text=TRUE_OR_FALSE),
    )
    """Whether it can be reached from the internet; text on the wire."""


class Period(IntEnum):
    """Unit of the billing period."""

    MONTH = 2
    YEAR = 3


def _check_max_count(term: Term, attribute: Attribute[Any], value: int) -> None:
    maximum, unit = (9, "months") if term.period == Period.MONTH else (10, "years")
    if value > maximum:
        raise InvalidRequest(
            "", attribute.name, f"is {value}; it must be 1 to {maximum} {unit}", Rule.OUT_OF_RANGE, maximum
        )


@frozen
class Term:
    """Billing period of servers, and whether it is paid automatically."""

    period: Period | int = field(validator=OneOf((*Period,)), metadata=wire("period_type"))
    count: int = field(
        validator=and_(Between(1, 10), _check_max_count),
        metadata=wire("period_num") | doc("1 to 9 months or 1 to 10 years."),
    )
    pay: int = field(
        default=0,
        validator=OneOf((0, 1)),
        metadata=wire("is_auto_pay") | doc("0 leaves the order unpaid, without servers until it is paid."),
    )
    mode: int = field(default=0, validator=OneOf((0,)), metadata=wire("charging_mode"))
    """0: yearly or monthly, the only mode."""


@frozen
class RenewableTerm(Term):
    """Billing period of servers, and whether it is renewed automatically."""

    renew: int | None = field(default=None, validator=OneOf((0, 1, None)), metadata=wire("is_auto_renew"))


@frozen
class ServerTerm(RenewableTerm):
    """Billing period of servers, and the enterprise project they belong to."""

    enterprise_project: str | None = field(
        default=None,
        validator=Text(64),
        metadata=wire("enterprise_project_id") | doc("None or `0`: the default project."),
    )


def _require_if_shared(bandwidth: ServerBandwidth, attribute: Attribute[Any], value: str | None) -> None:
    if bandwidth.sharing == Sharing.SHARED and value is None:
        raise InvalidRequest("", attribute.name, "is missing; a shared bandwidth needs its id", Rule.MISSING)


def _require_if_dedicated(bandwidth: ServerBandwidth, attribute: Attribute[Any], value: int | None) -> None:
    if bandwidth.sharing == Sharing.DEDICATED and value is None:
        raise InvalidRequest(
            "", attribute.name, "is missing; a dedicated bandwidth needs its size in Mbit/s", Rule.MISSING
        )


@frozen
class ServerBandwidth:
    """Bandwidth of servers: an existing shared one, or a new dedicated one."""

    sharing: Sharing | int = field(validator=OneOf((*Sharing,)), metadata=wire("band_width_share_type"))
    charged_by: ChargedBy | int = field(
        validator=OneOf((*ChargedBy,)), metadata=wire("band_width_charge_mode")
    )
    id: str | None = field(
        default=None,
        validator=[Text(64), _require_if_shared],
        metadata=wire("band_width_id") | doc("Id of the shared bandwidth."),
    )
    size: int | None = field(
        default=None,
        validator=[Between(1, inf, unit="Mbit/s"), _require_if_dedicated],
        metadata=wire("band_width_size")
        | doc("Mbit/s of a dedicated bandwidth; no document states a maximum."),
    )


class AddressType(StrEnum):
    """Network of a public address (CPH 5.1.4)."""

    CHINA_TELECOM = "5_telcom"
    CHINA_UNICOM = "5_union"
    DYNAMIC_BGP = "5_bgp"
    STATIC_BGP = "5_sbgp"


@frozen
class NewAddress:
    """A public address to create."""

    type: AddressType | str = field(validator=OneOf((*AddressType,)))


def optional_ids(values: Iterable[str] | None) -> tuple[str, ...] | None:
    """Return the ids as a tuple, or None."""
    return None if values is None else ids(values)


@frozen
class PublicAddress:
    """Public addresses of a server: an existing one, new ones, or none.

    `PublicAddress(count=0)` creates none; the meaning of an empty object is not documented.
    """

    new: NewAddress | None = field(default=None, metadata=wire("eip"))
    existing: tuple[str, ...] | None = field(
        default=None,
        converter=optional_ids,
        validator=ONE_ADDRESS,
        metadata=wire("ids") | doc("Id of one public address; more are not supported."),
    )
    count: int | None = field(
        default=None, validator=Between(0, inf), metadata=doc("0 up to the number of phones; default 1.")
    )


class DiskType(StrEnum):
    """Type of a disk (CPH 5.1.4)."""

    SSD = "SSD"
    GENERAL_PURPOSE_SSD = "GPSSD"


@frozen
class Disk:
    """Disk of each phone, or one that the phones share."""

    type: DiskType | str = field(validator=OneOf((*DiskType,)), metadata=wire("volume_type"))
    size: int = field(validator=Between(10, 32_768, unit="GiB"), metadata=doc("GiB."))


@frozen(kw_only=True)
class NewPhones:
    """Phones of the servers to create."""

    phone_model: str = field(validator=MODEL, metadata=wire("phone_model_name"))
    image: str = field(validator=IMAGE, metadata=wire("image_id"))
    keypair: str | None = field(
        default=None,
        validator=KEYPAIR,
        metadata=wire("keypair_name") | doc("Name of the key pair for ADB access."),
    )
    ports: tuple[Port, ...] | None = None


@frozen(kw_only=True)
class TenantNetwork(NewPhones):
    """Phones in a network of the tenant's own."""

    vpc: str = field(validator=UUID, metadata=wire("tenant_vpc_id"))
    public_address: PublicAddress = field(metadata=wire("public_ip"))
    bandwidth: ServerBandwidth = field(metadata=wire("band_width"))
    phones_per_address: int | None = field(
        default=None,
        validator=Between(1, inf),
        metadata=wire("phone_count_per_ip")
        | doc("1 up to the phones of a server; default: one virtual address for all phones."),
    )
    phone_disk: Disk | None = field(default=None, metadata=wire("phone_data_volume"))
    """Required by flavors of version 2.0."""

    shared_disk: Disk | None = field(default=None, metadata=wire("server_share_data_volume"))
    """For flavors of version 2.0 only."""

    zone: str | None = field(
        default=None,
        validator=Text(64),
        metadata=wire("availability_zone")
        | doc("Such as `cn-east-3a`. For `ChangeServer` only the vendor's SDK has it."),
    )
    properties: PropertyTexts | None = field(
        default=None,
        converter=parse_optional_properties,
        validator=MaxJsonSize(8192),
        metadata=wire("property", as_text=json_text)
        | doc("Properties of the phones. Only the vendor's SDK has it."),
    )
