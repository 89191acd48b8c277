"""A small Android: run one line on a phone and see what `adb shell` would print.

What a phone holds is in `Android`; what its commands do to it in `device` and `packages`, files are the
matter of `toybox`, text of `filters`, and how a line is read of `grammar` and `shell`. Who types is the
user `shell`, who writes to the shared storage and to `/data/local/tmp`, and reads the rest.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from koophone_async.emulator.android.copy_on_write import Drawer, Overlay
from koophone_async.emulator.android.device_commands import DEVICE
from koophone_async.emulator.android.file_commands import TOYBOX
from koophone_async.emulator.android.filesystem import Disk
from koophone_async.emulator.android.package_commands import PACKAGES
from koophone_async.emulator.android.shell import Command, Ran, Shell
from koophone_async.emulator.android.text_commands import FILTERS

if TYPE_CHECKING:
    from datetime import datetime

    from koophone_async.emulator.android.releases import Factory

__all__ = ["Android", "Ran", "cut", "run"]

_OF_THE_PHONE: Final = {**DEVICE, **PACKAGES}
_REMEMBERED_INPUTS: Final = 100


@define(eq=False)
class Android:
    """What one phone holds: its factory's values under its own changes."""

    factory: Factory
    serial: str
    drawer: Drawer = field(factory=dict[str, Any], repr=False)
    """Where the changes are kept; a plain dict for a phone without a fleet."""

    @property
    def properties(self) -> Overlay[str]:
        """Values by name, as `getprop` lists them."""
        own = {"ro.boot.serialno": self.serial, "ro.serialno": self.serial}
        return Overlay({**self.factory.properties, **own}, self.drawer, "properties")

    @property
    def settings(self) -> Overlay[str]:
        """Values by `namespace/key`, the namespace one of system, secure, global."""
        return Overlay(self.factory.settings, self.drawer, "settings")

    @property
    def apps(self) -> Overlay[str]:
        """Versions by package, the system's and the installed ones."""
        return Overlay(self.factory.apps, self.drawer, "apps")

    @property
    def files(self) -> Overlay[str]:
        """Texts by path; the path of a directory ends with a slash."""
        return Overlay(self.factory.files, self.drawer, "files")

    @property
    def disk(self) -> Disk:
        """The files, as the user `shell` may change them."""
        return Disk(self.files, Overlay[int]({}, self.drawer, "times"), self.factory.release.utc)

    @property
    def processes(self) -> Overlay[int]:
        """Numbers of the started apps, by package."""
        return Overlay[int]({}, self.drawer, "processes")

    @property
    def inputs(self) -> tuple[str, ...]:
        """The last 100 things that `input` did, such as `tap 10 20`, oldest first."""
        return tuple(self.drawer.get("inputs", ()))

    def touched(self, done: str) -> None:
        """Remember one thing that `input` did."""
        self.drawer["inputs"] = [*self.inputs, done][-_REMEMBERED_INPUTS:]

    def is_system(self, package: str) -> bool:
        """Whether a package came with the image."""
        return package in self.factory.apps


def run(android: Android, command: str, now: datetime) -> Ran:
    """Run one shell line and answer what a terminal would show, with the status of the line.

    Nothing waits: `sleep` answers the seconds that it would have taken. `output` is whole; the service
    delivers only what `cut` leaves.
    """
    shell = Shell(android.disk, now, partial(_program, android))
    legible = command.replace("\0", "").encode(errors="replace").decode()
    ran = list(shell.line(legible))
    shown = "".join(one.errors + one.output for one in ran)
    return Ran(shown, shell.status, seconds=sum(one.seconds for one in ran))


def cut(output: str, most: int = 1024) -> str:
    """The longest beginning of at most so many bytes of UTF-8, never ending inside a character."""
    return output.encode(errors="replace")[:most].decode(errors="ignore")


def _program(android: Android, name: str) -> Command | None:
    if act := _OF_THE_PHONE.get(name):
        return partial(act, android)
    return TOYBOX.get(name) or FILTERS.get(name)
