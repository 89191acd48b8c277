"""The layout of a fleet: what follows from its seed and size, and what was changed since."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final, TypeAlias, TypeVar

from attrs import define, field

from koophone_async.emulator.android.copy_on_write import AndroidChanges, Columns
from koophone_async.emulator.android.releases import Model, Release
from koophone_async.services.cph.phone import PhoneState
from koophone_async.services.cph.traffic import Route
from koophone_async.services.koophone.instances import CopyState, RunningState
from koophone_async.services.koophone.streaming import PrepareState
from koophone_async.services.koophone.video import VideoSetting

PREFIX: Final = "phone"

T = TypeVar("T")
Column: TypeAlias = dict[int, T]


@define
class Overrides(Columns):
    """Facts that differ from the seed. `Phone` documents the fields."""

    name: Column[str] = field(factory=dict[int, str])
    model: Column[Model] = field(factory=dict[int, Model])
    release: Column[Release] = field(factory=dict[int, Release])
    server: Column[int] = field(factory=dict[int, int])
    created: Column[datetime] = field(factory=dict[int, datetime])
    running: Column[RunningState] = field(factory=dict[int, RunningState])
    user: Column[str | None] = field(factory=dict[int, str | None])
    prepared_for: Column[str | None] = field(factory=dict[int, str | None])
    prepare_failed: Column[bool] = field(factory=dict[int, bool])
    prepare_state: Column[PrepareState | None] = field(factory=dict[int, PrepareState | None])
    logged_in: Column[bool] = field(factory=dict[int, bool])
    frozen: Column[bool] = field(factory=dict[int, bool])
    streaming: Column[bool] = field(factory=dict[int, bool])
    resetting: Column[bool] = field(factory=dict[int, bool])
    loaded: Column[bool] = field(factory=dict[int, bool])
    on_demand: Column[bool] = field(factory=dict[int, bool])
    scene: Column[str] = field(factory=dict[int, str])
    backup: Column[CopyState] = field(factory=dict[int, CopyState])
    backup_time: Column[datetime | None] = field(factory=dict[int, datetime | None])
    restore: Column[CopyState] = field(factory=dict[int, CopyState])
    restore_time: Column[datetime | None] = field(factory=dict[int, datetime | None])
    failed_state: Column[PhoneState | None] = field(factory=dict[int, PhoneState | None])
    image: Column[str | None] = field(factory=dict[int, str | None])
    disk: Column[int] = field(factory=dict[int, int])
    route: Column[Route] = field(factory=dict[int, Route])
    properties: Column[dict[str, str]] = field(factory=dict[int, dict[str, str]])
    custom_properties: Column[dict[str, str]] = field(factory=dict[int, dict[str, str]])
    video: Column[tuple[VideoSetting, ...]] = field(factory=dict[int, tuple[VideoSetting, ...]])


@define(eq=False)
class Layout:
    """Servers carry consecutive runs of phones, and regions consecutive runs of servers.

    Raises:
        ValueError: There is no region, or there are fewer servers than regions.
    """

    seed: int
    count: int
    """How many phones the seed describes."""

    servers: int
    """How many servers the seed describes; more can be added."""

    regions: tuple[str, ...] = field(converter=tuple[str, ...])
    now: Callable[[], datetime] = field(repr=False)
    epoch: datetime = field(init=False)
    """The second in which the fleet was made; its phones were bought in the year before."""

    _id_format: str = field(init=False, repr=False)
    """Formats a number with as many digits as the fleet needs, and at least four."""

    mask: int = field(init=False, repr=False)
    """Obscures the phone numbers in CPH's ids."""

    overrides: Overrides = field(factory=Overrides, init=False, repr=False)
    android_changes: AndroidChanges = field(factory=AndroidChanges, init=False, repr=False)
    added_servers: list[str] = field(factory=list[str], init=False, repr=False)
    """The regions of the servers that were added to those of the seed."""

    def __attrs_post_init__(self) -> None:
        if not 1 <= len(self.regions) <= self.servers:
            raise ValueError(f"{len(self.regions)} regions cannot share {self.servers} servers")
        self._id_format = f"{PREFIX}%0{max(4, len(str(self.count)))}d"
        self.mask = int.from_bytes(blake2b(b"%d" % self.seed, digest_size=4).digest(), "big")
        self.epoch = self.now().astimezone(UTC).replace(microsecond=0)

    def restore_changes(
        self,
        epoch: datetime,
        added_servers: list[str],
        overrides: Overrides,
        android_changes: AndroidChanges,
    ) -> None:
        """Restore when the fleet was made and what was changed since."""
        self.epoch, self.added_servers = epoch, added_servers
        self.overrides, self.android_changes = overrides, android_changes

    def id_of(self, number: int) -> str:
        """Return the id of a phone."""
        return self._id_format % number

    def server_of(self, number: int) -> int:
        """Return the index of the server on which the seed puts a phone."""
        return (number - 1) * self.servers // self.count

    def region_of(self, server: int) -> str:
        """Return the region of a server."""
        if server >= self.servers:
            return self.added_servers[server - self.servers]
        return self.regions[server * len(self.regions) // self.servers]

    def add_server(self, region: str) -> int:
        """Add a server without phones and return its index."""
        self.added_servers.append(region)
        return self.server_count - 1

    @property
    def server_count(self) -> int:
        """The number of servers that ever existed."""
        return self.servers + len(self.added_servers)
