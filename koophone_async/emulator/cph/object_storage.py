"""Object storage: tar files that exports wrote, or that are invented.

Nothing is downloaded. A tar file that no export wrote contains one file, which is named after it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Final

from attrs import define, field, frozen

from koophone_async.emulator.android.filesystem import SHARED
from koophone_async.emulator.android.system import Android
from koophone_async.emulator.fleet import Phone

_MEDIA: Final = "/data/media/0"
"""The path of the shared storage of a phone on its data disk."""


@frozen
class Tar:
    """The contents of a tar file."""

    files: Mapping[str, str] = field(factory=dict[str, str])
    """Texts by absolute path; a directory's path ends with a slash."""

    apps: Mapping[str, str] = field(factory=dict[str, str])
    """Versions by package."""

    sdk: int = 0
    """Of the phone that it was exported from; 0 for any."""


@define(eq=False)
class Storage:
    """Tar files, by bucket and path."""

    tars: dict[str, Tar] = field(factory=dict[str, Tar])

    def put(self, bucket: str, path: str, tar: Tar) -> None:
        """Store a tar file, replacing what was there."""
        self.tars[f"{bucket}/{path}"] = tar

    def has(self, bucket: str, path: str) -> bool:
        """Return whether a tar file was stored."""
        return f"{bucket}/{path}" in self.tars

    def get(self, place: str, where: str) -> Tar:
        """Return a tar file; an unknown one contains one file in the directory `where`.

        Args:
            place: Bucket and path.
            where: A directory, for a tar file that is unknown.
        """
        stem = posixpath.basename(place).removesuffix(".tar")
        return self.tars.get(place) or Tar({f"{where}/{stem}": f"{place}\n"})


def packed(phone: Phone, include: Iterable[str], exclude: Iterable[str]) -> Tar:
    """Pack what was changed on a phone under some paths, except under others."""
    android, wanted, unwanted = phone.android, list(include), list(exclude)

    def is_included(path: str) -> bool:
        return _under(path, wanted) and not _under(path, unwanted)

    changed = android.changed_files
    files = {p: text for p, text in changed.items() if text is not None and is_included(_on_data_disk(p))}
    apps = {
        package: version
        for package, version in android.apps.items()
        if not android.is_system(package) and is_included(f"/data/app/{package}-1/base.apk")
    }
    return Tar(files, apps, int(phone.release.sdk))


def _on_data_disk(path: str) -> str:
    return f"{_MEDIA}{path.removeprefix(SHARED)}" if path.startswith(f"{SHARED}/") else path


def _under(path: str, patterns: Iterable[str]) -> bool:
    bare = path.rstrip("/")
    return any(
        fnmatchcase(bare, pattern.rstrip("/")) or fnmatchcase(bare, f"{pattern.rstrip('/')}/*")
        for pattern in patterns
    )


def unpack(tar: Tar, android: Android, now: int) -> None:
    """Unpack a tar file at the root of a phone.

    Args:
        tar: What to unpack.
        android: Of the phone.
        now: Seconds since 1970, the time that the files get.
    """
    for path, text in tar.files.items():
        place = f"{SHARED}{path.removeprefix(_MEDIA)}" if path.startswith(f"{_MEDIA}/") else path
        _make_directories(android, posixpath.dirname(place.rstrip("/")))
        android.files[place] = text
        android.disk.stamp(place.rstrip("/"), now)
    for package, version in tar.apps.items():
        android.apps[package] = version


def _make_directories(android: Android, directory: str) -> None:
    while directory != "/":
        android.files[f"{directory}/"] = ""
        directory = posixpath.dirname(directory)
