"""Parse listings of shared storage, which arrive as the output of a job and may be truncated.

The output is JSON text of at most 1,024 bytes; a long listing is cut at any byte (CPH 4.1.7 of 2020-07-30;
the document of 2025-02-08 does not describe it).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from attrs import frozen

_STRING: Final = re.compile(r'("(?:[^"\\]|\\.)*")([\s:,\[\]}]*)', re.DOTALL)
"""A complete JSON string, and the punctuation up to the next one."""


@frozen
class SharedFile:
    """A file or directory in shared storage."""

    name: str
    size: int | None = None
    """Bytes."""

    changed: str | None = None
    """Time of change as `ls` prints it, such as `Jul 28 15:28`: without a year, or without a time."""


@frozen
class Capacity:
    """Capacity of the shared storage of a server, as `df -h` prints it."""

    size: str
    used: str
    available: str
    use: str
    """Such as `1%`."""


@frozen
class Listing:
    """Listing of a directory in shared storage."""

    files: tuple[SharedFile, ...] = ()
    capacity: Capacity | None = None
    """None if the output was truncated before it."""

    is_cut: bool = False
    """Whether files may be missing, because the output was longer than 1,024 bytes."""

    @classmethod
    def read(cls, output: str) -> Listing:
        """Parse a job's output. A file whose entry is truncated is left out."""
        values: defaultdict[str, list[str]] = defaultdict(list)
        for key, value in _complete_strings(output):
            values[key].append(value)
        capacities = [entry for entry in map(_capacity, values["share_base_capacity"]) if entry]
        return cls(
            tuple(map(_file, values["files_in_path"])), next(iter(capacities), None), not _is_complete(output)
        )


def _complete_strings(output: str) -> Iterator[tuple[str, str]]:
    """Yield the key and text of every complete string value."""
    key = ""
    for match in _STRING.finditer(output):
        text, after = _unescaped(match[1]), match[2]
        if ":" in after:
            key = text
        elif key:
            yield key, text
        # The string after a list is a key, even if the output ends before its colon.
        key = "" if "]" in after else key


def _unescaped(literal: str) -> str:
    try:
        return str(json.loads(literal, strict=False))
    except ValueError:
        return literal[1:-1]


def _is_complete(output: str) -> bool:
    try:
        json.loads(output, strict=False)
    except ValueError:
        return False
    return True


def _file(entry: str) -> SharedFile:
    """Parse size, month, day, time and name, separated by a tab and a space."""
    parts = [part.removeprefix(" ") for part in entry.split("\t", 4)]
    if len(parts) < 5:
        return SharedFile(entry.strip())
    size, *when, name = parts
    name = name.removesuffix(" ").removesuffix("\t")
    return SharedFile(name, int(size) if re.fullmatch("[0-9]{1,18}", size) else None, " ".join(when))


def _capacity(entry: str) -> Capacity | None:
    parts = [part.strip() for part in entry.split("\t")]
    return Capacity(*parts[:4]) if len(parts) >= 4 else None
