"""The state of the emulated cloud: phones, servers, orders and games, and the clock that it goes by."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from attrs import Factory, define, field

from koophone_async.emulator.cph.state import CphState
from koophone_async.emulator.fleet import CopyState, Fleet, Phone
from koophone_async.emulator.gaming.library import Library
from koophone_async.emulator.jobs.durations import Durations
from koophone_async.emulator.server.errors import koophone_refusal
from koophone_async.emulator.server.faults import Plan
from koophone_async.emulator.server.ledger import Ledger
from koophone_async.wire import Edition


@define(eq=False)
class Clock:
    """Seconds by the event loop's clock; a restored snapshot makes it continue where it was taken."""

    _loop_time: Callable[[], float] = field(repr=False)
    _offset: float = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self._loop_time() + self._offset

    def set(self, now: float) -> None:
        """Continue from another time."""
        self._offset = now - self._loop_time()


@define
class Order:
    """What was bought from either service."""

    id: str
    operation: str
    """The name of the operation that placed it."""

    resources: list[str]
    """The ids of the phones or servers that are bought or changed."""

    product: str
    cost: float
    """In an invented currency."""

    months: int | None = None
    """None for a purchase without a period."""

    paid: bool = False


@define(eq=False)
class World:
    """The state of the emulated cloud."""

    fleet: Fleet
    edition: Edition
    durations: Durations
    plan: Plan
    clock: Clock = field(repr=False)
    rng: random.Random = field(repr=False)
    newer: bool = False
    """Whether what the vendor's pages and SDKs have since 2026 is served, beyond the documents."""

    ledger: Ledger = field(factory=Ledger)
    orders: dict[str, Order] = field(factory=dict[str, Order])
    undelivered: set[str] = field(factory=set[str])
    """Ordered phones that are not visible yet."""

    sequences: dict[str, int] = field(factory=dict[str, int])
    """The last number used for each name prefix."""

    cph: CphState = Factory(lambda world: CphState.seeded(world.fleet), takes_self=True)
    """What CPH has beside phones."""

    library: Library = Factory(lambda world: Library(world.fleet), takes_self=True)
    """Games, and where they are deployed."""

    @property
    def china(self) -> bool:
        """Whether this is the China edition."""
        return self.edition is Edition.CHINA

    @property
    def has_old_states(self) -> bool:
        """Whether preparing has the states of the China edition of 2025-08-27, not those published since."""
        return self.china and not self.newer

    @property
    def gives_tasks(self) -> bool:
        """Whether reset, unassign and backup answer with a task."""
        return self.newer or not self.china

    def hex(self, size: int = 16) -> str:
        """Generate an id of so many bytes."""
        return self.rng.randbytes(size).hex()

    def order_id(self) -> str:
        """Generate the id of an order."""
        return f"CS{self.hex(8).upper()}"

    def moment(self, at: float) -> datetime:
        """Return the wall clock time at which the clock showed `at`, in whole seconds."""
        passed = timedelta(seconds=self.clock() - at)
        return (self.fleet.now().astimezone(UTC) - passed).replace(microsecond=0)

    def phones(self) -> Iterable[Phone]:
        """Return every phone that is visible."""
        return (phone for phone in self.fleet if phone.id not in self.undelivered)

    def chosen(self, ids: Iterable[str], unknown: str = "1001") -> tuple[Phone, ...]:
        """Return the phones that a call names, each one once.

        Raises:
            Refusal: One of them is unknown (the code is `unknown`), or they are not all of one region (1002).
        """
        names = tuple(ids)
        try:
            phones = self.fleet.all_of(names)
        except KeyError as error:
            raise koophone_refusal(unknown, f"no instance {error.args[0]}") from None
        if self.undelivered and not self.undelivered.isdisjoint(names):
            hidden = next(name for name in names if name in self.undelivered)
            raise koophone_refusal(unknown, f"no instance {hidden}")
        if len(self.fleet.regions) > 1 and len({phone.region for phone in phones}) > 1:
            raise koophone_refusal("1002")
        return phones

    def free(self, ids: Iterable[str], unknown: str = "1001") -> tuple[Phone, ...]:
        """Return the phones that a call names, all of them free for work.

        Raises:
            Refusal: As for `chosen`; or one is frozen (2004), or being restored (2005) or backed up (2006).
        """
        phones = self.chosen(ids, unknown)
        for phone in phones:
            if phone.frozen:
                raise koophone_refusal("2004", phone.id)
            if phone.restore is CopyState.EXECUTING:
                raise koophone_refusal("2005", phone.id)
            if phone.backup is CopyState.EXECUTING:
                raise koophone_refusal("2006", phone.id)
        return phones
