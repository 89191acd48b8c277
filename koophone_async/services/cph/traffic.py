"""Which way the traffic of phones takes."""

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
    """Which way traffic takes (CPH 5.3.13)."""

    DIRECT = "direct"
    """The default route."""

    ENCODING_CONTAINER = "routing"


@frozen
class RouteTraffic:
    """A route for many phones."""

    phones: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("phone_ids"))
    route: Route = field(validator=OneOf(tuple(Route)), metadata=wire("traffic_type"))


ROUTE: Final = Operation(
    "cph.traffic.route", "POST", "/v1/{project_id}/cloud-phone/phones-traffic",
    RouteTraffic, Started, source="CPH 5.3.13 (2025-02-08)",
    batch=Batch("phones", max=100), repeatable=True,
)  # fmt: skip


@frozen
class Traffic:
    """The traffic of phones."""

    _session: Sender

    async def route(self, phones: Iterable[str], route: Route) -> Started:
        """Start leading the traffic of phones directly, or through an encoding container.

        Args:
            phones: At most 100 ids.
            route: Where to; an encoding container must run (CPS.0208).

        Raises:
            Refused: The service refused the whole call; no route changes.
            NoAnswer: No answer came; the routes may be changing.

        API: CPH 5.3.13 (2025-02-08)
        """
        return await self._session.send(ROUTE, RouteTraffic(phones, route))
