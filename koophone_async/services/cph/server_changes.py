"""Orders that change a server: another flavor, or a new machine in its place."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from koophone_async.checks import MAX_ID_LENGTH, Listed, OneOf, Text
from koophone_async.operation import Operation
from koophone_async.services.cph.buying import Order
from koophone_async.services.cph.order_models import MODEL, UUID, TenantNetwork
from koophone_async.services.cph.started_jobs import StartedOne
from koophone_async.wire import doc, wire


@frozen
class Fee:
    """Whether a change is paid automatically."""

    pay: int = field(default=0, validator=OneOf((0, 1)), metadata=wire("is_auto_pay"))


@frozen
class ChangeModel:
    """Order to change the flavor of a server."""

    server: str = field(validator=Text(MAX_ID_LENGTH, unit="bytes of UTF-8"), metadata=wire("server_id"))
    model: str = field(
        validator=MODEL, metadata=wire("server_model_name") | doc("A flavor of the same generation.")
    )
    phone_model: str = field(
        validator=MODEL,
        metadata=wire("phone_model_name")
        | doc("A flavor with the same number of phones that fits the new server flavor."),
    )
    fee: Fee | None = field(default=None, metadata=wire("extend_param"))


# There is no job: the order centre and the server's flavor show the end, after about two minutes.
CHANGE_MODEL: Final = Operation(
    "cph.servers.change_model", "POST", "/v1/{project_id}/cloud-phone/servers/change-server-model",
    ChangeModel, Order, source="CPH 5.1.12 (2025-02-08)", repeatable=False, order=True,
)  # fmt: skip


@frozen
class ReplacedBandwidth:
    """IPv6 bandwidth of a network card in a replacement; the wire calls its id `bandwidth_id`."""

    id: str = field(validator=Text(64), metadata=wire("bandwidth_id", "band_width_id"))


@frozen
class ReplacedCard:
    """Network card of the server that replaces another."""

    subnet: str = field(validator=UUID, metadata=wire("subnet_id"))
    is_ipv6: bool | None = field(default=None, metadata=wire("ipv6_enable"))
    ipv6_bandwidth: ReplacedBandwidth | None = None
    """The shared bandwidth for IPv6."""


@frozen
class Owner:
    """Enterprise project that a server belongs to."""

    enterprise_project: str | None = field(
        default=None,
        validator=Text(64),
        metadata=wire("enterprise_project_id") | doc("None or `0`: the default project."),
    )


@frozen(kw_only=True)
class ChangeServer(TenantNetwork):
    """Order to replace the machine of a server, and to create its phones anew."""

    server: str = field(validator=Text(MAX_ID_LENGTH, unit="bytes of UTF-8"), metadata=wire("server_id"))
    cards: tuple[ReplacedCard, ...] = field(validator=Listed(), metadata=wire("nics"))
    owner: Owner | None = field(default=None, metadata=wire("extend_param"))


# An order, though the server's price stays: it may buy addresses, bandwidth and disks. The number of
# concurrent replacements is limited by an undocumented maximum (CPS.0326). The wire spells the id of the IPv6
# bandwidth `bandwidth_id` here and `band_width_id` in orders of servers.
CHANGE: Final = Operation(
    "cph.servers.change", "POST", "/v2/{project_id}/cloud-phone/servers/{server_id}/change",
    ChangeServer, StartedOne, source="CPH 5.1.6 (2025-02-08)", repeatable=False, order=True,
)  # fmt: skip
