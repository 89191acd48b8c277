"""The state of one phone's Android: its factory image, and the changes since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import define, field

from koophone_async.emulator.android.copy_on_write import AndroidChanges, CopyOnWrite
from koophone_async.emulator.android.filesystem import FileSystem
from koophone_async.emulator.android.releases import FactoryImage

_MAX_INPUTS: Final = 100


@define(eq=False)
class Android:
    """The state of one phone: the contents of its factory image, with its own changes."""

    factory: FactoryImage
    serial: str
    changes: AndroidChanges = field(factory=AndroidChanges, repr=False)
    """The changes of all phones of the fleet; of this phone only, where it has no fleet."""

    number: int = 0
    """Of the phone, in the fleet."""

    @property
    def properties(self) -> CopyOnWrite[str]:
        """Values by name, as `getprop` lists them."""
        own = {"ro.boot.serialno": self.serial, "ro.serialno": self.serial}
        return CopyOnWrite({**self.factory.properties, **own}, self.changes.properties, self.number)

    @property
    def settings(self) -> CopyOnWrite[str]:
        """Values by `namespace/key`, the namespace one of system, secure, global."""
        return CopyOnWrite(self.factory.settings, self.changes.settings, self.number)

    @property
    def apps(self) -> CopyOnWrite[str]:
        """Versions by package, the system's and the installed ones."""
        return CopyOnWrite(self.factory.apps, self.changes.apps, self.number)

    @property
    def files(self) -> CopyOnWrite[str]:
        """Texts by path; the path of a directory ends with a slash."""
        return CopyOnWrite(self.factory.files, self.changes.files, self.number)

    @property
    def changed_files(self) -> Mapping[str, str | None]:
        """Texts of the changed files, by path; None for a removed file."""
        return self.changes.files.get(self.number, {})

    @property
    def disk(self) -> FileSystem:
        """The file system, with the permissions of the user `shell`."""
        return FileSystem(
            self.files, CopyOnWrite[int]({}, self.changes.times, self.number), self.factory.release.utc
        )

    @property
    def processes(self) -> CopyOnWrite[int]:
        """Process IDs of the started apps, by package."""
        return CopyOnWrite[int]({}, self.changes.processes, self.number)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The last 100 input events, such as `tap 10 20`, oldest first."""
        return self.changes.inputs.get(self.number, ())

    def record_input(self, event: str) -> None:
        """Add an input event."""
        self.changes.inputs[self.number] = (*self.inputs, event)[-_MAX_INPUTS:]

    def is_system(self, package: str) -> bool:
        """Whether a package is part of the factory image."""
        return package in self.factory.apps
