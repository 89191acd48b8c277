"""Orders of phones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import frozen

from koophone_async.emulator.android.releases import MODELS, NEWER_RELEASES, RELEASES, Model, Release
from koophone_async.emulator.fleet import RunningState
from koophone_async.emulator.jobs.engine import Run
from koophone_async.emulator.jobs.phone_effects import Restart
from koophone_async.emulator.koophone.resource import Resource
from koophone_async.emulator.orders import place
from koophone_async.emulator.server.errors import koophone_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.emulator.world import Order
from koophone_async.services.koophone import orders
from koophone_async.services.koophone.jobs import Accepted

BAND_SKU: Final = "kp.bandwidth"
BANDWIDTHS: Final = ("2", "4", "8")
PRICE: Final = 10.0
"""The price of a virtual CPU for a month, in an invented currency."""

_SOLD: Final = {model.sku: model for model in MODELS}


@frozen
class Deliver(Restart):
    """Delivers an ordered phone."""

    def finish(self, run: Run) -> None:
        run.world.undelivered.discard(run.phone.id)
        super().finish(run)


class Orders(Resource):
    """Sells phones and ends subscriptions."""

    @serves(orders.SKUS)
    async def skus(self, request: orders.SkuQuery) -> orders.Skus:
        """List the models, in every region the same."""
        del request
        skus = tuple(_sku(model, self._releases) for model in MODELS)
        regions = tuple(orders.RegionSkus(skus, region) for region in self.world.fleet.regions)
        return orders.Skus(orders.BandwidthProduct(BAND_SKU, "62"), regions)

    @property
    def _releases(self) -> tuple[Release, ...]:
        """What phones can be bought with; AOSP14 is newer than the documents."""
        return (*RELEASES, *NEWER_RELEASES) if self.world.newer else RELEASES

    @serves(orders.BUY, counted=False)
    async def buy(self, request: orders.BuyInstances) -> orders.Order:
        """Sell phones, which are delivered a while after the order is paid."""
        model, release = self._checked(request)
        prefix, world = request.prefix, self.world
        ordered: list[orders.OrderedInstance] = []
        for _ in range(request.count):
            number = world.sequences[prefix] = world.sequences.get(prefix, 0) + 1
            phone = world.fleet.add(f"{prefix}-{number:05}", request.region, model, release)
            phone.running = RunningState.STARTING
            world.undelivered.add(phone.id)
            ordered.append(orders.OrderedInstance(phone.id, phone.name))
        ids = [one.id for one in ordered]
        months = request.charge.count * (12 if request.charge.period == 3 else 1)
        cost = PRICE * model.vcpus * months * len(ids)
        order = Order(world.order_id(), orders.BUY.name, ids, model.sku, cost, months)
        place(self.jobs, order, Deliver(), paid=bool(request.charge.pay))
        world.ledger.executed(orders.BUY.name, ids)
        return orders.Order(order.id, tuple(ordered))

    def _checked(self, request: orders.BuyInstances) -> tuple[Model, Release]:
        model = _SOLD.get(request.sku)
        release = next((one for one in self._releases if one.image == request.os), None)
        if model is None or request.region not in self.world.fleet.regions:
            raise koophone_refusal("3002")
        if release is None:
            raise koophone_refusal("3003", f"{request.os} is not sold here")
        if request.band_sku != BAND_SKU or f"{request.bandwidth:g}" not in BANDWIDTHS:
            raise koophone_refusal("3001")
        if self.world.china and request.charge.period == 3 and request.charge.count > 3:
            raise koophone_refusal("3007")
        return model, release

    @serves(orders.UNSUBSCRIBE)
    async def unsubscribe(self, request: orders.DeleteInstances) -> Accepted:
        """End the subscriptions of phones, which deletes them; phones paid by use are refused."""
        phones = self.world.chosen(request.instances, unknown="1012")
        for phone in phones:
            if phone.on_demand:
                raise koophone_refusal("5001", phone.id)
        for phone in phones:
            self.world.fleet.remove(phone.id)
        return Accepted()


def _sku(model: Model, releases: Iterable[Release]) -> orders.Sku:
    resolution = f"{model.width}p"
    images = tuple(
        orders.SystemImage(release.image, f"16000871991763{number:05}", str(number), "EIP", is_enabled=True)
        for number, release in enumerate(releases, 40)
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
