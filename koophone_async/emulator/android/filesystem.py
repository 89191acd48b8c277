"""A phone's files, as the user `shell` may see and change them."""

from __future__ import annotations

import errno
import os
import posixpath
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from attrs import define, frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

SHARED: Final = "/storage/emulated/0"
_ALIASES: Final = ("/sdcard", "/mnt/sdcard", "/storage/self/primary")
_WRITABLE: Final = (SHARED, "/data/local/tmp")
_READ_ONLY: Final = ("/", "/system", "/vendor", "/product", "/odm", "/apex")

_LARGEST: Final = 1024 * 1024
"""Characters of one file: room for anything a command of 1,024 bytes has a use for."""


def canonical(path: str) -> str:
    """The absolute path without dots, doubled slashes and other names of the shared storage."""
    path = "/" + posixpath.normpath(path).lstrip("/")
    for alias in _ALIASES:
        if _within(path, alias):
            return SHARED + path[len(alias) :]
    return path


def _within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)


@frozen
class Entry:
    """What a directory says of one thing in it."""

    path: str
    directory: bool
    size: int
    """Bytes."""

    changed: int
    """Seconds since 1970."""

    @property
    def shared(self) -> bool:
        """Whether it lies in the storage that all apps share, which has owners and modes of its own."""
        return _within(self.path, SHARED)


@define(eq=False)
class Disk:
    """Files by path. What cannot be done raises an `OSError` with the phone's own words."""

    _files: MutableMapping[str, str]
    _times: MutableMapping[str, int]
    _built: int
    """When the files of the image were made, in seconds since 1970."""

    def find(self, path: str) -> Entry:
        """What lies at a path."""
        path = canonical(path)
        if self._is_directory(path):
            return Entry(path, directory=True, size=4096, changed=self._times.get(path, self._built))
        if (text := self._files.get(path)) is None:
            raise _error(self._why_missing(path), path)
        size = len(text.encode(errors="replace"))
        return Entry(path, directory=False, size=size, changed=self._times.get(path, self._built))

    def exists(self, path: str) -> bool:
        """Whether anything lies at a path."""
        path = canonical(path)
        return path in self._files or self._is_directory(path)

    def _is_directory(self, path: str) -> bool:
        return path == "/" or f"{path}/" in self._files

    def _why_missing(self, path: str) -> int:
        parent = posixpath.dirname(path)
        return errno.ENOTDIR if parent in self._files else errno.ENOENT

    def names(self, path: str) -> list[str]:
        """The names in a directory, sorted."""
        prefix = canonical(path).rstrip("/") + "/"
        below = (key[len(prefix) :].rstrip("/") for key in self._files if key.startswith(prefix))
        return sorted(name for name in below if name and "/" not in name)

    def read(self, path: str) -> str:
        """A file's text."""
        if canonical(path) == "/dev/null":
            return ""
        if self.find(path).directory:
            raise _error(errno.EISDIR, path)
        return self._files[canonical(path)]

    def write(self, path: str, text: str, now: int, *, append: bool = False) -> None:
        """Write or lengthen a file; `/dev/null` swallows everything."""
        path = canonical(path)
        if path == "/dev/null":
            return
        self._may_change(path)
        if self._is_directory(path):
            raise _error(errno.EISDIR, path)
        text = self._files.get(path, "") + text if append else text
        if len(text) > _LARGEST:
            raise _error(errno.ENOSPC, path)
        self._files[path] = text
        self._times[path] = now

    def touch(self, path: str, now: int) -> None:
        """Set the time of what is there, or make an empty file."""
        path = canonical(path)
        if not self._is_directory(path):
            self.write(path, "", now, append=True)
            return
        self._may_change(path)
        self._times[path] = now

    def stamp(self, path: str, now: int) -> None:
        """Set a time as the system does, who may do so anywhere."""
        self._times[path] = now

    def make(self, path: str, now: int) -> None:
        """Make one directory."""
        path = canonical(path)
        if self.exists(path):
            raise _error(errno.EEXIST, path)
        self._may_change(path)
        self._files[f"{path}/"] = ""
        self._times[path] = now

    def _may_change(self, path: str) -> None:
        parent = posixpath.dirname(path)
        if not self._is_directory(parent):
            raise _error(self._why_missing(path), path)
        if not any(_within(path, root) for root in _WRITABLE):
            frozen_part = "/" + path.split("/")[1] in _READ_ONLY or parent == "/"
            raise _error(errno.EROFS if frozen_part else errno.EACCES, path)

    def remove(self, path: str) -> None:
        """Remove a file, or a directory with all that is in it."""
        entry = self.find(path)
        self._may_change(entry.path)
        inside = f"{entry.path}/"
        for key in [key for key in self._files if key == entry.path or key.startswith(inside)]:
            del self._files[key]
        for key in [key for key in self._times if _within(key, entry.path)]:
            del self._times[key]

    def matching(self, pattern: str) -> list[str]:
        """The paths that a pattern such as `/sdcard/*.txt` stands for, sorted."""
        head, _, last = pattern.rpartition("/")
        folders = self.matching(head) if any(mark in head for mark in "*?[") else [head]
        return [f"{folder}/{name}" for folder in folders for name in self._visible(folder, last)]

    def _visible(self, folder: str, pattern: str) -> Iterator[str]:
        for name in self.names(folder or "/"):
            if fnmatchcase(name, pattern) and name.startswith(".") == pattern.startswith("."):
                yield name
