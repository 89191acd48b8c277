"""Buying servers, and giving those that are there other hardware."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.flavors import OWN_NETWORK_ONLY, PHONES, SERVERS
from koophone_async.emulator.cph.orders import PRICE, place
from koophone_async.emulator.cph.server_inventory import BY_PERIOD, Server
from koophone_async.emulator.cph.state import Line
from koophone_async.emulator.server.errors import cph
from koophone_async.emulator.server.routing import serves
from koophone_async.emulator.steps import CHANGE_MODEL, DELIVER
from koophone_async.services.cph import buying, server_changes
from koophone_async.services.cph.buying import BuyBareServers, BuyServers, BuyServersV1, Order, ServerOrder
from koophone_async.services.cph.order_models import Period
from koophone_async.services.cph.started_jobs import StartedOne

if TYPE_CHECKING:
    from collections.abc import Callable

    from koophone_async.emulator.cph.project import Site
    from koophone_async.operation import AnyOperation
    from koophone_async.services.cph.order_models import Term

MOST_CHANGES: Final = 5
"""That have not ended at a time; the documents have a limit and do not say which (CPS.0326)."""


@frozen
class Buying:
    """Sells servers. They are there after a while if they are paid for, else once somebody pays."""

    site: Site

    @serves(buying.BUY, counted=False)
    async def buy(self, request: BuyServers) -> ServerOrder:
        """Sell servers in a network of the tenant's own."""
        self._check(request.model, request.phone_model, request.image)

        def furnish(server: Server) -> None:
            server.network, server.vpc, server.subnet = "v2", request.vpc, request.cards[0].subnet
            server.zone = request.zone or server.zone
            server.keypair = request.keypair or ""
            server.enterprise_project = request.term.enterprise_project or "0"

        return self._order(buying.BUY, request, request.term, furnish)

    @serves(buying.BUY_V1, counted=False)
    async def buy_v1(self, request: BuyServersV1) -> Order:
        """Sell servers in a network of the service's; the answer names none of them."""
        if request.model in OWN_NETWORK_ONLY:
            raise cph(error_table.BUY_BY_V2)
        self._check(request.model, request.phone_model, request.image)
        line = self._line(request)

        def furnish(server: Server) -> None:
            server.bandwidth, server.keypair = line, request.keypair or ""

        order = self._order(buying.BUY_V1, request, request.term, furnish)
        return Order(order.id, order.product)

    @serves(buying.BUY_BARE, counted=False)
    async def buy_bare(self, request: BuyBareServers) -> ServerOrder:
        """Sell servers without phones."""
        self._check(request.model)

        def furnish(server: Server) -> None:
            server.network, server.subnet, server.keypair = "v2", request.cards[0].subnet, request.keypair
            server.zone = request.zone or server.zone

        return self._order(buying.BUY_BARE, request, request.term, furnish)

    def _check(self, model: str, phone_model: str | None = None, image: str | None = None) -> None:
        if model not in SERVERS:
            raise cph(error_table.NO_MODEL, reason=model)
        if phone_model is not None and (phone_model not in PHONES or PHONES[phone_model].server != model):
            raise cph(error_table.NO_PHONE_MODEL, reason=phone_model)
        if image is not None and self.site.estate.release_of(image, self.site.region) is None:
            raise cph(error_table.NO_IMAGE, reason=image)

    def _line(self, request: BuyServersV1) -> str:
        """The bandwidth that is asked for: one that is there, or a new one."""
        wanted, lines = request.bandwidth, self.site.estate.lines
        if wanted.id is not None:
            if wanted.id not in lines or lines[wanted.id].region != self.site.region:
                raise cph(error_table.NO_BANDWIDTH, reason=wanted.id)
            return wanted.id
        now, id_ = self.site.estate.now(), self.site.world.hex()
        lines[id_] = Line(id_, self.site.region, wanted.size or 300, int(wanted.sharing or 0), now, now)
        return id_

    def _order(
        self,
        operation: AnyOperation,
        request: BuyServers | BuyServersV1 | BuyBareServers,
        term: Term,
        furnish: Callable[[Server], None],
    ) -> ServerOrder:
        phone_model = None if isinstance(request, BuyBareServers) else request.phone_model
        made: list[Server] = []
        for number in range(1, request.count + 1):
            name = request.name if request.count == 1 else f"{request.name}-{number:04}"
            server = self.site.estate.servers.add(name, self.site.region, request.model, phone_model)
            server.is_ordered = True
            furnish(server)
            made.append(server)
        return self._placed(operation, request, term, made)

    def _placed(
        self,
        operation: AnyOperation,
        request: BuyServers | BuyServersV1 | BuyBareServers,
        term: Term,
        made: list[Server],
    ) -> ServerOrder:
        months = term.count * (12 if term.period == Period.YEAR else 1)
        cost = PRICE * (SERVERS[request.model].cores or 0) * months * len(made)
        ids = [server.id for server in made]
        order = place(
            self.site, operation, ids, request.model, cost,
            paid=bool(term.pay), step=DELIVER, image=request.image or "",
            properties=request.properties if isinstance(request, BuyServers) else None,
        )  # fmt: skip
        for server in made:
            server.order = order.id
        self.site.world.ledger.executed(operation.name, ids)
        return ServerOrder(order.id, order.product, tuple(ids))

    @serves(server_changes.CHANGE_MODEL)
    async def change_model(self, request: server_changes.ChangeModel) -> Order:
        """Give a server another flavor after a while, if that is paid for."""
        server = self.site.server(request.server)
        self._check(request.model)
        old, new = SERVERS[server.model], SERVERS[request.model]
        if server.model == request.model:
            raise cph(error_table.SAME_MODEL)
        if old.type != new.type:
            raise cph(error_table.OTHER_GENERATION)
        self._check(request.model, request.phone_model)
        if PHONES[request.phone_model].capacity != PHONES[server.phone_model or ""].capacity:
            raise cph(error_table.NO_PHONE_MODEL)
        order = place(
            self.site, server_changes.CHANGE_MODEL, [server.id], request.model,
            PRICE * ((new.cores or 0) - (old.cores or 0)), paid=bool(request.fee and request.fee.pay),
            step=CHANGE_MODEL, model=request.model, phone_model=request.phone_model,
        )  # fmt: skip
        return Order(order.id, order.product)

    @serves(server_changes.CHANGE, counted=False)
    async def change(self, request: server_changes.ChangeServer) -> StartedOne:
        """Put a new machine in the place of a server; its phones are others then, with other ids."""
        server = self.site.server(request.server)
        if server.charging != BY_PERIOD:
            raise cph(error_table.NOT_BY_PERIOD)
        if not server.is_ready:
            raise cph(error_table.NOT_CHANGEABLE)
        self._check(server.model, request.phone_model, request.image)
        if (
            len(self.site.estate.works.open(server_changes.CHANGE.name, self.site.world.clock()))
            >= MOST_CHANGES
        ):
            raise cph(error_table.CHANGING, MOST_CHANGES)
        details = {
            "phone_model": request.phone_model,
            "keypair": request.keypair,
            "vpc": request.vpc,
            "subnet": request.cards[0].subnet,
            "image": request.image,
            "properties": request.properties,
        }
        work = self.site.file(server_changes.CHANGE, self.site.world.hex(), server, details)
        return StartedOne(work.request, server.id, work.id)
