"""One phone of a fleet: its identity, its state and the Android on it.

A `Phone` is a view of the fleet's data and keeps nothing itself, so two views of one phone always agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final, Generic, Self, TypeAlias, TypeVar, overload

from attrs import define, field, setters

from koophone_async.emulator.android.releases import MODELS, RELEASES, Model, Release, factory_image
from koophone_async.emulator.android.system import Android
from koophone_async.emulator.layout import Layout
from koophone_async.services.cph.phone import PhoneState
from koophone_async.services.cph.traffic import Route
from koophone_async.services.koophone.instances import CopyState, RunningState, Scene
from koophone_async.services.koophone.streaming import PrepareState
from koophone_async.services.koophone.video import VideoSetting

T = TypeVar("T")
Given: TypeAlias = "Mapping[str, str] | None"

BOOT_TIME: Final = "/proc/stat"
"""The file with the time at which a phone has started."""

_YEAR: Final = 365 * 24 * 3600

ALIKE: Final = 240
"""How many consecutive phones have the same Android, as phones have that were bought together."""


class Overridable(Generic[T]):
    """A fact about a phone: derived from the seed until it is set."""

    def __init__(self, seeded: Callable[[Phone], T]) -> None:
        self._seeded = seeded

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, phone: None, owner: type) -> Self: ...
    @overload
    def __get__(self, phone: Phone, owner: type) -> T: ...
    def __get__(self, phone: Phone | None, owner: type) -> T | Self:
        if phone is None:
            return self
        column: dict[int, T] = getattr(phone.fleet.overrides, self._name)
        return column[phone.number] if column and phone.number in column else self._seeded(phone)

    def __set__(self, phone: Phone, value: T) -> None:
        column = self._column(phone)
        if value == self._seeded(phone):
            column.pop(phone.number, None)
        else:
            column[phone.number] = value

    def _column(self, phone: Phone) -> dict[int, T]:
        column: dict[int, T] = getattr(phone.fleet.overrides, self._name)
        return column


class Constant(Overridable[T]):
    """A fact that is the same for all phones until it is set."""

    def __init__(self, value: T) -> None:
        super().__init__(lambda _: value)
        self._value = value

    def of(self, phones: Sequence[Phone]) -> list[T]:
        """Return the fact about each of some phones of one fleet, faster than one by one."""
        column = self._column(phones[0]) if phones else {}
        if not column:
            return [self._value] * len(phones)
        return [column.get(phone.number, self._value) for phone in phones]


class Facts:
    """The facts about a phone: derived from the seed until they are set."""

    __slots__ = ()

    name: Overridable[str] = Overridable(lambda phone: f"phone-{phone.number:05}")
    model: Overridable[Model] = Overridable(lambda phone: MODELS[phone.digest[0] % len(MODELS)])
    release: Overridable[Release] = Overridable(
        lambda phone: RELEASES[(phone.fleet.seed + (phone.number - 1) // ALIKE) % len(RELEASES)],
    )
    server: Overridable[int] = Overridable(lambda phone: phone.fleet.server_of(phone.number))
    """Index of the CPH server that carries it."""

    created: Overridable[datetime] = Overridable(
        lambda phone: phone.fleet.epoch - timedelta(seconds=int.from_bytes(phone.digest[8:12]) % _YEAR),
    )
    running: Constant[RunningState] = Constant(RunningState.RUNNING)
    user: Constant[str | None] = Constant(None)
    """The user that it is assigned to."""

    prepared_for: Constant[str | None] = Constant(None)
    """The user that it was last prepared for."""

    prepare_failed: Constant[bool] = Constant(value=False)
    """Whether its last preparation failed."""

    prepare_state: Constant[PrepareState | None] = Constant(None)
    """What a preparation answers where nothing else about the phone decides it, such as maintenance."""

    logged_in: Constant[bool] = Constant(value=False)
    frozen: Constant[bool] = Constant(value=False)
    streaming: Constant[bool] = Constant(value=False)
    resetting: Constant[bool] = Constant(value=False)
    loaded: Constant[bool] = Constant(value=True)
    """Whether its data are on a physical phone, which a backup releases."""

    on_demand: Constant[bool] = Constant(value=False)
    """Whether it is paid by use."""

    scene: Constant[str] = Constant(Scene.CLOUD_PHONE.value)
    backup: Constant[CopyState] = Constant(CopyState.PREPARING)
    backup_time: Constant[datetime | None] = Constant(None)
    restore: Constant[CopyState] = Constant(CopyState.PREPARING)
    restore_time: Constant[datetime | None] = Constant(None)
    failed_state: Constant[PhoneState | None] = Constant(None)
    """The state in which a failed job of CPH left it."""

    image: Constant[str | None] = Constant(None)
    """The id of the image that CPH gave it."""

    disk: Overridable[int] = Overridable(lambda phone: phone.model.storage)
    """Size of the data disk, in GiB."""

    route: Constant[Route] = Constant(Route.DIRECT)
    properties: Overridable[dict[str, str]] = Overridable(lambda _: {})
    """Properties set by CPH, which apply from the next start."""

    custom_properties: Overridable[dict[str, str]] = Overridable(lambda _: {})
    video: Overridable[tuple[VideoSetting, ...]] = Overridable(lambda _: ())


@define(unsafe_hash=True)
class Phone(Facts):
    """One phone of a fleet. Setting a field changes the phone for every view of it."""

    fleet: Layout = field(repr=False, on_setattr=setters.frozen)
    number: int = field(on_setattr=setters.frozen)
    """From 1, in the order of the fleet."""

    @property
    def id(self) -> str:
        """The id in KooPhone's operations."""
        return self.fleet.id_of(self.number)

    @property
    def cph_id(self) -> str:
        """The id in CPH's operations: 32 hex digits, of which the last eight encode the number."""
        return self.digest[:12].hex() + f"{self.number ^ self.fleet.mask:08x}"

    @property
    def serial(self) -> str:
        """The serial number."""
        return self.digest[2:8].hex().upper()

    @property
    def region(self) -> str:
        """The region of its server."""
        return self.fleet.region_of(self.server)

    @property
    def android(self) -> Android:
        """What a shell sees and changes."""
        return Android(
            factory_image(self.model, self.release), self.serial, self.fleet.android_changes, self.number
        )

    @property
    def digest(self) -> bytes:
        """Sixteen bytes that follow from the seed and the number."""
        return blake2b(b"%d/%d" % (self.fleet.seed, self.number), digest_size=16).digest()

    def configure(self, properties: Given, custom: Given = None) -> None:
        """Merge in properties, which apply from the next start."""
        self.properties = {**self.properties, **(properties or {})}
        self.custom_properties = {**self.custom_properties, **(custom or {})}

    def start_up(self, at: datetime) -> None:
        """Set it running at a moment, with the properties that CPH set."""
        self.android.files[BOOT_TIME] = f"btime {at.timestamp():.0f}\n"
        self.running, self.failed_state = RunningState.RUNNING, None
        for name, value in {**self.properties, **self.custom_properties}.items():
            self.android.properties[name] = value

    def reset(self) -> None:
        """Restore the factory's Android; name, owner, region and backups stay."""
        self.fleet.android_changes.forget(self.number)
        self.streaming = False
