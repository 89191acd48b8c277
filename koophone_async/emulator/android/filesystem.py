"""The file system of a phone, with the permissions of the user `shell`."""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Iterator, MutableMapping
from fnmatch import fnmatchcase
from typing import Final

from attrs import define, frozen

SHARED: Final = "/storage/emulated/0"
_ALIASES: Final = ("/sdcard", "/mnt/sdcard", "/storage/self/primary")
_WRITABLE: Final = (SHARED, "/data/local/tmp")
_READ_ONLY: Final = ("/", "/system", "/vendor", "/product", "/odm", "/apex")

_MAX_FILE: Final = 1024 * 1024
"""The size limit of a file, in characters. A command of 1,024 bytes never needs more."""


def canonical(path: str) -> str:
    """Return an absolute path without dots, double slashes and aliases of the shared storage."""
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
    """A file or a directory, as a directory lists it."""

    path: str
    is_directory: bool
    size: int
    """Bytes."""

    modified: int
    """Seconds since 1970."""

    @property
    def is_shared(self) -> bool:
        """Whether it is in the storage that all apps share, which has its own owners and modes."""
        return _within(self.path, SHARED)


@define(eq=False)
class FileSystem:
    """Files by path. Methods that fail raise an `OSError` with the message of a phone."""

    _files: MutableMapping[str, str]
    _times: MutableMapping[str, int]
    _built: int
    """Modification time of the files of the factory image, in seconds since 1970."""

    def find(self, path: str) -> Entry:
        """Return the file or directory at a path."""
        path = canonical(path)
        if self._is_directory(path):
            return Entry(path, is_directory=True, size=4096, modified=self._times.get(path, self._built))
        if (text := self._files.get(path)) is None:
            raise _error(self._missing_error(path), path)
        size = len(text.encode(errors="replace"))
        return Entry(path, is_directory=False, size=size, modified=self._times.get(path, self._built))

    def exists(self, path: str) -> bool:
        """Whether there is a file or directory at a path."""
        path = canonical(path)
        return path in self._files or self._is_directory(path)

    def _is_directory(self, path: str) -> bool:
        return path == "/" or f"{path}/" in self._files

    def _missing_error(self, path: str) -> int:
        parent = posixpath.dirname(path)
        return errno.ENOTDIR if parent in self._files else errno.ENOENT

    def names(self, path: str) -> list[str]:
        """Return the names in a directory, sorted."""
        prefix = canonical(path).rstrip("/") + "/"
        below = (key[len(prefix) :].rstrip("/") for key in self._files if key.startswith(prefix))
        return sorted(name for name in below if name and "/" not in name)

    def read(self, path: str) -> str:
        """Return the text of a file."""
        if canonical(path) == "/dev/null":
            return ""
        if self.find(path).is_directory:
            raise _error(errno.EISDIR, path)
        return self._files[canonical(path)]

    def write(self, path: str, text: str, now: int, *, append: bool = False) -> None:
        """Write or append to a file; `/dev/null` discards the text."""
        path = canonical(path)
        if path == "/dev/null":
            return
        self._check_writable(path)
        if self._is_directory(path):
            raise _error(errno.EISDIR, path)
        text = self._files.get(path, "") + text if append else text
        if len(text) > _MAX_FILE:
            raise _error(errno.ENOSPC, path)
        self._files[path] = text
        self._times[path] = now

    def touch(self, path: str, now: int) -> None:
        """Set a modification time, or create an empty file."""
        path = canonical(path)
        if not self._is_directory(path):
            self.write(path, "", now, append=True)
            return
        self._check_writable(path)
        self._times[path] = now

    def stamp(self, path: str, now: int) -> None:
        """Set a modification time without checking permissions, as the system may."""
        self._times[path] = now

    def make(self, path: str, now: int) -> None:
        """Create a directory."""
        path = canonical(path)
        if self.exists(path):
            raise _error(errno.EEXIST, path)
        self._check_writable(path)
        self._files[f"{path}/"] = ""
        self._times[path] = now

    def _check_writable(self, path: str) -> None:
        parent = posixpath.dirname(path)
        if not self._is_directory(parent):
            raise _error(self._missing_error(path), path)
        if not any(_within(path, root) for root in _WRITABLE):
            is_read_only = "/" + path.split("/")[1] in _READ_ONLY or parent == "/"
            raise _error(errno.EROFS if is_read_only else errno.EACCES, path)

    def remove(self, path: str) -> None:
        """Remove a file, or a directory with its contents."""
        entry = self.find(path)
        self._check_writable(entry.path)
        inside = f"{entry.path}/"
        for key in [key for key in self._files if key == entry.path or key.startswith(inside)]:
            del self._files[key]
        for key in [key for key in self._times if _within(key, entry.path)]:
            del self._times[key]

    def matching(self, pattern: str) -> list[str]:
        """Return the paths that match a pattern such as `/sdcard/*.txt`, sorted."""
        head, _, last = pattern.rpartition("/")
        folders = self.matching(head) if any(mark in head for mark in "*?[") else [head]
        return [f"{folder}/{name}" for folder in folders for name in self._matching_names(folder, last)]

    def _matching_names(self, folder: str, pattern: str) -> Iterator[str]:
        for name in self.names(folder or "/"):
            if fnmatchcase(name, pattern) and name.startswith(".") == pattern.startswith("."):
                yield name
