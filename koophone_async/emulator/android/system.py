"""A small Android: runs shell lines on a phone and returns what `adb shell` would print.

`state.Android` is the state of one phone. `parser` and `shell` parse and run a line, `device_commands` and
`package_commands` work on the phone, `file_commands` on its files, `text_commands` on text. Lines run as the
user `shell`, who may write to the shared storage and to `/data/local/tmp`, and read everything else.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Final

from koophone_async.emulator.android.device_commands import DEVICE_COMMANDS
from koophone_async.emulator.android.file_commands import FILE_COMMANDS
from koophone_async.emulator.android.package_commands import PACKAGE_COMMANDS
from koophone_async.emulator.android.shell import Command, Result, Shell
from koophone_async.emulator.android.state import Android
from koophone_async.emulator.android.text_commands import TEXT_COMMANDS

__all__ = ["Android", "Result", "run", "truncate"]

_PHONE_COMMANDS: Final = {**DEVICE_COMMANDS, **PACKAGE_COMMANDS}


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
