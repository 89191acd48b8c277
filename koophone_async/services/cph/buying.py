"""Orders of servers: in your own network, in one of the service's, and bare servers.

An order costs money and has no idempotency key, so it is never retried. After a `NoAnswer`, look for
servers with the order's name before ordering again.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import Attribute, field, frozen

from koophone_async.checks import Between, Listed, OneOf, Text
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import Operation
from koophone_async.services.cph.bandwidths import Sharing
from koophone_async.services.cph.order_models import (
    KEYPAIR,
    MODEL,
    ONE_ADDRESS,
    TRUE_OR_FALSE,
    UUID,
    DiskType,
    NewPhones,
    RenewableTerm,
    ServerBandwidth,
    ServerTerm,
    TenantNetwork,
    Term,
    optional_ids,
)
from koophone_async.wire import doc, wire

SDK_SOURCE: Final = "huaweicloudsdkcph 3.1.219"
"""Source of the operations that no document describes: the vendor's SDK, generated from its API."""

MAX_SERVERS: Final = 10
"""Maximum number of servers of one order, and of one call that deletes them."""

NAME: Final = Text(60, pattern=r"[A-Za-z0-9_\u4e00-\u9fff-]+")
"""A server's name: at most 60 letters, digits, Chinese characters, `_` and `-`."""


@frozen
class OwnBandwidth:
    """IPv6 bandwidth of a network card in an order; the wire calls its id `band_width_id`."""

    id: str = field(validator=Text(64), metadata=wire("band_width_id"))


@frozen
class NetworkCard:
    """Network card of the servers to buy."""

    subnet: str = field(validator=UUID, metadata=wire("subnet_id"))
    is_ipv6: bool | None = field(default=None, metadata=wire("ipv6_enable"))
    ipv6_bandwidth: OwnBandwidth | None = None
    """The shared bandwidth for IPv6."""


def _check_one_server(order: BuyServers, attribute: Attribute[Any], count: int) -> None:
    if order.public_address.existing and count > 1:
        raise InvalidRequest(
            "",
            attribute.name,
            f"is {count}; an address that exists serves 1 server (CPS.0251)",
            Rule.CONFLICT,
        )


@frozen(kw_only=True)
class BuyServers(TenantNetwork):
    """Order of servers in a network of the tenant's own."""

    name: str = field(
        validator=NAME,
        metadata=wire("server_name")
        | doc("At most 60 characters. The names of several servers end in `-0001`, `-0002` and so on."),
    )
    model: str = field(validator=MODEL, metadata=wire("server_model_name"))
    count: int = field(default=1, validator=[Between(1, MAX_SERVERS), _check_one_server])
    term: ServerTerm = field(metadata=wire("extend_param"))
    cards: tuple[NetworkCard, ...] = field(validator=Listed(), metadata=wire("nics"))


def _require_without_id(bandwidth: SystemBandwidth, attribute: Attribute[Any], value: int | None) -> None:
    if bandwidth.id is None and value is None:
        raise InvalidRequest(
            "", attribute.name, "is missing; it is required where there is no id", Rule.MISSING
        )


def _require_if_shared(bandwidth: SystemBandwidth, attribute: Attribute[Any], value: int | None) -> None:
    if bandwidth.id is None and bandwidth.sharing == Sharing.SHARED and value is None:
        raise InvalidRequest(
            "", attribute.name, "is missing; a shared bandwidth needs 1 to 300 Mbit/s", Rule.MISSING
        )


@frozen
class SystemBandwidth:
    """Bandwidth of servers in a network of the service's: an existing one, or a new one."""

    sharing: Sharing | int | None = field(
        default=None,
        validator=[OneOf((*Sharing, None)), _require_without_id],
        metadata=wire("band_width_share_type"),
    )
    id: str | None = field(
        default=None,
        validator=Text(64),
        metadata=wire("band_width_id")
        | doc("Id of an existing bandwidth; the service then ignores the other fields."),
    )
    size: int | None = field(
        default=None,
        validator=[Between(1, 300, unit="Mbit/s"), _require_if_shared],
        metadata=wire("band_width_size") | doc("Mbit/s, at most 300; a dedicated bandwidth defaults to 300."),
    )


