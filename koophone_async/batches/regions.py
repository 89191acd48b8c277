"""Regions of ids, for operations whose calls are for ids of one region.

The region of an id is known if the input has it, as listed instances do. If it is not, a call may be refused
because its ids are of several regions, and halving cannot separate ids that alternate. The rest of the input
is then sorted, because ids that were bought together are often alike, and of one region; halving finds where
one region ends and the next begins. If the list of the service is short, or if both halves of a call are
refused, so that the order does not separate regions, the list is asked for them, once in a run, and the ids
are grouped. What was learned is kept for later runs of the client.

Sorting costs a few refused calls at most, the list a request per page. No documented call shows more: a
refusal is one bit, a page the regions of its rows. So ids that no order separates take at least a request for
each page of them.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from attrs import define, field

from koophone_async.errors import KooPhoneError, Refused
from koophone_async.protocol.codes import normalise

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Collection, Sequence

_SEVERAL_REGIONS: Final = "KOOPHONE.API.1002"
_MAX_SHORT: Final = 10
"""Requests that look the regions up before halving is tried: it takes up to 13 where one region ends."""

_log: Final = logging.getLogger(__name__)


class ListTooLongError(Exception):
    """The list would take more requests than the maximum."""


@define(eq=False)
class RegionMap:
    """Regions by id, as far as they are known to a client."""

    _list: Callable[[Collection[str] | None, int | None], AsyncIterable[tuple[str, str]]] = field(repr=False)
    """Lists at least the wanted ids, or else all ids of the service, with their regions; or only a part, if
    that takes more requests than the maximum."""

    is_in_order: bool = field(default=False, init=False)
    """Whether sorting separated the ids of the last run whose regions were unknown."""

    _regions: dict[str, str] = field(factory=dict[str, str], init=False, repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether no region is known."""
        return not self._regions

    def get(self, id: str) -> str | None:
        """Return the region of an id, if it is known."""
        return self._regions.get(id)

    async def update(self, wanted: Collection[str] | None, max_requests: int | None = None) -> bool:
        """Read the list until it has shown the wanted ids; if it is refused, the regions until then are kept.

        Returns:
            Whether it was read; not if more requests than the maximum would have to follow the first page.

        Args:
            wanted: The ids; None if they are not known yet, so that all of the list is read.
            max_requests: None for no maximum.
        """
        missing = None if wanted is None else set(wanted)
        try:
            async for id, region in self._list(wanted, max_requests):
                self._regions[id] = region
                if missing is not None:
                    missing.discard(id)
                    if not missing:
                        break
        except ListTooLongError:
            return False
        except KooPhoneError as error:
            _log.warning("the regions of instances cannot be listed: %s", error)
        return True


@define(eq=False)
class RegionLookup:
    """Separates the ids of refused calls by region; asks the list at most once."""

    _map: RegionMap
    _wanted: Callable[[], Collection[str] | None]
    """Returns the ids of the run without a region, or None if they have not been read yet."""

    _lock: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    is_updated: bool = field(default=False, init=False)
    """Whether the list was read in this run."""

    _is_long: bool = field(default=False, init=False)
    """Whether reading it would take many requests."""

    @property
    def is_empty(self) -> bool:
        """Whether no region is known."""
        return self._map.is_empty

    @property
    def is_in_order(self) -> bool:
        """Whether sorting is likely to separate ids whose regions are unknown."""
        return self._map.is_in_order

    def expect_order(self) -> None:
        """Note that ids are sorted, until another call is refused."""
        self._map.is_in_order = True

    def get(self, id: str) -> str | None:
        """Return the region of an id, if it is known."""
        return self._map.get(id)

    async def wait(self) -> None:
        """Wait for a look-up that is being done."""
        async with self._lock:
            pass

    async def separates(self, ids: Sequence[str], *, if_short: bool = False) -> bool:
        """Look the regions up, unless that was done before, and return whether they separate the ids.

        Args:
            ids: The ids of a call of several regions.
            if_short: Give the look-up up if it takes many requests.
        """
        async with self._lock:
            if not self.is_updated and not (if_short and self._is_long):
                max_requests = _MAX_SHORT if if_short else None
                self.is_updated = await self._map.update(self._wanted(), max_requests)
                self._is_long = not self.is_updated
        return self.is_updated and len({self.get(id) for id in ids}) > 1


def is_of_several_regions(error: KooPhoneError) -> bool:
    """Return whether a call was refused because its ids are of several regions."""
    return isinstance(error, Refused) and normalise(error.code or "") == _SEVERAL_REGIONS
