"""A small Android: runs shell lines on a phone and returns what `adb shell` would print.

`Android` is the state of one phone. `parser` and `shell` parse and run a line, `device_commands` and
`package_commands` work on the phone, `file_commands` on its files, `text_commands` on text. Lines run as the
user `shell`, who may write to the shared storage and to `/data/local/tmp`, and read everything else.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from attrs import define, field

from koophone_async.emulator.android.copy_on_write import AndroidChanges, CopyOnWrite
from koophone_async.emulator.android.device_commands import DEVICE_COMMANDS
from koophone_async.emulator.android.file_commands import FILE_COMMANDS
from koophone_async.emulator.android.filesystem import FileSystem
from koophone_async.emulator.android.package_commands import PACKAGE_COMMANDS
from koophone_async.emulator.android.shell import Command, Result, Shell
from koophone_async.emulator.android.text_commands import TEXT_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from koophone_async.emulator.android.releases import FactoryImage

__all__ = ["Android", "Result", "run", "truncate"]

_PHONE_COMMANDS: Final = {**DEVICE_COMMANDS, **PACKAGE_COMMANDS}
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


def run(android: Android, command: str, now: datetime) -> Result:
    """Run one shell line; return the text that a terminal would show, and the exit status.

    Nothing sleeps: the result states how many seconds `sleep` would have taken. The output is complete; the
    service returns only its first 1,024 bytes, as `truncate` does.
    """
    shell = Shell(android.disk, now, partial(_find_program, android))
    line = command.replace("\0", "").encode(errors="replace").decode()
    results = list(shell.run(line))
    output = "".join(result.errors + result.output for result in results)
    return Result(output, shell.status, seconds=sum(result.seconds for result in results))


def truncate(output: str, max_bytes: int = 1024) -> str:
    """Return the longest prefix of at most so many bytes of UTF-8 that ends between characters."""
    return output.encode(errors="replace")[:max_bytes].decode(errors="ignore")


def _find_program(android: Android, name: str) -> Command | None:
    if command := _PHONE_COMMANDS.get(name):
        return partial(command, android)
    return FILE_COMMANDS.get(name) or TEXT_COMMANDS.get(name)
