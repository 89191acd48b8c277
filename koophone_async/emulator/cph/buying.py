"""Orders of servers, and changes of their hardware."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from attrs import frozen

from koophone_async.emulator import world
from koophone_async.emulator.android.releases import RELEASES
from koophone_async.emulator.cph import error_table, server_setup
from koophone_async.emulator.cph.flavors import OWN_NETWORK_ONLY, PHONES, SERVERS
from koophone_async.emulator.cph.project import Resource
from koophone_async.emulator.cph.server_inventory import BY_PERIOD, Server
from koophone_async.emulator.cph.server_setup import ipv6_bandwidths, set_up
from koophone_async.emulator.jobs.engine import Effect, Run
from koophone_async.emulator.orders import place
from koophone_async.emulator.server.errors import cph_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.emulator.world import World
from koophone_async.operation import AnyOperation
from koophone_async.services.cph import buying, server_changes
from koophone_async.services.cph.buying import BuyBareServers, BuyServers, BuyServersV1, Order, ServerOrder
from koophone_async.services.cph.order_models import Period, Term
from koophone_async.services.cph.server import ServerState
from koophone_async.services.cph.started_jobs import StartedOne

PRICE: Final = 10.0
"""The price of a server's core for a month, in an invented currency."""

MAX_CHANGES: Final = 5
"""How many changes may be unfinished; the documents mention a limit without its value (CPS.0326)."""


def populate(world: World, server: Server, image: str, properties: Mapping[str, str] | None) -> None:
    """Add as many phones to a server as its flavor has."""
    flavor = PHONES[server.phone_model or ""]
    # An image that was deleted after the order leaves one of the service.
    release = world.cph.release_of(image, server.region) or RELEASES[0]
    for number in range(1, flavor.capacity + 1):
        name = f"{server.name}-{number:05}"
        phone = world.fleet.add(name, server.region, flavor.model, release, server.index)
        phone.image = image
        if server.phone_disk is not None:
            phone.disk = server.phone_disk.size
        if properties:
            phone.configure(properties)
            phone.start_up(world.fleet.now())


@frozen
class Deliver(Effect):
    """Delivers an ordered server with its phones."""

    image: str
    properties: Mapping[str, str] | None

    def finish(self, run: Run) -> None:
        server = run.server
        server.state, server.updated = ServerState.NORMAL, run.at
        if server.phone_model is not None:
            populate(run.world, server, self.image, self.properties)


@frozen
class ChangeModel(Effect):
    """Changes the flavor of a server."""

    request: server_changes.ChangeModel

    def finish(self, run: Run) -> None:
        server = run.server
        server.model, server.phone_model = self.request.model, self.request.phone_model
        server.updated = run.at


@frozen
class Replace(Effect):
    """Replaces the machine of a server, and all of its phones."""

    request: server_changes.ChangeServer

    def begin(self, run: Run) -> None:
        run.server.state = ServerState.CREATING_3

    def finish(self, run: Run) -> None:
        request, server, fleet = self.request, run.server, run.world.fleet
        for phone in fleet.on_server(server.index):
            fleet.remove(phone.id)
        server.phone_model, server.subnet = request.phone_model, request.cards[0].subnet
        if request.owner is not None:
            server.enterprise_project = request.owner.enterprise_project or "0"
        set_up(run.world, server, request, ipv6_bandwidths(request))
        server.updated, server.state = run.at, ServerState.NORMAL
        populate(run.world, server, request.image, request.properties)

    def fail(self, run: Run) -> None:
        run.server.state = ServerState.ABNORMAL


