"""Traffic of phones: route it directly or through an encoding container."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from attrs import field, frozen

from koophone_async.checks import IDS, OneOf, ids
from koophone_async.operation import Batch, Operation, Sender
from koophone_async.services.cph.started_jobs import Started
from koophone_async.wire import wire


class Route(StrEnum):
    """Route of traffic (CPH 5.3.13)."""

    DIRECT = "direct"
    """The default route."""

    ENCODING_CONTAINER = "routing"


@frozen
class RouteTraffic:
    """Request to route the traffic of phones."""

    phones: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("phone_ids"))
    route: Route = field(validator=OneOf(tuple(Route)), metadata=wire("traffic_type"))


ROUTE: Final = Operation(
    "cph.traffic.route", "POST", "/v1/{project_id}/cloud-phone/phones-traffic",
    RouteTraffic, Started, source="CPH 5.3.13 (2025-02-08)",
    batch=Batch("phones", max=100), repeatable=True,
)  # fmt: skip


@frozen
class Traffic:
    """Traffic of phones."""

    _session: Sender

    async def route(self, phones: Iterable[str], route: Route) -> Started:
        """Start routing the traffic of phones directly or through an encoding container.

        Args:
            phones: At most 100 ids.
            route: `ENCODING_CONTAINER` needs a running encoding container (CPS.0208).

        Raises:
            Refused: The service refused the whole call; no route was changed.
            NoAnswer: No answer arrived; the routes may be changing.

        API: CPH 5.3.13 (2025-02-08)
        """
        return await self._session.send(ROUTE, RouteTraffic(phones, route))
