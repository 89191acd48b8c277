"""Bandwidths of servers whose network the service defines."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum
from typing import Any, Final

from attrs import Attribute, field, frozen

from koophone_async.checks import Between, Text
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import Operation, Sender
from koophone_async.rows import Items
from koophone_async.services.cph.encoders import format_time
from koophone_async.services.cph.paging import items_by_offset
from koophone_async.services.cph.started_jobs import Accepted
from koophone_async.wire import PAGE_SIZE, wire


class Sharing(IntEnum):
    """Whether servers share a bandwidth (CPH 5.2.1)."""

    DEDICATED = 0
    SHARED = 1


class ChargedBy(IntEnum):
    """What a bandwidth is billed by (CPH 5.2.1)."""

    BANDWIDTH = 0
    TRAFFIC = 1


@frozen
class Bandwidth:
    """A bandwidth of servers, shared or dedicated."""

    id: str = field(metadata=wire("band_width_id"))
    name: str | None = field(default=None, metadata=wire("band_width_name"))
    size: int | None = field(default=None, metadata=wire("band_width_size"))
    """Mbit/s."""

    charged_by: ChargedBy | int | None = field(default=None, metadata=wire("band_width_charge_mode"))
    sharing: Sharing | int | None = field(default=None, metadata=wire("band_width_share_type"))
    created_at: datetime | None = field(default=None, metadata=wire("create_time", as_text=format_time))
    updated_at: datetime | None = field(default=None, metadata=wire("update_time", as_text=format_time))


@frozen
class BandwidthQuery:
    """Filter of the list of bandwidths: where to start."""

    offset: int = field(default=0, validator=Between(0, 10**9))
    limit: int = field(default=100, validator=Between(1, 100), metadata=PAGE_SIZE)


@frozen
class BandwidthPage:
    """One page of the list of bandwidths."""

    items: tuple[Bandwidth, ...] = field(default=(), metadata=wire("band_widths"))
    total: int | None = field(default=None, metadata=wire("count"))
    """Not documented for this list."""


@frozen
class BandwidthSize:
    """Validator of a bandwidth's size: steps get coarser as the size grows."""

    limit: str = "1 to 300 Mbit/s in steps of 1, to 1,000 in steps of 50, above in steps of 500"

    def __call__(self, instance: object, attribute: Attribute[Any], value: object) -> None:
        """Raise `InvalidRequest` unless the size is a multiple of its range's step."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidRequest(
                "", attribute.name, f"is {value!r}; it must be an integer, {self.limit}", Rule.WRONG_TYPE
            )
        step = 1 if value <= 300 else 50 if value <= 1000 else 500
        if value < 1 or value % step:
            raise InvalidRequest(
                "", attribute.name, f"is {value:,}; it must be {self.limit}", Rule.OUT_OF_RANGE
            )


@frozen
class UpdateBandwidth:
    """Request to resize a shared bandwidth."""

    bandwidth: str = field(validator=Text(64), metadata=wire("band_width_id"))
    size: int = field(validator=BandwidthSize(), metadata=wire("band_width_size"))
    """Mbit/s."""


# No answer has a total, and the list of 2020-07-30 is not paged at all.
LIST: Final = Operation(
    "cph.bandwidths.list", "GET", "/v1/{project_id}/cloud-phone/bandwidths",
    BandwidthQuery, BandwidthPage, source="CPH 5.2.1 (2025-02-08)", repeatable=True,
)  # fmt: skip

UPDATE: Final = Operation(
    "cph.bandwidths.update", "PUT", "/v1/{project_id}/cloud-phone/bandwidths/{band_width_id}",
    UpdateBandwidth, Accepted, source="CPH 5.2.2 (2025-02-08)", repeatable=True,
)  # fmt: skip


@frozen
class Bandwidths:
    """Bandwidths of servers whose network the service defines."""

    _session: Sender

    def list(self, query: BandwidthQuery = BandwidthQuery()) -> Items[Bandwidth]:
        """Iterate over the bandwidths of servers whose network the service defines.

        Args:
            query: Where to start, and the page size, at most 100.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.2.1 (2025-02-08)
        """
        return items_by_offset(self._session, LIST, query)

    async def update(self, bandwidth: str, size: int) -> Accepted:
        """Resize a shared bandwidth.

        Args:
            bandwidth: Id of a shared bandwidth; a dedicated one is refused (CPS.0160).
            size: In Mbit/s: up to 300 in steps of 1, up to 1,000 in steps of 50, above in steps of 500.

        Raises:
            Refused: Nothing was changed.
            NoAnswer: No answer arrived; the size may have changed.

        API: CPH 5.2.2 (2025-02-08)
        """
        return await self._session.send(UPDATE, UpdateBandwidth(bandwidth, size))