class Buying(Resource):
    """Sells servers, which are delivered a while after the order is paid."""

    @serves(buying.BUY, counted=False)
    async def buy(self, request: BuyServers) -> ServerOrder:
        self._check(request.model, request.phone_model, request.image)
        server_setup.check(request)

        def configure(server: Server) -> None:
            server.subnet, server.keypair = request.cards[0].subnet, ""
            server.enterprise_project = request.term.enterprise_project or "0"
            set_up(self.project.world, server, request, ipv6_bandwidths(request))

        return self._order(buying.BUY, request, request.term, configure)

    @serves(buying.BUY_V1, counted=False)
    async def buy_v1(self, request: BuyServersV1) -> Order:
        """Sell servers in a network of the service; the answer does not contain their ids."""
        if request.model in OWN_NETWORK_ONLY:
            raise cph_refusal(error_table.BUY_BY_V2)
        self._check(request.model, request.phone_model, request.image)
        bandwidth = server_setup.system_bandwidth(self.project, request.bandwidth)

        def configure(server: Server) -> None:
            server_setup.set_up_v1(server, request, bandwidth)

        order = self._order(buying.BUY_V1, request, request.term, configure)
        return Order(order.id, order.product)

    @serves(buying.BUY_BARE, counted=False)
    async def buy_bare(self, request: BuyBareServers) -> ServerOrder:
        self._check(request.model)

        def configure(server: Server) -> None:
            server_setup.set_up_bare(self.project.world, server, request)

        return self._order(buying.BUY_BARE, request, request.term, configure)

    def _check(self, model: str, phone_model: str | None = None, image: str | None = None) -> None:
        if model not in SERVERS:
            raise cph_refusal(error_table.NO_SERVER_MODEL, reason=model)
        if phone_model is not None and (phone_model not in PHONES or PHONES[phone_model].server != model):
            raise cph_refusal(error_table.UNSUPPORTED_PHONE_MODEL, reason=phone_model)
        if image is not None and self.project.cph.release_of(image, self.project.region) is None:
            raise cph_refusal(error_table.NO_IMAGE, reason=image)

    def _order(
        self,
        operation: AnyOperation,
        request: BuyServers | BuyServersV1 | BuyBareServers,
        term: Term,
        configure: Callable[[Server], None],
    ) -> ServerOrder:
        phone_model = None if isinstance(request, BuyBareServers) else request.phone_model
        order = world.Order(self.project.world.order_id(), operation.name, [], request.model, cost=0.0)
        for number in range(1, request.count + 1):
            name = request.name if request.count == 1 else f"{request.name}-{number:04}"
            server = self.project.cph.servers.add(name, self.project.region, request.model, phone_model)
            server.is_ordered, server.order = True, order.id
            configure(server)
            order.resources.append(server.id)
        order.months = term.count * (12 if term.period == Period.YEAR else 1)
        order.cost = PRICE * (SERVERS[request.model].cores or 0) * order.months * request.count
        properties = request.properties if isinstance(request, BuyServers) else None
        effect = Deliver(request.image or "", properties)
        place(self.project.jobs, order, effect, paid=bool(term.pay))
        self.project.world.ledger.executed(operation.name, order.resources)
        return ServerOrder(order.id, order.product, tuple(order.resources))

    @serves(server_changes.CHANGE_MODEL)
    async def change_model(self, request: server_changes.ChangeModel) -> Order:
        """Sell another flavor for a server, which it has a while after the order is paid."""
        server = self.project.server(request.server)
        self._check(request.model)
        old, new = SERVERS[server.model], SERVERS[request.model]
        if server.model == request.model:
            raise cph_refusal(error_table.SAME_MODEL)
        if old.type != new.type:
            raise cph_refusal(error_table.UNSUPPORTED_SERVER_MODEL)
        self._check(request.model, request.phone_model)
        if PHONES[request.phone_model].capacity != PHONES[server.phone_model or ""].capacity:
            raise cph_refusal(error_table.UNSUPPORTED_PHONE_MODEL)
        cost = PRICE * ((new.cores or 0) - (old.cores or 0))
        id_, name = self.project.world.order_id(), server_changes.CHANGE_MODEL.name
        order = world.Order(id_, name, [server.id], request.model, cost)
        place(self.project.jobs, order, ChangeModel(request), paid=bool(request.fee and request.fee.pay))
        return Order(order.id, order.product)

    @serves(server_changes.CHANGE, counted=False)
    async def change(self, request: server_changes.ChangeServer) -> StartedOne:
        """Start to replace the machine of a server; it will have new phones with new ids."""
        server = self.project.server(request.server)
        if server.charging != BY_PERIOD:
            raise cph_refusal(error_table.NOT_A_SUBSCRIPTION)
        if not server.is_ready:
            raise cph_refusal(error_table.SERVER_NOT_CHANGEABLE)
        self._check(server.model, request.phone_model, request.image)
        server_setup.check(request)
        if len(self.project.jobs.unfinished(server_changes.CHANGE)) >= MAX_CHANGES:
            raise cph_refusal(error_table.TOO_MANY_CHANGES, MAX_CHANGES)
        call = self.project.world.hex()
        job = self.project.on_server(server_changes.CHANGE, call, Replace(request), server.id)
        return StartedOne(call, server.id, job.id)
