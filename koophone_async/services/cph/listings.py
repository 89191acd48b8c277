"""Listings of shared storage, which come as the output of a job and may be cut.

The output is JSON in a string of at most 1,024 bytes, so that a long listing ends anywhere (CPH
4.1.7 of 2020-07-30; the document of 2025-02-08 does not describe it).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from attrs import frozen

_STRING: Final = re.compile(r'("(?:[^"\\]|\\.)*")([\s:,\[\]}]*)', re.DOTALL)
"""A whole string of JSON, and what stands between it and the next one."""


@frozen
class SharedFile:
    """One file or directory in shared storage."""

    name: str
    size: int | None = None
    """Bytes."""

    changed: str | None = None
    """As `ls` prints it, such as `Jul 28 15:28`: without a year, or without a time."""


@frozen
class Capacity:
    """How full the shared storage of a server is, in the words of `df -h`."""

    size: str
    used: str
    available: str
    use: str
    """Such as `1%`."""


@frozen
class Listing:
    """A directory in shared storage."""

    files: tuple[SharedFile, ...] = ()
    capacity: Capacity | None = None
    """None where the output was cut before it."""

    is_cut: bool = False
    """Whether there is more than these files: the output was longer than the service keeps."""

    @classmethod
    def read(cls, output: str) -> Listing:
        """Read as much of a listing as came. A file whose entry was cut is left out."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for key, value in _complete_strings(output):
            found[key].append(value)
        whole = [entry for entry in map(_capacity, found["share_base_capacity"]) if entry]
        return cls(
            tuple(map(_file, found["files_in_path"])), next(iter(whole), None), not _is_complete(output)
        )


def _complete_strings(output: str) -> Iterator[tuple[str, str]]:
    """Give every whole string that is a value, with the key that it stands under."""
    key = ""
    for match in _STRING.finditer(output):
        text, after = _unescaped(match[1]), match[2]
        if ":" in after:
            key = text
        elif key:
            yield key, text
        # What follows a list is a key, even where the cut took its colon away.
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
    """Read size, month, day, time and name, with a tab and a space between them."""
    parts = [part.removeprefix(" ") for part in entry.split("\t", 4)]
    if len(parts) < 5:
        return SharedFile(entry.strip())
    size, *when, name = parts
    name = name.removesuffix(" ").removesuffix("\t")
    return SharedFile(name, int(size) if size.isascii() and size.isdigit() else None, " ".join(when))


def _capacity(entry: str) -> Capacity | None:
    parts = [part.strip() for part in entry.split("\t")]
    return Capacity(*parts[:4]) if len(parts) >= 4 else None
