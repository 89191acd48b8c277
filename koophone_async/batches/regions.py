"""Regions of ids, for operations whose calls are for ids of one region.

The region of an id is known if the input has it, as listed instances do. If it is not, a call may be refused
because its ids are of several regions, and halving cannot separate ids that alternate. The list of the
service is then asked for the regions, once in a run, and the ids are grouped by it. What was learned is kept
for later runs of the client.

The list costs a request per page, and no documented call shows more: a refusal is one bit, a page the regions
of its rows. So ids in no order take at least a request for each page of them, however they are separated.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from attrs import define, field

from koophone_async.errors import KooPhoneError, Refused
from koophone_async.protocol.codes import normalise

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Collection

_SEVERAL_REGIONS: Final = "KOOPHONE.API.1002"
_log: Final = logging.getLogger(__name__)


@define(eq=False)
class RegionMap:
    """Regions by id, as far as they are known to a client."""

    _list: Callable[[Collection[str] | None], AsyncIterable[tuple[str, str]]] = field(repr=False)
    """Lists at least the wanted ids, or else all ids of the service, with their regions."""

    _regions: dict[str, str] = field(factory=dict[str, str], init=False, repr=False)

    def get(self, id: str) -> str | None:
        """Return the region of an id, if it is known."""
        return self._regions.get(id)

    async def update(self, wanted: Collection[str] | None) -> None:
        """Read the list until it has shown the wanted ids; if it is refused, the regions until then are kept.

        Args:
            wanted: The ids; None if they are not known yet, so that all of the list is read.
        """
        missing = None if wanted is None else set(wanted)
        try:
            async for id, region in self._list(wanted):
                self._regions[id] = region
                if missing is not None:
                    missing.discard(id)
                    if not missing:
                        return
        except KooPhoneError as error:
            _log.warning("the regions of instances cannot be listed: %s", error)


@define(eq=False)
class RegionLookup:
    """Separates the ids of refused calls by region; asks the list at most once."""

    _map: RegionMap
    _wanted: Callable[[], Collection[str] | None]
    """Returns the ids of the run without a region, or None if they have not been read yet."""

    _lock: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    _is_updated: bool = field(default=False, init=False)

    def get(self, id: str) -> str | None:
        """Return the region of an id, if it is known."""
        return self._map.get(id)

    async def separates(self, ids: list[str], error: KooPhoneError) -> bool:
        """Return whether a call was refused because its ids are of several regions, which are now known."""
        if not isinstance(error, Refused) or normalise(error.code or "") != _SEVERAL_REGIONS:
            return False
        if len(ids) == 2:  # halving separates them without a look-up
            return False
        async with self._lock:
            if not self._is_updated:
                await self._map.update(self._wanted())
                self._is_updated = True
        return len({self.get(id) for id in ids}) > 1
