"""Regions of ids, for operations whose calls are for ids of one region.

The region of an id is known if the input has it, as listed instances do. If it is not, a call may be refused
because its ids are of several regions, and halving cannot separate ids that alternate. The list of the
service is then asked for all regions, once in a run, and the ids are grouped by it. What was learned is kept
for later runs of the client.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from attrs import define, field

from koophone_async.errors import KooPhoneError, Refused
from koophone_async.protocol.codes import normalise

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable

_SEVERAL_REGIONS: Final = "KOOPHONE.API.1002"
_log: Final = logging.getLogger(__name__)


@define(eq=False)
class RegionMap:
    """Regions by id, as far as they are known to a client."""

    _list: Callable[[], AsyncIterable[tuple[str, str]]] = field(repr=False)
    """Lists all ids of the service with their regions."""

    _regions: dict[str, str] = field(factory=dict[str, str], init=False, repr=False)

    def get(self, id: str) -> str | None:
        """Return the region of an id, if it is known."""
        return self._regions.get(id)

    async def update(self) -> None:
        """Read the list. If it is refused, what was read until then is known."""
        try:
            async for id, region in self._list():
                self._regions[id] = region
        except KooPhoneError as error:
            _log.warning("the regions of instances cannot be listed: %s", error)


@define(eq=False)
class RegionLookup:
    """Separates the ids of refused calls by region; asks the list at most once."""

    _map: RegionMap
    _lock: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    _is_updated: bool = field(default=False, init=False)

    def get(self, id: str) -> str | None:
        """Return the region of an id, if it is known."""
        return self._map.get(id)

    async def separates(self, ids: list[str], error: KooPhoneError) -> bool:
        """Return whether a call was refused because its ids are of several regions, which are now known."""
        if not isinstance(error, Refused) or normalise(error.code or "") != _SEVERAL_REGIONS:
            return False
        async with self._lock:
            if not self._is_updated:
                await self._map.update()
                self._is_updated = True
        return len({self.get(id) for id in ids}) > 1
