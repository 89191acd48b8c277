"""A fleet of phones that a seed describes and that remembers only what was changed.

Who a phone is (model, release, server, region, serial) follows from the seed and its number, so a fleet of
any size is ready at once.
"""

from __future__ import annotations

import copy
import re
from bisect import bisect_left
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from koophone_async.emulator.android.copy_on_write import Drawers
from koophone_async.emulator.phone import Copying, Phone, Running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from koophone_async.emulator.android.releases import Model, Release

__all__ = ["Copying", "Fleet", "Phone", "Running"]

_PREFIX: Final = "phone"


@define(eq=False)
class Fleet:
    """Phones in a fixed order: those of the seed, then those bought later.

    Servers carry even runs of phones, regions hold even runs of servers.

    Raises:
        ValueError: There is no region, or fewer servers than regions.
    """

    seed: int
    count: int
    """How many phones the seed describes."""

    servers: int
    """How many the seed describes; more can be opened."""

    regions: tuple[str, ...] = field(converter=tuple[str, ...])
    now: Callable[[], datetime] = field(repr=False)
    epoch: datetime = field(init=False)
    """The second in which the fleet was made; its phones were bought in the year before."""

    drawers: Drawers = field(factory=Drawers, init=False, repr=False)
    mask: int = field(init=False, repr=False)
    """Hides the numbers in CPH's ids."""

    _numbers: list[int] = field(init=False, repr=False)
    """The phones there are, ascending."""

    _next: int = field(init=False, repr=False)
    _opened: list[str] = field(factory=list[str], init=False, repr=False)
    """The regions of the servers that were opened later."""

    _newest: tuple[tuple[int, int], list[int]] = field(default=((-1, 0), []), init=False, repr=False)
    """The phones in the order of their making, the newest first, and what there was when that was found."""

    def __attrs_post_init__(self) -> None:
        if not 1 <= len(self.regions) <= self.servers:
            raise ValueError(f"{len(self.regions)} regions cannot share {self.servers} servers")
        self.mask = int.from_bytes(blake2b(b"%d" % self.seed, digest_size=4).digest(), "big")
        self.epoch = self.now().astimezone(UTC).replace(microsecond=0)
        self._numbers = list(range(1, self.count + 1))
        self._next = self.count + 1

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Phone]:
        return (Phone(self, number) for number in list(self._numbers))

    def __contains__(self, phone: object) -> bool:
        if not isinstance(phone, str):
            return False
        number = self._number(phone)
        return self._there(number) and self.id_of(number) == phone

    def __getitem__(self, phone: str) -> Phone:
        if phone not in self:
            raise KeyError(phone)
        return Phone(self, self._number(phone))

    def page(self, first: int, most: int) -> list[Phone]:
        """At most so many phones, from a place in the order counted from 0."""
        return [Phone(self, number) for number in self._numbers[first : first + most]]

    def by_cph_id(self, phone: str) -> Phone:
        """Find a phone by the id that CPH uses.

        Raises:
            KeyError: There is no such phone.
        """
        try:
            found = Phone(self, int(phone[24:], 16) ^ self.mask)
        except ValueError:
            raise KeyError(phone) from None
        if not self._there(found.number) or found.cph_id != phone:
            raise KeyError(phone)
        return found

    def id_of(self, number: int) -> str:
        """The id of a phone's number, as wide as the fleet needs and four digits at least."""
        return f"{_PREFIX}{number:0{max(4, len(str(self.count)))}}"

    def server_of(self, number: int) -> int:
        """The server that the seed gives to a phone's number."""
        return (number - 1) * self.servers // self.count

    def region_of(self, server: int) -> str:
        """The region that a server stands in."""
        if server >= self.servers:
            return self._opened[server - self.servers]
        return self.regions[server * len(self.regions) // self.servers]

    def open_server(self, region: str) -> int:
        """Open one more server, with no phones on it, and answer its index."""
        self._opened.append(region)
        return self.servers + len(self._opened) - 1

    @property
    def ever(self) -> int:
        """How many servers there ever were."""
        return self.servers + len(self._opened)

    def on_server(self, server: int) -> list[Phone]:
        """The phones that a server carries: its run of the seed's, and those that were added to it."""
        first, end = (-(-at * self.count // self.servers) + 1 for at in (server, server + 1))
        low, high, added = (bisect_left(self._numbers, at) for at in (first, end, self.count + 1))
        low, high = min(low, added), min(high, added)
        phones = (Phone(self, number) for number in (*self._numbers[low:high], *self._numbers[added:]))
        return [phone for phone in phones if phone.server == server]

    def newest(self, first: int = 0, end: int | None = None) -> list[Phone]:
        """All phones, the newest first, or those from one place in that order up to another."""
        # Numbers only grow, and at the same next number phones only leave: the pair names one state.
        state = (self._next, len(self._numbers))
        if self._newest[0] != state:
            numbers = sorted(self._numbers, key=lambda number: (Phone(self, number).created, number))
            self._newest = (state, numbers[::-1])
        return [Phone(self, number) for number in self._newest[1][first:end]]

    def _number(self, phone: str) -> int:
        digits = phone.removeprefix(_PREFIX)
        return int(digits) if re.fullmatch("[0-9]{4,9}", digits) else 0

    def _there(self, number: int) -> bool:
        at = bisect_left(self._numbers, number)
        return at < len(self._numbers) and self._numbers[at] == number

    def add(self, name: str, region: str, model: Model, release: Release, server: int | None = None) -> Phone:
        """Add a phone that is bought now, on a server or on any of the seed's in a region.

        Raises:
            ValueError: The fleet has no servers in this region.
        """
        seeded = range(self.servers) if server is None else (server,)
        standing = [one for one in seeded if self.region_of(one) == region]
        if not standing:
            raise ValueError(f"no servers in region {region}")
        phone = Phone(self, self._next)
        self._numbers.append(self._next)
        self._next += 1
        phone.server = standing[phone.number % len(standing)]
        phone.name, phone.model, phone.release, phone.created = name, model, release, self.now()
        return phone

    def remove(self, phone: str) -> None:
        """Take a phone away for good; its number is not given again.

        Raises:
            KeyError: There is no such phone.
        """
        number = self[phone].number
        self._numbers.pop(bisect_left(self._numbers, number))
        self.drawers.by_number.pop(number, None)

    def snapshot(self) -> dict[str, Any]:
        """What differs from the seed, and the seed, as JSON."""
        changed = {str(number): copy.deepcopy(drawer) for number, drawer in self.drawers.by_number.items()}
        gone = sorted(set(range(1, self.count + 1)).difference(self._numbers))
        return self._described() | {
            "epoch": self.epoch.isoformat(),
            "next": self._next,
            "opened": list(self._opened),
            "removed": gone,
            "added": [number for number in self._numbers if number > self.count],
            "changed": changed,
        }

    def _described(self) -> dict[str, Any]:
        size = {"seed": self.seed, "count": self.count, "servers": self.servers}
        return size | {"regions": list(self.regions)}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Become the fleet that a snapshot was taken of.

        Raises:
            ValueError: It was taken of a fleet with another seed, size, servers or regions.
        """
        if any(snapshot.get(name) != value for name, value in self._described().items()):
            raise ValueError("the snapshot is of another fleet")
        gone = set(snapshot["removed"])
        self.epoch = datetime.fromisoformat(snapshot["epoch"])
        self._numbers = [number for number in range(1, self.count + 1) if number not in gone]
        self._numbers += snapshot["added"]
        self._next, self._opened = snapshot["next"], list(snapshot["opened"])
        self._newest = ((-1, 0), [])
        changed = snapshot["changed"].items()
        self.drawers.by_number = {int(number): copy.deepcopy(drawer) for number, drawer in changed}
