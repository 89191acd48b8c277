"""A fleet of phones that a seed describes and that stores only what was changed.

The identity of a phone (model, release, server, region, serial) follows from the seed and its number, so a
fleet of any size is ready at once.
"""

from __future__ import annotations

import copy
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Final

from attrs import define, field, frozen

from koophone_async.emulator.android.copy_on_write import AndroidChanges
from koophone_async.emulator.android.releases import Model, Release
from koophone_async.emulator.layout import PREFIX, Layout, Overrides
from koophone_async.emulator.phone import Phone
from koophone_async.services.koophone.instances import CopyState, RunningState

__all__ = ["CopyState", "Fleet", "FleetSnapshot", "Phone", "RunningState"]

MAX_DIGITS: Final = 9
"""The largest number of digits that is read as the number of a phone."""

MAX_KNOWN: Final = 100_000
"""How many ids are remembered with their phones, which takes some 20 MB."""

MAX_GROUPS: Final = 2_000
"""How many groups of ids are remembered with their phones; 100,000 phones are 1,000 groups of a hundred."""


@frozen
class FleetSnapshot:
    """A fleet's seed, and what differs from it."""

    seed: int
    count: int
    servers: int
    regions: tuple[str, ...]
    epoch: datetime
    next_number: int
    added_servers: list[str]
    removed: list[int]
    added: list[int]
    overrides: Overrides
    android: AndroidChanges


