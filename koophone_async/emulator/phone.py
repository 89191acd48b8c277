"""One phone of a fleet: who it is, in what state, and the Android on it.

A `Phone` is a window on the fleet: it holds nothing itself, so two windows on one phone always agree.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import IntEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, overload

from attrs import define, field, setters

from koophone_async.emulator.android.copy_on_write import FleetDrawer
from koophone_async.emulator.android.releases import MODELS, RELEASES, Model, Release, factory_image
from koophone_async.emulator.android.system import Android

if TYPE_CHECKING:
    from collections.abc import Callable

    from koophone_async.emulator.fleet import Fleet

T = TypeVar("T")

_YEAR: Final = 365 * 24 * 3600

_FACTORY_NEW: Final = ("properties", "settings", "apps", "files", "times", "processes", "inputs", "streaming")
"""What a reset empties; name, owner, region and backups outlive it."""


class Running(IntEnum):
    """Whether a phone runs, in KooPhone's numbers."""

    UNKNOWN = 0
    STOPPED = 1
    RUNNING = 2
    GOING_OFFLINE = 3
    STARTING = 4
    SHUT_DOWN = 5


class Copying(IntEnum):
    """How far a backup or a restoration is, in KooPhone's numbers."""

    PREPARING = 0
    EXECUTING = 1
    SUCCESSFUL = 2
    FAILED = 3
    OTHER = 4


class Kept(Generic[T]):
    """A fact about a phone: derived from the seed until it is set, then in the phone's drawer as JSON."""

    def __init__(
        self,
        seeded: Callable[[Phone], T],
        read: Callable[[Any], T],
        write: Callable[[T], object] | None = None,
    ) -> None:
        self._seeded = seeded
        self._read = read
        self._write = write or read
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, phone: None, owner: type) -> Kept[T]: ...
    @overload
    def __get__(self, phone: Phone, owner: type) -> T: ...
    def __get__(self, phone: Phone | None, owner: type) -> T | Kept[T]:
        if phone is None:
            return self
        drawer = phone.drawer
        return self._read(drawer[self._name]) if self._name in drawer else self._seeded(phone)

    def __set__(self, phone: Phone, value: T) -> None:
        if value == self._seeded(phone):
            phone.drawer.pop(self._name, None)
        else:
            phone.drawer[self._name] = self._write(value)


def _text_or_none(value: str | None) -> str | None:
    return value


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


ALIKE: Final = 240
"""How many phones in a row have the same Android, as those have that were bought together."""


class Facts:
    """What is true of a phone: derived from the seed until it is set, and then kept."""

    __slots__ = ()

    name: Kept[str] = Kept(lambda phone: f"phone-{phone.number:05}", str)
    model: Kept[Model] = Kept[Model](
        lambda phone: MODELS[phone.digest[0] % len(MODELS)],
        lambda sku: next(model for model in MODELS if model.sku == sku),
        lambda model: model.sku,
    )
    release: Kept[Release] = Kept[Release](
        lambda phone: RELEASES[(phone.fleet.seed + (phone.number - 1) // ALIKE) % len(RELEASES)],
        lambda image: next(release for release in RELEASES if release.image == image),
        lambda release: release.image,
    )
    server: Kept[int] = Kept(lambda phone: phone.fleet.server_of(phone.number), int)
    """Index of the CPH server that carries it."""

    created: Kept[datetime] = Kept[datetime](
        lambda phone: phone.fleet.epoch - timedelta(seconds=int.from_bytes(phone.digest[8:12]) % _YEAR),
        datetime.fromisoformat,
        datetime.isoformat,
    )
    running: Kept[Running] = Kept[Running](lambda _: Running.RUNNING, Running, int)
    user: Kept[str | None] = Kept[str | None](lambda _: None, _text_or_none)
    """The user that it is assigned to."""

    logged_in: Kept[bool] = Kept(lambda _: False, bool)
    frozen: Kept[bool] = Kept(lambda _: False, bool)
    streaming: Kept[bool] = Kept(lambda _: False, bool)
    resetting: Kept[bool] = Kept(lambda _: False, bool)
    loaded: Kept[bool] = Kept(lambda _: True, bool)
    """Whether its data lie on a physical phone, which a backup releases."""

    backup: Kept[Copying] = Kept[Copying](lambda _: Copying.PREPARING, Copying, int)
    backup_time: Kept[datetime | None] = Kept[datetime | None](lambda _: None, _moment, _written)
    restore: Kept[Copying] = Kept[Copying](lambda _: Copying.PREPARING, Copying, int)
    restore_time: Kept[datetime | None] = Kept[datetime | None](lambda _: None, _moment, _written)


@define(unsafe_hash=True)
class Phone(Facts):
    """One phone of a fleet. Setting a field changes the phone, whoever looks at it."""

    fleet: Fleet = field(repr=False, on_setattr=setters.frozen)
    number: int = field(on_setattr=setters.frozen)
    """From 1, in the order of the fleet."""

    @property
    def id(self) -> str:
        """The id that KooPhone's operations take."""
        return self.fleet.id_of(self.number)

    @property
    def cph_id(self) -> str:
        """The id that CPH's operations take: 32 hex digits, of which the last eight hide the number."""
        return self.digest[:12].hex() + f"{self.number ^ self.fleet.mask:08x}"

    @property
    def serial(self) -> str:
        """Its serial number."""
        return self.digest[2:8].hex().upper()

    @property
    def region(self) -> str:
        """The region of its server."""
        return self.fleet.region_of(self.server)

    @property
    def drawer(self) -> FleetDrawer:
        """What differs from the seed."""
        return FleetDrawer(self.fleet.drawers, self.number)

    @property
    def android(self) -> Android:
        """What a shell sees and changes."""
        return Android(factory_image(self.model, self.release), self.serial, self.drawer)

    @property
    def digest(self) -> bytes:
        """Sixteen bytes that follow from the seed and the number."""
        return blake2b(b"%d/%d" % (self.fleet.seed, self.number), digest_size=16).digest()

    def reset(self) -> None:
        """Bring it back to how it left the factory; its name, owner and backups stay."""
        for name in _FACTORY_NEW:
            self.drawer.pop(name, None)
