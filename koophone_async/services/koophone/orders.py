"""List what is for sale, buy instances, and end their subscriptions."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Any, Final

from attrs import Attribute, field, frozen
from attrs.validators import and_

from koophone_async.checks import IDS, Between, OneOf, Text, ids
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import Batch, Operation, Sender
from koophone_async.services.koophone.jobs import Accepted
from koophone_async.wire import doc, wire


class ChargeMode(IntEnum):
    """Billing modes of a SKU (KooPhone 4.2.1)."""

    SUBSCRIPTION = 0
    PAY_PER_USE = 1
    EITHER = 2


@frozen
class SkuQuery:
    """The type of SKU to list."""

    type: str = field(default="0", validator=OneOf(("0",)))
    """`0`: general cloud terminals, the only type."""


@frozen
class BandwidthProduct:
    """The bandwidth product that every instance is bought with."""

    id: str = field(metadata=wire("cbcSkuId", "cbcSkuld"))
    number: str | None = field(default=None, metadata=wire("id"))


@frozen
class SystemImage:
    """An Android version that a SKU is sold with."""

    version: str
    """Such as `AOSP9`: the `os` of an order."""

    pool: str | None = field(default=None, metadata=wire("resPoolId", "resPoolld"))
    id: str | None = None
    network: str | None = None
    """`EIP` or `ADN`: the `network` of an order."""

    is_enabled: bool | None = field(default=None, metadata=wire("enable"))


@frozen
class SkuPools:
    """Android versions of a SKU."""

    images: tuple[SystemImage, ...] = field(default=(), metadata=wire("aosp"))


@frozen
class SkuBundle:
    """A preset offered by the console; in the documents' example only."""

    bandwidth: int | None = field(default=None, metadata=wire("bandSize"))
    scene: str | None = field(default=None, metadata=wire("sceneType"))
    network: str | None = None
    storage: str | None = field(default=None, metadata=wire("storageDesc"))
    description: str | None = field(default=None, metadata=wire("sceneDesc"))
    description_en: str | None = field(default=None, metadata=wire("sceneDescEn"))
    tags: str | None = None
    tags_en: str | None = field(default=None, metadata=wire("tagsEn"))


@frozen
class Sku:
    """One product."""

    id: str = field(metadata=wire("cbcSkuId", "cbcSkuld"))
    """The `sku` of an order."""

    type: str | None = None
    """`ENTERPRISE` or `PROFESSIONAL`."""

    name: str | None = None
    cpu: str | None = field(default=None, metadata=wire("calcSpec"))
    storage: str | None = field(default=None, metadata=wire("storageSpec"))
    description: str | None = field(default=None, metadata=wire("specDesc"))
    description_en: str | None = field(default=None, metadata=wire("specDescEn"))
    bandwidths: str | None = field(default=None, metadata=wire("bandSize"))
    """Comma-separated Mbit/s, such as `2,4,8`."""

    charge_mode: ChargeMode | int | None = field(default=None, metadata=wire("chargeMode"))
    max_resolution: str | None = field(default=None, metadata=wire("maxResolution"))
    pools: SkuPools | None = field(default=None, metadata=wire("poolInfo"))
    bundles: tuple[SkuBundle, ...] = field(default=(), metadata=wire("nestInfo"))


@frozen
class RegionSkus:
    """SKUs for sale in one region."""

    skus: tuple[Sku, ...] = field(default=(), metadata=wire("skuResponses"))
    region: str | None = field(default=None, metadata=wire("regionId", "regionld"))


@frozen
class Skus:
    """Everything that is for sale."""

    band: BandwidthProduct | None = field(default=None, metadata=wire("bandInfo"))
    regions: tuple[RegionSkus, ...] = field(default=(), metadata=wire("skuSpecResponseList"))


def _check_max_duration(charge: Charge, attribute: Attribute[Any], value: int) -> None:
    maximum, unit = (9, "months") if charge.period == 2 else (10, "years")
    if value > maximum:
        raise InvalidRequest(
            "", attribute.name, f"is {value}; it must be 1 to {maximum} {unit}", Rule.OUT_OF_RANGE, maximum
        )


@frozen
class Charge:
    """Duration of a subscription, and whether it is paid and renewed automatically."""

    period: int = field(validator=OneOf((2, 3)), metadata=wire("periodType") | doc("2: months, 3: years."))
    count: int = field(
        validator=and_(Between(1, 10), _check_max_duration),
        metadata=wire("periodNum")
        | doc("1 to 9 months or 1 to 3 years; the international table prints 1 to 10 years."),
    )
    mode: int = field(default=1, validator=OneOf((1,)), metadata=wire("chargingMode"))
    """1: yearly or monthly, the only mode. CPH and the list of SKUs number the modes differently."""

    pay: int = field(
        default=0,
        validator=OneOf((0, 1)),
        metadata=wire("isAutoPay") | doc("With 0 the order stays unpaid, and its instances are not created."),
    )
    renew: int | None = field(default=None, validator=OneOf((0, 1, None)), metadata=wire("isAutoRenew"))


