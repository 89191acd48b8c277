"""Routes of traffic."""

from __future__ import annotations

from attrs import frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.project import Resource, not_frozen
from koophone_async.emulator.fleet import Phone
from koophone_async.emulator.jobs.engine import Effect, Run
from koophone_async.emulator.server.errors import cph_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import traffic
from koophone_async.services.cph.started_jobs import Started
from koophone_async.services.cph.traffic import Route


@frozen
class SetRoute(Effect):
    """Changes the route of a phone's traffic."""

    route: Route

    def finish(self, run: Run) -> None:
        run.phone.route = self.route


class Traffic(Resource):
    """Sets the route of phones' traffic."""

    @serves(traffic.ROUTE, counted=False)
    async def route(self, request: traffic.RouteTraffic) -> Started:
        """Start to change routes; through an encoding server only while that is running."""
        effects = [(phone, SetRoute(request.route)) for phone in request.phones]
        return self.project.on_phones(traffic.ROUTE, effects, self._check_route)

    def _check_route(self, phone: Phone, effect: SetRoute) -> None:
        not_frozen(phone)
        through = effect.route is Route.ENCODING_CONTAINER
        if through and self.project.cph.servers.of(phone).encoder_restarting:
            raise cph_refusal(error_table.ENCODING_SERVER_NOT_RUNNING)
