"""What is sold, and buying it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from koophone_async.emulator.android.releases import MODELS, RELEASES, Model, Release
from koophone_async.emulator.fleet import Running
from koophone_async.emulator.server.errors import koophone
from koophone_async.emulator.server.routing import serves
from koophone_async.emulator.world import PlacedOrder
from koophone_async.services.koophone import orders
from koophone_async.services.koophone.jobs import Accepted

if TYPE_CHECKING:
    from koophone_async.emulator.world import World

BAND_SKU: Final = "kp.bandwidth"
BANDWIDTHS: Final = ("2", "4", "8")
PRICE: Final = 10.0
"""Of a virtual CPU for a month, in an invented currency."""

_SOLD: Final = {model.sku: model for model in MODELS}
_IMAGES: Final = {release.image: release for release in RELEASES}


@frozen
class Orders:
    """Sells phones and takes them back."""

    world: World

    @serves(orders.SKUS)
    async def skus(self, request: orders.SkuQuery) -> orders.Skus:
        """List the models, in every region the same."""
        del request
        skus = tuple(map(_sku, MODELS))
        regions = tuple(orders.RegionSkus(skus, region) for region in self.world.fleet.regions)
        return orders.Skus(orders.BandwidthProduct(BAND_SKU, "62"), regions)

    @serves(orders.BUY, counted=False)
    async def buy(self, request: orders.BuyInstances) -> orders.Order:
        """Sell phones; they are there after a while if they are paid for, else once somebody pays."""
        model, release = self._checked(request)
        prefix, world = request.prefix, self.world
        ordered: list[orders.OrderedInstance] = []
        for _ in range(request.count):
            number = world.sequences[prefix] = world.sequences.get(prefix, 0) + 1
            phone = world.fleet.add(f"{prefix}-{number:05}", request.region, model, release)
            phone.running = Running.STARTING
            world.undelivered.add(phone.id)
            ordered.append(orders.OrderedInstance(phone.id, phone.name))
        order = self._placed(request, model, [one.id for one in ordered])
        world.ledger.executed(orders.BUY.name, order.instances)
        if request.charge.pay:
            world.pay(order.id)
        return orders.Order(order.id, tuple(ordered))

    def _checked(self, request: orders.BuyInstances) -> tuple[Model, Release]:
        model, release = _SOLD.get(request.sku), _IMAGES.get(request.os)
        if model is None or request.region not in self.world.fleet.regions:
            raise koophone("3002")
        if release is None:
            raise koophone("3003", f"{request.os} is not sold here")
        if request.band_sku != BAND_SKU or f"{request.bandwidth:g}" not in BANDWIDTHS:
            raise koophone("3001")
        if self.world.china and request.charge.period == 3 and request.charge.count > 3:
            raise koophone("3007")
        return model, release

    def _placed(self, request: orders.BuyInstances, model: Model, ids: list[str]) -> PlacedOrder:
        charge = request.charge
        months = charge.count * (12 if charge.period == 3 else 1)
        cost = PRICE * model.vcpus * months * len(ids)
        order = PlacedOrder(f"CS{self.world.hex(8).upper()}", ids, model.sku, months, cost, paid=False)
        self.world.orders[order.id] = order
        return order

    @serves(orders.UNSUBSCRIBE)
    async def unsubscribe(self, request: orders.DeleteInstances) -> Accepted:
        """Take phones back for good; those that are paid by use are not."""
        phones = self.world.chosen(request.instances, unknown="1012")
        for phone in phones:
            if phone.drawer.get("on_demand"):
                raise koophone("5001", phone.id)
        for phone in phones:
            self.world.fleet.remove(phone.id)
        return Accepted()


def _sku(model: Model) -> orders.Sku:
    resolution = f"{model.width}p"
    images = tuple(
        orders.SystemImage(release.image, f"16000871991763{number:05}", str(number), "EIP", is_enabled=True)
        for number, release in enumerate(RELEASES, 40)
    )
    return orders.Sku(
        model.sku,
        model.edition.upper(),
        model.name,
        f"{model.vcpus}vCPUs | {model.memory}GB",
        f"{model.storage}GB",
        model.text,
        model.text,
        ",".join(BANDWIDTHS),
        orders.ChargeMode.SUBSCRIPTION,
        resolution,
        orders.SkuPools(images),
    )