@define(eq=False)
class Fleet(Layout):
    """Phones in a fixed order: those of the seed, then those bought later.

    Raises:
        ValueError: There is no region, or there are fewer servers than regions.
    """

    _numbers: list[int] = field(init=False, repr=False)
    """The existing phones, ascending."""

    _next: int = field(init=False, repr=False)
    _newest: tuple[tuple[int, int], list[int]] = field(default=((-1, 0), []), init=False, repr=False)
    """The phones by creation, newest first, and the state of the fleet for which that was computed."""

    _known: dict[str, Phone] = field(factory=dict[str, Phone], init=False, repr=False)
    """Existing phones that were named, by id: most are named again."""

    _groups: dict[tuple[str, ...], tuple[Phone, ...]] = field(
        factory=dict[tuple[str, ...], tuple[Phone, ...]], init=False, repr=False
    )
    """Existing phones that were named together, by their ids: most are named together again."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._numbers = list(range(1, self.count + 1))
        self._next = self.count + 1

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Phone]:
        return (Phone(self, number) for number in list(self._numbers))

    def __contains__(self, phone: object) -> bool:
        return isinstance(phone, str) and self.find(phone) is not None

    def __getitem__(self, phone: str) -> Phone:
        found = self.find(phone)
        if found is None:
            raise KeyError(phone)
        return found

    def find(self, phone: str) -> Phone | None:
        """Return the phone with an id of KooPhone, if the fleet has it."""
        return self._known.get(phone) or self._look_up(phone)

    def all_of(self, phones: tuple[str, ...]) -> tuple[Phone, ...]:
        """Return the phones with some ids, each one once, faster than one by one.

        Raises:
            KeyError: The fleet lacks one of them, which is the argument.
        """
        group = self._groups.get(phones)
        if group is None:
            if len(self._groups) >= MAX_GROUPS:
                self._groups.clear()
            group = self._groups[phones] = self._look_up_all(phones)
        return group

    def _look_up_all(self, phones: tuple[str, ...]) -> tuple[Phone, ...]:
        names = dict.fromkeys(phones)
        try:
            return tuple(map(self._known.__getitem__, names))
        except KeyError:
            return tuple([self[name] for name in names])

    def _look_up(self, phone: str) -> Phone | None:
        digits = phone.removeprefix(PREFIX)
        if not digits.isdecimal() or len(digits) > MAX_DIGITS:
            return None
        number = int(digits)
        if self.id_of(number) != phone or not self._exists(number):
            return None
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[phone] = Phone(self, number)
        return self._known[phone]

    def page(self, first: int, limit: int) -> list[Phone]:
        """Return at most so many phones, from a position in the order, counted from 0."""
        return [Phone(self, number) for number in self._numbers[first : first + limit]]

    def states(self, hidden: Collection[str] = ()) -> Counter[str]:
        """Count the phones by state, without those with some ids, in time by the number of changed phones.

        The state is that of a backup, restore or reset while it goes on, `frozen`, or else the running state.
        """
        changes = self.overrides
        copying = {
            number
            for column in (changes.backup, changes.restore)
            for number, state in column.items()
            if state is CopyState.EXECUTING
        }
        resetting = {number for number, value in changes.resetting.items() if value} - copying
        frozen = {number for number, value in changes.frozen.items() if value} - copying - resetting
        others = copying | resetting | frozen
        stopped = Counter(
            state.name.lower() for number, state in changes.running.items() if number not in others
        )
        counts = Counter(copying=len(copying), resetting=len(resetting), frozen=len(frozen)) + stopped
        counts[RunningState.RUNNING.name.lower()] += len(self) - counts.total()
        for phone in hidden:
            counts[state_of(self[phone])] -= 1
        return +counts

    def by_cph_id(self, phone: str) -> Phone:
        """Return the phone with an id of CPH.

        Raises:
            KeyError: The fleet has no such phone.
        """
        try:
            found = Phone(self, int(phone[24:], 16) ^ self.mask)
        except ValueError:
            raise KeyError(phone) from None
        if not self._exists(found.number) or found.cph_id != phone:
            raise KeyError(phone)
        return found

    def on_server(self, server: int) -> list[Phone]:
        """Return the phones on a server: those of the seed, and those that were added to it."""
        first, end = (-(-at * self.count // self.servers) + 1 for at in (server, server + 1))
        low, high, added = (bisect_left(self._numbers, at) for at in (first, end, self.count + 1))
        low, high = min(low, added), min(high, added)
        phones = (Phone(self, number) for number in (*self._numbers[low:high], *self._numbers[added:]))
        return [phone for phone in phones if phone.server == server]

    def newest(self, first: int = 0, end: int | None = None) -> list[Phone]:
        """Return the phones by creation, newest first, or the part from one position up to another."""
        # Numbers only grow, and at the same next number phones only leave: the pair names one state.
        state = (self._next, len(self._numbers))
        if self._newest[0] != state:
            numbers = sorted(self._numbers, key=lambda number: (Phone(self, number).created, number))
            self._newest = (state, numbers[::-1])
        return [Phone(self, number) for number in self._newest[1][first:end]]

    def _exists(self, number: int) -> bool:
        numbers = self._numbers
        if 0 < number <= len(numbers) and numbers[number - 1] == number:  # no phone before it was removed
            return True
        at = bisect_left(numbers, number)
        return at < len(numbers) and numbers[at] == number

    def add(self, name: str, region: str, model: Model, release: Release, server: int | None = None) -> Phone:
        """Add a phone that is bought now, on one server or on one of the seed's in a region.

        Raises:
            ValueError: The fleet has no servers in this region.
        """
        seeded = range(self.servers) if server is None else (server,)
        candidates = [one for one in seeded if self.region_of(one) == region]
        if not candidates:
            raise ValueError(f"no servers in region {region}")
        phone = Phone(self, self._next)
        self._numbers.append(self._next)
        self._next += 1
        phone.server = candidates[phone.number % len(candidates)]
        phone.name, phone.model, phone.release, phone.created = name, model, release, self.now()
        return phone

    def remove(self, phone: str) -> None:
        """Remove a phone for good; its number is not used again.

        Raises:
            KeyError: The fleet has no such phone.
        """
        number = self[phone].number
        del self._known[phone]
        self._groups.clear()
        self._numbers.pop(bisect_left(self._numbers, number))
        self.overrides.forget(number)
        self.android_changes.forget(number)

    def snapshot(self) -> FleetSnapshot:
        """Return the seed and a copy of what differs from it."""
        return FleetSnapshot(
            *(self.seed, self.count, self.servers, self.regions, self.epoch, self._next),
            list(self.added_servers),
            sorted(set(range(1, self.count + 1)).difference(self._numbers)),
            [number for number in self._numbers if number > self.count],
            copy.deepcopy(self.overrides),
            copy.deepcopy(self.android_changes),
        )

    def restore(self, snapshot: FleetSnapshot) -> None:
        """Restore state from a snapshot.

        Raises:
            ValueError: The snapshot is of a fleet with another seed, size, servers or regions.
        """
        seeded = (snapshot.seed, snapshot.count, snapshot.servers, snapshot.regions)
        if seeded != (self.seed, self.count, self.servers, self.regions):
            raise ValueError("the snapshot is of another fleet")
        removed = set(snapshot.removed)
        self.restore_changes(snapshot.epoch, snapshot.added_servers, snapshot.overrides, snapshot.android)
        self._next, self._newest = snapshot.next_number, ((-1, 0), [])
        self._known.clear()
        self._groups.clear()
        self._numbers = [number for number in range(1, self.count + 1) if number not in removed]
        self._numbers += snapshot.added


def state_of(phone: Phone) -> str:
    """Return the state of a phone in a word."""
    if CopyState.EXECUTING in (phone.backup, phone.restore):
        return "copying"
    if phone.resetting:
        return "resetting"
    return "frozen" if phone.frozen else phone.running.name.lower()