@frozen(kw_only=True)
class BuyServersV1(NewPhones):
    """Order of servers in a network of the service's, as of 2020."""

    name: str = field(
        validator=Text(60, pattern=r"[A-Za-z0-9_-]+"),
        metadata=wire("server_name")
        | doc("At most 60 characters. The names of several servers end in `-0001`, `-0002` and so on."),
    )
    model: str = field(validator=MODEL, metadata=wire("server_model_name"))
    count: int = field(default=1, validator=Between(1, MAX_SERVERS))
    bandwidth: SystemBandwidth = field(metadata=wire("band_width"))
    term: Term = field(metadata=wire("extend_param"))
    is_vnc: bool | None = field(
        default=None,
        metadata=wire("vnc_enable", as_text=TRUE_OR_FALSE)
        | doc("Whether the phones can be reached by VNC; text on the wire."),
    )
    subnet: str | None = field(
        default=None,
        validator=Text(43, pattern=r"[0-9.]+/[0-9]+"),
        metadata=wire("subnet_cidr")
        | doc("Such as `172.31.0.0/16`, the default of the first order. It must not overlap another subnet."),
    )


@frozen
class BareDisk:
    """Disks of a bare server."""

    type: DiskType | str = field(validator=OneOf((*DiskType,)), metadata=wire("volume_type"))
    size: int = field(validator=Between(1, 32_768, unit="GiB"), metadata=doc("GiB."))
    count: int | None = field(default=None, validator=Between(1, 10**4), metadata=doc("Default 1."))


@frozen
class BareCard:
    """A network card of a bare server."""

    subnet: str = field(validator=UUID, metadata=wire("subnet_id"))
    is_ipv6: bool | None = field(default=None, metadata=wire("ipv6_enable"))
    ipv6_bandwidth: str | None = field(default=None, validator=Text(64), metadata=wire("ipv6_band_width_id"))
    """The id of the shared bandwidth for IPv6."""


@frozen(kw_only=True)
class BareAddress:
    """Public address of a bare server: an existing one, a new one, or none."""

    bandwidth: ServerBandwidth = field(metadata=wire("band_width"))
    existing: tuple[str, ...] | None = field(
        default=None,
        converter=optional_ids,
        validator=ONE_ADDRESS,
        metadata=wire("ids") | doc("Id of one public address; the service then ignores `type` and `count`."),
    )
    type: str | None = field(default=None, validator=Text(64), metadata=doc("Such as `5_bgp`."))
    count: int | None = field(default=None, validator=Between(0, 1), metadata=doc("Default 0."))


@frozen(kw_only=True)
class BuyBareServers:
    """Order of servers without phones."""

    name: str = field(
        validator=NAME,
        metadata=wire("server_name")
        | doc("At most 60 characters. The names of several servers end in `-0001`, `-0002` and so on."),
    )
    model: str = field(validator=MODEL, metadata=wire("server_model_name"))
    count: int = field(default=1, validator=Between(1, MAX_SERVERS))
    term: RenewableTerm = field(metadata=wire("order_param"))
    cards: tuple[BareCard, ...] = field(validator=Listed(), metadata=wire("nics"))
    public_address: BareAddress = field(metadata=wire("public_ip"))
    keypair: str = field(
        validator=KEYPAIR,
        metadata=wire("keypair_name") | doc("Name of the key pair for signing in to the server."),
    )
    zone: str | None = field(default=None, validator=Text(64), metadata=wire("availability_zone"))
    disk: BareDisk | None = field(default=None, metadata=wire("data_volume"))
    image: str | None = field(
        default=None,
        validator=Text(36),
        metadata=wire("image_id") | doc("An image of bare servers; default: the service's own."),
    )
    enterprise_project: str | None = field(
        default=None, validator=Text(64), metadata=wire("enterprise_project_id")
    )


@frozen
class Order:
    """Answer to an order."""

    id: str | None = field(default=None, metadata=wire("order_id"))
    product: str | None = field(default=None, metadata=wire("product_id"))


@frozen
class ServerOrder(Order):
    """Answer to an order, with the ids of the servers that it will create."""

    servers: tuple[str, ...] = field(default=(), metadata=wire("server_ids"))
    """Ids of the servers."""


# Flavors with several addresses a phone accept no existing address (CPS.0252), and no list shows which
# they are. The document's example orders one server and answers with two ids.
BUY: Final = Operation(
    "cph.servers.buy", "POST", "/v2/{project_id}/cloud-phone/servers",
    BuyServers, ServerOrder, source="CPH 5.1.4 (2025-02-08)", repeatable=False, order=True,
)  # fmt: skip

# The path is that of the list of phones. Some flavors can only be bought the other way (CPS.0256).
BUY_V1: Final = Operation(
    "cph.servers.buy_v1", "POST", "/v1/{project_id}/cloud-phone/phones",
    BuyServersV1, Order, source="CPH 4.1.4 (2020-07-30)", repeatable=False, order=True,
)  # fmt: skip

BUY_BARE: Final = Operation(
    "cph.servers.buy_bare", "POST", "/v2.1/{project_id}/cloud-phone/servers",
    BuyBareServers, ServerOrder, source=SDK_SOURCE, repeatable=False, order=True,
)  # fmt: skip