@frozen
class BuyInstances:
    """An order of instances. It costs money and is never sent again automatically."""

    os: str = field(
        validator=OneOf(("AOSP9", "AOSP11", "AOSP14")),
        metadata=doc("`AOSP14` is on the vendor's pages only, not in the documents."),
    )
    sku: str = field(
        validator=Text(64), metadata=wire("instanceSkuId") | doc("`Sku.id` of the list of SKUs.")
    )
    band_sku: str = field(
        validator=Text(64), metadata=wire("bandSkuId") | doc("`Skus.band.id` of the list of SKUs.")
    )
    region: str = field(validator=Text(64), metadata=wire("regionId"))
    prefix: str = field(
        validator=Text(14),
        metadata=wire("instanceNamePrefix")
        | doc("Instances are named with it and a sequence number, such as `koophone-00001`."),
    )
    bandwidth: float = field(
        validator=Between(1, 10_000, unit="Mbit/s", has_fractions=True),
        metadata=wire("bandSize") | doc("One of the SKU's `bandwidths`."),
    )
    count: int = field(validator=Between(1, 1500))
    charge: Charge = field(metadata=wire("chargeParam"))
    network: str | None = field(default=None, metadata=doc("`EIP` or `ADN` in the documents' examples."))
    node_group: str | None = field(default=None, metadata=wire("nodeGroupId"))
    instance_type: str | None = field(
        default=None,
        metadata=wire("instanceType") | doc("Only in an example of 2025-08-27, as `specification`."),
    )
    scene_type: str | None = field(
        default=None, metadata=wire("sceneType") | doc("Only in an example of 2025-08-27, as `CLOUD_PHONE`.")
    )


@frozen
class OrderedInstance:
    """An instance that an order will create."""

    id: str = field(metadata=wire("instanceId", "instanceld", null_text=True))
    name: str | None = field(default=None, metadata=wire("instanceName"))


@frozen
class Order:
    """An order, and the instances that it will create."""

    id: str = field(metadata=wire("orderId", "orderld", null_text=True))
    instances: tuple[OrderedInstance, ...] = field(default=(), metadata=wire("instanceInfos"))


@frozen
class DeleteInstances:
    """Instances whose subscriptions to end."""

    instances: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("instanceIdList"))


SKUS: Final = Operation(
    "koophone.orders.skus", "GET", "/v1/instances/sku",
    SkuQuery, Skus, source="KooPhone 4.2.1 (2025-12-31)", repeatable=True,
)  # fmt: skip

BUY: Final = Operation(
    "koophone.orders.buy", "POST", "/v1/instances/create",
    BuyInstances, Order, source="KooPhone 4.2.2 (2025-12-31)", repeatable=False, order=True,
)  # fmt: skip

# Pay-per-use instances are refused (KOOPHONE.API.5001). Not repeatable: between two calls the same id may
# have been sold again.
UNSUBSCRIBE: Final = Operation(
    "koophone.orders.unsubscribe", "POST", "/v1/instances/delete",
    DeleteInstances, Accepted, source="KooPhone 4.2.3 (2025-12-31)",
    batch=Batch("instances", max=100, one_region=True), repeatable=False,
)  # fmt: skip


@frozen
class Orders:
    """Buy instances, and end their subscriptions."""

    _session: Sender

    async def skus(self) -> Skus:
        """Return everything that is for sale, by region.

        API: KooPhone 4.2.1 (2025-12-31)
        """
        return await self._session.send(SKUS, SkuQuery())

    async def buy(self, order: BuyInstances) -> Order:
        """Buy instances. This costs money, and the client never sends it again after a failure.

        After `NoAnswer`, list instances with the prefix of the order before buying again.

        Args:
            order: At most 1,500 instances of one SKU, a name prefix of at most 14 characters, and the
                duration of the subscription.

        Raises:
            Refused: Nothing was bought.
            NoAnswer: No answer was received; the order may have been placed.

        API: KooPhone 4.2.2 (2025-12-31)
        """
        return await self._session.send(BUY, order)

    async def unsubscribe(self, instances: Iterable[str]) -> Accepted:
        """End the subscriptions of instances, which deletes them for good.

        Args:
            instances: At most 100 ids of yearly or monthly instances.

        Raises:
            Refused: The service refused the whole call, with KOOPHONE.API.5001 for pay-per-use instances; no
                subscription was ended.
            NoAnswer: No answer was received; the subscriptions may have ended.

        API: KooPhone 4.2.3 (2025-12-31)
        """
        return await self._session.send(UNSUBSCRIBE, DeleteInstances(instances))
