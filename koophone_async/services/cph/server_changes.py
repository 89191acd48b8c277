"""Other hardware for a server that exists: another flavor, or a new machine in its place."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from koophone_async.checks import MAX_ID_LENGTH, Listed, OneOf, Text
from koophone_async.operation import Operation
from koophone_async.services.cph.buying import Order
from koophone_async.services.cph.order_models import MODEL, UUID, TenantNetwork
from koophone_async.services.cph.started_jobs import StartedOne
from koophone_async.wire import wire


@frozen
class Fee:
    """Whether the price of a change is paid without asking."""

    pay: int = field(default=0, validator=OneOf((0, 1)), metadata=wire("is_auto_pay"))


@frozen
class ChangeModel:
    """Another flavor for a server."""

    server: str = field(validator=Text(MAX_ID_LENGTH, unit="bytes of UTF-8"), metadata=wire("server_id"))
    model: str = field(validator=MODEL, metadata=wire("server_model_name"))
    """One of the same generation."""

    phone_model: str = field(validator=MODEL, metadata=wire("phone_model_name"))
    """One with as many phones as before that fits the server's new flavor."""

    fee: Fee | None = field(default=None, metadata=wire("extend_param"))


# There is no job: the order centre and the server's own flavor show the end, after some two minutes.
CHANGE_MODEL: Final = Operation(
    "cph.servers.change_model", "POST", "/v1/{project_id}/cloud-phone/servers/change-server-model",
    ChangeModel, Order, source="CPH 5.1.12 (2025-02-08)", repeatable=False, order=True,
)  # fmt: skip


@frozen
class ReplacedBandwidth:
    """The name under which a network card's IPv6 bandwidth goes when a server is replaced."""

    id: str = field(validator=Text(64), metadata=wire("bandwidth_id", "band_width_id"))


@frozen
class ReplacedCard:
    """A network card of the server that takes the place of another."""

    subnet: str = field(validator=UUID, metadata=wire("subnet_id"))
    is_ipv6: bool | None = field(default=None, metadata=wire("ipv6_enable"))
    ipv6_bandwidth: ReplacedBandwidth | None = None
    """The shared bandwidth for IPv6."""


@frozen
class Owner:
    """Whom a server belongs to."""

    enterprise_project: str | None = field(
        default=None, validator=Text(64), metadata=wire("enterprise_project_id")
    )
    """None or `0`: the default project."""


@frozen(kw_only=True)
class ChangeServer(TenantNetwork):
    """A new machine in the place of a server, with phones made anew."""

    server: str = field(validator=Text(MAX_ID_LENGTH, unit="bytes of UTF-8"), metadata=wire("server_id"))
    cards: tuple[ReplacedCard, ...] = field(validator=Listed(), metadata=wire("nics"))
    owner: Owner | None = field(default=None, metadata=wire("extend_param"))


# An order, though the server's own price stays: addresses, bandwidth and disks may be bought with it.
# How many servers may be replaced at a time is limited, and by how many is not said (CPS.0326).
# An IPv6 bandwidth goes by `bandwidth_id` here and by `band_width_id` where servers are bought.
CHANGE: Final = Operation(
    "cph.servers.change", "POST", "/v2/{project_id}/cloud-phone/servers/{server_id}/change",
    ChangeServer, StartedOne, source="CPH 5.1.6 (2025-02-08)", repeatable=False, order=True,
)  # fmt: skip
